//! Endpoints that do not take what they get.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use testkit::Metrics;

use crate::world::{HOUR, MINUTE, RETRY, Reply, World};

const DAY: Duration = Duration::from_hours(24);

/// An endpoint that does not take events of this order, and answers so.
fn refusing(it: &World, host: &str, order: &'static str, with: u16) {
    it.answering(host, move |event, _| Reply::Status(if event["subject"] == order { with } else { 204 }));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_refused_holds_up_its_stream_alone_and_is_held_after_three_days() {
    let (it, metrics) = (World::new(), Metrics::default());
    let _guard = metrics.begin();
    let id = it.register("acme", "shop.example").await;
    refusing(&it, "shop.example", "O-1", 500);
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.happen("acme/orders/O-1", "OrderShipped");
    // Others get there all the time.
    for hour in 0..100 {
        it.happen(&format!("acme/orders/other-{hour}"), "OrderSubmitted");
        it.pass(HOUR).await;
    }
    let got = it.got("shop.example");
    let times: Vec<_> = got.iter().filter(|got| got.event["subject"] == "O-1").map(|got| got.at).collect();
    assert_eq!(times.len(), 10, "ten attempts at the first event: {times:?}");
    let waits: Vec<_> = times.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    for (wait, planned) in waits.iter().zip([5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400]) {
        assert!((planned * 9 / 10..planned * 11 / 10 + 75).contains(wait), "{waits:?}");
    }
    assert_eq!(it.taken("shop.example").len(), 100, "all others");
    let progress = it.progress(&id, "acme/orders/O-1").await;
    assert!(progress.failing.is_some_and(|failing| failing.held), "it is held");
    assert_eq!(metrics.counters()["WebhooksHeld"], 1);
    assert!(it.endpoint(&id).await.off.is_none());

    // What happens meanwhile waits behind it; until somebody has mended the endpoint, and says so.
    it.happen("acme/orders/O-1", "OrderClosed");
    it.pass(DAY).await;
    assert_eq!(it.taken("shop.example").len(), 100);
    it.answering("shop.example", |_, _| Reply::Status(200));
    assert!(it.webhooks.send_on_errand(&it.endpoint(&id).await, &RETRY, it.now()).await.expect("sent"));
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example")[100..], [1, 2, 3].map(|version| format!("acme/orders/O-1/{version}")));
}

#[tokio::test(start_paused = true)]
async fn a_redirect_is_a_failure_and_not_followed() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Redirect);
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    assert_eq!(it.got("elsewhere.example").len(), 0);
    let failing = it.progress(&id, "acme/orders/O-1").await.failing.expect("it fails");
    assert_eq!((failing.attempts, failing.answer.as_str()), (1, "307 Temporary Redirect"));
    assert_eq!(it.endpoint(&id).await.health.last_answer.as_deref(), Some("307 Temporary Redirect"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_gone_is_switched_off_and_told() {
    let (it, metrics) = (World::new(), Metrics::default());
    let _guard = metrics.begin();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Status(410));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    let off = it.endpoint(&id).await.off.expect("it is off");
    assert!(off.because.contains("410"), "{off:?}");
    assert_eq!(metrics.counters()["WebhooksSwitchedOff"], 1);
    it.happen("acme/orders/O-1", "OrderShipped");
    it.pass(DAY).await;
    assert_eq!(it.got("shop.example").len(), 1, "nothing more");

    // What happened meanwhile is not lost.
    it.answering("shop.example", |_, _| Reply::Status(202));
    assert!(it.webhooks.switch_on(&it.endpoint(&id).await, &RETRY, it.now()).await.expect("on"));
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1", "acme/orders/O-1/2"]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_fails_as_a_whole_is_asked_now_and_then_and_switched_off_after_days() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Status(503));
    for order in 0..50 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
    }
    it.pass(HOUR).await;
    let asked = it.got("shop.example").len();
    assert!((12..40).contains(&asked), "{asked} requests in the first hour");
    it.pass(DAY).await;
    let asked_a_day = it.got("shop.example").len() - asked;
    assert!((47..=97).contains(&asked_a_day), "{asked_a_day} requests a day: every half an hour at least");
    it.pass(3 * DAY).await;
    assert!(it.endpoint(&id).await.off.is_none(), "after four days");
    it.pass(DAY).await;
    let off = it.endpoint(&id).await.off.expect("it is off after five days");
    assert_eq!(off.because, "the endpoint has taken nothing for five days; last: 503 Service Unavailable");
    let asked = it.got("shop.example").len();
    it.pass(DAY).await;
    assert_eq!(it.got("shop.example").len(), asked);

    it.answering("shop.example", |_, _| Reply::Status(200));
    assert!(it.webhooks.switch_on(&it.endpoint(&id).await, &RETRY, it.now()).await.expect("on"));
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example").len(), 50);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_sets_the_pace() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    let taken = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&taken);
    // Ten a minute.
    let mut minute = it.now();
    it.answering("shop.example", move |_, now| {
        if now.since(minute) >= MINUTE {
            minute = now;
            count.store(0, Relaxed);
        }
        let taken = count.fetch_add(1, Relaxed);
        if taken < 10 { Reply::Status(200) } else { Reply::Busy(60 - now.since(minute).as_secs().min(59)) }
    });
    for order in 0..100 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
    }
    it.pass(12 * MINUTE).await;
    assert_eq!(it.taken("shop.example").len(), 100);
    let refused = it.got("shop.example").len() - 100;
    assert!(refused <= 100, "{refused} requests in vain");
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_does_not_answer_delays_no_other() {
    let it = World::new();
    let slow = it.register("acme", "slow.example").await;
    it.register("acme", "quick.example").await;
    it.register("globex", "other.example").await;
    it.answering("slow.example", |_, _| Reply::None);
    for order in 0..40 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
        it.happen(&format!("globex/orders/O-{order}"), "OrderSubmitted");
    }
    let began = it.now();
    it.pass(5 * MINUTE).await;
    for host in ["quick.example", "other.example"] {
        let got = it.got(host);
        assert_eq!(got.len(), 40, "{host}");
        let last = got.iter().map(|got| got.at).max().expect("some");
        assert!(last.since(began) < Duration::from_secs(5), "{host} got its last {:?} later", last.since(began));
    }
    assert!(it.unanswered("slow.example") > 0);
    let health = it.endpoint(&slow).await.health;
    assert_eq!(health.last_answer.as_deref(), Some("no answer within 15 seconds"));
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_switched_off_by_its_tenant_gets_nothing_until_it_is_on() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    let off = store::webhooks::Off { at: it.now(), because: "maintenance".to_owned() };
    assert!(it.webhooks.switch_off(&id, &off).await.expect("off"));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(DAY).await;
    assert_eq!(it.got("shop.example").len(), 0);
    assert!(it.webhooks.switch_on(&it.endpoint(&id).await, &RETRY, it.now()).await.expect("on"));
    it.pass(2 * MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn one_event_that_fails_alone_recovers_within_half_an_hour() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    let down = Arc::new(AtomicBool::new(true));
    let is_down = Arc::clone(&down);
    it.answering("shop.example", move |_, _| Reply::Status(if is_down.load(Relaxed) { 500 } else { 200 }));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.pass(2 * DAY).await;
    down.store(false, Relaxed);
    it.pass(35 * MINUTE).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/1"]);
}

