//! A context whose aggregates grow as a test wants them to.

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command {
        Write(Write) = 1,
        Inflate(Inflate) = 1,
    }
}

kernel::messages! {
    pub enum Event {
        Written(Written) = 1,
        Inflated(Inflated) = 1,
    }
}

/// Writes lines of so many letters each.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Write {
    pub lines: usize,
    pub letters: usize,
}

/// Makes the state weigh so much.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inflate {
    pub bytes: usize,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Written {
    pub line: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Inflated {
    pub bytes: usize,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct State {
    events: u64,
    /// Tells one order of events from another.
    trace: u32,
    ballast: String,
}

/// The same rules, with snapshots of one layout or another.
pub struct Probe<const LAYOUT: u32>;

pub const fn context<const LAYOUT: u32>() -> Context {
    Context::of::<Probe<LAYOUT>>("probe", &[])
}

impl<const LAYOUT: u32> Decider for Probe<LAYOUT> {
    type Command = Command;
    type Event = Event;
    type State = State;

    const STATE_VERSION: u32 = LAYOUT;

    fn decide(state: &State, command: &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
        let events = match command {
            Command::Write(Write { lines, letters }) => (0..*lines)
                .map(|line| {
                    let letter = (b'a'..=b'z').nth((state.trace as usize + line) % 26).map_or('z', char::from);
                    Written { line: letter.to_string().repeat(*letters) }.into()
                })
                .collect(),
            Command::Inflate(Inflate { bytes }) => vec![Inflated { bytes: *bytes }.into()],
        };
        Ok(Decision { events, ..Decision::nothing() })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        state.events += 1;
        let seen = match event {
            Event::Written(Written { line }) => line.bytes().next().map_or(0, u32::from),
            Event::Inflated(Inflated { bytes }) => {
                state.ballast = "b".repeat(*bytes);
                1
            }
        };
        state.trace = (state.trace * 31 + seen) % 1_000_003;
        state
    }
}
