//! __Names__: opened, then closed. A beginning: put your own words and rules in.

pub mod commands;
mod decide;
pub mod events;
mod evolve;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};

use commands::Command;
use events::Event;
use projection::__Name__View;
use state::State;

pub const CONTEXT: Context = Context::of::<__Names__>("__names__", &[&__Name__View]);

/// The rules.
pub struct __Names__;

impl Decider for __Names__ {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        decide::decide(*state, command, metadata)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
