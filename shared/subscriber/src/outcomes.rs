//! What came out of an event in the outside world, handed in as a command of the aggregate that the event is of.

use kernel::cloud_event::Invalid;
use kernel::domain_event::RecordedEvent;
use kernel::message::{Encoded, Message};
use kernel::system_command::SystemCommand;
use lambda::settings::{BadSetting, Environment};
use messaging::{Queues, SendError, SqsClient, SystemCommands};

/// Hands outcomes in.
pub struct Outcomes {
    commands: SystemCommands,
}

/// Why an outcome was not handed in.
#[derive(Debug, thiserror::Error)]
pub enum HandInError {
    #[error("the outcome is no valid command")]
    Command(#[from] Invalid),
    #[error("the outcome was not queued")]
    Queue(#[from] SendError),
}

impl Outcomes {
    /// With the prefix of the queues and `PUBLIC_URL`.
    pub fn from_environment(environment: &Environment, sqs: SqsClient) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        Ok(Self { commands: SystemCommands::new(sqs, queues, environment.public_url()?) })
    }

    /// Hands the outcome in on behalf of the function `by`. The same outcome of the same event is one command, however often
    /// it is handed in.
    pub async fn hand_in(&self, event: &RecordedEvent, by: &str, outcome: impl Message) -> Result<(), HandInError> {
        let outcome = Encoded::of(outcome);
        let command = SystemCommand::of_outcome(event, by, &outcome, &self.commands.public_url)?;
        Ok(self.commands.send(&command).await?)
    }
}
