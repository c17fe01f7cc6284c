//! `GET /{collection}/{id}/history`.

use bench::Answer;
use kernel::cloud_event::{CloudEvent, Submission, from_http};
use kernel::principal::Principal;
use serde_json::json;

use crate::api::{Api, client, get, second, submitted};

const STREAM: &str = "demo/orders/O-1";
const HISTORY: &str = "/orders/O-1/history";

/// A number of 20 digits, more than is counted to.
const BEYOND: &str = "99999999999999999999";

/// Submitted at 0, cancelled at 10.
async fn cancelled_order() -> Api {
    let api = Api::new();
    api.happens(STREAM, &[("OrderSubmitted", submitted("C-7", second(0)))], second(0)).await;
    api.happens(STREAM, &[("OrderCancelled", json!({ "reason": "late" }))], second(10)).await;
    api
}

/// As a client's SDK would read it.
#[track_caller]
fn events(answer: &Answer) -> Vec<CloudEvent> {
    let headers = [("content-type", answer.header("content-type").as_bytes())];
    match from_http(headers.into_iter(), answer.text.as_bytes(), 1000) {
        Ok(Submission::Batch(events)) => {
            let event = |text: &str| CloudEvent::from_json(text.as_bytes()).expect("a CloudEvent");
            events.into_iter().map(event).collect()
        }
        other => panic!("not a batch: {other:#?}"),
    }
}

