//! What can be asked of a patient's onboarding.

use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::state::Step;

kernel::messages! {
    pub enum Command in "patients" {
        EnrollPatient(EnrollPatient) = 1,
        GiveConsent(GiveConsent) = 1,
        RecordCoverage(RecordCoverage) = 1,
        ScheduleAppointment(ScheduleAppointment) = 1,
        WithdrawPatient(WithdrawPatient) = 1,
        #[internal] CheckStep(CheckStep) = 1,
        #[internal] RecordNotification(RecordNotification) = 1,
    }
}

/// A practice takes a patient in. From here on the patient is asked for one step after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct EnrollPatient {
    pub practice: Practice,
    pub contact: Contact,
}

/// Who takes the patient in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Practice {
    /// The practice's id.
    pub id: AggregateId,
    /// The office's mailbox: it is told when a patient needs its help.
    #[schemars(email, length(max = MAX_EMAIL))]
    pub email: String,
}

/// How the patient is reached. This is all personal data that there is, and only the event of the enrolment repeats it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Contact {
    /// How the patient is addressed in mails.
    #[schemars(length(min = 1, max = 200))]
    pub name: String,
    #[schemars(email, length(max = MAX_EMAIL))]
    pub email: String,
}

/// Most characters of an address (RFC 5321, section 4.5.3.1.3, less the angle brackets).
const MAX_EMAIL: usize = 254;

/// The patient agrees to the treatment of their data. Given before, it stays as it is, and that is a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GiveConsent {}

/// The insurer's answer: whether it pays. A yes stays, whatever is answered later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordCoverage {
    pub covered: bool,
}

/// The first appointment is agreed upon.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ScheduleAppointment {
    /// When it begins.
    pub at: Timestamp,
}

/// The patient does not want to go on, or the practice does not. Final, also when it arrives before the enrolment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawPatient {}

/// The timer of a step: it may be time to remind, to escalate, or to give up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CheckStep {
    pub step: Step,
}

/// What became of a mail to the patient.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordNotification {
    /// What the mail asked for.
    pub step: Step,
    /// The version of the event that asked for the mail.
    #[schemars(range(min = 1))]
    pub request: u64,
    /// False: no mail will ever reach this address.
    pub delivered: bool,
}
