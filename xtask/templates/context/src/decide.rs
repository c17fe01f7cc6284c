//! The rules.

use kernel::decider::{Decision, Metadata, Rejection};

use crate::commands::{Command, Open__Name__};
use crate::events::{Event, __Name__Closed, __Name__Opened};
use crate::state::State;

pub(crate) fn decide(state: State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match (command, state) {
        (Command::Open__Name__(command), State::Unknown) => Ok(open(command, metadata)),
        (Command::Open__Name__(_), _) => Err(Rejection::new("already-open", "It was opened before")),
        (Command::Close__Name__(_), State::Unknown) => Err(Rejection::new("unknown", "Nothing was opened under this id")),
        (Command::Close__Name__(_), State::Open) => Ok(Decision::of(__Name__Closed {})),
        (Command::Close__Name__(_), State::Closed) => Ok(Decision::nothing()),
    }
}

fn open(command: &Open__Name__, metadata: &Metadata) -> Decision<Event> {
    Decision::of(__Name__Opened { title: command.title.clone(), opened_by: metadata.principal.id.clone() })
}
