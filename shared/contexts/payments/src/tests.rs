//! Given these events, when this command, then those; and what must hold for every payment.

use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::effect::Effect;
use kernel::ids::{AggregateId, StreamId};
use kernel::message::Encoded;
use kernel::money::Money;
use kernel::peers::{DISCARDED, Refusal};
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use serde_json::value::RawValue;
use spec::{NOW, assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given, time};

use crate::commands::{
    CallOffPayment, Command, GiveUpPayment, RecordCharge, RecordDecline, RecordRefund, RecordUnconfirmed, RecordVoid,
    StartPayment,
};
use crate::events::{
    ChargeDeclined, ChargeRequested, ChargeSucceeded, ChargeVoided, Event, OrderUnconfirmed, PaymentCalledOff,
    PaymentGivenUp, PaymentNotNeeded, RefundRequested, RefundSucceeded, VoidRequested,
};
use crate::peers::{CancelOrder, ConfirmOrder, Sent};
use crate::projection::{Document, PaymentView};
use crate::state::Stage;
use crate::{CONTEXT, Payments};

/// When the payment of these tests is given up: a minute after it has started.
const DUE: &str = "2026-01-01T00:01:00Z";

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn amount() -> Money {
    Money { amount: 2899, currency: "EUR".to_owned() }
}

fn start() -> StartPayment {
    StartPayment { customer: id("C-7"), amount: amount(), within_seconds: 60 }
}

fn charge() -> RecordCharge {
    RecordCharge { charge: "ch-1".to_owned() }
}

fn decline() -> RecordDecline {
    RecordDecline { reason: "card-expired".to_owned() }
}

fn refund() -> RecordRefund {
    RecordRefund { refund: "re-1".to_owned() }
}

fn unconfirm() -> RecordUnconfirmed {
    RecordUnconfirmed { reason: "already-cancelled".to_owned() }
}

fn requested() -> Event {
    ChargeRequested { customer: id("C-7"), amount: amount(), due: time(DUE) }.into()
}

fn charged() -> Event {
    ChargeSucceeded { charge: "ch-1".to_owned() }.into()
}

fn declined() -> Event {
    ChargeDeclined { reason: "card-expired".to_owned() }.into()
}

fn given_up() -> Event {
    PaymentGivenUp {}.into()
}

fn called_off() -> Event {
    PaymentCalledOff {}.into()
}

fn unconfirmed() -> Event {
    OrderUnconfirmed { reason: "already-cancelled".to_owned() }.into()
}

fn void_requested() -> Event {
    VoidRequested { charge_requested: 1 }.into()
}

fn voided() -> Event {
    ChargeVoided {}.into()
}

fn refund_requested() -> Event {
    RefundRequested { charge: "ch-1".to_owned(), amount: amount() }.into()
}

fn refunded() -> Event {
    RefundSucceeded { refund: "re-1".to_owned() }.into()
}

fn timer() -> Effect {
    Effect::set_timer("time-limit", time(DUE), Command::from(GiveUpPayment {}))
}

fn no_timer() -> Effect {
    Effect::cancel_timer("time-limit")
}

fn confirm_order() -> Effect {
    Effect::send(&id("A-1"), Sent::from(ConfirmOrder {}))
}

fn cancel_order(reason: &str) -> Effect {
    Effect::send(&id("A-1"), Sent::from(CancelOrder { reason: reason.to_owned() }))
}

#[test]
fn an_order_that_is_charged_is_confirmed() {
    given::<Payments>([])
        .when(start())
        .then_causing([requested()], [timer()])
        .when(charge())
        .then_causing([charged()], [confirm_order(), no_timer()])
        .when(charge())
        .then_nothing();
}

#[test]
fn an_order_that_is_not_charged_is_cancelled() {
    given::<Payments>([requested()])
        .when(decline())
        .then_causing([declined()], [cancel_order("The payment was declined"), no_timer()])
        // As the order is cancelled, it says so.
        .when(CallOffPayment {})
        .then_nothing()
        .when(decline())
        .then_nothing();
}

#[test]
fn an_order_that_takes_too_long_to_pay_is_cancelled_and_what_was_charged_goes_back() {
    let given_up = || {
        given::<Payments>([requested()])
            .when_at(time(DUE), GiveUpPayment {})
            .then_causing([given_up(), void_requested()], [cancel_order("The payment took too long")])
            .when_at(time(DUE), GiveUpPayment {})
            .then_nothing()
            .when(CallOffPayment {})
            .then_nothing()
    };
    given_up().when(RecordVoid {}).then([voided()]).when(RecordVoid {}).then_nothing();
    given_up().when(decline()).then([declined()]).when(RecordVoid {}).then_nothing();
    let back = given_up().when(charge()).then([charged(), refund_requested()]);
    back.when(charge()).then_nothing().when(RecordVoid {}).then_nothing().when(refund()).then([refunded()]);
}

#[test]
fn a_charge_that_is_heard_of_after_it_was_void_goes_back_as_well() {
    for no_charge in [voided(), declined()] {
        let past = [requested(), given_up(), void_requested(), no_charge];
        given::<Payments>(past).when(charge()).then([charged(), refund_requested()]);
    }
}

