//! How events change what a policy remembers.

use crate::events::Event;
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::PolicyBound(_) => State::Active,
        Event::PolicyCancelled(_) => State::Cancelled,
    }
}
