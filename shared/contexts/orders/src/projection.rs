//! The order as clients read it, under `/orders`.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::commands::Line;
use crate::events::{Event, OrderSubmitted, Parcel};

/// How far an order has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Submitted,
    Confirmed,
    Shipped,
    Cancelled,
}

/// An order's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub status: Status,
    pub customer: AggregateId,
    pub lines: Vec<Line>,
    /// How many pieces all lines have together.
    pub pieces: u64,
    pub total: Money,
    pub placed_at: Timestamp,
    pub updated_at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancellation_reason: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracking_number: Option<String>,
}

/// The collection `orders`: by customer, by status, newest placed first.
pub struct OrderView;

impl Projection for OrderView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "orders";
    /// 2: with `pieces`.
    const LAYOUT: u32 = 2;
    const FILTERS: Filters = Filters { owner: "customer", state: "status" };
    const STATES: &'static [&'static str] = &["submitted", "confirmed", "shipped", "cancelled"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let updated_at = happening.time;
        Some(match event {
            Event::OrderSubmitted(event) => submitted(event, happening),
            Event::OrderCancelled(event) => {
                let cancellation_reason = event.reason.clone();
                Document { status: Status::Cancelled, cancellation_reason, updated_at, ..document? }
            }
            Event::OrderConfirmed(_) => Document { status: Status::Confirmed, updated_at, ..document? },
            Event::OrderShipped(event) => {
                let Parcel { carrier, tracking_number } = event.parcel.clone();
                let tracking_number = Some(tracking_number);
                Document { status: Status::Shipped, carrier, tracking_number, updated_at, ..document? }
            }
        })
    }

    fn listing(order: &Document) -> Listing {
        Listing::of(&order.customer, &order.status, order.placed_at)
    }

    /// By the day on which orders were placed: how many are in each status; and under `amount:EUR` and the like the
    /// total of those not cancelled, in minor units.
    fn tallies(order: &Document) -> Vec<Tally> {
        let mut tallies = vec![Tally::of(Self::listing(order).state, 1)];
        if order.status != Status::Cancelled {
            tallies.push(Tally::of(format!("amount:{}", order.total.currency), order.total.amount));
        }
        tallies.into_iter().map(|tally| tally.on(order.placed_at)).collect()
    }
}

fn submitted(event: &OrderSubmitted, happening: &Happening) -> Document {
    Document {
        id: happening.aggregate.clone(),
        status: Status::Submitted,
        customer: event.customer.clone(),
        lines: event.lines.clone(),
        pieces: event.lines.iter().map(|line| u64::from(line.quantity.get())).sum(),
        total: event.total.clone(),
        placed_at: event.placed_at,
        updated_at: happening.time,
        cancellation_reason: None,
        carrier: None,
        tracking_number: None,
    }
}
