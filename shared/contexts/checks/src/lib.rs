//! Synthetic checks: commands that are sent to see whether commands still arrive. One aggregate for each day, so that no
//! history grows long.

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
use projection::CheckView;
use state::State;

pub const CONTEXT: Context = Context::of::<Checks>("checks", &[&CheckView]);

/// The rules: there is nothing to refuse.
pub struct Checks;

impl Decider for Checks {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        Ok(decide::decide(state, command, metadata))
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
