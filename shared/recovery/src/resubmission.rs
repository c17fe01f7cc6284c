//! The way back of a parked message that an operator has resubmitted. The operator function goes it at once; what that
//! did not get to, the scheduled redrive finds and sends in the same way, which repeats nothing.

use kernel::command::{Command, Header};
use messaging::queues::is_fifo;
use store::parked::ParkedMessage;

use crate::failure::Failure;
use crate::returning::{MessageGroup, Returning};

/// What is sent to the queue of this URL for a message that was resubmitted.
///
/// A command goes to its stream's group, as a repeat of nothing but this revision; also one that only another release can
/// read. What is no command follows no order: it has a group of its own where the queue wants one, and else its tenant's.
pub fn returning(resubmitted: &ParkedMessage, queue_url: &str) -> Returning {
    let summary = &resubmitted.summary;
    let failure = Failure { first_failed_at: Some(summary.first_failed_at), ..Failure::default() };
    let command = header(resubmitted).and_then(|header| Some((header.stream(&summary.queue)?, header)));
    let (name, deduplication_id) = match command {
        Some((stream, header)) => {
            (stream.message_group(), Command::deduplication_id(header.receipt.command_key, header.revision, 0))
        }
        None => (summary.id.clone(), format!("{}.{}", summary.id, summary.revision)),
    };
    let fair = || summary.tenant.as_ref().map_or(MessageGroup::None, |tenant| MessageGroup::Fair(tenant.to_string()));
    let group = if is_fifo(queue_url) { MessageGroup::Ordered(name) } else { fair() };
    Returning { body: resubmitted.message.clone(), group, deduplication_id, failure }
}

/// The command that a parked message is, if it is one to this build.
pub fn command(parked: &ParkedMessage) -> Option<Command> {
    header(parked)?;
    Command::open(parked.message.as_bytes(), &parked.summary.queue).ok()
}

/// The header of a parked message that has an operation: not everything that reads like a command was parked as one.
pub fn header(parked: &ParkedMessage) -> Option<Header> {
    let operation = parked.summary.operation.as_deref()?;
    Header::read(&parked.message).filter(|header| header.receipt.to_string() == operation)
}
