//! Patients: an onboarding over weeks. A practice enrols a patient, who consents; an insurer says that it pays; the first
//! appointment is agreed upon. The patient is asked for what is missing, one step after the other, reminded of it after days,
//! and helped by the practice if that does not help. After weeks it is given up.
//!
//! The mails are sent by a subscriber to [`StepAwaited`](events::StepAwaited), [`ReminderDue`](events::ReminderDue) and
//! [`StepEscalated`](events::StepEscalated), which tells what became of each by a
//! [`RecordNotification`](commands::RecordNotification).

pub mod commands;
mod decide;
pub mod events;
mod evolve;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};

use commands::Command;
use events::Event;
use projection::PatientView;
use state::State;

pub const CONTEXT: Context = Context::of::<Patients>("patients", &[&PatientView]);

/// The rules of an onboarding.
pub struct Patients;

impl Decider for Patients {
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
