//! What happens. None but the enrolment holds personal data.

use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commands::{Contact, Practice};
use crate::state::Step;

kernel::messages! {
    pub enum Event in "patients" {
        PatientEnrolled(PatientEnrolled) = 1,
        ConsentGiven(ConsentGiven) = 1,
        CoverageConfirmed(CoverageConfirmed) = 1,
        CoverageDenied(CoverageDenied) = 1,
        AppointmentScheduled(AppointmentScheduled) = 1,
        StepAwaited(StepAwaited) = 1,
        ReminderDue(ReminderDue) = 1,
        StepEscalated(StepEscalated) = 1,
        NotificationRecorded(NotificationRecorded) = 1,
        OnboardingGivenUp(OnboardingGivenUp) = 1,
        OnboardingCompleted(OnboardingCompleted) = 1,
        PatientWithdrawn(PatientWithdrawn) = 1,
    }
}

/// A practice has taken a patient in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatientEnrolled {
    pub practice: Practice,
    /// The personal data.
    pub contact: Contact,
    pub enrolled_at: Timestamp,
}

/// The patient agrees to the treatment of their data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConsentGiven {
    pub given_at: Timestamp,
}

/// The insurer pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageConfirmed {}

/// The insurer does not pay as it stands. Until it does, the step is open.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CoverageDenied {}

/// The first appointment is agreed upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AppointmentScheduled {
    /// When it begins.
    pub at: Timestamp,
}

/// All steps before this one are done. The patient is to be asked for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepAwaited {
    pub step: Step,
    pub since: Timestamp,
}

/// The step has been awaited for some days. The patient is to be reminded of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReminderDue {
    pub step: Step,
    /// Of this step's reminders, from 1.
    pub number: u32,
}

/// The practice is to be told that the patient needs its help. The patient gets no more reminders of this step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StepEscalated {
    pub step: Step,
    pub reason: Reason,
}

/// Why the practice is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// The reminders did not help.
    Overdue,
    /// The patient's address takes no mail.
    Undeliverable,
    /// The insurer does not pay.
    CoverageDenied,
}

/// What became of the mail that an event of this stream asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NotificationRecorded {
    /// That event's version.
    pub request: u64,
    /// False: no mail will ever reach this address.
    pub delivered: bool,
}

/// The step has been awaited for weeks. If it is still done one day, the onboarding goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingGivenUp {
    pub step: Step,
}

/// All steps are done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OnboardingCompleted {}

/// The patient is none any more. Final.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatientWithdrawn {}
