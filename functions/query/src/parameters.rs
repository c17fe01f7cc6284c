//! Query parameters, and conditional requests.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::problem::Problem;
use lambda_http::http::header::IF_NONE_MATCH;
use lambda_http::{Request, RequestExt as _};

/// Parameters by name, decoded.
pub(crate) struct Parameters(HashMap<String, String>);

impl Parameters {
    pub fn of(request: &Request) -> Self {
        let parameters = request.query_string_parameters();
        Self(parameters.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect())
    }

    /// Refuses names that mean nothing here, so that a misspelt filter does not read as none.
    pub fn expect_only(&self, known: &[&str]) -> Result<(), Problem> {
        match self.0.keys().find(|name| !known.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(Problem::bad_request(format!("the parameter {name} means nothing here; known: {known}")))
            }
        }
    }

    pub fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
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

    /// Where to go on, as an earlier answer gave it.
    pub fn cursor(&self) -> Result<Option<String>, Problem> {
        let read = |text: &str| {
            let bytes = BASE64.decode(text).ok()?;
            String::from_utf8(bytes).ok()
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
