//! Preconditions of a request (RFC 9110, section 13.1), and of an event: a command that is to take effect only while its
//! aggregate is as its sender read it.
//!
//! Here they are read, and go with the command. Whether they hold, the command handler finds out when it decides.

use kernel::cloud_event::CloudEvent;
use kernel::domain_event::extension;
use kernel::expected_version::{expected_version, parse};
use kernel::problem::Problem;
use lambda_http::http::HeaderMap;
use lambda_http::http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};

/// The event, with the version that the request's `If-Match` or `If-None-Match` expects as its `expectedversion`.
pub(crate) fn applied(headers: &HeaderMap, event: CloudEvent) -> Result<CloudEvent, Problem> {
    let Some((header, version)) = expected_by(headers)? else { return Ok(event) };
    match expected_version(&event) {
        Ok(Some(own)) if own != version => Err(Problem::malformed_event(format!(
            "the event's expectedversion is {own}, and the header {header} asks for {version}"
        ))
        .about(extension::EXPECTED_VERSION)),
        _ => event.with_extension(extension::EXPECTED_VERSION, version.to_string()).map_err(Problem::from),
    }
}

/// Refuses preconditions of a whole batch: each of its events is for an aggregate of its own.
pub(crate) fn none_of_a_batch(headers: &HeaderMap) -> Result<(), Problem> {
    match expected_by(headers)? {
        None => Ok(()),
        Some((header, _)) => Err(Problem::bad_request(format!(
            "{header} cannot be said of a batch; give each of its events an expectedversion"
        ))),
    }
}

/// The precondition's name and the version that it expects; `None` where the request has none.
fn expected_by(headers: &HeaderMap) -> Result<Option<(&'static str, u64)>, Problem> {
    match (value(headers, &IF_MATCH)?, value(headers, &IF_NONE_MATCH)?) {
        (None, None) => Ok(None),
        (Some(tag), None) => version(tag).map(|version| Some(("If-Match", version))).ok_or_else(|| {
            let detail = "If-Match takes one entity tag, as a read of the aggregate gave it in ETag, such as \"7\"";
            Problem::bad_request(detail)
        }),
        (None, Some("*")) => Ok(Some(("If-None-Match", 0))),
        (None, Some(_)) => Err(Problem::bad_request("If-None-Match takes *: the aggregate is not there yet")),
        (Some(_), Some(_)) => Err(Problem::bad_request("If-Match and If-None-Match cannot both hold; send one")),
    }
}

/// The version that an entity tag stands for, whatever the layout behind it. A weak one says too little: section 13.1.1
/// compares strongly.
fn version(tag: &str) -> Option<u64> {
    let tag = tag.strip_prefix('"')?.strip_suffix('"')?;
    match tag.split_once('.') {
        Some((version, layout)) => parse(layout).and(parse(version)),
        None => parse(tag),
    }
}

fn value<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Option<&'a str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map(|value| value.to_str().map(str::trim));
    match (value.transpose(), values.next()) {
        (Ok(value), None) => Ok(value),
        _ => Err(Problem::bad_request(format!("{name} is given more than once, or is not text"))),
    }
}
