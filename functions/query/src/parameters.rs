//! What query parameters mean in lists.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::context::ReadModel;
use kernel::ids::AggregateId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::request::Parameters;

/// Bytes of a value that documents are found by: with tenant and collection it makes a key, and DynamoDB's take 2048.
const LONGEST_FILTER: usize = 1024;

/// What documents are to be found by.
pub(crate) fn filter<'a>(parameters: &'a Parameters, name: &str) -> Result<Option<&'a str>, Problem> {
    match parameters.text(name) {
        Some(value) if value.len() > LONGEST_FILTER => {
            Err(Problem::bad_request(format!("{name} is at most {LONGEST_FILTER} bytes")))
        }
        value => Ok(value),
    }
}

/// The state that documents are to be in: one of those that there are, where no others can come.
pub(crate) fn state<'a>(parameters: &'a Parameters, read_model: &dyn ReadModel) -> Result<Option<&'a str>, Problem> {
    let name = read_model.filters().state;
    match read_model.states() {
        [] => filter(parameters, name),
        states => parameters.one_of(name, states),
    }
}

/// Where to go on, as an earlier answer gave it: a place in a list is a time and an id.
pub(crate) fn place(parameters: &Parameters) -> Result<Option<String>, Problem> {
    let read = |text: &str| {
        let place = String::from_utf8(BASE64.decode(text).ok()?).ok()?;
        let (time, id) = place.split_once('#')?;
        (Timestamp::parse(time).is_some() && AggregateId::parse(id).is_ok()).then_some(place)
    };
    match parameters.text("cursor").map(read) {
        Some(None) => Err(Problem::bad_request("the cursor is not one that was given out")),
        Some(cursor) => Ok(cursor),
        None => Ok(None),
    }
}

/// A place in a list, in a form that promises nothing about what is in it.
pub(crate) fn cursor(place: &str) -> String {
    BASE64.encode(place)
}

/// A value as it stands in a URL's query.
pub(crate) fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
