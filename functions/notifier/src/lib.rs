//! The notifier: tells a context the end of what it has sent, where another context will not carry it out. It reads the
//! stream of the operations table, of which it gets rejected and discarded commands that somebody waits for.
//!
//! What it tells is a command of the sending context. Told twice, it is one command.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use kernel::cloud_event::Invalid;
use kernel::command::ReplyTo;
use kernel::context::Context;
use kernel::domain_event::Cause;
use kernel::ids::{AggregateId, InvalidId};
use kernel::operation::Status;
use kernel::peers::{DISCARDED, Refusal};
use kernel::system_command::{Occasion, SystemCommand};
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::{Queues, SendError, SqsClient, SystemCommands};
use store::StoreError;
use store::operations::OperationRecord;

/// Tells contexts the end of what they have sent.
pub struct Notifier {
    pub contexts: &'static [Context],
    pub commands: SystemCommands,
}

/// Why a batch comes again.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    #[error("a record cannot be read")]
    Record(#[from] StoreError),
    #[error("a record names no aggregate")]
    Aggregate(#[from] InvalidId),
    #[error("what is to be told is no valid command")]
    Command(#[from] Invalid),
    #[error("the commands were not queued")]
    Queue(#[from] SendError),
}

impl Notifier {
    /// For all contexts of this build.
    pub fn from_environment(environment: &Environment, sqs: SqsClient) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let commands = SystemCommands::new(sqs, queues, environment.public_url()?);
        Ok(Self { contexts: catalog::CONTEXTS, commands })
    }

    /// Handles a batch of the operations table's stream. After an error it comes again.
    pub async fn handle(&self, batch: Event) -> Result<(), NotifyError> {
        let mut told = Vec::new();
        for record in batch.records {
            let Some(operation) = ended(record)? else { continue };
            told.extend(self.told(&operation)?);
        }
        self.commands.send_all(&told).await?;
        metrics::counter!(metric::REFUSALS_TOLD).increment(told.len() as u64);
        Ok(())
    }

    /// The command that tells the sender, if there is one who wants to know.
    fn told(&self, operation: &OperationRecord) -> Result<Option<SystemCommand>, NotifyError> {
        let Some(ReplyTo { stream, correlation, traceparent }) = operation.reply_to.clone() else { return Ok(None) };
        let reason = match operation.outcome {
            Status::Rejected => operation.reason(),
            Status::Discarded => DISCARDED.to_owned(),
            _ => return Ok(None),
        };
        let Some(sender) = self.contexts.iter().find(|context| context.name == stream.context) else {
            return Ok(None);
        };
        let aggregate = AggregateId::parse(&operation.subject)?;
        let refusal = Refusal { command: &operation.command_type, aggregate: &aggregate, reason: &reason };
        let Some(command) = sender.recipient(&operation.command_type).and_then(|to| (to.refused)(refusal)) else {
            return Ok(None);
        };
        let cause = Cause { correlation, traceparent, ..Cause::default() };
        let occasion = Occasion {
            by: sender.name,
            source: &operation.context,
            id: format!("{}.{}", operation.operation_key, operation.revision),
            at: operation.recorded_at,
            cause: &cause,
            causation: operation.operation_key.clone(),
            reply_to: None,
        };
        Ok(Some(SystemCommand::new(stream, &command, occasion, &self.commands.public_url)?))
    }
}

/// The operation as it is after the change; `None` if it is gone.
fn ended(record: EventRecord) -> Result<Option<OperationRecord>, StoreError> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    OperationRecord::from_stream_image(record.change.new_image).map(Some)
}
