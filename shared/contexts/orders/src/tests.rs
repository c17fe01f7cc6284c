//! Given these events, when this command, then those; and what must hold for every order.

use kernel::ids::AggregateId;
use kernel::message::Message;
use kernel::money::Money;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given, validator};

use crate::commands::MAX_LINES;
use crate::commands::{CancelOrder, Command, ConfirmOrder, Line, ShipOrder, SubmitOrder};
use crate::decide::{MAX_TOTAL, PAY_WITHIN_SECONDS};
use crate::events::{Event, OrderCancelled, OrderConfirmed, OrderShipped, OrderSubmitted, Parcel};
use crate::projection::{Document, OrderView};
use crate::returns::commands::{ReceiveReturn, RequestReturn, WithdrawReturn};
use crate::returns::events::{ReturnReceived, ReturnRequested, ReturnWithdrawn};
use crate::{CONTEXT, Orders};

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).expect("a time")
}

fn line(quantity: u32, amount: i64, currency: &str) -> Line {
    let unit_price = Money { amount, currency: currency.to_owned() };
    Line { sku: "TEA-100".to_owned(), quantity: quantity.try_into().expect("not zero"), unit_price }
}

fn submit(lines: impl Into<Vec<Line>>) -> SubmitOrder {
    SubmitOrder { customer: id("C-7"), lines: lines.into(), on_account: true, pay_within_seconds: None }
}

fn cancel() -> CancelOrder {
    CancelOrder { reason: Some("changed my mind".to_owned()) }
}

fn ship() -> ShipOrder {
    ship_by(None)
}

fn ship_by(carrier: Option<&str>) -> ShipOrder {
    ShipOrder { carrier: carrier.map(str::to_owned), tracking_number: "1Z999".to_owned() }
}

fn submitted() -> Event {
    submitted_to_be_paid(None)
}

fn submitted_to_be_paid(pay_within_seconds: Option<u32>) -> Event {
    let lines = vec![line(2, 450, "EUR"), line(1, 1999, "EUR")];
    let total = Money { amount: 2899, currency: "EUR".to_owned() };
    let placed_at = time("2026-01-01T00:00:00Z");
    OrderSubmitted { customer: id("C-7"), lines, total, placed_at, pay_within_seconds }.into()
}

fn cancelled() -> Event {
    OrderCancelled { reason: Some("changed my mind".to_owned()), with_payment: false }.into()
}

fn confirmed() -> Event {
    OrderConfirmed {}.into()
}

fn shipped() -> Event {
    shipped_by(None)
}

fn shipped_by(carrier: Option<&str>) -> Event {
    let parcel = Parcel { carrier: carrier.map(str::to_owned), tracking_number: "1Z999".to_owned() };
    OrderShipped { parcel }.into()
}

mod submitting {
    use super::*;

    #[test]
    fn an_order_adds_up_its_lines_and_is_placed_when_it_was_accepted() {
        given::<Orders>([]).when(submit([line(2, 450, "EUR"), line(1, 1999, "EUR")])).then([submitted()]);
    }

    #[test]
    fn an_order_that_has_a_price_and_is_not_on_account_is_to_be_paid_within_a_time() {
        let pay_within = |submit: SubmitOrder| {
            let decision = given::<Orders>([]).when(submit).decision();
            let [Event::OrderSubmitted(event)] = &decision.events[..] else { panic!("{:?}", decision.events) };
            event.pay_within_seconds
        };
        let order = SubmitOrder { on_account: false, ..submit([line(1, 450, "EUR")]) };
        let soon = SubmitOrder { pay_within_seconds: 60.try_into().ok(), ..order.clone() };
        assert_eq!((pay_within(order), pay_within(soon.clone())), (Some(PAY_WITHIN_SECONDS), Some(60)));
        assert_eq!(pay_within(SubmitOrder { on_account: true, ..soon.clone() }), None);
        assert_eq!(pay_within(SubmitOrder { lines: vec![line(2, 0, "EUR")], ..soon }), None, "it is free");
    }

