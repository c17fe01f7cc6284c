//! What payments ask for, and what they are told: with the members that matter here.

use kernel::money::Money;
use serde::{Deserialize, Serialize};

kernel::messages! {
    #[expect(clippy::enum_variant_names, reason = "they are the events' names")]
    pub enum Asked {
        ChargeRequested(ChargeRequested) = 1,
        VoidRequested(VoidRequested) = 1,
        RefundRequested(RefundRequested) = 1,
    }
}

kernel::messages! {
    #[expect(clippy::enum_variant_names, reason = "they are the commands' names")]
    pub enum Outcome {
        RecordCharge(RecordCharge) = 1,
        RecordDecline(RecordDecline) = 1,
        RecordVoid(RecordVoid) = 1,
        RecordRefund(RecordRefund) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRequested {
    pub customer: String,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VoidRequested {
    /// The version of the event that asked for the charge.
    pub charge_requested: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {
    pub charge: String,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordCharge {
    pub charge: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordDecline {
    pub reason: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordVoid {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordRefund {
    pub refund: String,
}
