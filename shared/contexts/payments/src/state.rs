//! What a payment remembers to decide by.

use kernel::money::Money;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

/// What is known of a payment.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub stage: Stage,
    /// How many events there are.
    pub version: u64,
    pub request: Option<Request>,
    /// The provider's id of the charge, once there is one.
    pub charge: Option<String>,
}

/// The charge that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// The version of the event.
    pub version: u64,
    pub amount: Money,
    pub due: Timestamp,
}

/// How far a payment has come; also the read model's `status`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Nobody has heard of the order.
    #[default]
    Unknown,
    /// The order was cancelled before its payment started: nothing is ever charged.
    NotNeeded,
    /// The gateway was asked to charge.
    Requested,
    /// The money is there.
    Charged,
    /// Nothing was charged.
    Declined,
    /// The order is cancelled, and nobody knows yet whether the customer was charged.
    Voiding,
    /// Nothing was charged.
    Voided,
    /// The gateway was asked to give the money back.
    Refunding,
    /// The customer has the money back.
    Refunded,
}
