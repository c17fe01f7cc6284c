//! Requests: the path below the API's own address, headers, query parameters, bodies, and what the client has already.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

use std::collections::HashMap;

use kernel::cloud_event::why_not;
use kernel::problem::Problem;
use lambda_http::http::header::IF_NONE_MATCH;
use lambda_http::{Request, RequestExt as _};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::content;

/// The path below the API's own address, without slashes at its ends. Behind a domain's base path, the gateway leaves
/// that in front.
pub fn path(request: &Request, public_url: &str) -> String {
    let path = request.raw_http_path();
    let base = public_url.splitn(4, '/').nth(3).unwrap_or_default();
    let below = path.trim_start_matches('/');
    let below = below.strip_prefix(base).filter(|rest| rest.starts_with('/')).unwrap_or(below);
    below.trim_matches('/').to_owned()
}

/// A header's value, if it is text.
pub fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    request.headers().get(name)?.to_str().ok()
}

/// Undoes percent-encoding; the gateway may or may not have done so already, and ids contain no `%`.
pub fn decode(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}

/// Whether the client has the version with this entity tag already (RFC 9110, section 13.1.2).
pub fn has_already(request: &Request, etag: &str) -> bool {
    let values = request.headers().get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .any(|tag| tag == "*" || tag.strip_prefix("W/").unwrap_or(tag) == etag)
}

/// The longest body that [`object`] reads, in bytes: a command's data, which has 256 KiB at most, and some words about it.
const MAX_OBJECT: usize = 320 * 1024;

/// Reads the body as a JSON object, whatever the content type says. No body at all is an object without members.
///
/// Query parameters are refused: beside a body they would have no effect.
pub fn object<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    object_beside(request, &[])
}

/// The same, where these query parameters have an effect.
pub fn object_beside<T: DeserializeOwned>(request: &Request, parameters: &[&str]) -> Result<T, Problem> {
    Parameters::of(request).expect_only(parameters)?;
    let body = content::decoded(request, MAX_OBJECT).map_err(|bad| bad.into_problem(Problem::bad_request))?;
    if body.starts_with("\u{feff}".as_bytes()) {
        return Err(Problem::bad_request("the body begins with a byte order mark (RFC 8259, section 8.1)"));
    }
    let body = body.trim_ascii();
    let body = if body.is_empty() { b"{}" } else { body };
    // A sequence would do for a struct.
    if body[0] != b'{' {
        return Err(Problem::bad_request("the body is a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let mut why = why_not(&error);
        why.truncate(why.floor_char_boundary(200));
        Problem::bad_request(format!("the body cannot be read: {why}"))
    })
}

/// Of a request whose body says nothing: it has none, or an object without members. Beside it, these query parameters have an
/// effect.
pub fn no_body(request: &Request, parameters: &[&str]) -> Result<(), Problem> {
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Nothing {}

    object_beside(request, parameters).map(|Nothing {}| ())
}

/// Query parameters by name, decoded.
pub struct Parameters {
    values: HashMap<String, String>,
    /// A name that was given more than once.
    repeated: Option<String>,
}

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

    /// Whether none but these were given.
    pub fn have_only(&self, names: &[&str]) -> bool {
        self.values.keys().all(|name| names.contains(&name.as_str()))
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

    /// A whole number in digits: `parse` alone would take a sign.
    pub fn number(&self, name: &str) -> Result<Option<u64>, Problem> {
        let Some(text) = self.text(name) else { return Ok(None) };
        let detail = match text.parse() {
            _ if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("{name} is a whole number, in digits")
            }
            Ok(number) => return Ok(Some(number)),
            Err(_) => format!("{name} is at most {}", u64::MAX),
        };
        Err(Problem::bad_request(detail))
    }

    /// Which of these values was given.
    pub fn one_of<'a>(&'a self, name: &str, values: &[&str]) -> Result<Option<&'a str>, Problem> {
        match self.text(name) {
            Some(value) if !values.contains(&value) => {
                Err(Problem::bad_request(format!("{name} is one of: {}", values.join(", "))))
            }
            value => Ok(value),
        }
    }

    /// How many entries to list: 1 to 100, 20 if not said.
    pub fn limit(&self) -> Result<usize, Problem> {
        match self.number("limit") {
            Ok(None) => Ok(20),
            Ok(Some(limit @ 1..=100)) => Ok(usize::try_from(limit).unwrap_or(100)),
            _ => Err(Problem::bad_request("limit is 1 to 100")),
        }
    }
}
