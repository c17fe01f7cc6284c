//! What query parameters mean in lists and reports.

use std::ops::RangeInclusive;

use kernel::context::ReadModel;
use kernel::day::Day;
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

/// A report's days are at most so many: a leap year.
const MOST_DAYS: u64 = 366;

/// The days that a report is of, the last one included; `None`: it is of all time.
pub(crate) fn days(parameters: &Parameters) -> Result<Option<RangeInclusive<Day>>, Problem> {
    let day = |name| match parameters.text(name).map(Day::parse) {
        Some(None) => Err(Problem::bad_request(format!("{name} is a day from 1970 on, such as 2026-01-31"))),
        Some(day) => Ok(day),
        None => Ok(None),
    };
    match (day("from")?, day("to")?) {
        (None, None) => Ok(None),
        (Some(from), Some(to)) if to < from => Err(Problem::bad_request("to is not before from")),
        (Some(from), Some(to)) if to.since(from) >= MOST_DAYS => {
            Err(Problem::bad_request(format!("from and to are at most {MOST_DAYS} days, both of them included")))
        }
        (Some(from), Some(to)) => Ok(Some(from..=to)),
        _ => Err(Problem::bad_request("from and to are given together, or neither of them")),
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
