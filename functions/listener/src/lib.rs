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
use messaging::{CommandQueue, Outgoing, Queues, SendError, SqsClient};
use subscriber::Subscriber;

/// Makes commands of events.
pub struct Listener {
    pub contexts: &'static [Context],
    pub commands: CommandQueue,
    pub queues: Queues,
    /// The API's own address: where `dataschema` URIs lead.
    pub public_url: String,
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
        Ok(Self {
            contexts: catalog::CONTEXTS,
            commands: CommandQueue::new(sqs),
            queues: Queues::new(environment.text(Queues::VARIABLE)?),
            public_url: environment.public_url()?,
        })
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
            return Ok(Some(SystemCommand::new(stream, &command, occasion, &self.public_url)?));
        }
        Ok(None)
    }
}

impl Subscriber for Listener {
    type Error = ListenError;

    /// Contexts that can hear the event do so, also where another cannot.
    async fn handle(&self, event: &RecordedEvent) -> Result<(), ListenError> {
        let followed = self.contexts.iter().filter_map(|context| self.follows(context, event).transpose());
        let (commands, mut errors): (Vec<_>, Vec<_>) = followed.partition(Result::is_ok);
        let commands: Vec<_> =
            commands.into_iter().flatten().map(|command| Outgoing::of_system(&command, &self.queues)).collect();
        let heard = commands.len() as u64;
        self.commands.send_all(commands).await?;
        metrics::counter!(metric::HEARD).increment(heard);
        errors.pop().map_or(Ok(()), |error| error.map(drop))
    }
}
