//! The rules of an onboarding.
//!
//! Each step may arrive late, twice, or before what it depends on. A step is remembered when it arrives, and asked for only
//! if it is missing when its turn comes. So the order of arrival changes nothing about where an onboarding ends.
//!
//! - **Twice**: nothing happens. News that does not fit is refused: another enrolment, another appointment.
//! - **Late**: a step that is done after the onboarding was given up takes it up again.
//! - **After the withdrawal**: refused, also the enrolment that it overtook, so that no personal data is kept of it.

use kernel::decider::{Decision, Metadata, Rejection};
use kernel::effect::Effect;
use kernel::timestamp::Timestamp;

use crate::commands::{CheckStep, Command, EnrollPatient, RecordNotification, ScheduleAppointment};
use crate::events::{
    AppointmentScheduled, ConsentGiven, CoverageConfirmed, CoverageDenied, Event, NotificationRecorded,
    OnboardingCompleted, OnboardingGivenUp, PatientEnrolled, PatientWithdrawn, Reason, ReminderDue, StepAwaited,
    StepEscalated,
};
use crate::evolve::evolve;
use crate::state::{Awaited, Coverage, REMINDERS, State, Step};

pub(crate) fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    let events = caused(state, command, metadata.accepted_at)?;
    let after = events.iter().fold(state.clone(), evolve);
    let decision = events.into_iter().fold(Decision::nothing(), Decision::and);
    Ok(timers(state.timer(), after.timer()).into_iter().fold(decision, Decision::causing))
}

/// Timers follow the state: the one that it waits for is set, and no other.
fn timers(before: Option<(Step, Timestamp)>, after: Option<(Step, Timestamp)>) -> Vec<Effect> {
    if before == after {
        return Vec::new();
    }
    let over = before.filter(|(step, _)| after.is_none_or(|(next, _)| next != *step));
    let cancelled = over.map(|(step, _)| Effect::cancel_timer(step.name()));
    let set = after.map(|(step, due)| Effect::set_timer(step.name(), due, Command::from(CheckStep { step })));
    cancelled.into_iter().chain(set).collect()
}

fn caused(state: &State, command: &Command, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    if state.withdrawn {
        return after_withdrawal(command);
    }
    match command {
        Command::EnrollPatient(command) => enroll(state, command, now),
        Command::GiveConsent(_) if state.consent => Ok(Vec::new()),
        Command::GiveConsent(_) => Ok(done(state, ConsentGiven { given_at: now }, now)),
        Command::RecordCoverage(command) => Ok(match (state.coverage, command.covered) {
            (Coverage::Confirmed, _) | (Coverage::Denied, false) => Vec::new(),
            (_, true) => done(state, CoverageConfirmed {}, now),
            (Coverage::Unknown, false) => done(state, CoverageDenied {}, now),
        }),
        Command::ScheduleAppointment(command) => schedule(state, command, now),
        Command::WithdrawPatient(_) => Ok(vec![PatientWithdrawn {}.into()]),
        Command::CheckStep(command) => Ok(check(state, command, now)),
        Command::RecordNotification(command) => Ok(notified(state, command)),
    }
}

fn after_withdrawal(command: &Command) -> Result<Vec<Event>, Rejection> {
    match command {
        Command::WithdrawPatient(_) | Command::CheckStep(_) | Command::RecordNotification(_) => Ok(Vec::new()),
        _ => Err(Rejection::new("withdrawn", "The patient was withdrawn; a new enrolment needs a new id")),
    }
}

fn enroll(state: &State, command: &EnrollPatient, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    if state.enrolled {
        return Err(Rejection::new("already-enrolled", "The patient was enrolled before; another one needs a new id"));
    }
    let EnrollPatient { practice, contact } = command.clone();
    Ok(done(state, PatientEnrolled { practice, contact, enrolled_at: now }, now))
}

fn schedule(state: &State, command: &ScheduleAppointment, now: Timestamp) -> Result<Vec<Event>, Rejection> {
    match state.appointment {
        Some(at) if at == command.at => Ok(Vec::new()),
        Some(_) => Err(Rejection::new("already-scheduled", "The first appointment was agreed upon for another time")),
        None => Ok(done(state, AppointmentScheduled { at: command.at }, now)),
    }
}

/// What is done, and what follows: the next step is awaited, or there is none.
fn done(state: &State, fact: impl Into<Event>, now: Timestamp) -> Vec<Event> {
    let mut events = vec![fact.into()];
    let mut state = evolve(state.clone(), &events[0]);
    if !state.enrolled {
        return events;
    }
    match state.missing() {
        None => events.push(OnboardingCompleted {}.into()),
        Some(step) => {
            if state.awaited.as_ref().is_none_or(|awaited| awaited.step != step) {
                state.awaited = Some(Awaited::new(step, now));
                events.push(StepAwaited { step, since: now }.into());
            }
            if step == Step::Insurance && state.coverage == Coverage::Denied {
                events.extend(escalation(&state, Reason::CoverageDenied));
            }
        }
    }
    events
}

/// What a step's timer causes; nothing, if the state waits for another one.
fn check(state: &State, CheckStep { step }: &CheckStep, now: Timestamp) -> Vec<Event> {
    let Some(awaited) = state.waiting().filter(|_| state.timer() == Some((*step, now))) else { return Vec::new() };
    if awaited.escalated {
        return vec![OnboardingGivenUp { step: *step }.into()];
    }
    if (awaited.reminders as usize) < REMINDERS.len() {
        return vec![ReminderDue { step: *step, number: awaited.reminders + 1 }.into()];
    }
    escalation(state, Reason::Overdue).into_iter().collect()
}

/// What became of a mail is of interest while its step is awaited.
fn notified(state: &State, command: &RecordNotification) -> Vec<Event> {
    let RecordNotification { step, request, delivered } = *command;
    let awaited = state.waiting().filter(|awaited| awaited.step == step && !awaited.notified.contains(&request));
    if awaited.is_none() {
        return Vec::new();
    }
    let mut events = vec![NotificationRecorded { request, delivered }.into()];
    if !delivered {
        events.extend(escalation(state, Reason::Undeliverable));
    }
    events
}

/// The practice is told once about a step.
fn escalation(state: &State, reason: Reason) -> Option<Event> {
    let awaited = state.waiting().filter(|awaited| !awaited.escalated)?;
    Some(StepEscalated { step: awaited.step, reason }.into())
}
