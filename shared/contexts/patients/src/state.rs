//! What is remembered to decide by: which steps are done, and what is waited for. No personal data.

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When the patient is reminded of a step, counted from when it began to be awaited.
pub const REMINDERS: [Duration; 2] = [days(3), days(7)];
/// When the practice is told that the reminders did not help.
pub const ESCALATION: Duration = days(14);
/// When nobody waits any more.
pub const GIVING_UP: Duration = days(28);

const fn days(days: u64) -> Duration {
    Duration::from_hours(24 * days)
}

/// What the patient is asked for, in this order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Step {
    Consent,
    Insurance,
    Appointment,
}

impl Step {
    /// The step's name, which is also its timer's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Consent => "consent",
            Self::Insurance => "insurance",
            Self::Appointment => "appointment",
        }
    }
}

/// An onboarding as far as it has come. What arrives before the enrolment is here all the same.
#[expect(clippy::struct_excessive_bools, reason = "each may be so without the others")]
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub enrolled: bool,
    pub consent: bool,
    pub coverage: Coverage,
    pub appointment: Option<Timestamp>,
    pub completed: bool,
    pub withdrawn: bool,
    /// The step that is awaited, or was when the onboarding was given up.
    pub awaited: Option<Awaited>,
}

/// What the insurer says; also the read model's `coverage`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Coverage {
    #[default]
    Unknown,
    Denied,
    Confirmed,
}

/// A step that is awaited.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Awaited {
    pub step: Step,
    pub since: Timestamp,
    /// How many reminders there were.
    pub reminders: u32,
    pub escalated: bool,
    pub given_up: bool,
    /// Versions of the events that asked for a mail of which it is known what became.
    pub notified: BTreeSet<u64>,
}

impl Awaited {
    pub fn new(step: Step, since: Timestamp) -> Self {
        Self { step, since, reminders: 0, escalated: false, given_up: false, notified: BTreeSet::new() }
    }
}

impl State {
    /// The first step that is not done.
    pub fn missing(&self) -> Option<Step> {
        if !self.consent {
            Some(Step::Consent)
        } else if self.coverage != Coverage::Confirmed {
            Some(Step::Insurance)
        } else if self.appointment.is_none() {
            Some(Step::Appointment)
        } else {
            None
        }
    }

    /// The step that somebody waits for.
    pub fn waiting(&self) -> Option<&Awaited> {
        self.awaited.as_ref().filter(|awaited| !awaited.given_up)
    }

    /// The only timer that is set: whose it is, and when it is due. Any other that still comes is stale.
    pub fn timer(&self) -> Option<(Step, Timestamp)> {
        let Awaited { step, since, reminders, escalated, .. } = self.waiting()?;
        let after = match REMINDERS.get(*reminders as usize) {
            _ if *escalated => GIVING_UP,
            Some(reminder) => *reminder,
            None => ESCALATION,
        };
        Some((*step, since.plus(after)))
    }
}
