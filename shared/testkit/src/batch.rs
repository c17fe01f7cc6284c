//! What SQS and SNS ask of every batch: 1 to 10 entries with distinct, well-formed ids.

use std::collections::HashSet;

use crate::answer::Refusal;

const MAX_ENTRIES: usize = 10;
const MAX_ID: usize = 80;

/// `prefix` is what the service writes before its error codes.
pub(crate) fn check<'a>(prefix: &str, ids: impl ExactSizeIterator<Item = &'a str> + Clone) -> Result<(), Refusal> {
    let refuse = |code: &str, message: String| Err(Refusal::bad_request(format!("{prefix}{code}"), message));
    if ids.len() == 0 {
        return refuse("EmptyBatchRequest", "There should be at least one entry in the request.".to_owned());
    }
    if ids.len() > MAX_ENTRIES {
        let message = format!("Maximum number of entries per request are {MAX_ENTRIES}. You have sent {}.", ids.len());
        return refuse("TooManyEntriesInBatchRequest", message);
    }
    let mut seen = HashSet::new();
    for id in ids {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        if id.is_empty() || id.len() > MAX_ID || !id.chars().all(allowed) {
            let message = "A batch entry id can only contain alphanumeric characters, hyphens and underscores. It can be at most 80 letters long.";
            return refuse("InvalidBatchEntryId", message.to_owned());
        }
        if !seen.insert(id) {
            return refuse("BatchEntryIdsNotDistinct", format!("Id {id} repeated."));
        }
    }
    Ok(())
}

/// `BatchRequestTooLong` if the entries together are larger than the limit.
pub(crate) fn check_size(prefix: &str, limit: usize, size: usize) -> Result<(), Refusal> {
    if size <= limit {
        return Ok(());
    }
    let message = format!("Batch requests cannot be longer than {limit} bytes. You have sent {size} bytes.");
    Err(Refusal::bad_request(format!("{prefix}BatchRequestTooLong"), message))
}
