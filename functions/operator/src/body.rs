//! Bodies of requests: JSON, whatever the content type says.

use kernel::problem::Problem;
use lambda_http::Request;
use serde::de::DeserializeOwned;

/// Most characters of an operator's reason: a sentence or two for a colleague, and of a discarded command for its
/// sender.
const LONGEST_REASON: usize = 1000;

/// Most messages in one request.
const MOST_IDS: usize = 100;

/// Reads an object. No body at all is one without members.
pub(crate) fn read<T: DeserializeOwned>(request: &Request) -> Result<T, Problem> {
    let body: &[u8] = request.body().as_ref();
    let body = body.trim_ascii();
    let body = if body.is_empty() { b"{}" } else { body };
    // A sequence would do for a struct.
    if body[0] != b'{' {
        return Err(Problem::bad_request("the body is a JSON object"));
    }
    serde_json::from_slice(body).map_err(|error| {
        let mut why = error.to_string();
        why.truncate(why.floor_char_boundary(200));
        Problem::bad_request(format!("the body cannot be read: {why}"))
    })
}

/// An operator's reason, if there is one in it.
pub(crate) fn reason(reason: Option<String>) -> Result<Option<String>, Problem> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    match reason {
        Some(reason) if reason.chars().count() > LONGEST_REASON => {
            Err(Problem::bad_request(format!("the reason is at most {LONGEST_REASON} characters")))
        }
        reason => Ok(reason),
    }
}

/// A reason that must be there.
pub(crate) fn some_reason(given: Option<String>) -> Result<String, Problem> {
    reason(given)?.ok_or_else(|| Problem::bad_request("say why: the reason is what the command's sender is told"))
}

/// Ids of a group, as they were listed.
pub(crate) fn check_ids(ids: &[String]) -> Result<(), Problem> {
    if (1..=MOST_IDS).contains(&ids.len()) {
        Ok(())
    } else {
        Err(Problem::bad_request(format!("ids are 1 to {MOST_IDS} ids of parked messages")))
    }
}
