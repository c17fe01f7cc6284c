//! What comes out of what payments ask for.

use kernel::message::Encoded;
use payment_provider::{Mode, Status};
use payments::commands::{Command, GiveUpPayment};
use serde_json::json;
use testkit::Aws;

use crate::gateway::{API_KEY, CUSTOMER, Gateway, charge, refund, void};

#[tokio::test(start_paused = true)]
async fn a_charge_is_made_once_and_told_once_however_often_it_is_asked_for() {
    let gateway = Gateway::new();
    for _ in 0..2 {
        assert!(gateway.handle(1, charge()).await);
    }
    let charges = gateway.provider.charges();
    let [made] = &charges[..] else { panic!("{charges:?}") };
    assert_eq!((made.amount, made.currency.as_str(), made.customer.as_str()), (2899, "EUR", CUSTOMER));
    assert!(!made.key.contains("O-1"), "{}", made.key);
    assert_eq!(gateway.asked(), ["GET charges", "POST charges", "GET charges"]);
    // The second has the same key, and so the queue took it for the first.
    let handed_in = gateway.handed_in();
    let [(ty, data, _)] = &handed_in[..] else { panic!("{handed_in:?}") };
    assert_eq!((ty.as_str(), data), ("RecordCharge", &json!({ "charge": made.id })));
    assert_eq!(gateway.aws.count("GetSecretValue"), 1, "the credentials are kept");
}

#[tokio::test(start_paused = true)]
async fn a_charge_that_is_declined_is_told_with_the_providers_code() {
    let gateway = Gateway::new();
    gateway.provider.set_mode(None, Mode::Declined);
    for _ in 0..2 {
        assert!(gateway.handle(1, charge()).await);
    }
    let handed_in = gateway.handed_in();
    let [(ty, data, _)] = &handed_in[..] else { panic!("{handed_in:?}") };
    assert_eq!((ty.as_str(), data), ("RecordDecline", &json!({ "reason": "card-declined" })));
}

#[tokio::test(start_paused = true)]
async fn a_charge_whose_answer_was_lost_is_asked_for_and_not_repeated() {
    let gateway = Gateway::new();
    gateway.provider.set_mode(None, Mode::Lost);
    assert!(!gateway.handle(1, charge()).await);
    assert_eq!(gateway.handed_in(), []);
    // One that would charge again.
    gateway.provider.set_mode(None, Mode::IgnoresKeys);
    assert!(gateway.handle(1, charge()).await);
    assert_eq!(gateway.asked(), ["GET charges", "POST charges", "GET charges"]);
    assert_eq!((gateway.provider.charges().len(), gateway.handed_in().len()), (1, 1));
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_does_not_say_clearly_is_no_outcome() {
    let gateway = Gateway::new();
    for mode in [Mode::Down, Mode::Silent] {
        gateway.provider.set_mode(None, mode);
        assert!(!gateway.handle(1, charge()).await, "{mode:?}");
        assert!(!gateway.handle(2, void()).await, "{mode:?}");
        assert!(!gateway.handle(3, refund("ch-1")).await, "{mode:?}");
    }
    gateway.provider.set_mode(None, Mode::Fine);
    gateway.aws.put_secret(&Aws::secret_arn("provider"), r#"{"url":"https://pay.example","api_key":"an-old-one"}"#);
    tokio::time::advance(std::time::Duration::from_mins(30)).await;
    assert!(!gateway.handle(1, charge()).await, "we are not let in");
    assert_eq!(gateway.handed_in(), []);
    assert!(gateway.log.text().contains("the provider answered 503"), "{}", gateway.log.text());
}

#[tokio::test(start_paused = true)]
async fn what_is_void_is_never_charged() {
    let gateway = Gateway::new();
    assert!(gateway.handle(3, void()).await);
    assert!(gateway.handle(1, charge()).await, "late");
    let types: Vec<_> = gateway.handed_in().into_iter().map(|(ty, ..)| ty).collect();
    assert_eq!(types, ["RecordVoid", "RecordDecline"]);
    assert_eq!(gateway.provider.charges()[0].status, Status::Voided);
    assert_eq!(gateway.provider.balance(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_void_that_comes_too_late_tells_of_the_charge() {
    let gateway = Gateway::new();
    gateway.provider.set_mode(None, Mode::Lost);
    gateway.handle(1, charge()).await;
    gateway.provider.set_mode(None, Mode::Fine);
    assert!(gateway.handle(3, void()).await);
    let handed_in = gateway.handed_in();
    let [(ty, data, _)] = &handed_in[..] else { panic!("{handed_in:?}") };
    assert_eq!((ty.as_str(), data), ("RecordCharge", &json!({ "charge": gateway.provider.charges()[0].id })));
}

#[tokio::test(start_paused = true)]
async fn money_goes_back_once() {
    let gateway = Gateway::new();
    gateway.handle(1, charge()).await;
    let id = gateway.provider.charges()[0].id.clone();
    gateway.provider.set_mode(None, Mode::Lost);
    assert!(!gateway.handle(4, refund(&id)).await);
    gateway.provider.set_mode(None, Mode::Fine);
    assert!(gateway.handle(4, refund(&id)).await);
    assert_eq!((gateway.provider.refunds().len(), gateway.provider.balance()), (1, 0));
    let (ty, data, _) = gateway.handed_in().pop().expect("an outcome");
    assert_eq!((ty.as_str(), data), ("RecordRefund", json!({ "refund": gateway.provider.refunds()[0].id })));
}

/// The money is still to go back: somebody has to look at it.
#[tokio::test(start_paused = true)]
async fn a_refund_that_is_refused_is_no_outcome() {
    let gateway = Gateway::new();
    assert!(!gateway.handle(4, refund("ch-nobodys")).await);
    assert_eq!(gateway.handed_in(), []);
}

#[tokio::test(start_paused = true)]
async fn events_that_ask_for_nothing_are_passed_over() {
    let gateway = Gateway::new();
    assert!(gateway.handle(2, payments::events::ChargeVoided {}).await);
    let of_another = Encoded { ty: "ChargeRequested".to_owned(), ..Encoded::of(Command::from(GiveUpPayment {})) };
    assert!(gateway.handle_of("acme/orders/O-1", 1, of_another).await);
    assert_eq!(gateway.asked(), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn neither_who_pays_nor_how_much_nor_any_key_is_logged() {
    let gateway = Gateway::new();
    gateway.handle(1, charge()).await;
    gateway.provider.set_mode(None, Mode::Declined);
    gateway.handle_of("acme/payments/O-2", 1, Encoded::of(payments::events::Event::from(charge()))).await;
    gateway.provider.set_mode(None, Mode::Down);
    gateway.handle(3, charge()).await;
    let log = gateway.log.text();
    assert!(log.contains("handed in") && log.contains("RecordCharge") && log.contains("to be retried"), "{log}");
    for private in [API_KEY, CUSTOMER, "2899", "O-1", &gateway.provider.charges()[0].key, "pay.example"] {
        assert!(!log.contains(private), "{private} in {log}");
    }
    let counted: u64 = gateway
        .metrics
        .counters()
        .into_iter()
        .filter(|(name, _)| name.starts_with("PaymentOutcomes"))
        .map(|(_, count)| count)
        .sum();
    assert_eq!(counted, 2);
}
