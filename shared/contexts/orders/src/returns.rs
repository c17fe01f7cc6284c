//! Returns: a customer sends a shipped order back, and the shop takes it in. The second type of aggregate of this context.
//!
//! A return and its order are two aggregates, so that neither waits for the other. What holds between them, that only a
//! shipped order is returned and none twice, is a [counter](returnable) that both of them move.

pub mod commands;
mod decide;
pub mod events;
mod evolve;
pub mod projection;
mod state;
#[cfg(test)]
mod tests;

use kernel::counter::Counters;
use kernel::decider::{Decider, Decision, Guard, Metadata, Rejection};
use kernel::ids::AggregateId;

use commands::Command;
use events::Event;
use state::State;

/// The return's rules.
pub struct Returns;

impl Decider for Returns {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        decide::decide(state, command, metadata)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}

const RETURNABLE: Counters = Counters::of("orders", "returnable/{order}");

/// Moves the counter of how often an order can be returned: 1 once it is shipped, 0 before, and while a return of it is
/// requested or has come in.
pub(crate) fn returnable(order: &AggregateId, by: i64) -> Guard {
    let otherwise = Rejection::new("not-returnable", "The order has not left yet, or is being returned already");
    Guard::Adjust { counter: RETURNABLE.at([order.as_str()]), by, at_least: Some(0), otherwise }
}
