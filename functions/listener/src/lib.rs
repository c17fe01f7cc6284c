//! The listener: what contexts hear of each other. It turns domain events into commands of the contexts that hear them, and
//! puts those into their queues. It decides nothing, and keeps nothing.
//!
//! A command that is made twice of one event has one key, and is carried out once.

use kernel::cloud_event::Invalid;
use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::message::DecodeError;
use kernel::system_command::{Occasion, SystemCommand};
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
    #[error("a context that hears it cannot read it")]
    Unreadable(#[from] DecodeError),
    #[error("what follows from it is no valid command")]
    Command(#[from] Invalid),
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

    /// The command of this context that follows from the event, if one does.
    fn follows(&self, context: &Context, event: &RecordedEvent) -> Result<Option<SystemCommand>, ListenError> {
        for heard in context.hears {
            let Some((aggregate, command)) = heard.hear(event)? else { continue };
            let occasion = Occasion {
                by: context.name,
                source: &event.stream.context,
                id: event.id(),
                at: event.time,
                cause: &event.event.cause,
                causation: event.id(),
                reply_to: None,
            };
            let stream = context.stream_of_command(&command.ty, event.stream.tenant.clone(), aggregate);
            return Ok(Some(SystemCommand::new(stream, &command, occasion, &self.commands.public_url)?));
        }
        Ok(None)
    }
}

impl Subscriber for Listener {
    type Error = ListenError;

    /// Contexts that can hear the event do so, also where another cannot.
    async fn handle(&self, event: &RecordedEvent) -> Result<(), ListenError> {
        let (mut commands, mut all) = (Vec::new(), Ok(()));
        for context in self.contexts {
            match self.follows(context, event) {
                Ok(command) => commands.extend(command),
                Err(error) => all = Err(error),
            }
        }
        self.commands.send_all(&commands).await?;
        metrics::counter!(metric::HEARD).increment(commands.len() as u64);
        all
    }
}
