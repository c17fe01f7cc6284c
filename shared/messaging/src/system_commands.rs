//! Commands of the installation's own, on their way into their contexts' queues.

use aws_sdk_sqs::Client;
use kernel::system_command::SystemCommand;

use crate::command_queue::{CommandQueue, Outgoing};
use crate::error::SendError;
use crate::queues::Queues;

/// Sends such commands.
#[derive(Debug, Clone)]
pub struct SystemCommands {
    commands: CommandQueue,
    queues: Queues,
    /// The API's own address: where their `dataschema` URIs lead.
    pub public_url: String,
}

impl SystemCommands {
    pub fn new(client: Client, queues: Queues, public_url: String) -> Self {
        Self { commands: CommandQueue::new(client), queues, public_url }
    }

    /// Sends one command, as [`CommandQueue::send`] does.
    pub async fn send(&self, command: &SystemCommand) -> Result<(), SendError> {
        self.commands.send(Outgoing::of(command, &self.queues)).await
    }

    /// Sends many, as [`CommandQueue::send_all`] does.
    pub async fn send_all(&self, commands: &[SystemCommand]) -> Result<(), SendError> {
        self.commands.send_all(commands.iter().map(|command| Outgoing::of(command, &self.queues)).collect()).await
    }
}

impl Outgoing {
    /// To the queue of the command's context.
    pub fn of(command: &SystemCommand, queues: &Queues) -> Self {
        let SystemCommand { event, stream, key } = command;
        Self {
            queue_url: queues.commands(&stream.context),
            body: event.to_json(),
            group: stream.message_group(),
            deduplication_id: key.to_string(),
        }
    }
}
