//! What happens to an order.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commands::Line;

kernel::messages! {
    pub enum Event in "orders" {
        OrderSubmitted(OrderSubmitted) = 1,
        OrderCancelled(OrderCancelled) = 1,
        OrderConfirmed(OrderConfirmed) = 1,
        OrderShipped(OrderShipped) = 2 <- 1: OrderShippedV1,
    }
}

/// A customer has ordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderSubmitted {
    /// Who ordered: the customer's id.
    pub customer: AggregateId,
    pub lines: Vec<Line>,
    /// Sum of the lines, each its quantity times its unit price.
    pub total: Money,
    /// When the order was accepted, however long it then waited: what the customer's terms count from.
    pub placed_at: Timestamp,
    /// How long its payment may take, from this event on. Absent: it ships without having been paid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pay_within_seconds: Option<u32>,
}

/// The order will not be carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether it was to be paid, or is paid already.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub with_payment: bool,
}

/// The order is paid, and can be shipped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderConfirmed {}

/// The order has left the warehouse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OrderShipped {
    pub parcel: Parcel,
}

/// What has left.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Parcel {
    /// Who carries it, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// The carrier's number for it.
    pub tracking_number: String,
}

/// Version 1, which knows no carrier.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderShippedV1 {
    pub tracking_number: String,
}

impl From<OrderShippedV1> for OrderShipped {
    fn from(OrderShippedV1 { tracking_number }: OrderShippedV1) -> Self {
        Self { parcel: Parcel { carrier: None, tracking_number } }
    }
}
