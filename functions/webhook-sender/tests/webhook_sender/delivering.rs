//! What is delivered, and how it looks.

use std::collections::BTreeMap;

use kernel::webhook_signature::verify;
use store::webhooks::progress::Position;
use store::webhooks::{Errand, PayloadKind, Span, What};
use testkit::Fault;

use crate::world::{HOUR, MINUTE, World, assert_in_order, secret, tenant};

#[tokio::test(start_paused = true)]
async fn an_event_is_delivered_once_and_recognisably() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    let [got] = &it.got("shop.example")[..] else { panic!("one request: {:?}", it.got("shop.example")) };
    assert_eq!(got.event["id"], "acme/orders/O-1/1");
    assert_eq!(got.event["source"], "https://api.example/contexts/orders");
    assert_eq!(got.event["sequence"], "00000000000000000001");
    assert_eq!(got.event["data"]["nth"], 1);
    assert!(got.id.starts_with("evt_") && got.id.len() == 36, "{}", got.id);
    let progress = it.progress(&id, "acme/orders/O-1").await;
    assert_eq!((progress.done, progress.due), (Some(Position { version: 1, commit: 1 }), None));
    it.pass(3 * HOUR).await;
    assert_eq!(it.got("shop.example").len(), 1, "it is not sent again");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_has_the_id_and_a_new_signature() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.happen("acme/orders/O-2", "OrderSubmitted");
    it.pass(MINUTE).await;
    let all = Errand { what: What::Resend(Span { from: it.now().minus(HOUR), to: it.now() }), behind: None };
    assert!(it.webhooks.send_on_errand(&it.endpoint(&id).await, &all, it.now()).await.expect("sent"));
    it.pass(2 * MINUTE).await;
    let mut ids: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for got in it.got("shop.example") {
        ids.entry(got.event_id()).or_default().push(got.id);
    }
    let of = |event: &str| ids[event].clone();
    assert_eq!(ids.len(), 2);
    for event in ["acme/orders/O-1/1", "acme/orders/O-2/1"] {
        assert_eq!(of(event).len(), 2, "{event} twice");
        assert_eq!(of(event)[0], of(event)[1], "{event} has one id");
    }
    assert_ne!(of("acme/orders/O-1/1")[0], of("acme/orders/O-2/1")[0]);
    assert_eq!(it.endpoint(&id).await.errand, None, "the errand is done");
}

