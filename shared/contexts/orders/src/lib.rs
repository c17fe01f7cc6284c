//! Orders: a customer submits one, the shop ships it, and until then it can be cancelled.
//!
//! An order that has a price and is not on account ships when it is confirmed, which is when it is paid: else what was never
//! paid could be on its way.
//!
//! What was shipped can be sent back: a [return](returns) is an aggregate of its own. Stock, payment and delivery are other
//! contexts' business.

pub mod commands;
pub mod decide;
pub mod events;
mod evolve;
mod partners;
pub mod projection;
pub mod returns;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::{AggregateType, Context};
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::peers::Heard;

use commands::Command;
use events::Event;
use partners::{FromBuyers, FromSuppliers};
use projection::OrderView;
use returns::Returns;
use returns::projection::ReturnView;
use state::State;

pub const CONTEXT: Context = Context::of::<Orders>("orders", &[&OrderView])
    .and(&[AggregateType::of::<Returns>("returns", &[&ReturnView])])
    .hearing(&[Heard::of_partner::<FromBuyers>("buyer"), Heard::of_partner::<FromSuppliers>("supplier")]);

/// The order's rules.
pub struct Orders;

impl Decider for Orders {
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
