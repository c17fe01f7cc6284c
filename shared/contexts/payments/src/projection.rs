//! The payment as clients read it, under `/payments`, by its order's id.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::Event;
use crate::state::Stage;

/// A payment's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The order's.
    pub id: AggregateId,
    pub status: Stage,
    /// Absent until the order is heard of, which may be after its cancellation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<AggregateId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<Money>,
    /// When the payment is given up, or was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub due: Option<Timestamp>,
    /// The provider's id of the charge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub charge: Option<String>,
    /// The provider's id of the refund.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refund: Option<String>,
    /// The provider's code for why it charged nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decline_reason: Option<String>,
    pub started_at: Timestamp,
    pub updated_at: Timestamp,
}

/// Whom a list names for a payment whose order is not heard of yet.
const NOBODY: &str = "unknown";

/// The collection `payments`: by customer, by status, newest first.
pub struct PaymentView;

impl Projection for PaymentView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "payments";
    const FILTERS: Filters = Filters { owner: "customer", state: "status" };
    const STATES: &'static [&'static str] =
        &["requested", "charged", "declined", "voiding", "voided", "refunding", "refunded", "not-needed"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let document = match (document, event) {
            (None, Event::ChargeRequested(_) | Event::PaymentCalledOff(_)) => empty(happening),
            (document, _) => Document { updated_at: happening.time, ..document? },
        };
        Some(match event.clone() {
            Event::ChargeRequested(event) => Document {
                status: Stage::Requested,
                customer: Some(event.customer),
                amount: Some(event.amount),
                due: Some(event.due),
                ..document
            },
            Event::PaymentNotNeeded(event) => {
                Document { customer: Some(event.customer), amount: Some(event.amount), ..document }
            }
            Event::ChargeSucceeded(event) => {
                Document { status: Stage::Charged, charge: Some(event.charge), ..document }
            }
            Event::ChargeDeclined(event) => {
                Document { status: Stage::Declined, decline_reason: Some(event.reason), ..document }
            }
            Event::VoidRequested(_) => Document { status: Stage::Voiding, ..document },
            Event::ChargeVoided(_) => Document { status: Stage::Voided, ..document },
            Event::RefundRequested(_) => Document { status: Stage::Refunding, ..document },
            Event::RefundSucceeded(event) => {
                Document { status: Stage::Refunded, refund: Some(event.refund), ..document }
            }
            Event::PaymentGivenUp(_) | Event::PaymentCalledOff(_) | Event::OrderUnconfirmed(_) => document,
        })
    }

    fn listing(payment: &Document) -> Listing {
        match &payment.customer {
            Some(customer) => Listing::of(customer, &payment.status, payment.started_at),
            None => Listing::of(&NOBODY, &payment.status, payment.started_at),
        }
    }

    /// By the day on which payments were started: how many are in each status; and under `amount:EUR` and the like the total
    /// of what was charged and is kept, in minor units.
    fn tallies(payment: &Document) -> Vec<Tally> {
        let mut tallies = vec![Tally::of(Self::listing(payment).state, 1)];
        if let (Stage::Charged, Some(Money { amount, currency })) = (payment.status, &payment.amount) {
            tallies.push(Tally::of(format!("amount:{currency}"), *amount));
        }
        tallies.into_iter().map(|tally| tally.on(payment.started_at)).collect()
    }
}

/// Before its first event has said anything.
fn empty(happening: &Happening) -> Document {
    Document {
        id: happening.aggregate.clone(),
        status: Stage::NotNeeded,
        customer: None,
        amount: None,
        due: None,
        charge: None,
        refund: None,
        decline_reason: None,
        started_at: happening.time,
        updated_at: happening.time,
    }
}
