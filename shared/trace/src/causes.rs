//! Which commands may follow: their keys are made of the event, the effect or the refusal that they follow from.

use kernel::context::Context;
use kernel::domain_event::{RecordedEvent, extension};
use kernel::effect::{Recorded, RecordedEffect};
use kernel::ids::{CommandKey, StreamId};
use kernel::receipt::Receipt;
use kernel::system_command::{EffectPlace, SystemCommand};
use kernel::timestamp::Timestamp;
use store::event_store::Commit;
use store::operations::OperationRecord;
use store::timers::TimerId;

use crate::line::{How, Timer};

/// A command that may follow.
#[derive(Debug, Clone)]
pub struct Expected {
    pub how: How,
    pub key: CommandKey,
    /// As it is handed in; `None`: only its record tells.
    pub receipt: Option<Receipt>,
    pub stream: StreamId,
    pub ty: String,
    /// It follows in any case. Otherwise only its record tells that it does.
    pub is_certain: bool,
}

/// What follows from a command.
#[derive(Debug, Default)]
pub struct Causes {
    pub expected: Vec<Expected>,
    pub timers: Vec<(TimerId, Timer)>,
    pub cancelled: Vec<String>,
    /// Something could not be read, so more may follow.
    pub is_unclear: bool,
}

impl Expected {
    fn of(how: How, command: &SystemCommand, is_certain: bool) -> Self {
        let receipt = command.event.extension(extension::OPERATION).and_then(|id| Receipt::read(&id.to_string()));
        let SystemCommand { event, stream, key } = command;
        Self { how, key: *key, receipt, stream: stream.clone(), ty: event.ty().to_owned(), is_certain }
    }
}

impl Causes {
    /// What contexts hear of an event, and what functions may tell of it.
    pub fn of_event(&mut self, event: &RecordedEvent, contexts: &[Context], public_url: &str) {
        let version = event.version;
        for context in contexts {
            match SystemCommand::of_heard(context, event, public_url) {
                Ok(command) => self.expected.extend(command.map(|it| Expected::of(How::Heard { version }, &it, true))),
                Err(_) => self.is_unclear = true,
            }
        }
        let its_own = contexts.iter().find(|context| context.name == event.stream.context);
        let ty = its_own.and_then(|context| context.aggregate_type(&event.stream));
        let internal = ty.into_iter().flat_map(|ty| ty.commands).filter(|command| command.internal);
        self.expected.extend(internal.map(|command| Expected {
            how: How::Outcome { version },
            key: SystemCommand::key_of_outcome(event, command.name),
            receipt: None,
            stream: event.stream.clone(),
            ty: command.name.to_owned(),
            is_certain: false,
        }));
    }

    /// What a commit asks for on behalf of one of its commands.
    pub fn of_effects(
        &mut self,
        commit: &Commit,
        stream: &StreamId,
        effects: &[RecordedEffect],
        is_of_command: impl Fn(&str) -> bool,
        public_url: &str,
    ) {
        let (commit_number, committed_at): (u64, Timestamp) = (commit.commit_number, commit.committed_at());
        for (place, recorded) in effects.iter().enumerate() {
            if !is_of_command(&recorded.cause.operation) {
                continue;
            }
            let at = EffectPlace { stream, commit_number, committed_at, place };
            let Ok(command) = SystemCommand::of_effect(recorded, at, public_url).transpose() else {
                self.is_unclear = true;
                continue;
            };
            match (&recorded.effect, command) {
                (Recorded::SetTimer { name, due, .. }, Some(command)) => {
                    let how = How::Timer { name: name.clone() };
                    let expected = Expected::of(how, &command, false);
                    let (ty, key) = (expected.ty.clone(), expected.key);
                    let timer = Timer { name: name.clone(), due: *due, ty, key, waits: false };
                    self.timers.push((TimerId::new(stream, name, commit_number, place), timer));
                    self.expected.push(expected);
                }
                (Recorded::CancelTimer { name }, _) => self.cancelled.push(name.clone()),
                (_, command) => self.expected.extend(command.map(|it| Expected::of(How::Sent, &it, true))),
            }
        }
    }

    /// What tells the sender of a refusal.
    pub fn of_refusal(&mut self, record: &OperationRecord, contexts: &[Context], public_url: &str) {
        match record.told(contexts, public_url) {
            Ok(command) => self.expected.extend(command.map(|it| Expected::of(How::Refusal, &it, true))),
            Err(_) => self.is_unclear = true,
        }
    }
}