    #[test]
    fn an_order_is_submitted_once() {
        for past in [vec![submitted()], vec![submitted(), cancelled()], vec![submitted(), shipped()]] {
            given::<Orders>(past).when(submit([line(1, 450, "EUR")])).then_rejected("already-submitted");
        }
    }

    #[test]
    fn an_order_has_lines_but_not_too_many() {
        given::<Orders>([]).when(submit([])).then_rejected("no-lines");
        let lines = |count| submit(vec![line(1, 1, "EUR"); count]);
        given::<Orders>([]).when(lines(MAX_LINES + 1)).then_rejected("too-many-lines");
        assert_eq!(given::<Orders>([]).when(lines(MAX_LINES)).decision().events.len(), 1);
    }

    #[test]
    fn an_order_is_in_one_currency() {
        given::<Orders>([]).when(submit([line(1, 450, "EUR"), line(1, 450, "USD")])).then_rejected("mixed-currencies");
    }

    #[test]
    fn a_total_beyond_the_limit_or_beyond_arithmetic_is_refused() {
        assert_eq!(given::<Orders>([]).when(submit([line(1, MAX_TOTAL, "EUR")])).decision().events.len(), 1);
        for lines in [
            vec![line(1, MAX_TOTAL, "EUR"), line(1, 1, "EUR")],
            vec![line(u32::MAX, i64::MAX, "EUR")],
            vec![line(1, i64::MAX, "EUR"), line(1, i64::MAX, "EUR")],
            vec![line(1, -1, "EUR")],
        ] {
            given::<Orders>([]).when(submit(lines)).then_rejected("total-out-of-range");
        }
    }
}

mod confirming {
    use super::*;

    #[test]
    fn an_order_that_is_to_be_paid_is_confirmed_once() {
        let confirmed = given::<Orders>([submitted_to_be_paid(Some(60))]).when(ConfirmOrder {}).then([confirmed()]);
        confirmed
            .when(ConfirmOrder {})
            .then_nothing()
            .when(ship())
            .then([shipped()])
            .when(ConfirmOrder {})
            .then_nothing();
    }

    #[test]
    fn an_order_that_is_cancelled_or_not_to_be_paid_is_not_confirmed() {
        given::<Orders>([]).when(ConfirmOrder {}).then_rejected("unknown-order");
        given::<Orders>([submitted()]).when(ConfirmOrder {}).then_rejected("nothing-to-pay");
        let cancelled = given::<Orders>([submitted_to_be_paid(Some(60)), cancelled()]);
        cancelled.when(ConfirmOrder {}).then_rejected("already-cancelled");
    }
}

mod cancelling {
    use super::*;

    #[test]
    fn an_order_can_be_cancelled_until_it_ships() {
        given::<Orders>([submitted()]).when(cancel()).then([cancelled()]);
        given::<Orders>([submitted(), shipped()]).when(cancel()).then_rejected("already-shipped");
    }

    #[test]
    fn an_order_that_is_cancelled_says_whether_there_is_a_payment() {
        let with_payment = OrderCancelled { reason: Some("changed my mind".to_owned()), with_payment: true };
        let awaiting = submitted_to_be_paid(Some(60));
        given::<Orders>([awaiting.clone()]).when(cancel()).then([with_payment.clone().into()]);
        given::<Orders>([awaiting, confirmed()]).when(cancel()).then([with_payment.into()]);
    }

    #[test]
    fn a_cancelled_order_can_be_cancelled_again_and_stays_as_it_is() {
        given::<Orders>([submitted(), cancelled()]).when(CancelOrder { reason: None }).then_nothing();
    }

    #[test]
    fn an_order_that_nobody_submitted_cannot_be_cancelled() {
        given::<Orders>([]).when(cancel()).then_rejected("unknown-order");
    }
}

mod shipping {
    use super::*;

