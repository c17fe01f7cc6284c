//! Packing entries into batches that keep both bounds of an AWS batch call: number and total size.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::error::SendError;

/// Entries in any SQS or SNS batch call.
pub(crate) const MAX_ENTRIES: usize = 10;

/// How often refused entries of a batch are tried again before the batch counts as failed.
pub(crate) const RETRIES: u32 = 3;

/// Splits `entries` into batches, in order, each of at most ten entries and `max_bytes` in total.
pub(crate) fn pack<T>(entries: Vec<T>, max_bytes: usize, size: impl Fn(&T) -> usize) -> Vec<Vec<T>> {
    let mut batches: Vec<Vec<T>> = Vec::new();
    let mut bytes = 0;
    for entry in entries {
        let entry_bytes = size(&entry);
        match batches.last_mut() {
            Some(batch) if batch.len() < MAX_ENTRIES && bytes + entry_bytes <= max_bytes => {
                batch.push(entry);
                bytes += entry_bytes;
            }
            _ => {
                batches.push(vec![entry]);
                bytes = entry_bytes;
            }
        }
    }
    batches
}

/// Sends one batch, and what SQS refuses of it for a passing reason again.
pub(crate) async fn send_batch(
    client: &Client,
    queue_url: &str,
    mut entries: Vec<SendMessageBatchRequestEntry>,
) -> Result<(), SendError> {
    const OPERATION: &str = "SendMessageBatch";
    for retry in 0.. {
        let request = client.send_message_batch().queue_url(queue_url).set_entries(Some(entries.clone()));
        let failed = request.send().await.map_err(SendError::unavailable(OPERATION))?.failed;
        let Some(first) = failed.first() else { break };
        if retry == RETRIES || failed.iter().any(|failed| failed.sender_fault) {
            let (count, code) = (failed.len(), first.code.clone());
            return Err(SendError::Refused { operation: OPERATION, count, code });
        }
        entries.retain(|entry| failed.iter().any(|failed| failed.id == entry.id));
        back_off(retry).await;
    }
    Ok(())
}

/// A pause before the `nth` retry (from 0): exponential, with full jitter.
pub(crate) async fn back_off(nth: u32) {
    let most = 50 << nth.min(6);
    tokio::time::sleep(Duration::from_millis(fastrand::u64(most / 2..=most))).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_ends_at_ten_entries() {
        let sizes: Vec<usize> = pack(vec![1; 25], 1000, |size| *size).iter().map(Vec::len).collect();
        assert_eq!(sizes, [10, 10, 5]);
    }

    #[test]
    fn a_batch_ends_before_it_is_too_heavy_and_keeps_the_order() {
        assert_eq!(pack(vec![60, 40, 1, 100, 5], 100, |size| *size), [vec![60, 40], vec![1], vec![100], vec![5]]);
    }

    #[test]
    fn nothing_needs_no_batch() {
        assert!(pack(Vec::<usize>::new(), 100, |size| *size).is_empty());
    }
}
