//! What operators change while events are delivered.

use std::time::Duration;

use store::webhooks::{Health, Off, Taken};
use testkit::{Fault, TABLES};

use crate::world::{HOUR, MINUTE, RETRY, Reply, World};

#[tokio::test(start_paused = true)]
async fn what_is_wanted_from_now_on_is_not_passed_over_by_who_delivers_just_now() {
    let it = World::new();
    let id = it.register_as("acme", "shop.example", |settings| settings.types = vec!["A".to_owned()]).await;
    it.settle().await;
    for event in it.commit("acme/orders/O-1", "A", 1) {
        it.publish(&event);
    }
    it.dispatch().await;
    it.commit("acme/orders/O-1", "B", 1);
    // While the first event is sent, the endpoint comes to want all types. The second one was read with it.
    let (aws, row) = (it.aws.clone(), it.aws.items(TABLES.webhooks).into_iter().find(|row| row["place"] == id.id));
    let mut row = row.expect("the endpoint");
    row["document"] = row["document"].as_str().expect("settings").replace(r#""types":["A"],"#, "").into();
    it.answering("shop.example", move |_, now| {
        let lease = aws.items(TABLES.webhooks).into_iter().find(|it| it["place"] == row["place"]);
        let lease = lease.expect("the endpoint");
        row["lease_until"] = lease["lease_until"].clone();
        row["lease_holder"] = lease["lease_holder"].clone();
        (row["woken"], row["look_at"]) = (true.into(), now.millis().into());
        aws.insert(TABLES.webhooks, &row);
        Reply::Status(204)
    });
    it.settle().await;
    it.pass(HOUR + MINUTE).await;
    assert_eq!(
        it.taken("shop.example").last().map(String::as_str),
        Some("acme/orders/O-1/2"),
        "{:?}",
        it.taken("shop.example")
    );
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_removed_while_it_says_that_it_is_gone_is_removed() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    let (webhooks, now, which) = (it.webhooks.clone(), it.now(), id.clone());
    it.answering("shop.example", move |_, _| {
        let (webhooks, which) = (webhooks.clone(), which.clone());
        tokio::spawn(async move { webhooks.remove(&which, now).await.expect("removed") });
        Reply::Status(410)
    });
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(HOUR).await;
    assert_eq!(it.aws.items(TABLES.webhooks), [] as [serde_json::Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_switched_on_while_it_fails_stays_on() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Status(503));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    // It has failed for five days less an hour.
    let rows = it.aws.items(TABLES.webhooks);
    let mut row = rows.into_iter().find(|row| row["place"] == id.id).expect("the endpoint");
    let health = Health {
        refused: 200,
        failing_since: Some(it.now().minus(Duration::from_hours(5 * 24 - 1))),
        ..it.endpoint(&id).await.health
    };
    row["health"] = serde_json::to_string(&health).expect("JSON").into();
    it.aws.insert(TABLES.webhooks, &row);
    let (webhooks, now, endpoint) = (it.webhooks.clone(), it.now(), it.endpoint(&id).await);
    let mut is_on = false;
    it.answering("shop.example", move |_, at| {
        let (webhooks, endpoint) = (webhooks.clone(), endpoint.clone());
        if at.since(now) >= HOUR && !std::mem::replace(&mut is_on, true) {
            tokio::spawn(async move { webhooks.switch_on(&endpoint, &RETRY, at).await.expect("asked") });
        }
        Reply::Status(503)
    });
    it.pass(3 * HOUR).await;
    assert!(it.endpoint(&id).await.off.is_none(), "it begins anew: {:?}", it.endpoint(&id).await.health);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_retry_at_the_first_failure_does_not_wait() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    let (webhooks, endpoint) = (it.webhooks.clone(), it.endpoint(&id).await);
    let mut is_asked = false;
    it.answering("shop.example", move |_, at| {
        if std::mem::replace(&mut is_asked, true) {
            return Reply::Status(200);
        }
        let (webhooks, endpoint) = (webhooks.clone(), endpoint.clone());
        tokio::spawn(async move { webhooks.send_on_errand(&endpoint, &RETRY, at).await.expect("asked") });
        Reply::Busy(20 * 60 * 60)
    });
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn who_is_asked_to_retry_does_not_wait_for_the_pause_to_end() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Busy(20 * 60 * 60));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(MINUTE).await;
    it.answering("shop.example", |_, _| Reply::Status(200));
    it.pass(HOUR).await;
    assert_eq!(it.taken("shop.example").len(), 0, "it waits as it was told");
    assert!(it.webhooks.send_on_errand(&it.endpoint(&id).await, &RETRY, it.now()).await.expect("sent"));
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_second_errand_does_not_take_the_place_of_the_first() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    let read = it.endpoint(&id).await;
    assert!(it.webhooks.send_on_errand(&read, &RETRY, it.now()).await.expect("sent"));
    assert!(!it.webhooks.send_on_errand(&read, &RETRY, it.now()).await.expect("asked"));
    let read = it.endpoint(&id).await;
    assert!(it.webhooks.switch_on(&read, &RETRY, it.now()).await.expect("on"), "with the one that was read");
}

#[tokio::test(start_paused = true)]
async fn wakes_that_never_end_do_not_keep_an_endpoint_from_its_events() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    let (webhooks, clock, which) = (it.webhooks.clone(), it.aws.clone(), id.clone());
    // Somebody else comes by while each event is delivered.
    it.answering("shop.example", move |_, _| {
        let (webhooks, which, now) = (webhooks.clone(), which.clone(), clock.now().into());
        tokio::spawn(async move {
            let taken = webhooks.take(&which, now, now.plus(MINUTE)).await.expect("asked");
            assert!(matches!(taken, Taken::Told), "{taken:?}");
        });
        Reply::Status(200)
    });
    for order in 0..40 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
        it.pass(Duration::from_secs(1)).await;
    }
    assert_eq!(it.taken("shop.example").len(), 40);
}

#[tokio::test(start_paused = true)]
async fn a_lease_whose_taking_was_not_answered_is_its_takers() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    it.settle().await;
    it.aws.inject(|attempt| match attempt.operation {
        "UpdateItem" if attempt.body.contains("lease_until = :until") && attempt.nth % 2 == 1 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.happen("acme/orders/O-2", "OrderSubmitted");
    it.settle().await;
    it.aws.heal();
    it.pass(Duration::from_secs(10)).await;
    assert_eq!(it.taken("shop.example").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_off_is_looked_at_now_and_then_only() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.settle().await;
    assert!(it.webhooks.switch_off(&id, &Off { at: it.now(), because: "maintenance".to_owned() }).await.expect("off"));
    it.pass(2 * HOUR).await;
    it.aws.forget_calls();
    for order in 0..50 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
    }
    it.pass(10 * HOUR).await;
    let asked = it.aws.count("GetItem");
    assert!(asked <= 12, "{asked} looks in ten hours");
}
