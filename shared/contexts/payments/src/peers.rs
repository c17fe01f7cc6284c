//! What a payment hears of its order, and what it sends to it. An order and its payment have one id.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::peers::{Hears, Refusal, Sends};
use kernel::projection::Happening;
use serde::{Deserialize, Serialize};

use crate::commands::{CallOffPayment, Command, RecordUnconfirmed, StartPayment};

kernel::messages! {
    pub enum Heard in "orders" {
        OrderSubmitted(OrderSubmitted) = 1,
        OrderCancelled(OrderCancelled) = 1,
    }
}

kernel::messages! {
    pub enum Sent in "orders" {
        ConfirmOrder(ConfirmOrder) = 1,
        CancelOrder(CancelOrder) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSubmitted {
    pub customer: AggregateId,
    pub total: Money,
    /// Absent: nothing is to be paid.
    #[serde(default)]
    pub pay_within_seconds: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderCancelled {
    #[serde(default)]
    pub with_payment: bool,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfirmOrder {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CancelOrder {
    pub reason: String,
}

pub struct FromOrders;

impl Hears for FromOrders {
    type Event = Heard;
    type Command = Command;

    fn hear(event: Heard, happening: &Happening) -> Option<(AggregateId, Command)> {
        let command = match event {
            Heard::OrderSubmitted(OrderSubmitted { customer, total: amount, pay_within_seconds }) => {
                StartPayment { customer, amount, within_seconds: pay_within_seconds? }.into()
            }
            Heard::OrderCancelled(OrderCancelled { with_payment: true }) => CallOffPayment {}.into(),
            Heard::OrderCancelled(_) => return None,
        };
        Some((happening.aggregate.clone(), command))
    }
}

pub struct ToOrders;

impl Sends for ToOrders {
    type Sent = Sent;
    type Command = Command;

    /// An order that is not cancelled, as it should be, stays unpaid and unconfirmed.
    fn refused(refusal: Refusal<'_>) -> Option<Command> {
        (refusal.command == "ConfirmOrder").then(|| RecordUnconfirmed { reason: refusal.reason.to_owned() }.into())
    }
}
