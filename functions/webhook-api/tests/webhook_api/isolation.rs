//! Whose endpoints an operator sees and changes.

use bench::Request;
use serde_json::{Value, json};

use crate::api::{Api, URL, about, client, demo, get, post};

fn beside(request: Request, tenant: &str) -> Request {
    let and = if request.target.contains('?') { '&' } else { '?' };
    let target = format!("{}{and}tenant={tenant}", request.target);
    Request { target, ..request }
}

#[tokio::test]
async fn another_tenants_endpoint_is_as_absent_as_what_never_was() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.notes(&id, "orders/O-1", 1).await;
    let before = api.everything();
    let absent = api.get("/webhooks/AAAAAAAAAAAAAAAA").await;
    let neighbour = client("neighbour");
    for request in about(&id) {
        let answer = api.send(request.clone().by(neighbour.clone())).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.text),
            (404, &absent.text),
            "{} {}",
            request.method,
            request.target
        );
        let answer = api.send(beside(request, "demo").by(neighbour.clone())).await;
        assert_eq!((answer.status.as_u16(), &answer.text), (404, &absent.text));
    }
    for id in ["nonsense", "demo", "AAAAAAAAAAAAAAA%2F"] {
        assert_eq!(api.get(format!("/webhooks/{id}")).await.text, absent.text);
    }
    assert_eq!(api.send(get("/webhooks").by(neighbour)).await.ok().json(), json!({ "items": [] }));
    assert_eq!(api.everything(), before);
    assert!(api.woken().is_empty());
}

#[tokio::test]
async fn a_tenants_operator_may_name_their_own_tenant_and_finds_nothing_in_another() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.send(beside(get(format!("/webhooks/{id}")), "demo")).await.ok();
    let absent = api.get("/webhooks/AAAAAAAAAAAAAAAA").await.text;
    for tenant in ["other", "nobody", "", "NOT%20ONE"] {
        for request in [get("/webhooks"), post("/webhooks", &json!({ "url": URL }))] {
            assert_eq!(api.send(beside(request, tenant)).await.text, absent, "{tenant}");
        }
    }
    assert_eq!(api.everything().len(), 1);
}

#[tokio::test]
async fn a_platform_operator_says_whose_webhooks() {
    let api = Api::new();
    let id = api.endpoint().await;
    let root = client("root");
    let all = || about(&id).into_iter().chain([get("/webhooks"), post("/webhooks", &json!({ "url": URL }))]);
    let before = api.everything();
    for request in all() {
        let problem = api.send(request.clone().by(root.clone())).await.refused("bad-request");
        assert!(problem.detail.contains("?tenant="), "{problem:#?}");
        let problem = api.send(beside(request.clone(), "NOT%20ONE").by(root.clone())).await.refused("bad-request");
        assert!(problem.detail.contains("tenant must be"), "{problem:#?}");
        if request.target != "/webhooks" {
            api.send(beside(request, "other").by(root.clone())).await.refused("not-found");
        }
    }
    assert_eq!(api.everything(), before);
    api.post(format!("/webhooks/{id}/secrets"), json!({})).await;
    for request in all() {
        let answer = api.send(beside(request.clone(), "demo").by(root.clone())).await;
        let is_second = request.method == "POST" && request.target.ends_with("/secrets");
        let fits = if is_second { answer.status == 409 } else { answer.status.is_success() };
        assert!(fits, "{} {}: {answer:#?}", request.method, request.target);
    }
}

#[tokio::test]
async fn a_platform_operator_registers_for_a_tenant_and_is_led_there() {
    let api = Api::new();
    let request = beside(post("/webhooks", &json!({ "url": URL })), "demo").by(client("root"));
    let answer = api.send(request).await;
    assert_eq!(answer.status, 201);
    let id = answer.json()["id"].as_str().expect("an id").to_owned();
    assert!(api.webhooks.endpoint(&demo(&id)).await.expect("an answer").is_some());
    let location = answer.header("location").strip_prefix(bench::platform::PUBLIC_URL).expect("our own").to_owned();
    assert_eq!(location, format!("/webhooks/{id}?tenant=demo"));
    let found: Value = api.send(get(location).by(client("root"))).await.ok().json();
    assert_eq!(found["id"], json!(id));
}

#[tokio::test]
async fn a_tenant_that_is_named_twice_is_refused() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = api.everything();
    for request in about(&id) {
        api.send(beside(beside(request, "other"), "demo")).await.refused("bad-request");
    }
    assert_eq!(api.everything(), before);
}