#[test]
fn a_time_limit_that_is_not_reached_changes_nothing() {
    given::<Payments>([requested()]).when_at(time(NOW), GiveUpPayment {}).then_nothing();
    for past in [vec![], vec![requested(), charged()], vec![requested(), declined()], vec![called_off()]] {
        given::<Payments>(past).when_at(time(DUE), GiveUpPayment {}).then_nothing();
    }
}

#[test]
fn an_order_that_is_cancelled_is_not_charged_or_gets_its_money_back() {
    let waiting = given::<Payments>([requested()]).when(CallOffPayment {});
    let waiting = waiting.then_causing([called_off(), void_requested()], [no_timer()]);
    waiting.when(CallOffPayment {}).then_nothing().when(charge()).then([charged(), refund_requested()]);
    let paid = given::<Payments>([requested(), charged()]).when(CallOffPayment {});
    let back = paid.then([called_off(), refund_requested()]);
    back.when(unconfirm()).then_nothing().when(refund()).then([refunded()]).when(refund()).then_nothing();
}

#[test]
fn an_order_that_was_cancelled_before_it_is_heard_of_is_never_charged() {
    let not_needed = Event::from(PaymentNotNeeded { customer: id("C-7"), amount: amount() });
    let past =
        given::<Payments>([]).when(CallOffPayment {}).then([called_off()]).when(CallOffPayment {}).then_nothing();
    past.when(start()).then([not_needed]).when(start()).then_nothing().when(CallOffPayment {}).then_nothing();
}

#[test]
fn a_paid_order_that_will_not_be_confirmed_is_cancelled_and_gets_its_money_back() {
    given::<Payments>([requested(), charged()])
        .when(unconfirm())
        .then_causing([unconfirmed(), refund_requested()], [cancel_order("The order could not be confirmed")])
        .when(unconfirm())
        .then_nothing()
        .when(CallOffPayment {})
        .then_nothing();
}

#[test]
fn a_payment_starts_once() {
    given::<Payments>([requested()]).when(start()).then_nothing();
    given::<Payments>([requested(), declined()]).when(start()).then_nothing();
}

#[test]
fn what_nobody_asked_for_is_refused() {
    for past in [vec![], vec![called_off()]] {
        given::<Payments>(past.clone()).when(charge()).then_rejected("no-charge-requested");
        given::<Payments>(past.clone()).when(decline()).then_rejected("no-charge-requested");
        given::<Payments>(past.clone()).when(unconfirm()).then_rejected("no-charge-requested");
        given::<Payments>(past.clone()).when(RecordVoid {}).then_rejected("no-void-requested");
        given::<Payments>(past).when(refund()).then_rejected("no-refund-requested");
    }
    given::<Payments>([requested()]).when(RecordVoid {}).then_rejected("no-void-requested");
    given::<Payments>([requested(), charged()]).when(refund()).then_rejected("no-refund-requested");
    let other = RecordCharge { charge: "ch-2".to_owned() };
    given::<Payments>([requested(), charged()]).when(other).then_rejected("charged-before");
}

mod peers {
    use super::*;

    /// What follows from this event of the order `O-1`.
    fn heard(ty: &str, data: &serde_json::Value) -> Option<(AggregateId, Encoded)> {
        let data = RawValue::from_string(data.to_string()).expect("JSON");
        let event = RecordedEvent {
            stream: StreamId::parse("acme/orders/O-1").expect("a stream"),
            version: 1,
            time: time(NOW),
            event: EventData { ty: ty.to_owned(), schema: 1, data, cause: Cause::default() },
        };
        CONTEXT.hears[0].hear(&event).expect("an event that it can read")
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what may be nothing")]
    fn follows(command: impl Into<Command>) -> Option<(AggregateId, Encoded)> {
        Some((id("O-1"), Encoded::of(command.into())))
    }

    #[test]
    fn a_payment_starts_with_its_order_and_ends_with_it() {
        let total = json!({ "amount": 2899, "currency": "EUR" });
        let mut submitted = json!({ "customer": "C-7", "lines": [], "total": total, "placedAt": NOW });
        assert_eq!(heard("OrderSubmitted", &submitted), None, "on account");
        submitted["payWithinSeconds"] = json!(60);
        assert_eq!(heard("OrderSubmitted", &submitted), follows(start()));
        assert_eq!(heard("OrderCancelled", &json!({ "withPayment": true })), follows(CallOffPayment {}));
        assert_eq!(heard("OrderCancelled", &json!({ "reason": "none" })), None);
        assert_eq!(heard("OrderShipped", &json!({})), None);
    }

    #[test]
    fn a_payment_is_told_that_its_order_is_not_confirmed() {
        let told = |command, reason| {
            let refusal = Refusal { command, aggregate: &id("O-1"), reason };
            (CONTEXT.recipient(command).expect("it sends that").refused)(refusal)
        };
        let unconfirmed = RecordUnconfirmed { reason: DISCARDED.to_owned() };
        assert_eq!(told("ConfirmOrder", DISCARDED), Some(Encoded::of(Command::from(unconfirmed))));
        assert_eq!(told("CancelOrder", "already-shipped"), None);
    }
}

mod reading {
    use super::*;

