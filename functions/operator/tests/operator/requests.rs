//! What holds for every request: who may ask, by which method, and for what there is.

use bench::Request;
use serde_json::json;

use crate::api::{Api, Queued, client, get, good_order, post, second, user};

/// All that needs an operator, for the parking `id`.
fn requests(id: &str) -> Vec<Request> {
    vec![
        get("/parked"),
        get("/parked?queue=orders"),
        get(format!("/parked/{id}")),
        get(format!("/parked/{id}/history")),
        get(format!("/parked/{id}/revisions/0")),
        get("/dead-letters"),
        post(format!("/parked/{id}/resubmit"), &json!({})),
        post(format!("/parked/{id}/discard"), &json!({ "reason": "why not" })),
        post("/parked/resubmit", &json!({ "ids": [id] })),
        post("/parked/discard", &json!({ "ids": [id], "reason": "why not" })),
        post("/parked/outcomes", &json!({ "ids": [id] })),
    ]
}

async fn api_with_one() -> (Api, String) {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
    (api, id)
}

#[tokio::test]
async fn without_verified_claims_there_is_nothing_for_anybody() {
    let (api, id) = api_with_one().await;
    let before = api.everything();
    for request in requests(&id) {
        api.send(request.clone().without_claims()).await.refused("unauthenticated");
        api.send(request.by(json!({ "scope": "waybill/operate" }))).await.refused("unauthenticated");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_token_without_the_scope_of_operating_operates_nothing() {
    let (api, id) = api_with_one().await;
    let before = api.everything();
    for request in requests(&id) {
        for scope in ["", "openid", "waybill/submit waybill/read", "waybill/operator"] {
            let claims = json!({ "client_id": "desk", "sub": "desk", "scope": scope });
            let problem = api.send(request.clone().by(claims)).await.refused("not-permitted");
            assert!(problem.detail.contains("waybill/operate"), "{problem:#?}");
        }
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_parameter_beside_a_body_is_refused_and_nothing_is_done() {
    let (api, id) = api_with_one().await;
    let before = api.everything();
    for mut request in requests(&id).into_iter().filter(|request| request.method == "POST") {
        request.target.push_str("?dryRun=true");
        let problem = api.send(request).await.refused("bad-request");
        assert!(problem.detail.contains("dryRun"), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn who_is_not_registered_as_an_operator_gets_nothing_whatever_tenant_is_theirs() {
    let (api, id) = api_with_one().await;
    api.aws.register(&json!({ "registry_key": "client#shop-client", "entry": "tenant", "tenant": "demo" }));
    let before = api.everything();
    let strangers = [
        (client("a-stranger"), "client:a-stranger"),
        (client("shop-client"), "client:shop-client"),
        (user("alice", None), "user:alice"),
        (user("alice", Some("demo")), "user:alice"),
        (user("alice", Some("NOT ONE")), "user:alice"),
    ];
    for request in requests(&id) {
        for (claims, who) in &strangers {
            let problem = api.send(request.clone().by(claims.clone())).await.refused("not-permitted");
            assert!(problem.detail.starts_with(&format!("no operator is registered as {who};")), "{problem:#?}");
        }
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn every_path_has_its_method_and_says_so() {
    let (api, id) = api_with_one().await;
    for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        for request in requests(&id) {
            let allowed = request.method;
            if method != allowed {
                let answer = api.send(request.method(method)).await;
                assert_eq!(answer.header("allow"), if allowed == "GET" { "GET, HEAD" } else { allowed });
                answer.refused("method-not-allowed");
            }
        }
    }
    assert_eq!(api.detail(&id).await["stage"], "waiting");
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_so() {
    let api = Api::new();
    for path in
        ["/", "", "/health", "/orders", "/parked/a/b", "/parked/a/resubmit/b", "/dead-letters/orders", "/redrive"]
    {
        // What others serve is not the desk's, though the API describes it.
        let answer = api.desk.handle(get(path).into_http(), api.now()).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_slash_too_many_and_a_path_in_front_do_no_harm() {
    let (api, id) = api_with_one().await;
    api.get("/parked/").await.ok();
    api.get(format!("/parked/{id}/")).await.ok();
    let mut desk = api.desk;
    desk.public_url = "https://example.com/waybill".to_owned();
    let answer = desk.handle(get("/waybill/parked").into_http(), api.aws.now().into()).await;
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn what_takes_no_parameters_says_so() {
    let (api, id) = api_with_one().await;
    for path in [format!("/parked/{id}"), "/dead-letters".to_owned()] {
        let problem = api.send(get(format!("{path}?wait=10")).by(client("root"))).await.refused("bad-request");
        assert!(problem.detail.contains("wait"), "{problem:#?}");
    }
}

#[tokio::test]
async fn what_acts_takes_no_parameters_and_does_nothing_if_there_are_some() {
    let (api, id) = api_with_one().await;
    let before = api.everything();
    for request in requests(&id).into_iter().filter(|request| request.method == "POST") {
        let target = format!("{}?dryRun=true", request.target);
        let problem = api.send(Request { target, ..request }).await.refused("bad-request");
        assert!(problem.detail.contains("dryRun"), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_byte_order_mark_is_called_one() {
    let (api, id) = api_with_one().await;
    let request = post(format!("/parked/{id}/discard"), &json!({})).body("\u{feff}{\"reason\":\"no\"}");
    let problem = api.send(request).await.refused("bad-request");
    assert!(problem.detail.contains("byte order mark"), "{problem:#?}");
}

#[tokio::test]
async fn a_body_is_read_whatever_its_content_type_says() {
    for media_type in ["application/json; charset=utf-8", "text/plain", "nonsense"] {
        let (api, id) = api_with_one().await;
        let request = post(format!("/parked/{id}/discard"), &json!({ "reason": "no" }));
        api.send(request.media_type(media_type)).await.ok();
    }
}
