//! Payments: the customer of an order is charged, and the order is confirmed; or it is cancelled, and nobody has paid.
//!
//! A process: its commands are what it hears of orders, what the [gateway](commands::RecordCharge) has found out, and its
//! time limit. No order is confirmed without a charge. Whatever was charged for an order that is cancelled, before or after,
//! is given back.

pub mod commands;
mod decide;
pub mod events;
mod evolve;
pub mod peers;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::peers::{Heard, Recipient};

use commands::Command;
use events::Event;
use peers::{FromOrders, ToOrders};
use projection::PaymentView;
use state::State;

pub const CONTEXT: Context = Context::of::<Payments>("payments", &[&PaymentView])
    .hearing(&[Heard::of::<FromOrders>("orders")])
    .sending(&[Recipient::of::<ToOrders>("orders")]);

/// The payment's rules.
pub struct Payments;

impl Decider for Payments {
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
