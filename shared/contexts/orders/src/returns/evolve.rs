//! How events change what a return remembers.

use super::events::Event;
use super::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::ReturnRequested(event) => State::Requested(event.order.clone()),
        Event::ReturnWithdrawn(_) => State::Withdrawn,
        Event::ReturnReceived(_) => State::Received,
    }
}