#[tokio::test(start_paused = true)]
async fn events_come_in_order_whatever_the_order_they_are_published_in() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    let mut events = Vec::new();
    for count in [1, 3, 1, 25, 2] {
        events.extend(it.commit("acme/orders/O-1", "OrderChanged", count));
    }
    for event in events.iter().rev() {
        it.publish(event);
        it.settle().await;
    }
    let expected: Vec<_> = (1..=32).map(|version| format!("acme/orders/O-1/{version}")).collect();
    assert_eq!(it.taken("shop.example"), expected);
    it.publish(&events[0]);
    it.settle().await;
    assert_eq!(it.taken("shop.example").len(), 32, "what is published again is known");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_gets_what_it_wants_and_nothing_of_others() {
    let it = World::new();
    it.register_as("acme", "types.example", |settings| settings.types = vec!["OrderShipped".to_owned()]).await;
    it.register_as("acme", "contexts.example", |settings| settings.contexts = vec!["policies".to_owned()]).await;
    it.register_as("acme", "thin.example", |settings| settings.payload = PayloadKind::Thin).await;
    it.register("globex", "globex.example").await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.happen("acme/orders/O-1", "OrderShipped");
    it.happen("acme/policies/P-1", "PolicyBound");
    it.happen("globex/orders/O-1", "OrderShipped");
    it.settle().await;
    assert_eq!(it.taken("types.example"), ["acme/orders/O-1/2"]);
    assert_eq!(it.taken("contexts.example"), ["acme/policies/P-1/1"]);
    assert_eq!(it.taken("globex.example"), ["globex/orders/O-1/1"]);
    let thin = it.got("thin.example");
    assert_eq!(thin.len(), 3);
    for got in thin {
        assert!(got.event.get("data").is_none() && got.event.get("sequence").is_some(), "{}", got.event);
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_gets_what_happened_since_it_was_registered() {
    let it = World::new();
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(MINUTE).await;
    let id = it.register("acme", "shop.example").await;
    it.pass(MINUTE).await;
    it.happen("acme/orders/O-1", "OrderShipped");
    it.settle().await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/2"]);
    let before = Span { from: it.now().minus(HOUR), to: it.now().minus(MINUTE + MINUTE / 2) };
    let stream = it.progress(&id, "acme/orders/O-1").await.stream;
    it.webhooks.resend(&id, &stream, before, it.now()).await.expect("noted");
    it.pass(HOUR).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/2", "acme/orders/O-1/1"], "what was before, on demand");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_may_be_of_a_stream_that_it_never_got() {
    let it = World::new();
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(MINUTE).await;
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    let stream = kernel::ids::StreamId::parse("acme/orders/O-1").expect("a stream");
    let span = Span { from: it.now().minus(HOUR), to: it.now() };
    it.webhooks.resend(&id, &stream, span, it.now()).await.expect("noted");
    it.pass(2 * HOUR).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
    it.happen("acme/orders/O-1", "OrderShipped");
    it.settle().await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1", "acme/orders/O-1/2"]);
}

#[tokio::test(start_paused = true)]
async fn two_secrets_sign_while_one_takes_the_others_place() {
    let it = World::new();
    it.register_as("acme", "shop.example", |settings| settings.secrets = vec![secret(9), secret(7)]).await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    // The receiver, which has verified it, knows the older one.
    assert_eq!(it.taken("shop.example").len(), 1);
    let refused = verify(&[secret(9)], "evt_1", "0", "v1,", b"", it.now());
    assert!(refused.is_err());
}

#[tokio::test(start_paused = true)]
async fn what_the_index_does_not_know_yet_is_found_within_a_minute() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    it.settle().await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.aws.inject(|attempt| match attempt.operation {
        "Query" if attempt.body.contains("by_due") => Fault::FailEntries(vec![0]),
        _ => Fault::None,
    });
    it.settle().await;
    assert_eq!(it.taken("shop.example"), [] as [&str; 0], "it is not in the index");
    it.aws.heal();
    it.pass(HOUR + MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn an_event_while_others_are_delivered_is_delivered_too() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    let lease = it.webhooks.take(&id, it.now(), it.now().plus(MINUTE)).await.expect("taken");
    assert!(matches!(lease, store::webhooks::Taken::Yes(..)));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    assert_eq!(it.taken("shop.example"), [] as [&str; 0], "somebody else has the lease, and is told");
    // That one dies.
    it.pass(3 * MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_message_that_is_lost_is_made_up_for() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    it.settle().await;
    it.happen("acme/orders/O-1", "OrderSubmitted");
    assert_eq!(it.dispatch().await, 1);
    assert_eq!(it.aws.remove(&bench::platform::webhooks(), |_| true), 1);
    it.pass(2 * HOUR).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn a_removed_endpoint_gets_nothing_and_leaves_nothing() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    for order in 0..60 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
    }
    it.settle().await;
    assert_eq!(it.taken("shop.example").len(), 60);
    assert!(it.webhooks.remove(&id, it.now()).await.expect("removed"));
    assert_eq!(it.webhooks.endpoints(&tenant("acme")).await.expect("read"), []);
    it.happen("acme/orders/O-1", "OrderShipped");
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example").len(), 60);
    assert_eq!(it.aws.items(testkit::TABLES.webhooks), [] as [serde_json::Value; 0]);
    assert!(!it.webhooks.remove(&id, it.now()).await.expect("asked"), "there is none");
}

#[tokio::test(start_paused = true)]
async fn a_hundred_streams_are_each_in_order() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    let mut streams = BTreeMap::new();
    for round in 0..5 {
        for order in 0..100 {
            let stream = format!("acme/orders/O-{order}");
            it.happen(&stream, "OrderChanged");
            streams.insert(stream, round + 1);
        }
    }
    it.settle().await;
    assert_in_order(&it.taken("shop.example"), &streams);
    assert_eq!(it.taken("shop.example").len(), 500, "each once");
}
