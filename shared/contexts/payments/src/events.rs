//! What happens to a payment.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Event in "payments" {
        ChargeRequested(ChargeRequested) = 1,
        ChargeSucceeded(ChargeSucceeded) = 1,
        ChargeDeclined(ChargeDeclined) = 1,
        PaymentGivenUp(PaymentGivenUp) = 1,
        PaymentCalledOff(PaymentCalledOff) = 1,
        OrderUnconfirmed(OrderUnconfirmed) = 1,
        PaymentNotNeeded(PaymentNotNeeded) = 1,
        VoidRequested(VoidRequested) = 1,
        ChargeVoided(ChargeVoided) = 1,
        RefundRequested(RefundRequested) = 1,
        RefundSucceeded(RefundSucceeded) = 1,
    }
}

/// The provider is asked to charge the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeRequested {
    /// Who pays: the customer's id.
    pub customer: AggregateId,
    pub amount: Money,
    /// When the payment is given up.
    pub due: Timestamp,
}

/// The customer was charged.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeSucceeded {
    /// The provider's id of the charge.
    pub charge: String,
}

/// The customer was not charged, and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeDeclined {
    /// The provider's code for why.
    pub reason: String,
}

/// Nothing was heard of the charge in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentGivenUp {}

/// The order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentCalledOff {}

/// The order is paid and was not confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderUnconfirmed {
    /// Why, in the order's words.
    pub reason: String,
}

/// The order had been cancelled before its payment started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PaymentNotNeeded {
    /// Who would have paid: the customer's id.
    pub customer: AggregateId,
    pub amount: Money,
}

/// The provider is asked to charge nothing any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct VoidRequested {
    /// The version of the event that asked for the charge.
    pub charge_requested: u64,
}

/// The customer was not charged, and will not be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ChargeVoided {}

/// The provider is asked to give the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundRequested {
    /// The provider's id of the charge.
    pub charge: String,
    pub amount: Money,
}

/// The customer has the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RefundSucceeded {
    /// The provider's id of the refund.
    pub refund: String,
}
