//! What query parameters mean in lists.

use kernel::context::ReadModel;
use kernel::problem::Problem;
use lambda::request::Parameters;

use crate::cursor;

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

/// Where to go on, as an earlier answer gave it.
pub(crate) fn place(parameters: &Parameters) -> Result<Option<String>, Problem> {
    match parameters.text("cursor").map(cursor::read) {
        Some(None) => Err(Problem::bad_request("the cursor is not one that was given out")),
        Some(cursor) => Ok(cursor),
        None => Ok(None),
    }
}

/// A value as it stands in a URL's query.
pub(crate) fn encode(value: &str) -> String {
    percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC).to_string()
}
