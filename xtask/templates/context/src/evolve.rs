//! How events change what is remembered.

use crate::events::Event;
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::__Name__Opened(_) => State::Open,
        Event::__Name__Closed(_) => State::Closed,
    }
}
