//! Dead-letter queues: what goes into them, and what they hold.
//!
//! SQS moves a message there that was received too often. A consumer that knows why it fails sends the message itself,
//! on its last receive, with the reason as an attribute: so attempts, first failure and last error travel with it.

use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName};
use kernel::timestamp::Timestamp;
use messaging::pack::MAX_ENTRIES;
use messaging::{SendError, Visibility, change_visibility};

use crate::failure::Failure;
use crate::returning::{MessageGroup, Returning, send_back};

/// A dead letter that was received and is hidden from others for a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeadLetter {
    pub message_id: String,
    pub body: String,
    pub group: MessageGroup,
    /// When it was sent; in a FIFO queue, to this queue.
    pub sent_at: Timestamp,
    pub failure: Failure,
    receipt_handle: String,
}

/// How many messages a queue holds, about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Depth {
    pub visible: u64,
    /// Received by somebody, and neither deleted nor given back.
    pub in_flight: u64,
}

/// A dead-letter queue.
#[derive(Debug, Clone)]
pub struct DeadLetters {
    client: Client,
    url: String,
}

/// How often entries that SQS refused are tried again at once.
const TRIES: u32 = 3;

impl DeadLetters {
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn depth(&self) -> Result<Depth, SendError> {
        let (visible, in_flight) = (
            QueueAttributeName::ApproximateNumberOfMessages,
            QueueAttributeName::ApproximateNumberOfMessagesNotVisible,
        );
        let answer = self
            .client
            .get_queue_attributes()
            .queue_url(&self.url)
            .attribute_names(visible.clone())
            .attribute_names(in_flight.clone())
            .send()
            .await
            .map_err(SendError::unavailable("GetQueueAttributes"))?;
        let attributes = answer.attributes.unwrap_or_default();
        let number = |name| attributes.get(&name).and_then(|count| count.parse().ok()).unwrap_or_default();
        Ok(Depth { visible: number(visible), in_flight: number(in_flight) })
    }

    /// Up to ten dead letters, hidden from others for `hidden_for`. FIFO: in order per group, and nothing of a group
    /// of which something is hidden already.
    pub async fn receive(&self, hidden_for: Duration) -> Result<Vec<DeadLetter>, SendError> {
        let seconds = i32::try_from(hidden_for.as_secs()).unwrap_or(i32::MAX);
        let answer = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(10)
            .visibility_timeout(seconds)
            // Without a wait SQS asks some of its servers only, and may find nothing where there is something.
            .wait_time_seconds(1)
            .message_attribute_names("All")
            .message_system_attribute_names(MessageSystemAttributeName::SentTimestamp)
            .message_system_attribute_names(MessageSystemAttributeName::MessageGroupId)
            .send()
            .await
            .map_err(SendError::unavailable("ReceiveMessage"))?;
        Ok(answer.messages.unwrap_or_default().into_iter().map(|message| DeadLetter::of(&self.url, message)).collect())
    }

    /// When the oldest of the first few was sent: a look that hides nothing.
    pub async fn oldest(&self) -> Result<Option<Timestamp>, SendError> {
        Ok(self.receive(Duration::ZERO).await?.iter().map(|letter| letter.sent_at).min())
    }

    /// They are dealt with: sent back or parked. After an error some may still be there.
    pub async fn delete(&self, letters: &[DeadLetter]) -> Result<(), SendError> {
        const OPERATION: &str = "DeleteMessageBatch";
        for letters in letters.chunks(MAX_ENTRIES) {
            let entry = |(index, letter): (usize, &DeadLetter)| {
                let entry = DeleteMessageBatchRequestEntry::builder().id(index.to_string());
                entry.receipt_handle(&letter.receipt_handle).build().expect("all that is required is there")
            };
            let mut entries: Vec<_> = letters.iter().enumerate().map(entry).collect();
            for attempt in 1.. {
                let request = self.client.delete_message_batch().queue_url(&self.url);
                let answer = request.set_entries(Some(entries.clone())).send().await;
                let failed = answer.map_err(SendError::unavailable(OPERATION))?.failed;
                let Some(first) = failed.first() else { break };
                if attempt == TRIES {
                    let (count, code) = (failed.len(), first.code.clone());
                    return Err(SendError::Refused { operation: OPERATION, count, code });
                }
                entries.retain(|entry| failed.iter().any(|failed| failed.id == entry.id));
            }
        }
        Ok(())
    }

    /// Others may have them at once. After an error some stay hidden, and come back by themselves when their time is over.
    pub async fn give_back(&self, letters: &[DeadLetter]) -> Result<(), SendError> {
        let visible = |letter: &DeadLetter| Visibility {
            receipt_handle: letter.receipt_handle.clone(),
            hidden_for: Duration::ZERO,
        };
        change_visibility(&self.client, &self.url, &letters.iter().map(visible).collect::<Vec<_>>()).await
    }

    /// Adds a message that fails for good in its own queue.
    pub async fn bury(&self, messages: Vec<Returning>) -> Result<(), SendError> {
        send_back(&self.client, &self.url, messages).await
    }
}

impl DeadLetter {
    fn of(queue_url: &str, message: Message) -> Self {
        let system = message.attributes.unwrap_or_default();
        let millis = system.get(&MessageSystemAttributeName::SentTimestamp).and_then(|millis| millis.parse().ok());
        let attributes = message.message_attributes.unwrap_or_default();
        Self {
            message_id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
            group: MessageGroup::of(queue_url, system.get(&MessageSystemAttributeName::MessageGroupId).cloned()),
            sent_at: Timestamp::from_millis(millis.unwrap_or_default()),
            failure: Failure::read(|name| attributes.get(name)?.string_value()),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
        }
    }
}