#[tokio::test(start_paused = true)]
async fn several_events_that_are_refused_do_not_keep_the_others_from_being_tried() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |event, _| {
        let is_poison = event["subject"].as_str().is_some_and(|subject| subject.starts_with("poison"));
        Reply::Status(if is_poison { 422 } else { 204 })
    });
    for nth in 0..5 {
        it.happen(&format!("acme/orders/poison-{nth}"), "OrderSubmitted");
        it.pass(MINUTE).await;
    }
    for hour in 0..20 {
        it.happen(&format!("acme/orders/O-{hour}"), "OrderSubmitted");
        it.pass(HOUR).await;
    }
    assert_eq!(it.taken("shop.example").len(), 20);
    assert!(it.endpoint(&id).await.off.is_none());
}

#[tokio::test(start_paused = true)]
async fn one_failure_after_days_of_silence_does_not_switch_off() {
    let it = World::new();
    let id = it.register("acme", "shop.example").await;
    it.answering("shop.example", |_, _| Reply::Status(500));
    it.happen("acme/orders/O-1", "OrderSubmitted");
    it.settle().await;
    // Nobody wants it any more, so that nothing is left to try.
    let endpoint = it.endpoint(&id).await;
    let settings =
        store::webhooks::EndpointSettings { types: vec!["OrderShipped".to_owned()], ..endpoint.settings.clone() };
    assert!(it.webhooks.change(&endpoint, &settings).await.expect("changed"));
    it.pass(6 * DAY).await;
    it.happen("acme/orders/O-2", "OrderShipped");
    it.settle().await;
    assert!(it.endpoint(&id).await.off.is_none(), "{:?}", it.endpoint(&id).await);
}

#[tokio::test(start_paused = true)]
async fn a_long_stream_lets_others_have_their_turn() {
    let it = World::new();
    it.register("acme", "shop.example").await;
    for event in it.commit("acme/orders/long", "OrderChanged", 300).into_iter().take(1) {
        it.publish(&event);
    }
    for order in 0..20 {
        it.happen(&format!("acme/orders/O-{order}"), "OrderSubmitted");
    }
    it.settle().await;
    let taken = it.taken("shop.example");
    let last_other = taken.iter().rposition(|id| !id.starts_with("acme/orders/long")).expect("others");
    assert_eq!(taken.len(), 320);
    assert!(last_other < 100, "the last of the others comes as number {last_other}");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_read_does_not_make_what_was_before_wanted() {
    let it = World::new();
    it.commit("acme/orders/O-1", "OrderSubmitted", 1);
    it.pass(MINUTE).await;
    let mut commit = it.aws.items(testkit::TABLES.events).remove(0);
    let time = std::mem::replace(&mut commit["committed_at"], "?".into());
    it.aws.insert(testkit::TABLES.events, &commit);
    let id = it.register("acme", "shop.example").await;
    it.happen("acme/orders/O-1", "OrderShipped");
    it.pass(MINUTE).await;
    let progress = it.progress(&id, "acme/orders/O-1").await;
    assert!(progress.failing.is_some_and(|failing| failing.answer == "the event cannot be read here"));
    assert_eq!(progress.done, None, "nobody knows where it begins");
    commit["committed_at"] = time;
    it.aws.insert(testkit::TABLES.events, &commit);
    it.pass(HOUR).await;
    assert_eq!(it.taken("shop.example"), ["acme/orders/O-1/2"]);
}
