//! What an order contributes.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Counted, named};

kernel::messages! {
    pub enum Event in "orders" {
        OrderSubmitted(OrderSubmitted) = 1,
        OrderCancelled(OrderCancelled) = 1,
        OrderConfirmed(OrderConfirmed) = 1,
        OrderShipped(OrderShipped) = 2 <- 1: OrderShipped,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OrderSubmitted {
    pub customer: AggregateId,
    pub total: Money,
    pub placed_at: Timestamp,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderCancelled {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderConfirmed {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderShipped {}

/// An order at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Order {
    pub id: AggregateId,
    pub customer: AggregateId,
    pub status: OrderStatus,
    pub total: Money,
    pub placed_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OrderStatus {
    Submitted,
    Confirmed,
    Shipped,
    Cancelled,
}

pub struct FromOrders;

impl Projection for FromOrders {
    type Event = Event;
    type Document = Order;

    const COLLECTION: &'static str = "customers/orders";
    const FILTERS: Filters = Filters { owner: "customer", state: "status" };
    const PARTIAL: bool = true;

    fn project(order: Option<Order>, event: &Event, happening: &Happening) -> Option<Order> {
        Some(match event {
            Event::OrderSubmitted(OrderSubmitted { customer, total, placed_at }) => Order {
                id: happening.aggregate.clone(),
                customer: customer.clone(),
                status: OrderStatus::Submitted,
                total: total.clone(),
                placed_at: *placed_at,
            },
            Event::OrderCancelled(_) => Order { status: OrderStatus::Cancelled, ..order? },
            Event::OrderConfirmed(_) => Order { status: OrderStatus::Confirmed, ..order? },
            Event::OrderShipped(_) => Order { status: OrderStatus::Shipped, ..order? },
        })
    }

    fn listing(order: &Order) -> Listing {
        Listing { owner: order.customer.to_string(), state: String::new(), time: order.placed_at }
    }

    fn tallies(_: &Order) -> Vec<Tally> {
        Vec::new()
    }
}

impl Counted for Order {
    fn status(&self) -> String {
        named(&self.status)
    }

    fn amount(&self) -> Option<&Money> {
        (self.status != OrderStatus::Cancelled).then_some(&self.total)
    }
}