    #[test]
    fn a_submitted_order_ships_once() {
        given::<Orders>([submitted()]).when(ship()).then([shipped()]).when(ship()).then_rejected("already-shipped");
    }

    #[test]
    fn a_parcel_has_its_carrier_where_the_shop_says_so() {
        given::<Orders>([submitted()]).when(ship_by(Some("Hermes"))).then([shipped_by(Some("Hermes"))]);
    }

    #[test]
    fn an_order_that_is_to_be_paid_ships_when_it_is_confirmed() {
        let awaiting = submitted_to_be_paid(Some(60));
        given::<Orders>([awaiting.clone()]).when(ship()).then_rejected("awaiting-payment");
        given::<Orders>([awaiting, confirmed()]).when(ship()).then([shipped()]);
    }

    #[test]
    fn a_cancelled_order_must_not_ship() {
        given::<Orders>([submitted(), cancelled()]).when(ship()).then_rejected("already-cancelled");
    }

    #[test]
    fn an_order_that_nobody_submitted_cannot_ship() {
        given::<Orders>([]).when(ship()).then_rejected("unknown-order");
    }
}

mod reading {
    use super::*;

    fn read(events: &[Event]) -> Option<Document> {
        events.iter().zip(1_u64..).try_fold(None, |document, (event, version)| {
            let time = Timestamp::from_millis(version * 1000);
            let happening = Happening { aggregate: id("O-1"), version, time };
            OrderView::project(document, event, &happening).map(Some)
        })?
    }

    #[test]
    fn an_order_reads_as_it_stands() {
        let order = read(&[submitted(), shipped()]).expect("a document");
        let json = serde_json::to_value(&order).expect("JSON");
        assert_eq!(
            json,
            serde_json::json!({
                "id": "O-1",
                "status": "shipped",
                "customer": "C-7",
                "lines": [
                    { "sku": "TEA-100", "quantity": 2, "unitPrice": { "amount": 450, "currency": "EUR" } },
                    { "sku": "TEA-100", "quantity": 1, "unitPrice": { "amount": 1999, "currency": "EUR" } }
                ],
                "pieces": 3,
                "total": { "amount": 2899, "currency": "EUR" },
                "placedAt": "2026-01-01T00:00:00.000Z",
                "updatedAt": "1970-01-01T00:00:02.000Z",
                "trackingNumber": "1Z999"
            })
        );
        assert_eq!(serde_json::from_value::<Document>(json).expect("a document"), order);
    }

