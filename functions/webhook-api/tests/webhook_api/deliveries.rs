//! `GET /webhooks/{id}/deliveries`.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use serde_json::{Value, json};
use store::webhooks::Span;

use crate::api::{Api, demo, demo_stream};

async fn api_with_one_of_each() -> (Api, String) {
    let api = Api::new();
    let id = api.endpoint().await;
    api.sends(&id, "orders/O-1", 4).await;
    api.notes(&id, "orders/O-2", 7).await;
    api.fails(&id, "orders/O-3", 2, false).await;
    api.fails(&id, "policies/P-1", 1, true).await;
    (api, id)
}

async fn streams(api: &Api, id: &str, query: &str) -> Vec<String> {
    let list = api.get(format!("/webhooks/{id}/deliveries?{query}")).await.ok().json();
    let items = list["items"].as_array().expect("items");
    items.iter().map(|item| item["stream"].as_str().expect("a stream").to_owned()).collect()
}

#[tokio::test(start_paused = true)]
async fn how_far_each_stream_is_is_listed() {
    let (api, id) = api_with_one_of_each().await;
    let now = api.now();
    let list = api.get(format!("/webhooks/{id}/deliveries")).await.ok().json();
    let next_try_at = now.plus(Duration::from_mins(5));
    let expected = json!({ "items": [
        { "stream": "orders/O-1", "status": "sent", "version": 4, "head": 4, "sentAt": now },
        { "stream": "orders/O-2", "status": "waiting", "version": 0, "head": 7, "nextTryAt": now },
        {
            "stream": "orders/O-3", "status": "failing", "version": 2, "head": 3, "attempts": 3, "failingSince": now,
            "triedAt": now, "answer": "503", "nextTryAt": next_try_at, "sentAt": now,
        },
        {
            "stream": "policies/P-1", "status": "held", "version": 1, "head": 2, "attempts": 3, "failingSince": now,
            "triedAt": now, "answer": "503", "sentAt": now,
        },
    ] });
    assert_eq!(list, expected, "{list:#}");
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_again_says_of_which_time() {
    let (api, id) = api_with_one_of_each().await;
    let span = Span { from: api.now().minus(Duration::from_hours(1)), to: api.now() };
    api.webhooks.resend(&demo(&id), &demo_stream("orders/O-1"), span, api.now()).await.expect("written");
    let list = api.get(format!("/webhooks/{id}/deliveries?limit=1")).await.ok().json();
    let item = &list["items"][0];
    assert_eq!((&item["status"], &item["again"]), (&json!("waiting"), &json!({ "from": span.from, "to": span.to })));
}

#[tokio::test]
async fn streams_of_one_status_are_found() {
    let (api, id) = api_with_one_of_each().await;
    for (status, stream) in
        [("sent", "orders/O-1"), ("waiting", "orders/O-2"), ("failing", "orders/O-3"), ("held", "policies/P-1")]
    {
        assert_eq!(streams(&api, &id, &format!("status={status}")).await, [stream]);
    }
}

#[tokio::test]
async fn a_list_is_read_part_by_part() {
    let api = Api::new();
    let id = api.endpoint().await;
    for nth in 0..7 {
        api.notes(&id, &format!("orders/O-{nth}"), 1).await;
        api.sends(&id, &format!("policies/P-{nth}"), 1).await;
    }
    for (query, all) in [("", 14), ("&status=sent", 7), ("&status=held", 0)] {
        let everything = streams(&api, &id, &format!("limit=100{query}")).await;
        assert_eq!(everything.len(), all);
        for limit in 1..=15 {
            let mut read = Vec::new();
            let mut cursor = String::new();
            loop {
                let target = format!("/webhooks/{id}/deliveries?limit={limit}{query}{cursor}");
                let list = api.get(target).await.ok().json();
                let items = list["items"].as_array().expect("items");
                read.extend(items.iter().map(|item| item["stream"].as_str().expect("a stream").to_owned()));
                let Some(next) = list["next"].as_str() else { break };
                assert_eq!(items.len(), limit, "and the last part is not an empty one");
                cursor = format!("&cursor={next}");
            }
            assert_eq!(read, everything, "in parts of {limit}");
        }
    }
}

#[tokio::test]
async fn what_is_rare_is_looked_for_in_bounded_parts() {
    let api = Api::new();
    let id = api.endpoint().await;
    for nth in 0..1050 {
        let (key, place) = (format!("demo/{id}"), format!("demo/orders/O-{nth:04}"));
        let row = json!({ "webhook_key": key, "place": place, "head": 1, "done": 1, "done_commit": 1 });
        api.aws.insert(testkit::TABLES.webhooks, &row);
    }
    api.fails(&id, "policies/P-1", 1, true).await;
    api.aws.forget_calls();
    let list = api.get(format!("/webhooks/{id}/deliveries?status=held")).await.ok().json();
    assert_eq!(list["items"], json!([]));
    let asked = api.aws.calls().iter().filter(|call| call.operation == "Query").count();
    assert_eq!(asked, 10);
    let next = list["next"].as_str().expect("more behind");
    let list = api.get(format!("/webhooks/{id}/deliveries?status=held&cursor={next}")).await.ok().json();
    assert_eq!((&list["items"][0]["stream"], &list["next"]), (&json!("policies/P-1"), &Value::Null));
}

#[tokio::test]
async fn a_cursor_is_one_that_was_given_out_for_this_tenant() {
    let (api, id) = api_with_one_of_each().await;
    for cursor in
        ["", "nonsense", &BASE64.encode("orders/O-1"), &BASE64.encode("other/orders/O-1"), &BASE64.encode([0xff])]
    {
        let problem = api.get(format!("/webhooks/{id}/deliveries?cursor={cursor}")).await.refused("bad-request");
        assert!(problem.detail.contains("cursor"), "{problem:#?}");
    }
    assert_eq!(streams(&api, &id, &format!("cursor={}", BASE64.encode("demo/orders/O-3"))).await, ["policies/P-1"]);
}

#[tokio::test]
async fn parameters_that_cannot_be_meant_are_refused() {
    let (api, id) = api_with_one_of_each().await;
    for (query, word) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("status=broken", "failing, held, waiting, sent"),
        ("status=", "failing, held, waiting, sent"),
        ("stream=orders/O-1", "stream"),
        ("limit=1&limit=2", "twice"),
    ] {
        let problem = api.get(format!("/webhooks/{id}/deliveries?{query}")).await.refused("bad-request");
        assert!(problem.detail.contains(word), "{query}: {problem:#?}");
    }
}
