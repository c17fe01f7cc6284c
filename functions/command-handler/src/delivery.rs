//! A delivery: a queue message, with the command in it.

use std::sync::Arc;

use aws_lambda_events::sqs::SqsMessage;
use kernel::command::{Command, NotACommand};
use kernel::timestamp::Timestamp;
use tracing::Span;

use crate::Stranger;
use crate::outcome::Settled;

/// One delivery of a command.
pub struct Delivery {
    /// As received, to be given back letter for letter.
    pub message_id: String,
    /// As received, to be parked whole.
    pub body: String,
    /// How often the queue has delivered it, this time included.
    pub receives: u32,
    pub command: Arc<Command>,
    /// What has been found out about it that deciding again would not change.
    pub(crate) settled: Option<Settled>,
}

impl Delivery {
    pub(crate) fn read(message: SqsMessage, context: &str) -> Result<Self, Stranger> {
        let attribute = |name: &str| message.attributes.get(name);
        let receives = attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1);
        let sent_at = attribute("SentTimestamp").and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis);
        let group = attribute("MessageGroupId").cloned();
        let message_id = message.message_id.unwrap_or_default();
        let body = message.body.unwrap_or_default();
        let command = Command::open(body.as_bytes(), context).and_then(|command| {
            // Order is kept per group, so a command in another stream's group has none.
            let at_home = group.is_none_or(|group| group == command.stream.to_string());
            if at_home { Ok(Arc::new(command)) } else { Err(NotACommand::Attribute("message group")) }
        });
        match command {
            Ok(command) => Ok(Self { message_id, body, receives, command, settled: None }),
            Err(why) => Err(Stranger { message_id, body, receives, sent_at, why }),
        }
    }

    /// What every log line about it carries.
    pub(crate) fn span(&self, context: &str) -> Span {
        let command = &self.command;
        let trace_id = command.traceparent.as_deref().and_then(lambda::trace::id);
        tracing::info_span!(
            "command",
            operation = %command.receipt,
            command_key = %command.receipt.command_key,
            tenant = %command.stream.tenant,
            context,
            trace_id,
            receives = self.receives
        )
    }
}
