//! When a queue hands out again what was received and not deleted.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry;

use crate::error::SendError;
use crate::pack::MAX_ENTRIES;

/// A received message, and how long its queue hides it from now on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visibility {
    /// Of the last receive.
    pub receipt_handle: String,
    /// In whole seconds. SQS hides a message for twelve hours after its receive at most.
    pub hidden_for: Duration,
}

/// Hides these messages for a time of their own, in one call for ten. What SQS refuses, and after an error perhaps more,
/// stays hidden for as long as it was to be before.
pub async fn change_visibility(client: &Client, queue_url: &str, messages: &[Visibility]) -> Result<(), SendError> {
    const OPERATION: &str = "ChangeMessageVisibilityBatch";
    let mut refused = Vec::new();
    for messages in messages.chunks(MAX_ENTRIES) {
        let entry = |(index, message): (usize, &Visibility)| {
            ChangeMessageVisibilityBatchRequestEntry::builder()
                .id(index.to_string())
                .receipt_handle(&message.receipt_handle)
                .visibility_timeout(i32::try_from(message.hidden_for.as_secs()).unwrap_or(i32::MAX))
                .build()
                .expect("all that is required is there")
        };
        let entries = messages.iter().enumerate().map(entry).collect();
        let request = client.change_message_visibility_batch().queue_url(queue_url).set_entries(Some(entries));
        refused.extend(request.send().await.map_err(SendError::unavailable(OPERATION))?.failed);
    }
    match refused.first() {
        None => Ok(()),
        Some(first) => Err(SendError::Refused { operation: OPERATION, count: refused.len(), code: first.code.clone() }),
    }
}
