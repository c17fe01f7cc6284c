//! The operation: what a client follows from the 202 to the outcome.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::AggregateId;
use crate::principal::Principal;
use crate::problem::Problem;
use crate::receipt::Receipt;
use crate::timestamp::Timestamp;

/// For how long a command can be on its way without a record of it: 14 days in its queue, and as long in its dead letters,
/// which is how long SQS keeps a message. Redrive writes a record before it sends a command on. After that time it has a
/// record, or had one.
pub const LONGEST_WAY: Duration = Duration::from_hours(28 * 24);

/// Where a command is on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Taken and on its way.
    Accepted,
    /// Failed for a passing reason, and will be tried again.
    Retrying,
    /// Final.
    Succeeded,
    /// Refused by the business, or its id was used before; final.
    Rejected,
    /// Set aside for a person, who repairs, resubmits or discards it.
    Parked,
    /// Dropped by an operator, who says why; final.
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    #[schemars(with = "Receipt")]
    pub id: String,
    pub status: Status,
    pub accepted_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    /// Once the status is final.
    pub finished_at: Option<Timestamp>,
    /// The command's type; known once it was handled or right when it was accepted.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AggregateId>")]
    pub subject: Option<String>,
    /// Who sent the command; known once it was handled or right when it was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// How often an operator has resubmitted the command; absent, never.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    #[schemars(range(min = 1))]
    pub revision: u32,
    /// The command's data is not what was sent: an operator has replaced it. Absent, nobody has.
    ///
    /// Who did is not for the command's sender.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
    /// What the command changed, once it has succeeded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<Resource>,
    /// While it is retried: how often it was sent back to its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub attempt: Option<u32>,
    /// Why it was rejected, parked or discarded, or is being retried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Problem>,
}

/// The read model of what a command changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Resource {
    /// Asks for the version that the command produced: 404 with `Retry-After` until the read model is there.
    #[schemars(extend("format" = "uri"))]
    pub href: String,
    #[schemars(range(min = 1))]
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
