//! How events change what is remembered.

use crate::events::Event;
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    let Event::CheckRecorded(event) = event;
    State { latest_run: Some(event.run.clone()) }
}
