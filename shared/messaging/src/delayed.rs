//! Messages that a queue hands out later.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::error::SendError;
use crate::pack::{UNNUMBERED, send_in_order};

/// The longest that SQS keeps a message back.
pub const MAX_DELAY: Duration = Duration::from_mins(15);

/// A message of a standard queue that is handed out after a while.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delayed {
    pub body: String,
    /// Whose it is: SQS keeps one group's flood from holding up the messages of others.
    pub fair_group: String,
    /// Rounded up to whole seconds. At most [`MAX_DELAY`].
    pub delay: Duration,
}

/// Sends all of them, in as few calls as SQS allows. After an error some may be queued and some not.
pub async fn send_delayed(client: &Client, queue_url: &str, messages: Vec<Delayed>) -> Result<(), SendError> {
    let entries = messages.into_iter().map(|Delayed { body, fair_group, delay }| {
        let seconds = delay.min(MAX_DELAY).as_millis().div_ceil(1000);
        SendMessageBatchRequestEntry::builder()
            .id(UNNUMBERED)
            .message_body(body)
            .message_group_id(fair_group)
            .delay_seconds(i32::try_from(seconds).unwrap_or_default())
            .build()
            .expect("all that is required is there")
    });
    send_in_order(client, queue_url, entries.collect()).await
}
