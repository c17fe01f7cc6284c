//! What is to be known of a patient before a mail is sent, from the events of the patient's stream.
//!
//! The context's own published events, with the members that are needed here.

use std::collections::BTreeSet;

use kernel::domain_event::RecordedEvent;
use kernel::message::DecodeError;
use serde::{Deserialize, Serialize};

/// The context whose events are read here.
const PATIENTS: &str = "patients";

kernel::messages! {
    pub enum Event {
        PatientEnrolled(PatientEnrolled) = 1,
        StepAwaited(StepAwaited) = 1,
        ReminderDue(ReminderDue) = 1,
        StepEscalated(StepEscalated) = 1,
        NotificationRecorded(NotificationRecorded) = 1,
        OnboardingGivenUp(OnboardingGivenUp) = 1,
        OnboardingCompleted(OnboardingCompleted) = 1,
        PatientWithdrawn(PatientWithdrawn) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientEnrolled {
    pub practice: Practice,
    pub contact: Contact,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Practice {
    pub email: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contact {
    pub name: String,
    pub email: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepAwaited {
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReminderDue {
    pub step: Step,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepEscalated {
    pub step: Step,
    pub reason: Reason,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NotificationRecorded {
    pub request: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnboardingGivenUp {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OnboardingCompleted {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PatientWithdrawn {}

/// What the patient is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Consent,
    Insurance,
    Appointment,
}

/// Why the practice is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    Overdue,
    Undeliverable,
    CoverageDenied,
}

/// A mail that an event asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Request {
    pub step: Step,
    pub kind: Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The patient is asked.
    Asking,
    /// The patient is reminded.
    Reminding,
    /// The practice is told.
    Escalating(Reason),
}

impl Request {
    /// `None`: the event asks for no mail.
    pub fn read(recorded: &RecordedEvent) -> Result<Option<Self>, DecodeError> {
        let request = |step, kind| Some(Self { step, kind });
        Ok(match recorded.one_of(PATIENTS)? {
            Some(Event::StepAwaited(event)) => request(event.step, Kind::Asking),
            Some(Event::ReminderDue(event)) => request(event.step, Kind::Reminding),
            Some(Event::StepEscalated(event)) => request(event.step, Kind::Escalating(event.reason)),
            _ => None,
        })
    }
}

/// A patient as of now.
#[derive(Debug, Default)]
pub struct Patient {
    pub enrolled: Option<PatientEnrolled>,
    /// The version of the last event that asks for a mail, or says that none is to be sent any more.
    latest: u64,
    /// Versions of the events that asked for a mail of which it is known what became.
    notified: BTreeSet<u64>,
}

impl Patient {
    pub fn read(events: &[RecordedEvent]) -> Result<Self, DecodeError> {
        let mut patient = Self::default();
        for recorded in events {
            match recorded.one_of(PATIENTS)? {
                None => {}
                Some(Event::PatientEnrolled(event)) => patient.enrolled = Some(event),
                Some(Event::NotificationRecorded(event)) => {
                    patient.notified.insert(event.request);
                }
                Some(_) => patient.latest = recorded.version,
            }
        }
        Ok(patient)
    }

    /// Whether the mail that the event of this version asks for is still to be sent: not if it was sent before, and not if
    /// something newer has overtaken it.
    pub fn is_open(&self, version: u64) -> bool {
        version == self.latest && !self.notified.contains(&version)
    }
}
