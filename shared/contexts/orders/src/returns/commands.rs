//! What can be asked of a return.

use kernel::ids::AggregateId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "orders" {
        RequestReturn(RequestReturn) = 1,
        WithdrawReturn(WithdrawReturn) = 1,
        ReceiveReturn(ReceiveReturn) = 1,
    }
}

/// The customer wants to send a shipped order back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestReturn {
    /// The order's id.
    pub order: AggregateId,
    /// Who sends it back: the customer's id.
    pub customer: AggregateId,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub reason: Option<String>,
}

/// The customer keeps the order after all. It can be returned later, under a new id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WithdrawReturn {}

/// The parcel has come back to the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ReceiveReturn {}