    #[test]
    fn an_order_shows_its_carrier_where_that_is_known() {
        let carrier = |event| read(&[submitted(), event]).expect("a document").carrier;
        assert_eq!(carrier(shipped_by(Some("Hermes"))).as_deref(), Some("Hermes"));
        let before = Event::decode("OrderShipped", 1, r#"{"trackingNumber":"1Z999"}"#).expect("version 1");
        assert_eq!(before, shipped());
        assert_eq!(carrier(before), None);
    }

    #[test]
    fn orders_are_listed_by_customer_and_status_from_when_they_were_placed() {
        let listing = OrderView::listing(&read(&[submitted(), cancelled()]).expect("a document"));
        assert_eq!((listing.owner.as_str(), listing.state.as_str()), ("C-7", "cancelled"));
        assert_eq!(listing.time, time("2026-01-01T00:00:00Z"));
    }

    #[test]
    fn reports_count_every_order_and_add_up_those_not_cancelled_by_the_day_they_were_placed() {
        let tallies = |events: &[Event]| OrderView::tallies(&read(events).expect("a document"));
        let tally = |name: &str, by| Tally::of(name, by).on(time("2026-01-01T00:00:00Z"));
        assert_eq!(tallies(&[submitted()]), [tally("submitted", 1), tally("amount:EUR", 2899)]);
        assert_eq!(tallies(&[submitted(), confirmed()]), [tally("confirmed", 1), tally("amount:EUR", 2899)]);
        assert_eq!(tallies(&[submitted(), shipped()]), [tally("shipped", 1), tally("amount:EUR", 2899)]);
        assert_eq!(tallies(&[submitted(), cancelled()]), [tally("cancelled", 1)]);
    }

    #[test]
    fn nothing_can_be_read_of_an_order_whose_beginning_is_missing() {
        assert_eq!(read(&[cancelled()]), None);
        assert_eq!(read(&[shipped()]), None);
    }
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(SubmitOrder),
            schema_for!(CancelOrder),
            schema_for!(ConfirmOrder),
            schema_for!(ShipOrder),
            schema_for!(OrderSubmitted),
            schema_for!(OrderCancelled),
            schema_for!(OrderConfirmed),
            schema_for!(OrderShipped),
            schema_for!(RequestReturn),
            schema_for!(WithdrawReturn),
            schema_for!(ReceiveReturn),
            schema_for!(ReturnRequested),
            schema_for!(ReturnWithdrawn),
            schema_for!(ReturnReceived),
        ];
        assert_schemas_match(&CONTEXT, generated.map(Into::into));
    }

    #[test]
    fn what_they_refuse() {
        let refused = |command: &str, json: &str| {
            let schema = CONTEXT.schema(command, 1).expect("a bundled schema");
            let schema = validator(&serde_json::from_str(schema).expect("JSON"));
            assert!(!schema.is_valid(&serde_json::from_str(json).expect("JSON")), "{command} accepted {json}");
        };
        let line = r#"{"sku":"TEA","quantity":1,"unitPrice":{"amount":1,"currency":"EUR"}}"#;
        refused("SubmitOrder", r#"{"customer":"C-7","lines":[]}"#);
        refused("SubmitOrder", &format!(r#"{{"customer":"C/7","lines":[{line}]}}"#));
        refused("SubmitOrder", &format!(r#"{{"customer":"C-7","lines":[{line}],"discount":5}}"#));
        for (good, bad) in [("EUR", "eur"), (":1", ":0"), (":1", ":1.5"), (":1", ":\"1\""), ("TEA", "")] {
            refused("SubmitOrder", &format!(r#"{{"customer":"C-7","lines":[{}]}}"#, line.replace(good, bad)));
        }
        refused("CancelOrder", r#"{"reason":""}"#);
        refused("ShipOrder", "{}");
        refused("ShipOrder", r#"{"carrier":"","trackingNumber":"1Z999"}"#);
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
            assert_safe_to_repeat::<Orders>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        let reason = prop::option::of(text(500));
        prop_oneof![
            ("[A-Za-z0-9._~:@-]{1,64}", prop::collection::vec(lines(), 1..4), any::<bool>(), 0..=86_400_u32).prop_map(
                |(customer, lines, on_account, seconds)| {
                    let (customer, pay_within_seconds) = (id(&customer), seconds.try_into().ok());
                    SubmitOrder { customer, lines, on_account, pay_within_seconds }.into()
                }
            ),
            Just(ConfirmOrder {}.into()),
            reason.prop_map(|reason| CancelOrder { reason }.into()),
            (prop::option::of(text(100)), text(100)).prop_map(|(carrier, tracking_number)| ShipOrder {
                carrier,
                tracking_number
            }
            .into()),
        ]
    }

    fn lines() -> impl Strategy<Value = Line> {
        let currency = prop_oneof![9 => Just("EUR".to_owned()), 1 => "[A-Z]{3}"];
        let money = (0..=MAX_TOTAL, currency).prop_map(|(amount, currency)| Money { amount, currency });
        (text(64), 1..=1_000_000_u32, money).prop_map(|(sku, quantity, unit_price)| Line {
            sku,
            quantity: quantity.try_into().expect("not zero"),
            unit_price,
        })
    }

    /// Any text, of up to `max` characters.
    fn text(max: usize) -> impl Strategy<Value = String> {
        prop::collection::vec(any::<char>(), 1..=max).prop_map(String::from_iter)
    }
}
