//! Every run is recorded, once.

use kernel::decider::{Decision, Metadata};

use crate::commands::{Command, RecordCheck};
use crate::events::{CheckRecorded, Event};
use crate::state::State;

pub(crate) fn decide(state: &State, command: &Command, metadata: &Metadata) -> Decision<Event> {
    let Command::RecordCheck(RecordCheck { run }) = command;
    if state.latest_run.as_ref() == Some(run) {
        return Decision::nothing();
    }
    Decision::of(CheckRecorded { run: run.clone(), recorded_by: metadata.principal.id.clone() })
}
