//! How events change what is remembered.

use crate::events::{Event, NotificationRecorded, ReminderDue, StepAwaited};
use crate::state::{Awaited, Coverage, State};

pub(crate) fn evolve(mut state: State, event: &Event) -> State {
    match event {
        Event::PatientEnrolled(_) => state.enrolled = true,
        Event::ConsentGiven(_) => state.consent = true,
        Event::CoverageConfirmed(_) => state.coverage = Coverage::Confirmed,
        Event::CoverageDenied(_) => state.coverage = Coverage::Denied,
        Event::AppointmentScheduled(event) => state.appointment = Some(event.at),
        Event::StepAwaited(StepAwaited { step, since }) => state.awaited = Some(Awaited::new(*step, *since)),
        Event::OnboardingCompleted(_) => (state.completed, state.awaited) = (true, None),
        Event::PatientWithdrawn(_) => (state.withdrawn, state.awaited) = (true, None),
        Event::ReminderDue(_)
        | Event::StepEscalated(_)
        | Event::NotificationRecorded(_)
        | Event::OnboardingGivenUp(_) => {
            state.awaited = state.awaited.map(|awaited| waited(awaited, event));
        }
    }
    state
}

/// What happens while a step is awaited.
fn waited(mut awaited: Awaited, event: &Event) -> Awaited {
    match event {
        Event::ReminderDue(ReminderDue { number, .. }) => awaited.reminders = *number,
        Event::StepEscalated(_) => awaited.escalated = true,
        Event::OnboardingGivenUp(_) => awaited.given_up = true,
        Event::NotificationRecorded(NotificationRecorded { request, .. }) => {
            awaited.notified.insert(*request);
        }
        _ => {}
    }
    awaited
}
