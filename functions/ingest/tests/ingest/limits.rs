//! Limits per tenant and per stream, and tenants that are paused.

use bench::{Answer, Request};
use std::time::Duration;

use admission::limits::{Limits, Rate, Rates};
use lambda::caller::FRESH_FOR;
use serde_json::{Value, json};
use testkit::Metrics;
use tokio::time::{advance, sleep};

use crate::api::{Api, client, submit_order, with};

/// The order of that number, for an aggregate of its own.
fn order(nth: usize) -> Value {
    with(submit_order(), &json!({ "id": format!("n{nth}"), "subject": format!("O-{nth}") }))
}

/// One more command for the same aggregate.
fn same(nth: usize) -> Value {
    with(submit_order(), &json!({ "id": format!("same{nth}") }))
}

fn batch(numbers: std::ops::Range<usize>) -> Request {
    Request::batch(&numbers.map(order).collect::<Vec<_>>())
}

fn single(event: &Value) -> Request {
    Request::structured(event)
}

/// What the tenant's own entry says.
fn limit(api: &Api, tenant: &str, limits: &Value) {
    let key = format!("tenant#{tenant}");
    api.aws.register(&json!({ "registry_key": key, "entry": "limits", "document": limits.to_string() }));
}

/// Ten commands a second and twenty at once, for an aggregate two and five.
fn limited() -> Api {
    let api = Api::new();
    let limits =
        json!({ "commandsPerSecond": 10, "commandBurst": 20, "streamCommandsPerSecond": 2, "streamCommandBurst": 5 });
    limit(&api, "demo", &limits);
    api
}

#[track_caller]
fn assert_throttled(answer: Answer) -> Duration {
    assert_eq!(answer.status, 429, "{answer:#?}");
    let seconds = answer.header("retry-after").parse().expect("whole seconds");
    answer.refused("too-many-requests");
    assert!(seconds > 0);
    Duration::from_secs(seconds)
}

