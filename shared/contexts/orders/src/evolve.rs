//! How events change what an order remembers.

use crate::events::Event;
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::OrderSubmitted(event) if event.pay_within_seconds.is_some() => State::AwaitingPayment,
        Event::OrderSubmitted(_) => State::Submitted,
        Event::OrderConfirmed(_) => State::Confirmed,
        Event::OrderCancelled(_) => State::Cancelled,
        Event::OrderShipped(_) => State::Shipped,
    }
}
