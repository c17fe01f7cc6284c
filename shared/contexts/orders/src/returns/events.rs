//! What happens to a return.

use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Event in "orders" {
        ReturnRequested(ReturnRequested) = 1,
        ReturnWithdrawn(ReturnWithdrawn) = 1,
        ReturnReceived(ReturnReceived) = 1,
    }
}

/// The customer wants to send an order back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnRequested {
    /// The order's id.
    pub order: AggregateId,
    /// Who sends it back: the customer's id.
    pub customer: AggregateId,
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// When the request was accepted: what the time for returns counts to.
    pub requested_at: Timestamp,
}

/// The customer keeps the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnWithdrawn {}

/// The parcel has come back to the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReturnReceived {}