#[tokio::test(start_paused = true)]
async fn more_than_a_tenant_may_send_is_refused_before_the_queue_and_taken_when_the_answer_says() {
    let api = limited();
    for nth in 0..20 {
        api.send(single(&order(nth))).await.accepted();
    }
    api.aws.forget_calls();
    let wait = assert_throttled(api.send(single(&order(20))).await);
    assert!(api.aws.calls().is_empty(), "{}", api.aws.calls());
    advance(wait).await;
    api.send(single(&order(20))).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn a_batch_counts_as_its_commands_and_is_taken_whole_when_the_answer_says_and_not_a_second_sooner() {
    let api = limited();
    api.send(batch(0..15)).await.accepted();
    let queued = api.queued("orders").len();
    let wait = assert_throttled(api.send(batch(15..35)).await);
    assert_eq!(wait, Duration::from_secs(2), "fifteen of twenty come in within a second and a half");
    assert_eq!(api.queued("orders").len(), queued, "all of it or nothing");
    advance(wait.saturating_sub(Duration::from_secs(1))).await;
    assert_throttled(api.send(batch(15..35)).await);
    advance(Duration::from_secs(1)).await;
    api.send(batch(15..35)).await.accepted();
    assert_eq!(api.queued("orders").len(), 35);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_at_once_are_a_hundred() {
    let api = Api::new();
    limit(&api, "demo", &json!({ "commandsPerSecond": 10, "commandBurst": 150 }));
    api.send(batch(0..100)).await.accepted();
    assert_eq!(assert_throttled(api.send(batch(100..200)).await), Duration::from_secs(5));
    for nth in 100..150 {
        api.send(single(&order(nth))).await.accepted();
    }
    assert_throttled(api.send(single(&order(150))).await);
}

#[tokio::test(start_paused = true)]
async fn a_request_over_the_limit_is_not_even_read() {
    let api = limited();
    api.send(batch(0..20)).await.accepted();
    assert_throttled(api.send(Request::of_type("application/cloudevents+json", "{")).await);
    let faulty = [order(1), json!({ "no": "event" })];
    assert_throttled(api.send(Request::batch(&faulty)).await);
    assert_throttled(api.send(Request::of_type("application/cloudevents-batch+json", "[")).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_refused_for_another_reason_counts_as_what_is_taken() {
    let faulty = with(submit_order(), &json!({ "type": "LaunchRocket" }));
    let api = limited();
    for _ in 0..20 {
        api.send(single(&faulty)).await.refused("unknown-type");
    }
    assert_throttled(api.send(single(&faulty)).await);

    let api = limited();
    api.send(Request::batch(&vec![faulty; 20])).await.refused("invalid-batch");
    let wait = assert_throttled(api.send(single(&order(1))).await);
    advance(wait).await;
    api.send(single(&order(1))).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn one_aggregate_gets_no_more_than_a_stream_may_and_the_others_go_on() {
    let api = limited();
    for nth in 0..5 {
        api.send(single(&same(nth))).await.accepted();
    }
    let answer = api.send(single(&same(5))).await;
    assert_eq!(answer.json()["attribute"], "subject");
    let wait = assert_throttled(answer);
    assert_throttled(api.send(Request::batch(&[order(1), same(5)])).await);
    api.send(single(&order(2))).await.accepted();
    advance(wait).await;
    api.send(single(&same(5))).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn a_tenant_at_its_limit_costs_its_neighbours_nothing() {
    let api = limited();
    api.register_client("other-client", "other");
    let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
    api.register_tenant("other", &json!({ "grants": grants }));
    api.send(batch(0..20)).await.accepted();
    assert_throttled(api.send(batch(20..40)).await);
    api.send(batch(0..100).by(client("other-client"))).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenant_is_told_so_until_it_may_go_on() {
    let api = Api::new();
    api.send(single(&order(0))).await.accepted();
    limit(&api, "demo", &json!({ "paused": true }));
    advance(FRESH_FOR).await;
    api.send(single(&order(1))).await.accepted();
    sleep(Duration::from_millis(1)).await; // paused time passes once the refresh is done
    api.aws.forget_calls();
    let unread = Request::of_type("application/cloudevents+json", "{");
    for request in [single(&order(2)), batch(3..5), Request::batch(&[]), unread] {
        let answer = api.send(request).await;
        assert_eq!((answer.status.as_u16(), answer.header("retry-after")), (429, "60"));
        answer.refused("tenant-paused");
    }
    assert!(api.aws.calls().is_empty(), "{}", api.aws.calls());
    limit(&api, "demo", &json!({}));
    advance(FRESH_FOR).await;
    api.send(single(&order(2))).await.refused("tenant-paused");
    sleep(Duration::from_millis(1)).await;
    api.send(single(&order(2))).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn whoever_is_throttled_reads_by_which_limit_and_is_counted_but_for_a_pause() {
    let api = limited();
    let metrics = Metrics::default();
    let counting = metrics.begin();
    for nth in 0..5 {
        api.send(single(&same(nth))).await.accepted();
    }
    let of_stream = api.send(single(&same(5))).await.refused("too-many-requests");
    let detail =
        "these are more commands than may be sent for one subject: 2 a second, 5 at once; none of them was taken";
    assert_eq!((of_stream.detail.as_str(), of_stream.attribute.as_deref()), (detail, Some("subject")));
    let of_tenant = api.send(batch(0..20)).await.refused("too-many-requests");
    let detail = "these are more commands than the tenant may send: 10 a second, 20 at once; none of them was taken";
    assert_eq!((of_tenant.detail.as_str(), of_tenant.attribute), (detail, None));
    limit(&api, "demo", &json!({ "paused": true }));
    advance(FRESH_FOR).await;
    api.send(single(&order(20))).await.accepted();
    sleep(Duration::from_millis(1)).await; // paused time passes once the refresh is done
    api.send(single(&order(21))).await.refused("tenant-paused");
    drop(counting);
    let counted: Vec<_> = metrics.counters().into_iter().filter(|(name, _)| name.starts_with("Throttled")).collect();
    assert_eq!(counted, [("Throttled".to_owned(), 2), ("Throttled Tenant=demo".to_owned(), 2)]);
}

#[tokio::test(start_paused = true)]
async fn limits_that_cannot_be_read_are_not_no_limits() {
    for document in ["", "{", "[]", r#"{"pause":true}"#, r#"{"commandsPerSecond":0}"#, r#"{"commandBurst":-1}"#] {
        let api = Api::new();
        api.aws.register(&json!({ "registry_key": "tenant#demo", "entry": "limits", "document": document }));
        api.send(single(&order(0))).await.refused("internal");
    }
}

#[tokio::test(start_paused = true)]
async fn each_environment_counts_for_itself_so_n_of_them_let_through_n_times_as_much() {
    const ENVIRONMENTS: usize = 4;
    const SECONDS: usize = 5;
    let first = limited();
    let environments: Vec<_> = (0..ENVIRONMENTS).map(|_| first.another_environment()).collect();
    let mut taken = 0;
    for nth in 0..SECONDS * 40 {
        // Forty a second for each, of which it takes ten.
        for (of, environment) in environments.iter().enumerate() {
            let answer = environment.send(single(&order(nth * ENVIRONMENTS + of))).await;
            taken += usize::from(answer.status == 202);
        }
        advance(Duration::from_millis(25)).await;
    }
    let of_one = 20 + SECONDS * 10;
    assert!(taken <= ENVIRONMENTS * of_one && taken > ENVIRONMENTS * (of_one - 5), "{taken}, {of_one} of each");
}

#[tokio::test(start_paused = true)]
async fn without_an_entry_the_installations_limits_hold() {
    let rate = |per_second: u32, burst: u32| Rate {
        per_second: per_second.try_into().expect("more than none"),
        burst: burst.try_into().expect("more than none"),
    };
    let mut api = Api::new();
    api.ingest.intake.limits = Limits::new(Rates { tenant: rate(1, 3), stream: rate(1, 3) });
    api.send(batch(0..3)).await.accepted();
    assert_throttled(api.send(single(&order(3))).await);
}

#[tokio::test(start_paused = true)]
async fn the_samples_limits_are_read() {
    let entries: Vec<Value> =
        serde_json::from_str(include_str!("../../../../events/registry/neighbour-tenant.json")).expect("JSON");
    let api = Api::without_tenants();
    api.register_client("shop-client", "neighbour");
    for entry in entries.iter().filter(|entry| entry["registry_key"] == "tenant#neighbour") {
        let (key, document) = (&entry["entry"], entry["document"].to_string());
        api.aws.register(&json!({ "registry_key": "tenant#neighbour", "entry": key, "document": document }));
    }
    let same = |hundreds: usize| Request::batch(&(hundreds * 100..(hundreds + 1) * 100).map(same).collect::<Vec<_>>());
    api.send(same(0)).await.accepted();
    api.send(same(1)).await.accepted();
    assert_throttled(api.send(single(&submit_order())).await);
}
