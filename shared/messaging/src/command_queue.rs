//! Command queues: SQS FIFO, one per context, or a tenant's own.

use std::collections::HashMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::SendMessageBatchRequestEntry;

use crate::error::SendError;
use crate::pack::{pack, send_batch};

/// The most that a message may weigh on its whole way: what SNS carries at the end of it, 256 KiB.
pub const MAX_MESSAGE_BYTES: usize = 256 * 1024;

/// What SQS takes in one `SendMessageBatch`, all bodies together.
const MAX_BATCH_BYTES: usize = 1024 * 1024;

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

    /// Sends many commands, in order per group, in as few calls as that and SQS allow.
    ///
    /// Of a batch SQS may take some entries and refuse others, so no call holds two commands of one group: the second
    /// might be in the queue before the first. After an error some may be queued and some not; sent again, those that
    /// are queued do not queue twice.
    pub async fn send_all(&self, commands: Vec<Outgoing>) -> Result<(), SendError> {
        let mut by_queue: Vec<(String, Vec<Outgoing>)> = Vec::new();
        for command in commands {
            match by_queue.iter_mut().find(|(url, _)| *url == command.queue_url) {
                Some((_, same)) => same.push(command),
                None => by_queue.push((command.queue_url.clone(), vec![command])),
            }
        }
        for (queue_url, commands) in by_queue {
            for round in rounds(commands, |command| Some(command.group.clone())) {
                for batch in pack(round, MAX_BATCH_BYTES, |command| command.body.len()) {
                    let entries = batch.into_iter().enumerate().map(|(index, command)| {
                        SendMessageBatchRequestEntry::builder()
                            .id(index.to_string())
                            .message_body(command.body)
                            .message_group_id(command.group)
                            .message_deduplication_id(command.deduplication_id)
                            .build()
                            .expect("all that is required is there")
                    });
                    send_batch(&self.client, &queue_url, entries.collect()).await?;
                }
            }
        }
        Ok(())
    }
}

/// The first message of each group, then the second of each, and so on. What has no group goes first.
pub(crate) fn rounds<T>(messages: Vec<T>, group: impl Fn(&T) -> Option<String>) -> Vec<Vec<T>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_round_holds_two_commands_of_a_group_and_each_group_keeps_its_order() {
        let command = |(group, body): (&str, &str)| Outgoing {
            queue_url: "q".into(),
            body: body.into(),
            group: group.into(),
            deduplication_id: body.into(),
        };
        let commands = [("a", "a1"), ("a", "a2"), ("b", "b1"), ("a", "a3"), ("b", "b2")].map(command);
        let rounds = rounds(commands.into(), |command| Some(command.group.clone()));
        let bodies: Vec<Vec<&str>> =
            rounds.iter().map(|round| round.iter().map(|c| c.body.as_str()).collect()).collect();
        assert_eq!(bodies, [vec!["a1", "b1"], vec!["a2", "b2"], vec!["a3"]]);
    }
    #[test]
    fn what_has_no_group_goes_first() {
        let group = |message: &&str| message.contains('-').then(|| message[..1].to_owned());
        let messages = vec!["a-1", "a-2", "free", "a-3", "also free"];
        assert_eq!(rounds(messages, group), [vec!["a-1", "free", "also free"], vec!["a-2"], vec!["a-3"]]);
        assert_eq!(rounds(vec!["free"], group), [["free"]]);
        assert_eq!(rounds(Vec::<&str>::new(), group), [] as [Vec<&str>; 0]);
    }
}
