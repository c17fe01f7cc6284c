//! A context that takes notes, and a later build of it that understands more.

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command {
        Note(Note) = 1,
    }
}

kernel::messages! {
    pub enum LaterCommand {
        Note(Note) = 1,
        Whisper(Whisper) = 1,
    }
}

kernel::messages! {
    pub enum Event {
        Noted(Noted) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Whisper {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub text: String,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct State {
    notes: u32,
}

pub static CONTEXT: Context = Context::of::<Ledger>("ledger", &[]);
/// A build that reads what others do not know.
pub static LATER: Context = Context::of::<Later>("ledger", &[]);

struct Ledger;

impl Decider for Ledger {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(_: &State, Command::Note(Note { text }): &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
        Ok(Decision::of(Noted { text: text.clone() }))
    }

    fn evolve(mut state: State, _: &Event) -> State {
        state.notes += 1;
        state
    }
}

struct Later;

impl Decider for Later {
    type Command = LaterCommand;
    type Event = Event;
    type State = State;

    fn decide(_: &State, command: &LaterCommand, _: &Metadata) -> Result<Decision<Event>, Rejection> {
        let (LaterCommand::Note(Note { text }) | LaterCommand::Whisper(Whisper { text })) = command;
        Ok(Decision::of(Noted { text: text.clone() }))
    }

    fn evolve(state: State, event: &Event) -> State {
        Ledger::evolve(state, event)
    }
}
