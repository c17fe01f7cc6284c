//! What a payment is told. Clients send none of it: it is heard of the order, comes from the gateway, or is due.

use kernel::ids::AggregateId;
use kernel::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "payments" {
        #[internal] StartPayment(StartPayment) = 1,
        #[internal] CallOffPayment(CallOffPayment) = 1,
        #[internal] GiveUpPayment(GiveUpPayment) = 1,
        #[internal] RecordCharge(RecordCharge) = 1,
        #[internal] RecordDecline(RecordDecline) = 1,
        #[internal] RecordVoid(RecordVoid) = 1,
        #[internal] RecordRefund(RecordRefund) = 1,
        #[internal] RecordUnconfirmed(RecordUnconfirmed) = 1,
    }
}

/// An order is to be paid.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StartPayment {
    /// Who pays: the customer's id.
    pub customer: AggregateId,
    pub amount: Money,
    /// How long the payment may take.
    #[schemars(range(min = 1, max = 86_400))]
    pub within_seconds: u32,
}

/// The order was cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CallOffPayment {}

/// The time limit is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct GiveUpPayment {}

/// The provider has charged the customer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordCharge {
    /// The provider's id of the charge.
    #[schemars(length(min = 1, max = 200))]
    pub charge: String,
}

/// The provider has not charged the customer, and will not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordDecline {
    /// The provider's code for why.
    #[schemars(length(min = 1, max = 200))]
    pub reason: String,
}

/// The provider has taken note that nothing is to be charged any more, and has charged nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordVoid {}

/// The provider has given the money back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordRefund {
    /// The provider's id of the refund.
    #[schemars(length(min = 1, max = 200))]
    pub refund: String,
}

/// The order will not be confirmed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordUnconfirmed {
    /// Why, in the order's words.
    #[schemars(length(min = 1, max = 200))]
    pub reason: String,
}
