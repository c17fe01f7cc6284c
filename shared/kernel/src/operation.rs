//! The operation: what a client follows from the 202 to the outcome.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::principal::Principal;
use crate::problem::Problem;
use crate::timestamp::Timestamp;

/// For how long a command can be on its way without a record of it: 14 days in its queue, and as long in its dead letters,
/// which is how long SQS keeps a message. Redrive writes a record before it sends a command on. After that time it has a
/// record, or had one.
pub const LONGEST_WAY: Duration = Duration::from_hours(28 * 24);

/// Where a command is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Taken and on its way; there is no record of it yet but its receipt.
    Accepted,
    /// Failed for a passing reason and will be tried again.
    Retrying,
    Succeeded,
    /// Refused by the business, or its id was used before. Final.
    Rejected,
    /// Set aside for a person to repair, resubmit or discard.
    Parked,
    /// Given up by an operator, who said why. Final.
    Discarded,
}

impl Status {
    /// Nothing changes any more.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Rejected | Self::Discarded)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Retrying => "retrying",
            Self::Succeeded => "succeeded",
            Self::Rejected => "rejected",
            Self::Parked => "parked",
            Self::Discarded => "discarded",
        }
    }
}

/// An operation as clients see it: the body of the 202 and of `GET /operations/{id}`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// The receipt.
    pub id: String,
    pub status: Status,
    pub accepted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_at: Option<Timestamp>,
    /// The command's type; known once it was handled or right when it was accepted.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// Who sent the command; known once it was handled or right when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// How often an operator has resubmitted the command.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub revision: u32,
    /// Whether an operator has replaced the command's data. Who did is not for its sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
    /// What the command changed, once it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// While it is retried: how often it was sent back to its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// Why it was rejected, parked or discarded, or is being retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// The read model of what a command changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Resource {
    /// Asks for the version that the command produced: 404 with `Retry-After` until the read model is there.
    pub href: String,
    pub version: u64,
}

impl Operation {
    /// An operation of which nothing but its receipt is known.
    pub fn accepted(id: impl Into<String>, accepted_at: Timestamp) -> Self {
        Self {
            id: id.into(),
            status: Status::Accepted,
            accepted_at,
            finished_at: None,
            ty: None,
            subject: None,
            principal: None,
            revision: 0,
            repaired: false,
            resource: None,
            attempt: None,
            error: None,
        }
    }
}
