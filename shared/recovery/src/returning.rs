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
    pub group: MessageGroup,
    /// For a FIFO queue alone. Must differ from ids used in the last five minutes, or SQS drops the message as a duplicate.
    pub deduplication_id: String,
    pub failure: Failure,
}

/// What other messages a message belongs to in its queue.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum MessageGroup {
    #[default]
    None,
    /// Of a FIFO queue: its messages are handed out in order.
    Ordered(String),
    /// Of a standard queue, in no order. The group is the tenant: SQS keeps one tenant's flood from holding up others.
    Fair(String),
}

impl MessageGroup {
    pub(crate) fn of(queue: &str, name: Option<String>) -> Self {
        match name {
            None => Self::None,
            Some(name) if is_fifo(queue) => Self::Ordered(name),
            Some(name) => Self::Fair(name),
        }
    }

    /// The group that a message waits with.
    pub fn ordered(&self) -> Option<&str> {
        if let Self::Ordered(name) = self { Some(name) } else { None }
    }
}

/// Sends all of them to the queue, in order per group of a FIFO queue, in as few calls as that and SQS allow. After an
/// error some may be queued and some not.
pub async fn send_back(client: &Client, queue_url: &str, messages: Vec<Returning>) -> Result<(), SendError> {
    let entries = messages.into_iter().map(|message| {
        let (group, deduplication_id) = match message.group {
            MessageGroup::None => (None, None),
            MessageGroup::Ordered(name) => (Some(name), Some(message.deduplication_id)),
            MessageGroup::Fair(name) => (Some(name), None),
        };
        SendMessageBatchRequestEntry::builder()
            .id(UNNUMBERED)
            .message_body(message.body)
            .set_message_group_id(group)
            .set_message_deduplication_id(deduplication_id)
            .set_message_attributes(Some(message.failure.attributes()))
            .build()
            .expect("all that is required is there")
    });
    send_in_order(client, queue_url, entries.collect()).await
}
