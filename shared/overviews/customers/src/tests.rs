//! Given these contributions, the overview says that.

use kernel::context::{ProjectError, ReadModel};
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use kernel::{RawValue, overview::Contributions};
use serde_json::{Value, json};

use super::*;

/// The stream's events, one a second.
fn recorded(stream: &str, events: &[(&str, u32, Value)]) -> Vec<RecordedEvent> {
    let recorded = |(version, (ty, schema, data)): (u64, &(&str, u32, Value))| RecordedEvent {
        stream: StreamId::parse(stream).expect("a stream"),
        version,
        time: Timestamp::from_millis(version * 1000),
        event: EventData {
            ty: (*ty).to_owned(),
            schema: *schema,
            data: RawValue::from_string(data.to_string()).expect("JSON"),
            cause: Cause { operation: "op".into(), correlation: "co".into(), ..Cause::default() },
        },
    };
    (1..).zip(events).map(recorded).collect()
}

fn contribution(read_model: &dyn ReadModel, stream: &str, events: &[(&str, u32, Value)]) -> (&'static str, String) {
    let projected = read_model.project(None, &recorded(stream, events)).expect("a document");
    assert_eq!((projected.listing.owner.as_str(), projected.tallies.len()), ("C-7", 0));
    (read_model.collection(), projected.document)
}

fn submitted(amount: i64) -> (&'static str, u32, Value) {
    let total = json!({ "amount": amount, "currency": "EUR" });
    ("OrderSubmitted", 1, json!({ "customer": "C-7", "total": total, "placedAt": "2026-01-15T09:30:00Z", "lines": [] }))
}

fn bound() -> (&'static str, u32, Value) {
    ("PolicyBound", 1, json!({ "number": "P-1", "holder": "C-7", "premium": 900, "currency": "CHF" }))
}

#[test]
fn a_customer_is_what_all_streams_contribute() {
    let charge =
        json!({ "customer": "C-7", "amount": { "amount": 100, "currency": "EUR" }, "due": "2026-01-16T09:30:00Z" });
    let documents = vec![
        contribution(&FromOrders, "acme/orders/O-3", &[submitted(5)]),
        contribution(&FromOrders, "acme/orders/O-2", &[submitted(7), ("OrderCancelled", 1, json!({}))]),
        contribution(&FromOrders, "acme/orders/O-1", &[submitted(100), ("OrderShipped", 1, json!({}))]),
        contribution(
            &FromPayments,
            "acme/payments/O-1",
            &[
                ("PaymentCalledOff", 1, json!({})),
                ("ChargeRequested", 1, charge),
                ("ChargeSucceeded", 1, json!({ "charge": "ch-1" })),
                ("OrderUnconfirmed", 1, json!({ "reason": "cancelled" })),
                ("RefundRequested", 1, json!({})),
            ],
        ),
        contribution(&FromPolicies, "acme/policies/P-1", &[bound(), ("PremiumAdjusted", 1, json!({ "premium": 950 }))]),
        contribution(&FromPolicies, "acme/policies/P-0", &[bound(), ("PolicyCancelled", 1, json!({}))]),
    ];
    let contributions = Contributions::of_documents(documents, true);
    let customer = AggregateId::parse("C-7").expect("an id");
    let merged: Value =
        serde_json::from_str(&OVERVIEW.merge(&customer, &contributions).expect("merged")).expect("JSON");
    let section = |name: &str| (merged[name]["byStatus"].clone(), merged[name]["sums"].clone());
    let sum = |amount: i64, currency: &str| json!([{ "amount": amount, "currency": currency }]);
    assert_eq!(merged["id"], "C-7");
    assert_eq!(section("orders"), (json!({ "submitted": 1, "cancelled": 1, "shipped": 1 }), sum(105, "EUR")));
    assert_eq!(section("payments"), (json!({ "refunding": 1 }), sum(100, "EUR")));
    assert_eq!(section("policies"), (json!({ "bound": 1, "cancelled": 1 }), sum(950, "CHF")));
    assert_eq!(merged["orders"]["latest"][0]["id"], "O-3");
    assert_eq!(merged["complete"], true);
}

#[test]
fn of_many_the_newest_are_shown_and_all_are_counted() {
    let contribution = contribution(&FromOrders, "acme/orders/O-1", &[submitted(5)]);
    let contributions = Contributions::of_documents(vec![contribution; 25], true);
    let customer = AggregateId::parse("C-7").expect("an id");
    let document = Customers::merge(&customer, &contributions).expect("merged");
    assert_eq!((document.orders.count, document.orders.latest.len(), document.orders.sums[0].amount), (25, 10, 125));
    assert_eq!(document.policies, section(Vec::new()));
}

#[test]
fn events_of_no_concern_change_nothing_and_make_nothing() {
    let events = recorded("acme/payments/O-1", &[("PaymentCalledOff", 1, json!({})), ("VoidRequested", 1, json!({}))]);
    assert!(matches!(FromPayments.project(None, &events), Err(ProjectError::Nothing)));
    assert!(FromPayments.hears("ChargeRequested") && !FromPayments.hears("PaymentCalledOff"));
    let late = recorded("acme/orders/O-1", &[("OrderCancelled", 1, json!({}))]);
    assert!(matches!(FromOrders.project(None, &late), Err(ProjectError::Nothing)), "its beginning is missing");
}
