//! A delivery: a queue message, with the command in it.

use std::sync::Arc;

use kernel::command::{Command, NotACommand};
use kernel::context::{AggregateType, Context};
use kernel::domain_event::extension;
use recovery::batch::Received;
use tracing::Span;

use crate::stranger::Stranger;
use crate::verdict::Predecided;

/// One delivery of a command.
pub struct Delivery {
    pub received: Received,
    pub command: Arc<Command>,
    pub aggregate_type: &'static AggregateType,
    /// A result that deciding again would not change.
    pub(crate) predecided: Option<Predecided>,
}

impl Delivery {
    pub(crate) fn read(received: Received, context: &'static Context) -> Result<Self, Box<Stranger>> {
        let read = Command::open(received.body.as_bytes(), context.name).and_then(|command| {
            // Order is kept per group, so a command in another stream's group has none.
            if received.group.ordered().is_some_and(|group| group != command.stream.message_group()) {
                return Err(NotACommand::Attribute("message group"));
            }
            let aggregate_type = context.aggregate_type(&command.stream);
            Ok((Arc::new(command), aggregate_type.ok_or(NotACommand::Attribute(extension::AGGREGATE_TYPE))?))
        });
        match read {
            Ok((command, aggregate_type)) => Ok(Self { received, command, aggregate_type, predecided: None }),
            Err(why) => Err(Box::new(Stranger { received, why })),
        }
    }

    /// Whether the command was never given back, sent back or resubmitted.
    pub(crate) fn is_first_attempt(&self) -> bool {
        self.received.receives == 1 && self.received.failure.attempts == 0 && self.command.revision == 0
    }

    /// What the log line of a command carries that succeeds at its first attempt. All else follows from its operation.
    pub(crate) fn short_span(&self) -> Span {
        let Command { receipt, stream, .. } = &*self.command;
        tracing::info_span!(
            "command",
            operation = %receipt,
            tenant = %stream.tenant,
            stream = stream.pseudonym()
        )
    }

    /// Every other log line about this command carries these fields.
    pub(crate) fn span(&self, context: &str) -> Span {
        let command = &self.command;
        let trace_id = command.traceparent.as_deref().and_then(lambda::trace::id);
        tracing::info_span!(
            "command",
            operation = %command.receipt,
            tenant = %command.stream.tenant,
            principal = %command.principal,
            context,
            stream = command.stream.pseudonym(),
            trace_id,
            receives = Some(self.received.receives).filter(|receives| *receives > 1)
        )
    }
}
