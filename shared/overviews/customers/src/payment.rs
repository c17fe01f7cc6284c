//! What a payment contributes.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Counted, named};

kernel::messages! {
    pub enum Event in "payments" {
        ChargeRequested(ChargeRequested) = 1,
        ChargeSucceeded(ChargeSucceeded) = 1,
        ChargeDeclined(ChargeDeclined) = 1,
        PaymentNotNeeded(PaymentNotNeeded) = 1,
        ChargeVoided(ChargeVoided) = 1,
        RefundRequested(RefundRequested) = 1,
        RefundSucceeded(RefundSucceeded) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeRequested {
    pub customer: AggregateId,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeSucceeded {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeDeclined {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PaymentNotNeeded {
    pub customer: AggregateId,
    pub amount: Money,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChargeVoided {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundRequested {}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefundSucceeded {}

/// A payment at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Payment {
    /// The order's.
    pub id: AggregateId,
    pub customer: AggregateId,
    pub status: PaymentStatus,
    pub amount: Money,
    pub requested_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PaymentStatus {
    Requested,
    Charged,
    Declined,
    Voided,
    Refunding,
    Refunded,
    NotNeeded,
}

pub struct FromPayments;

impl Projection for FromPayments {
    type Event = Event;
    type Document = Payment;

    const COLLECTION: &'static str = "customers/payments";
    const FILTERS: Filters = Filters { owner: "customer", state: "status" };
    const PARTIAL: bool = true;

    fn project(payment: Option<Payment>, event: &Event, happening: &Happening) -> Option<Payment> {
        let begun = |customer: &AggregateId, amount: &Money, status| Payment {
            id: happening.aggregate.clone(),
            customer: customer.clone(),
            status,
            amount: amount.clone(),
            requested_at: happening.time,
        };
        let status = match event {
            Event::ChargeRequested(event) => {
                return Some(begun(&event.customer, &event.amount, PaymentStatus::Requested));
            }
            Event::PaymentNotNeeded(event) => {
                return Some(begun(&event.customer, &event.amount, PaymentStatus::NotNeeded));
            }
            Event::ChargeSucceeded(_) => PaymentStatus::Charged,
            Event::ChargeDeclined(_) => PaymentStatus::Declined,
            Event::ChargeVoided(_) => PaymentStatus::Voided,
            Event::RefundRequested(_) => PaymentStatus::Refunding,
            Event::RefundSucceeded(_) => PaymentStatus::Refunded,
        };
        Some(Payment { status, ..payment? })
    }

    fn listing(payment: &Payment) -> Listing {
        Listing { owner: payment.customer.to_string(), state: String::new(), time: payment.requested_at }
    }

    fn tallies(_: &Payment) -> Vec<Tally> {
        Vec::new()
    }
}

impl Counted for Payment {
    fn status(&self) -> String {
        named(&self.status)
    }

    fn amount(&self) -> Option<&Money> {
        matches!(self.status, PaymentStatus::Charged | PaymentStatus::Refunding).then_some(&self.amount)
    }
}