#[tokio::test]
async fn what_happened_comes_as_a_batch_of_cloud_events_oldest_first() {
    let api = cancelled_order().await;
    let answer = api.get(HISTORY).await.ok();
    assert_eq!(answer.header("content-type"), "application/cloudevents-batch+json");
    let events = events(&answer);
    let [submitted, cancelled] = &events[..] else { panic!("{events:#?}") };
    assert_eq!(submitted.ty(), "OrderSubmitted");
    assert_eq!((cancelled.id(), cancelled.source()), ("demo/orders/O-1/2", "https://api.example/contexts/orders"));
    assert_eq!(cancelled.subject(), Some("O-1"));
    assert_eq!(cancelled.time(), Some(second(10).to_string().as_str()));
    assert_eq!(cancelled.json(), Some(r#"{"reason":"late"}"#));
    assert_eq!(cancelled.dataschema(), Some("https://api.example/schemas/orders/OrderCancelled/1"));
    let text = |name: &str| cancelled.extension(name).map(ToString::to_string).unwrap_or_default();
    assert_eq!(text("sequence"), "00000000000000000002");
    assert_eq!(text("tenantid"), "demo");
    assert_eq!(text("correlationid"), "cart-7");
    assert_eq!(answer.next(), None);
}

#[tokio::test]
async fn history_says_who_did_it() {
    let api = cancelled_order().await;
    let reason = json!({ "reason": "again" });
    api.happens_by(Some(Principal::read("user:alice")), STREAM, &[("OrderCancelled", reason)], second(20)).await;
    let events = events(&api.get(HISTORY).await.ok());
    let [.., before, last] = &events[..] else { panic!("{events:#?}") };
    let text = |event: &CloudEvent, name: &str| event.extension(name).map(ToString::to_string);
    assert_eq!((text(last, "authid").as_deref(), text(last, "authtype").as_deref()), (Some("alice"), Some("user")));
    assert_eq!((text(before, "authid"), text(before, "authtype")), (None, None), "a release before stored it");
}

#[tokio::test]
async fn the_schema_of_every_event_can_be_fetched_and_accepts_it() {
    let api = cancelled_order().await;
    for event in events(&api.get(HISTORY).await.ok()) {
        let path = event.dataschema().and_then(|uri| uri.strip_prefix("https://api.example")).expect("a URI of ours");
        let schema = api.get(path).await.ok().json();
        let data = serde_json::from_str(event.json().expect("data")).expect("JSON");
        assert!(jsonschema::is_valid(&schema, &data), "{schema:#} refuses {data:#}");
    }
}

#[tokio::test]
async fn a_long_history_comes_in_parts_without_gaps_or_repeats() {
    let api = cancelled_order().await;
    for nth in 0..210 {
        api.happens(STREAM, &[("OrderCancelled", json!({})), ("OrderCancelled", json!({}))], second(nth)).await;
    }
    let mut target = HISTORY.to_owned();
    let mut versions = Vec::new();
    let mut parts = 0;
    loop {
        let answer = api.get(&target).await.ok();
        parts += 1;
        versions.extend(events(&answer).iter().map(|event| event.id().rsplit('/').next().map(str::parse::<u64>)));
        match answer.next() {
            Some(next) => target = next,
            None => break,
        }
    }
    let expected: Vec<_> = (1..=422).map(|version| Some(Ok(version))).collect();
    assert_eq!(versions, expected);
    assert_eq!(parts, 3);
}

#[tokio::test]
async fn as_of_a_time_the_document_is_as_it_was_then() {
    let api = cancelled_order().await;
    for (time, status) in [
        ("2026-01-15T09:30:00Z", "submitted"),
        ("2026-01-15T09:30:09.999Z", "submitted"),
        ("2026-01-15T09:30:10Z", "cancelled"),
        ("2026-01-15T10:30:10%2B01:00", "cancelled"),
        ("2026-01-15T10:30:09%2B01:00", "submitted"),
        ("2199-01-01T00:00:00Z", "cancelled"),
    ] {
        let answer = api.get(format!("{HISTORY}?asOf={time}")).await.ok();
        assert_eq!(answer.json()["status"], status, "as of {time}");
    }
    for time in ["2026-01-15T09:29:59.999Z", "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z", "0001-01-01T00:00:00Z"] {
        api.get(format!("{HISTORY}?asOf={time}")).await.refused("not-found");
    }
}

#[tokio::test]
async fn as_of_now_is_the_document_itself() {
    let api = cancelled_order().await;
    api.project(STREAM).await;
    let as_of_now = api.get(format!("{HISTORY}?asOf=2199-01-01T00:00:00Z")).await.ok();
    assert_eq!(as_of_now.json(), api.get("/orders/O-1").await.ok().json());
}

#[tokio::test]
async fn as_of_a_time_far_back_in_a_long_history() {
    let api = cancelled_order().await;
    for nth in 0..210 {
        let reason = json!({ "reason": format!("no. {nth}") });
        api.happens(STREAM, &[("OrderCancelled", reason)], second(100 + nth)).await;
    }
    let reason = async |seconds| {
        let time = second(seconds);
        api.get(format!("{HISTORY}?asOf={time}")).await.ok().json()["cancellationReason"].clone()
    };
    assert_eq!(reason(50).await, "late");
    assert_eq!(reason(100).await, "no. 0");
    assert_eq!(reason(250).await, "no. 150");
    assert_eq!(reason(5000).await, "no. 209");
}

/// Ten reads of 1 MB are folded at most.
#[tokio::test]
async fn as_of_a_time_beyond_what_is_folded_the_history_is_too_long() {
    let api = cancelled_order().await;
    let cause = api.accepts("demo", "cause", &json!(null), second(0)).receipt.to_string();
    for nth in 0..60 {
        let reason = format!("no. {nth} {}", "x".repeat(300_000));
        let event = json!({
            "type": "OrderCancelled", "schema": 1, "data": { "reason": reason }, "operation": cause, "correlation": "c",
        });
        let commit = json!({
            "stream_id": STREAM, "commit_number": 3 + nth, "first_version": 3 + nth,
            "events": json!([event]).to_string(), "committed_at": second(100 + nth).millis(),
        });
        api.aws.insert(testkit::TABLES.events, &commit);
    }
    api.aws.forget_calls();
    let problem = api.get(format!("{HISTORY}?asOf=2199-01-01T00:00:00Z")).await.refused("history-too-long");
    assert!(problem.detail.contains("part by part"), "{problem:#?}");
    assert!(api.aws.calls().len() <= 12, "{}", api.aws.calls());
    let early = api.get(format!("{HISTORY}?asOf={}", second(105))).await.ok().json();
    assert!(early["cancellationReason"].as_str().is_some_and(|reason| reason.starts_with("no. 5 ")));
}

#[tokio::test]
async fn times_and_cursors_that_are_none_are_refused() {
    let api = cancelled_order().await;
    for time in ["yesterday", "", "2026-01-15", "2026-01-15T10:30:10+01:00", "-1"] {
        let problem = api.get(format!("{HISTORY}?asOf={time}")).await.refused("bad-request");
        assert!(problem.detail.contains("asOf") && problem.detail.contains("%2B"), "{problem:#?}");
    }
    for (cursor, why) in
        [("first", "digits"), ("", "digits"), ("-1", "digits"), ("%2B1", "digits"), (BEYOND, "at most")]
    {
        let problem = api.get(format!("{HISTORY}?cursor={cursor}")).await.refused("bad-request");
        assert!(problem.detail.contains("cursor") && problem.detail.contains(why), "{problem:#?}");
    }
    let both = api.get(format!("{HISTORY}?asOf=2026-01-15T10:00:00Z&cursor=1")).await.refused("bad-request");
    assert!(both.detail.contains("asOf and cursor exclude each other"), "{both:#?}");
    api.get(format!("{HISTORY}?asof=2026-01-15T10:00:00Z")).await.refused("bad-request");
}

#[tokio::test]
async fn beyond_the_end_nothing_happened() {
    let api = cancelled_order().await;
    for cursor in [2, 1_000_000, u64::MAX] {
        let answer = api.get(format!("{HISTORY}?cursor={cursor}")).await.ok();
        assert_eq!(answer.json(), json!([]));
        assert_eq!(answer.next(), None);
    }
}

#[tokio::test]
async fn what_never_was_and_what_is_anothers_has_no_history() {
    let api = cancelled_order().await;
    let unknown = api.get("/orders/O-2/history").await;
    let foreign = api.send(get(HISTORY).by(client("other-client"))).await;
    assert_eq!(foreign.text, unknown.text);
    foreign.refused("not-found");
    for target in ["/refunds/O-1/history", "/policies/O-1/history", "/orders/O%201/history", "/orders/O-1/past"] {
        api.get(target).await.refused("not-found");
    }
    api.get("/orders/O-2/history?asOf=2199-01-01T00:00:00Z").await.refused("not-found");
}

#[tokio::test]
async fn aggregates_of_two_types_and_one_id_are_two_resources() {
    let api = cancelled_order().await;
    let stream = "demo/orders/returns/O-1";
    let requested =
        json!({ "order": "O-0", "customer": "C-7", "requestedAt": second(20).to_string(), "reason": "too small" });
    api.happens(stream, &[("ReturnRequested", requested)], second(20)).await;
    api.project(stream).await;

    let types = |answer: &Answer| events(answer).iter().map(|event| event.ty().to_owned()).collect::<Vec<_>>();
    assert_eq!(types(&api.get(HISTORY).await.ok()), ["OrderSubmitted", "OrderCancelled"]);
    let history = api.get("/returns/O-1/history").await.ok();
    assert_eq!(types(&history), ["ReturnRequested"]);
    assert_eq!(events(&history)[0].id(), "demo/orders/returns/O-1/1");
    assert_eq!(api.get("/returns/O-1").await.ok().json()["order"], "O-0");
    let as_of = format!("/returns/O-1/history?asOf={}", second(20));
    assert_eq!(api.get(&as_of).await.ok().json()["status"], "requested");
}
