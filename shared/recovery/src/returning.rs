//! Sending a message to a queue that it was in before, or to that queue's dead letters.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;
use messaging::SendError;
use messaging::pack::{UNNUMBERED, send_in_order};
use messaging::queues::is_fifo;

use crate::failure::Failure;

/// A message on its way to a queue that it was in before, or to that queue's dead letters.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Returning {
    pub body: String,
    /// In a FIFO queue: its group, and what tells a repeat.
    pub order: Option<Order>,
    /// In a standard queue: its group there.
    pub fair_group: Option<String>,
    pub failure: Failure,
}

/// A message's group: the one of a FIFO queue, which gives an order, and the one of a standard queue, which gives none.
/// In a standard queue it is the tenant, and SQS keeps one group's flood from holding up the messages of others.
pub(crate) fn groups(queue: &str, group: Option<String>) -> (Option<String>, Option<String>) {
    if is_fifo(queue) { (group, None) } else { (None, group) }
}

/// Its place in a FIFO queue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Order {
    pub group: String,
    /// Must differ from ids used in the last five minutes, or SQS drops the message as a duplicate.
    pub deduplication_id: String,
}

/// Sends all of them to the queue, in order per group of a FIFO queue, in as few calls as that and SQS allow. After an
/// error some may be queued and some not.
pub async fn send_back(client: &Client, queue_url: &str, messages: Vec<Returning>) -> Result<(), SendError> {
    let entries = messages.into_iter().map(|message| {
        let (ordered, deduplication_id) = message.order.map(|order| (order.group, order.deduplication_id)).unzip();
        SendMessageBatchRequestEntry::builder()
            .id(UNNUMBERED)
            .message_body(message.body)
            .set_message_group_id(ordered.or(message.fair_group))
            .set_message_deduplication_id(deduplication_id)
            .set_message_attributes(Some(message.failure.attributes()))
            .build()
            .expect("all that is required is there")
    });
    send_in_order(client, queue_url, entries.collect()).await
}
