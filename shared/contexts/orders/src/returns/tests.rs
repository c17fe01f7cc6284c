//! Given these events, when this command, then those; and what must hold for every return.

use kernel::decider::Guard;
use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, given};

use super::commands::{Command, ReceiveReturn, RequestReturn, WithdrawReturn};
use super::events::{Event, ReturnReceived, ReturnRequested, ReturnWithdrawn};
use super::projection::{Document, ReturnView};
use super::{Returns, returnable};
use crate::Orders;
use crate::commands::{Line, ShipOrder};
use crate::events::OrderSubmitted;

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn request() -> RequestReturn {
    RequestReturn { order: id("O-1"), customer: id("C-7"), reason: Some("too small".to_owned()) }
}

fn requested() -> Event {
    let RequestReturn { order, customer, reason } = request();
    let requested_at = Timestamp::parse("2026-01-01T00:00:00Z").expect("a time");
    ReturnRequested { order, customer, reason, requested_at }.into()
}

fn withdrawn() -> Event {
    ReturnWithdrawn {}.into()
}

fn received() -> Event {
    ReturnReceived {}.into()
}

#[test]
fn a_return_is_requested_once() {
    given::<Returns>([]).when(request()).then([requested()]).when(request()).then_rejected("already-requested");
}

#[test]
fn a_parcel_comes_back_once_and_ends_the_return() {
    let back = given::<Returns>([requested()]).when(ReceiveReturn {}).then([received()]);
    back.when(ReceiveReturn {}).then_nothing().when(WithdrawReturn {}).then_rejected("already-received");
}

#[test]
fn a_return_can_be_withdrawn_until_the_parcel_is_back() {
    let kept = given::<Returns>([requested()]).when(WithdrawReturn {}).then([withdrawn()]);
    kept.when(WithdrawReturn {}).then_nothing().when(ReceiveReturn {}).then_rejected("already-withdrawn");
}

#[test]
fn a_return_that_nobody_requested_is_unknown() {
    given::<Returns>([]).when(WithdrawReturn {}).then_rejected("unknown-return");
    given::<Returns>([]).when(ReceiveReturn {}).then_rejected("unknown-return");
}

/// The three decisions that move the counter name the same one, and it never goes below 0.
#[test]
fn an_order_is_returned_once_it_is_shipped_and_no_more_than_once() {
    let line = Line {
        sku: "TEA".to_owned(),
        quantity: 1.try_into().expect("not zero"),
        unit_price: Money { amount: 1, currency: "EUR".to_owned() },
    };
    let total = line.unit_price.clone();
    let placed_at = Timestamp::from_millis(0);
    let submitted =
        OrderSubmitted { customer: id("C-7"), lines: vec![line], total, placed_at, pay_within_seconds: None };
    let ship = ShipOrder { carrier: None, tracking_number: "1Z999".to_owned() };
    // A specification's aggregate is called A-1.
    let shipped = given::<Orders>([submitted.into()]).when(ship).decision().guards;
    assert_eq!(shipped, [returnable(&id("A-1"), 1)]);
    let requested_of = |order: &str| RequestReturn { order: id(order), ..request() };
    assert_eq!(given::<Returns>([]).when(requested_of("A-1")).decision().guards, [returnable(&id("A-1"), -1)]);
    let withdrawn = given::<Returns>([requested()]).when(WithdrawReturn {}).decision().guards;
    assert_eq!(withdrawn, [returnable(&id("O-1"), 1)]);
    assert_eq!(given::<Returns>([requested()]).when(ReceiveReturn {}).decision().guards, []);
    let Guard::Adjust { at_least, otherwise, .. } = returnable(&id("A-1"), -1) else { panic!("a counter") };
    assert_eq!((at_least, otherwise.reason), (Some(0), "not-returnable"));
}

fn read(events: &[Event]) -> Option<Document> {
    events.iter().zip(1_u64..).try_fold(None, |document, (event, version)| {
        let time = Timestamp::from_millis(version * 1000);
        ReturnView::project(document, event, &Happening { aggregate: id("R-1"), version, time }).map(Some)
    })?
}

#[test]
fn a_return_reads_as_it_stands() {
    let document = read(&[requested(), received()]).expect("a document");
    let json = serde_json::to_value(&document).expect("JSON");
    assert_eq!(
        json,
        serde_json::json!({
            "id": "R-1",
            "status": "received",
            "order": "O-1",
            "customer": "C-7",
            "reason": "too small",
            "requestedAt": "2026-01-01T00:00:00.000Z",
            "updatedAt": "1970-01-01T00:00:02.000Z"
        })
    );
    assert_eq!(serde_json::from_value::<Document>(json).expect("a document"), document);
}

#[test]
fn returns_are_listed_and_counted_by_customer_and_status() {
    for (last, status) in [(withdrawn(), "withdrawn"), (received(), "received")] {
        let document = read(&[requested(), last]).expect("a document");
        let listing = ReturnView::listing(&document);
        assert_eq!((listing.owner.as_str(), listing.state.as_str()), ("C-7", status));
        assert_eq!(ReturnView::tallies(&document), [Tally::of(status, 1).on(document.requested_at)]);
    }
    let document = read(&[requested()]).expect("a document");
    assert_eq!(ReturnView::tallies(&document), [Tally::of("requested", 1).on(document.requested_at)]);
    assert_eq!(read(&[received()]), None, "its beginning is missing");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn schemas_and_types_accept_the_same(command in commands()) {
        assert_agrees_with_schema(&command);
    }
}

proptest! {
    #[test]
    fn every_command_is_safe_to_repeat(commands in prop::collection::vec(commands(), 0..12)) {
        assert_safe_to_repeat::<Returns>(commands);
    }
}

fn commands() -> impl Strategy<Value = Command> {
    let ids = "[A-Za-z0-9._~:@-]{1,64}";
    let reason = prop::option::of(prop::collection::vec(any::<char>(), 1..=500).prop_map(String::from_iter));
    prop_oneof![
        (ids, ids, reason).prop_map(|(order, customer, reason)| {
            RequestReturn { order: id(&order), customer: id(&customer), reason }.into()
        }),
        Just(WithdrawReturn {}.into()),
        Just(ReceiveReturn {}.into()),
    ]
}
