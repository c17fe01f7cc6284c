//! What orders hear of partners, which run such an installation themselves or publish the same events: a buyer's orders are ours
//! to carry out, and a supplier ships what was ordered here.

use kernel::ids::AggregateId;
use kernel::peers::Hears;
use kernel::projection::Happening;

use crate::commands::{Command, ShipOrder, SubmitOrder};
use crate::events::{OrderShipped, OrderShippedV1, OrderSubmitted, Parcel};

kernel::messages! {
    pub enum OfBuyer in "orders" { OrderSubmitted(OrderSubmitted) = 1 }
}

kernel::messages! {
    pub enum OfSupplier in "orders" { OrderShipped(OrderShipped) = 2 <- 1: OrderShippedV1 }
}

pub struct FromBuyers;

impl Hears for FromBuyers {
    type Event = OfBuyer;
    type Command = Command;

    /// The buyer is billed later.
    fn hear(event: OfBuyer, happening: &Happening) -> Option<(AggregateId, Command)> {
        let OfBuyer::OrderSubmitted(OrderSubmitted { customer, lines, .. }) = event;
        let order = SubmitOrder { customer, lines, on_account: true, pay_within_seconds: None };
        Some((happening.aggregate.clone(), order.into()))
    }
}

pub struct FromSuppliers;

impl Hears for FromSuppliers {
    type Event = OfSupplier;
    type Command = Command;

    fn hear(event: OfSupplier, happening: &Happening) -> Option<(AggregateId, Command)> {
        let OfSupplier::OrderShipped(OrderShipped { parcel: Parcel { carrier, tracking_number } }) = event;
        Some((happening.aggregate.clone(), ShipOrder { carrier, tracking_number }.into()))
    }
}
