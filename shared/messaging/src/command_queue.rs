//! Command queues: SQS FIFO, one per context, or a tenant's own.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::error::SendError;
use crate::pack::{UNNUMBERED, send_in_order};

/// The most that a message may weigh on its whole way: what SNS carries at the end of it, 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// A command ready to be queued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outgoing {
    pub queue_url: String,
    /// The `CloudEvent` as JSON.
    pub body: String,
    /// The stream: commands of one group are handled in order, one batch at a time.
    pub group: String,
    /// The command key: a repeat within five minutes does not even reach the queue.
    pub deduplication_id: String,
}

/// Sends commands.
#[derive(Debug, Clone)]
pub struct CommandQueue {
    client: Client,
}

impl CommandQueue {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// Sends one command in one call.
    pub async fn send(&self, command: Outgoing) -> Result<(), SendError> {
        self.client
            .send_message()
            .queue_url(command.queue_url)
            .message_body(command.body)
            .message_group_id(command.group)
            .message_deduplication_id(command.deduplication_id)
            .send()
            .await
            .map_err(SendError::unavailable("SendMessage"))?;
        Ok(())
    }

    /// Sends many commands, in order per group, in as few calls as that and SQS allow. After an error some may be queued
    /// and some not; sent again, those that are queued do not queue twice.
    pub async fn send_all(&self, commands: Vec<Outgoing>) -> Result<(), SendError> {
        let mut by_queue: Vec<(String, Vec<Outgoing>)> = Vec::new();
        for command in commands {
            match by_queue.iter_mut().find(|(url, _)| *url == command.queue_url) {
                Some((_, same)) => same.push(command),
                None => by_queue.push((command.queue_url.clone(), vec![command])),
            }
        }
        for (queue_url, commands) in by_queue {
            let entries = commands.into_iter().map(|command| {
                SendMessageBatchRequestEntry::builder()
                    .id(UNNUMBERED)
                    .message_body(command.body)
                    .message_group_id(command.group)
                    .message_deduplication_id(command.deduplication_id)
                    .build()
                    .expect("all that is required is there")
            });
            send_in_order(&self.client, &queue_url, entries.collect()).await?;
        }
        Ok(())
    }
}
