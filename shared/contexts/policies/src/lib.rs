//! Insurance policies: bound under a number that no other policy of the tenant has, adjusted in premium, and cancelled.

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
use projection::PolicyView;
use state::State;

pub const CONTEXT: Context = Context::of::<Policies>("policies", &[&PolicyView]);

/// The policy's rules.
pub struct Policies;

impl Decider for Policies {
    type Command = Command;
    type Event = Event;
    type State = State;

    const STATE_VERSION: u32 = 2;

    fn decide(state: &State, command: &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
        decide::decide(*state, command)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
