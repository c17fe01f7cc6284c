//! The notifier: tells a context the end of what it has sent, where another context will not carry it out. It reads the
//! stream of the operations table, of which it gets rejected and discarded commands that somebody waits for.
//!
//! What it tells is a command of the sending context. Told twice, it is one command.

use aws_lambda_events::dynamodb::{Event, EventRecord};
use kernel::context::Context;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::{Queues, SendError, SqsClient, SystemCommands};
use store::StoreError;
use store::operations::{OperationRecord, Untold};

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
    #[error(transparent)]
    Told(#[from] Untold),
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
            told.extend(operation.told(self.contexts, &self.commands.public_url)?);
        }
        self.commands.send_all(&told).await?;
        metrics::counter!(metric::REFUSALS_TOLD).increment(told.len() as u64);
        Ok(())
    }
}

/// The operation as it is after the change; `None` if it is gone.
fn ended(record: EventRecord) -> Result<Option<OperationRecord>, StoreError> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    OperationRecord::from_stream_image(record.change.new_image).map(Some)
}