    fn read(events: &[Event]) -> Option<Document> {
        events.iter().zip(1_u64..).try_fold(None, |document, (event, version)| {
            let time = Timestamp::from_millis(version * 1000);
            PaymentView::project(document, event, &Happening { aggregate: id("O-1"), version, time }).map(Some)
        })?
    }

    fn status(events: &[Event]) -> Stage {
        read(events).expect("a document").status
    }

    #[test]
    fn a_payment_reads_as_it_stands() {
        let payment = read(&[requested(), charged(), called_off(), refund_requested(), refunded()]);
        let payment = payment.expect("a document");
        let json = serde_json::to_value(&payment).expect("JSON");
        assert_eq!(
            json,
            json!({
                "id": "O-1",
                "status": "refunded",
                "customer": "C-7",
                "amount": { "amount": 2899, "currency": "EUR" },
                "due": "2026-01-01T00:01:00.000Z",
                "charge": "ch-1",
                "refund": "re-1",
                "startedAt": "1970-01-01T00:00:01.000Z",
                "updatedAt": "1970-01-01T00:00:05.000Z"
            })
        );
        assert_eq!(serde_json::from_value::<Document>(json).expect("a document"), payment);
    }

    #[test]
    fn its_status_is_how_far_it_has_come() {
        let given_up = [requested(), given_up(), void_requested()];
        assert_eq!(status(&given_up), Stage::Voiding);
        assert_eq!(status(&[given_up.as_slice(), &[voided()]].concat()), Stage::Voided);
        assert_eq!(status(&[requested(), charged(), unconfirmed(), refund_requested()]), Stage::Refunding);
        let declined = read(&[requested(), declined()]).expect("a document");
        assert_eq!((declined.status, declined.decline_reason.as_deref()), (Stage::Declined, Some("card-expired")));
    }

    #[test]
    fn a_payment_whose_order_is_not_heard_of_yet_is_nobodys() {
        let before = read(&[called_off()]).expect("a document");
        assert_eq!((before.status, PaymentView::listing(&before).owner.as_str()), (Stage::NotNeeded, "unknown"));
        let not_needed = PaymentNotNeeded { customer: id("C-7"), amount: amount() };
        let after = read(&[called_off(), not_needed.into()]).expect("a document");
        assert_eq!((after.status, PaymentView::listing(&after).owner.as_str()), (Stage::NotNeeded, "C-7"));
    }

    #[test]
    fn what_is_charged_and_kept_adds_up() {
        let tallies = |events: &[Event]| PaymentView::tallies(&read(events).expect("a document"));
        let tally = |name: &str, by| Tally::of(name, by).on(Timestamp::from_millis(1000));
        assert_eq!(tallies(&[requested()]), [tally("requested", 1)]);
        assert_eq!(tallies(&[requested(), charged()]), [tally("charged", 1), tally("amount:EUR", 2899)]);
        assert_eq!(tallies(&[requested(), charged(), refund_requested()]), [tally("refunding", 1)]);
        assert_eq!(read(&[charged()]), None, "its beginning is missing");
    }
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        let generated = [
            schema_for!(StartPayment),
            schema_for!(CallOffPayment),
            schema_for!(GiveUpPayment),
            schema_for!(RecordCharge),
            schema_for!(RecordDecline),
            schema_for!(RecordVoid),
            schema_for!(RecordRefund),
            schema_for!(RecordUnconfirmed),
            schema_for!(ChargeRequested),
            schema_for!(ChargeSucceeded),
            schema_for!(ChargeDeclined),
            schema_for!(PaymentGivenUp),
            schema_for!(PaymentCalledOff),
            schema_for!(OrderUnconfirmed),
            schema_for!(PaymentNotNeeded),
            schema_for!(VoidRequested),
            schema_for!(ChargeVoided),
            schema_for!(RefundRequested),
            schema_for!(RefundSucceeded),
        ];
        assert_schemas_match(&CONTEXT, generated.map(Into::into));
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
            assert_safe_to_repeat::<Payments>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        let text = || prop::collection::vec(any::<char>(), 1..=200).prop_map(String::from_iter);
        let few = "[12]";
        prop_oneof![
            ("[A-Za-z0-9._~:@-]{1,64}", 0..=1_000_000_000_000_i64, "[A-Z]{3}", 1..=86_400_u32).prop_map(
                |(customer, amount, currency, within_seconds)| {
                    let amount = Money { amount, currency };
                    StartPayment { customer: id(&customer), amount, within_seconds }.into()
                }
            ),
            Just(CallOffPayment {}.into()),
            Just(GiveUpPayment {}.into()),
            few.prop_map(|charge| RecordCharge { charge }.into()),
            text().prop_map(|reason| RecordDecline { reason }.into()),
            Just(RecordVoid {}.into()),
            text().prop_map(|refund| RecordRefund { refund }.into()),
            text().prop_map(|reason| RecordUnconfirmed { reason }.into()),
        ]
    }
}
