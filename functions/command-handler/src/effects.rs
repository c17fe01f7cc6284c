//! From a decision's effects to what is stored of them. What could never be carried out is not committed.

use kernel::command::Command;
use kernel::context::{Context, Decided};
use kernel::effect::{Effect, Recorded, RecordedEffect};
use kernel::ids::StreamId;
use kernel::parking::Reason;
use kernel::system_command::{EffectPlace, SystemCommand};
use lambda::telemetry::chain_in_full;
use messaging::command_queue::MAX_MESSAGE_BYTES;

use crate::defect::Defect;

/// The decision's effects as they are stored in its commit, or why they cannot be.
pub(crate) fn recorded(context: &Context, command: &Command, decided: &Decided) -> Result<Vec<RecordedEffect>, Defect> {
    if decided.events.is_empty() && !decided.effects.is_empty() {
        return Err(unpublishable("it causes something without an event that remembers it"));
    }
    let record = |effect: &Effect| {
        let recorded = RecordedEffect { effect: addressed(context, &command.stream, effect)?, cause: command.cause() };
        check(&recorded, command)?;
        Ok(recorded)
    };
    decided.effects.iter().map(record).collect()
}

/// The effect with the stream that it is for.
fn addressed(context: &Context, stream: &StreamId, effect: &Effect) -> Result<Recorded, Defect> {
    match effect.clone() {
        Effect::Send { to, command } => {
            let Some(recipient) = context.recipient(&command.ty) else {
                return Err(unpublishable(&format!(
                    "it sends {}, which {} does not declare",
                    command.ty, context.name
                )));
            };
            let to = StreamId {
                tenant: stream.tenant.clone(),
                context: recipient.context.to_owned(),
                aggregate_type: recipient.aggregate_type.map(str::to_owned),
                aggregate: to,
            };
            Ok(Recorded::Send { to, command })
        }
        Effect::SetTimer { name, due, command } => {
            let ours = context
                .aggregate_type(stream)
                .is_some_and(|ty| ty.commands.iter().any(|known| known.name == command.ty));
            if !ours {
                return Err(unpublishable(&format!(
                    "its timer hands in {}, which is for another aggregate",
                    command.ty
                )));
            }
            Ok(Recorded::SetTimer { name, due, command })
        }
        Effect::CancelTimer { name } => Ok(Recorded::CancelTimer { name }),
    }
}

/// Whether the command that is to be handed in fits into a queue. Where it will be is not known yet, but how long that is.
fn check(recorded: &RecordedEffect, command: &Command) -> Result<(), Defect> {
    /// Room for a long address of the schemas.
    const ROOM: usize = 2 * 1024;
    let place = EffectPlace {
        stream: &command.stream,
        commit_number: u64::MAX,
        committed_at: command.receipt.accepted_at,
        place: usize::MAX,
    };
    match SystemCommand::of_effect(recorded, place, "https://api") {
        Some(Err(error)) => Err(unpublishable(&format!("it causes no valid command: {}", chain_in_full(&error)))),
        Some(Ok(caused)) if caused.event.to_json().len() + ROOM > MAX_MESSAGE_BYTES => {
            let error = format!("its {} exceeds what a queue takes", caused.event.ty());
            Err(Defect::new(Reason::TooLarge, error))
        }
        None | Some(Ok(_)) => Ok(()),
    }
}

fn unpublishable(error: &str) -> Defect {
    Defect::new(Reason::Unpublishable, error.to_owned())
}
