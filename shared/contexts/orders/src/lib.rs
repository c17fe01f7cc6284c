//! Orders: a customer submits one, the shop ships it, and until then it can be cancelled.
//!
//! Stock, payment and delivery are other contexts' business.

pub mod commands;
pub mod decide;
pub mod events;
mod evolve;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Envelope, Rejection};

use commands::Command;
use events::Event;
use projection::OrderView;
use state::State;

pub const CONTEXT: Context = Context::of::<Orders>("orders", &[&OrderView]);

/// The order's rules.
pub struct Orders;

impl Decider for Orders {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, envelope: &Envelope) -> Result<Decision<Event>, Rejection> {
        decide::decide(*state, command, envelope)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
