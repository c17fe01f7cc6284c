//! Batches: packing entries so that both bounds of an AWS batch call are kept, number and total size, and sending them to
//! a queue in order.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use kernel::back_off::BackOff;

use crate::error::SendError;

/// Entries in any SQS or SNS batch call.
pub const MAX_ENTRIES: usize = 10;

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

/// An entry's id before it has its place in a batch.
pub const UNNUMBERED: &str = "0";

/// Sends messages to a queue, in order per group of a FIFO queue, in as few calls as that and SQS allow.
///
/// Of a batch SQS may take some entries and refuse others, so no call holds two messages of one group: the second might
/// be in the queue before the first. Only messages of FIFO queues have a deduplication id; the groups of other queues have
/// no order.
pub async fn send_in_order(
    client: &Client,
    queue_url: &str,
    messages: Vec<SendMessageBatchRequestEntry>,
) -> Result<(), SendError> {
    /// What SQS takes in one call, bodies and attributes together.
    const MAX_BATCH_BYTES: usize = 1024 * 1024;
    let ordered = |message: &SendMessageBatchRequestEntry| {
        message.message_group_id.clone().filter(|_| message.message_deduplication_id.is_some())
    };
    for round in rounds(messages, ordered) {
        for mut batch in pack(round, MAX_BATCH_BYTES, weight) {
            for (index, entry) in batch.iter_mut().enumerate() {
                entry.id = index.to_string();
            }
            send_batch(client, queue_url, batch).await?;
        }
    }
    Ok(())
}

/// What SQS counts: the body, and of each attribute its name, its type and its value.
fn weight(message: &SendMessageBatchRequestEntry) -> usize {
    let attributes = message.message_attributes.iter().flatten();
    let of_attributes = attributes.map(|(name, attribute)| {
        name.len() + attribute.data_type.len() + attribute.string_value.as_ref().map_or(0, String::len)
    });
    message.message_body.len() + of_attributes.sum::<usize>()
}

/// The first message of each group, then the second of each, and so on. What has no group goes first.
fn rounds<T>(messages: Vec<T>, group: impl Fn(&T) -> Option<String>) -> Vec<Vec<T>> {
    let mut rounds: Vec<Vec<T>> = Vec::new();
    let mut sent: HashMap<String, usize> = HashMap::new();
    for message in messages {
        let round = group(&message).map_or(0, |group| {
            let nth = sent.entry(group).or_default();
            *nth += 1;
            *nth - 1
        });
        if round == rounds.len() {
            rounds.push(Vec::new());
        }
        rounds[round].push(message);
    }
    rounds
}

/// Sends one batch, and what SQS refuses of it for a passing reason again.
async fn send_batch(
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

/// A pause before the `nth` retry (from 0).
pub(crate) async fn back_off(nth: u32) {
    const BACK_OFF: BackOff = BackOff::of_millis(50, 3200);
    tokio::time::sleep(BACK_OFF.equal_jitter(nth, fastrand::f64())).await;
}

#[cfg(test)]
mod tests {
    use aws_sdk_sqs::types::MessageAttributeValue;

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

    #[test]
    fn no_round_holds_two_messages_of_a_group_and_each_group_keeps_its_order() {
        let group = |message: &&str| Some(message[..1].to_owned());
        let messages = vec!["a1", "a2", "b1", "a3", "b2"];
        assert_eq!(rounds(messages, group), [vec!["a1", "b1"], vec!["a2", "b2"], vec!["a3"]]);
    }

    #[test]
    fn what_has_no_group_goes_first() {
        let group = |message: &&str| message.contains('-').then(|| message[..1].to_owned());
        let messages = vec!["a-1", "a-2", "free", "a-3", "also free"];
        assert_eq!(rounds(messages, group), [vec!["a-1", "free", "also free"], vec!["a-2"], vec!["a-3"]]);
        assert_eq!(rounds(vec!["free"], group), [["free"]]);
        assert_eq!(rounds(Vec::<&str>::new(), group), [] as [Vec<&str>; 0]);
    }

    #[test]
    fn a_message_weighs_what_sqs_counts() {
        let value = MessageAttributeValue::builder().data_type("String").string_value("three").build();
        let message = SendMessageBatchRequestEntry::builder()
            .id(UNNUMBERED)
            .message_body("body")
            .message_attributes("name", value.expect("all that is required is there"));
        assert_eq!(weight(&message.build().expect("all that is required is there")), 4 + 4 + 6 + 5);
    }
}
