//! The onboarding as clients read it, under `/patients`. No personal data.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::{Event, Reason, StepAwaited};
use crate::state::{Coverage, Step};

/// How far an onboarding has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Steps have arrived before the enrolment.
    Expected,
    /// The consent is awaited.
    Enrolled,
    /// The insurer's yes is awaited.
    Consented,
    /// The first appointment is awaited.
    Insured,
    /// All steps are done.
    Active,
    GivenUp,
    Withdrawn,
}

/// An onboarding's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub stage: Stage,
    /// Unknown before the enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub practice: Option<AggregateId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrolled_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub consent_given_at: Option<Timestamp>,
    pub coverage: Coverage,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub appointment_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub awaited: Option<Awaited>,
    pub created_at: Timestamp,
    pub updated_at: Timestamp,
}

/// The step that is awaited, or was when the onboarding was given up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    pub step: Step,
    pub since: Timestamp,
    /// How many reminders there were.
    pub reminders: u32,
    /// How many mails were handed over to be delivered.
    pub mails: u32,
    /// Why the practice was told, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escalated: Option<Reason>,
}

/// The collection `patients`: by practice, by stage, newest first.
pub struct PatientView;

impl Projection for PatientView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "patients";
    const FILTERS: Filters = Filters { owner: "practice", state: "stage" };
    const STATES: &'static [&'static str] =
        &["expected", "enrolled", "consented", "insured", "active", "given-up", "withdrawn"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let mut patient = document.unwrap_or_else(|| unknown(happening));
        patient.updated_at = happening.time;
        match event {
            Event::PatientEnrolled(event) => {
                patient.practice = Some(event.practice.id.clone());
                patient.enrolled_at = Some(event.enrolled_at);
            }
            Event::ConsentGiven(event) => patient.consent_given_at = Some(event.given_at),
            Event::CoverageConfirmed(_) => patient.coverage = Coverage::Confirmed,
            Event::CoverageDenied(_) => patient.coverage = Coverage::Denied,
            Event::AppointmentScheduled(event) => patient.appointment_at = Some(event.at),
            Event::StepAwaited(StepAwaited { step, since }) => {
                patient.stage = before(*step);
                patient.awaited = Some(Awaited { step: *step, since: *since, reminders: 0, mails: 0, escalated: None });
            }
            Event::OnboardingGivenUp(_) => patient.stage = Stage::GivenUp,
            Event::OnboardingCompleted(_) => (patient.stage, patient.awaited) = (Stage::Active, None),
            Event::PatientWithdrawn(_) => (patient.stage, patient.awaited) = (Stage::Withdrawn, None),
            Event::ReminderDue(_) | Event::StepEscalated(_) | Event::NotificationRecorded(_) => {
                patient.awaited = patient.awaited.map(|awaited| waited(awaited, event));
            }
        }
        Some(patient)
    }

    fn listing(patient: &Document) -> Listing {
        let practice = patient.practice.as_ref().map(AggregateId::as_str).unwrap_or_default();
        Listing::of(&practice, &patient.stage, patient.created_at)
    }
}

/// How far the onboarding has come while it waits for this step.
fn before(step: Step) -> Stage {
    match step {
        Step::Consent => Stage::Enrolled,
        Step::Insurance => Stage::Consented,
        Step::Appointment => Stage::Insured,
    }
}

fn waited(mut awaited: Awaited, event: &Event) -> Awaited {
    match event {
        Event::ReminderDue(event) => awaited.reminders = event.number,
        Event::StepEscalated(event) => awaited.escalated = Some(event.reason),
        Event::NotificationRecorded(event) => awaited.mails += u32::from(event.delivered),
        _ => {}
    }
    awaited
}

fn unknown(happening: &Happening) -> Document {
    Document {
        id: happening.aggregate.clone(),
        stage: Stage::Expected,
        practice: None,
        enrolled_at: None,
        consent_given_at: None,
        coverage: Coverage::Unknown,
        appointment_at: None,
        awaited: None,
        created_at: happening.time,
        updated_at: happening.time,
    }
}
