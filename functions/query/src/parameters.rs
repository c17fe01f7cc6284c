//! Query parameters, and conditional requests.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::ids::AggregateId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda_http::http::header::IF_NONE_MATCH;
use lambda_http::{Request, RequestExt as _};

/// Parameters by name, decoded.
pub(crate) struct Parameters {
    values: HashMap<String, String>,
    /// One that was given more than once.
    repeated: Option<String>,
}

/// Bytes of a value that documents are found by: with tenant and collection it makes a key, and DynamoDB's take 2048.
const LONGEST_FILTER: usize = 1024;

impl Parameters {
    pub fn of(request: &Request) -> Self {
        let mut parameters = Self { values: HashMap::new(), repeated: None };
        for (name, value) in request.query_string_parameters().iter() {
            if parameters.values.insert(name.to_owned(), value.to_owned()).is_some() {
                parameters.repeated = Some(name.to_owned());
            }
        }
        parameters
    }

    /// Refuses names that mean nothing here, so that a misspelt filter does not read as none; and a name given twice,
    /// of which only one value would count.
    pub fn expect_only(&self, known: &[&str]) -> Result<(), Problem> {
        if let Some(name) = self.values.keys().find(|name| !known.contains(&name.as_str())) {
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(Problem::bad_request(format!("the parameter {name} means nothing here; known: {known}")));
        }
        match &self.repeated {
            None => Ok(()),
            Some(name) => Err(Problem::bad_request(format!("the parameter {name} is given twice"))),
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str)
    }

    /// What documents are to be found by.
    pub fn filter(&self, name: &str) -> Result<Option<&str>, Problem> {
        match self.text(name) {
            Some(value) if value.len() > LONGEST_FILTER => {
                Err(Problem::bad_request(format!("{name} is at most {LONGEST_FILTER} bytes")))
            }
            value => Ok(value),
        }
    }

    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let parse = |text: &str| text.parse().map_err(|_| Problem::bad_request(format!("{name} is a whole number")));
        self.text(name).map(parse).transpose()
    }

    /// How many entries to list: 1 to 100, 20 if not said.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.number("limit")? {
            None => Ok(20),
            Some(limit @ 1..=100) => Ok(usize::try_from(limit).unwrap_or(100)),
            Some(_) => Err(Problem::bad_request("limit is 1 to 100")),
        }
    }

    /// Where to go on, as an earlier answer gave it: a place in a list is a time and an id.
    pub fn cursor(&self) -> Result<Option<String>, Problem> {
        let read = |text: &str| {
            let place = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
            let (time, id) = place.split_once('#')?;
            (Timestamp::parse(time).is_some() && AggregateId::parse(id).is_ok()).then_some(place)
        };
        match self.text("cursor").map(read) {
            Some(None) => Err(Problem::bad_request("the cursor is not one that was given out")),
            Some(cursor) => Ok(cursor),
            None => Ok(None),
        }
    }
}

/// A place in a list, in a form that promises nothing about what is in it.
pub(crate) fn cursor(place: &str) -> String {
    BASE64.encode(place)
}

/// Undoes percent-encoding; the gateway may or may not have done so already, and ids contain no `%`.
pub(crate) fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// A value as it stands in a URL's query.
pub(crate) fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Whether the client has the version with this entity tag already (RFC 9110, section 13.1.2).
pub(crate) fn has_already(request: &Request, etag: &str) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}
