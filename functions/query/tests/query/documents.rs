//! `GET /{collection}/{id}`.

use serde_json::json;

use crate::api::{Api, client, get, second};

#[tokio::test]
async fn a_document_comes_with_its_version_as_entity_tag() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    let answer = api.get("/orders/O-1").await.ok();
    let order = answer.json();
    assert_eq!(
        (&order["id"], &order["status"], &order["customer"]),
        (&json!("O-1"), &json!("submitted"), &json!("C-7"))
    );
    assert_eq!(answer.header("etag"), "\"1.2\"");
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    assert_eq!(answer.header("content-type"), "application/json");
}

#[tokio::test]
async fn who_has_it_already_is_told_so() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    for tag in ["\"1.2\"", "W/\"1.2\"", "*", "\"7\", \"1.2\"", "\"7\",W/\"1.2\" ,\"9\"", "  \"1.2\""] {
        let answer = api.send(get("/orders/O-1").header("if-none-match", tag)).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (304, ""), "{tag}: {answer:#?}");
        assert_eq!(answer.header("etag"), "\"1.2\"");
    }
    let two = get("/orders/O-1").header("if-none-match", "\"8\"").header("if-none-match", "\"1.2\"");
    assert_eq!(api.send(two).await.status, 304);
    for tag in ["\"2.2\"", "1.2", "\"11.2\"", "", "W/1.2", "\"1.2", "\"1\"", "\"1.1\""] {
        api.send(get("/orders/O-1").header("if-none-match", tag)).await.ok();
    }
    api.send(get("/orders/O-2").header("if-none-match", "*")).await.refused("not-found");
}

#[tokio::test]
async fn a_version_that_is_not_there_yet_is_worth_waiting_for() {
    let api = Api::new();
    api.happens("demo/orders/O-1", &[("OrderSubmitted", crate::api::submitted("C-7", second(0)))], second(0)).await;
    let answer = api.get("/orders/O-1?version=1").await;
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    answer.refused("not-yet");
    let answer = api.get("/orders/O-1").await;
    assert!(answer.headers.get("retry-after").is_none(), "nobody has promised it: {answer:#?}");
    answer.refused("not-found");

    api.project("demo/orders/O-1").await;
    api.get("/orders/O-1?version=1").await.ok();
    api.get("/orders/O-1?version=0").await.ok();
    api.get("/orders/O-1?version=2").await.refused("not-yet");

    api.happens("demo/orders/O-1", &[("OrderCancelled", json!({ "reason": "late" }))], second(1)).await;
    api.get("/orders/O-1?version=2").await.refused("not-yet");
    api.project("demo/orders/O-1").await;
    let answer = api.get("/orders/O-1?version=2").await.ok();
    assert_eq!(answer.json()["cancellationReason"], "late");
    assert_eq!(api.get("/orders/O-1?version=1").await.ok().header("etag"), "\"2.2\"", "a newer one does as well");
}

#[tokio::test]
async fn a_version_that_is_no_number_is_refused() {
    let api = Api::new();
    for version in ["", "one", "-1", "1.0", "99999999999999999999"] {
        let problem = api.get(format!("/orders/O-1?version={version}")).await.refused("bad-request");
        assert!(problem.detail.contains("version"), "{problem:#?}");
    }
    let problem = api.get("/orders/O-1?version=99999999999999999999").await.refused("bad-request");
    assert_eq!(problem.detail, format!("version is at most {}", u64::MAX), "it is a whole number");
    api.get(format!("/orders/O-1?version={}", u64::MAX)).await.refused("not-yet");
    for version in ["%2B1", "%201", "0x1", "1_000", "٣"] {
        api.get(format!("/orders/O-1?version={version}")).await.refused("bad-request");
    }
    let problem = api.get("/orders/O-1?verison=1").await.refused("bad-request");
    assert!(problem.detail.contains("verison"), "{problem:#?}");
}

#[tokio::test]
async fn another_tenants_document_is_as_absent_as_none() {
    let api = Api::new();
    api.order("other", "O-1", "C-7", second(0)).await;
    let foreign = api.get("/orders/O-1").await;
    let unknown = api.get("/orders/O-2").await;
    assert_eq!(foreign.text, unknown.text);
    foreign.refused("not-found");
    api.send(get("/orders/O-1").by(client("other-client"))).await.ok();
}

#[tokio::test]
async fn an_id_may_come_encoded_and_one_that_cannot_be_is_absent() {
    let api = Api::new();
    api.order("demo", "a:b@c~d", "C-7", second(0)).await;
    for id in ["a:b@c~d", "a%3Ab%40c%7Ed", "a%3ab%40c~d"] {
        assert_eq!(api.get(format!("/orders/{id}")).await.ok().json()["id"], "a:b@c~d");
    }
    for id in ["a b", "a%20b", "a%2Fb", "%C3%A4", "%FF", "%", &"x".repeat(65), "O#1", "totals%23"] {
        api.get(format!("/orders/{id}")).await.refused("not-found");
    }
}

#[tokio::test]
async fn collections_that_are_none_are_absent() {
    let api = Api::new();
    for collection in ["order", "Orders", "orders%23totals", "commands", "demo"] {
        api.get(format!("/{collection}/O-1")).await.refused("not-found");
    }
}
