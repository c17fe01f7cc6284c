//! What operators send along: reasons, and ids.

use kernel::problem::Problem;

/// Most characters of an operator's reason: a sentence or two for a colleague, and of a discarded command for its
/// sender.
const LONGEST_REASON: usize = 1000;

/// Most messages in one request.
const MOST_IDS: usize = 100;

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
