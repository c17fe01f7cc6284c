//! How events change what an order remembers.

use crate::events::Event;
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::OrderSubmitted(_) => State::Submitted,
        Event::OrderCancelled(_) => State::Cancelled,
        Event::OrderShipped(_) => State::Shipped,
    }
}
