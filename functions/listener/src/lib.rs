//! The listener: what contexts hear of each other. It turns domain events into commands of the contexts that hear them, and
//! puts those into their queues. It decides nothing, and keeps nothing.
//!
//! A command that is made twice of one event has one key, and is carried out once.

use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::system_command::{SystemCommand, Unheard};
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::{Queues, SendError, SqsClient, SystemCommands};
use subscriber::Subscriber;

/// Makes commands of events.
pub struct Listener {
    pub contexts: &'static [Context],
    pub commands: SystemCommands,
}

/// Why an event comes again.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    #[error(transparent)]
    Unheard(#[from] Unheard),
    #[error("the commands were not queued")]
    Queue(#[from] SendError),
}

impl Listener {
    /// For all contexts of this build.
    pub fn from_environment(environment: &Environment, sqs: SqsClient) -> Result<Self, BadSetting> {
        let queues = Queues::new(environment.text(Queues::VARIABLE)?);
        let commands = SystemCommands::new(sqs, queues, environment.public_url()?);
        Ok(Self { contexts: catalog::CONTEXTS, commands })
    }
}

impl Subscriber for Listener {
    type Error = ListenError;

    /// Contexts that can hear the event do so, also where another cannot.
    async fn handle(&self, event: &RecordedEvent) -> Result<(), ListenError> {
        let (mut commands, mut all) = (Vec::new(), Ok(()));
        for context in self.contexts {
            match SystemCommand::of_heard(context, event, &self.commands.public_url) {
                Ok(command) => commands.extend(command),
                Err(error) => all = Err(error.into()),
            }
        }
        self.commands.send_all(&commands).await?;
        metrics::counter!(metric::HEARD).increment(commands.len() as u64);
        all
    }
}
