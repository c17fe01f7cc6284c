//! What can be asked of an order, and the words it is asked in.

use std::num::NonZeroU32;

use kernel::ids::AggregateId;
use kernel::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "orders" {
        SubmitOrder(SubmitOrder) = 1,
        CancelOrder(CancelOrder) = 1,
        #[internal] ConfirmOrder(ConfirmOrder) = 1,
        ShipOrder(ShipOrder) = 1,
    }
}

/// Most lines of one order: the schema's bound, and the rule's.
pub const MAX_LINES: usize = 500;

/// The longest time that a payment may take: a day.
pub const MAX_PAY_WITHIN_SECONDS: u32 = 24 * 60 * 60;

/// A customer orders these lines at these prices.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SubmitOrder {
    /// Who orders: the customer's id.
    pub customer: AggregateId,
    #[schemars(length(min = 1, max = MAX_LINES))]
    pub lines: Vec<Line>,
    /// The customer is billed later: the order ships without having been paid.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_account: bool,
    /// How long the payment may take; if not said, half an hour. An order that is not paid by then is cancelled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = MAX_PAY_WITHIN_SECONDS))]
    pub pay_within_seconds: Option<NonZeroU32>,
}

/// The customer or the shop calls the order off. One that is cancelled already stays as it is, and that is a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CancelOrder {
    /// For people to read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 500))]
    pub reason: Option<String>,
}

/// The order is paid. One that is confirmed already stays as it is, and that is a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfirmOrder {}

/// The order leaves the warehouse, as one parcel. From here on it cannot be cancelled.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ShipOrder {
    /// Who carries the parcel.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100))]
    pub carrier: Option<String>,
    /// The carrier's number for the parcel.
    #[schemars(length(min = 1, max = 100))]
    pub tracking_number: String,
}

/// So many of one article.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Line {
    /// The article's number in the shop's assortment.
    #[schemars(length(min = 1, max = 64))]
    pub sku: String,
    #[schemars(range(min = 1, max = 1_000_000))]
    pub quantity: NonZeroU32,
    /// The price of one. All lines of an order are in one currency.
    pub unit_price: Money,
}
