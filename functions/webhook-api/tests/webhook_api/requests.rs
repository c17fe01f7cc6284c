//! What holds for every request: who may ask, by which method, and for what there is.

use bench::Request;
use bench::http::user;
use serde_json::json;

use crate::api::{Api, URL, about, client, get, post, put};

fn requests(id: &str) -> Vec<Request> {
    [get("/webhooks"), post("/webhooks", &json!({ "url": URL }))].into_iter().chain(about(id)).collect()
}

#[tokio::test]
async fn only_operators_with_the_scope_get_anything() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.aws.register(&json!({ "registry_key": "client#shop", "entry": "tenant", "tenant": "demo" }));
    let before = api.everything();
    for request in requests(&id) {
        api.send(request.clone().without_claims()).await.refused("unauthenticated");
        for claims in [client("shop"), client("a-stranger"), user("app", "alice", Some("demo"), "waybill/operate")] {
            let problem = api.send(request.clone().by(claims)).await.refused("not-permitted");
            assert!(problem.detail.starts_with("no operator is registered as"), "{problem:#?}");
        }
        let claims = bench::http::client("desk", "waybill/submit waybill/read");
        let problem = api.send(request.by(claims)).await.refused("not-permitted");
        assert!(problem.detail.contains("waybill/operate"), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn every_path_has_its_methods_and_says_so() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = api.everything();
    for (path, allowed) in [
        ("/webhooks".to_owned(), "GET, HEAD, POST"),
        (format!("/webhooks/{id}"), "GET, HEAD, PUT, DELETE"),
        (format!("/webhooks/{id}/secrets"), "POST, DELETE"),
        (format!("/webhooks/{id}/off"), "POST"),
        (format!("/webhooks/{id}/on"), "POST"),
        (format!("/webhooks/{id}/retry"), "POST"),
        (format!("/webhooks/{id}/resend"), "POST"),
        (format!("/webhooks/{id}/deliveries"), "GET, HEAD"),
    ] {
        for method in ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
            if !allowed.split(", ").any(|name| name == method) {
                let answer = api.send(get(path.clone()).method(method)).await;
                assert_eq!(answer.header("allow"), allowed, "{method} {path}");
                answer.refused("method-not-allowed");
            }
        }
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_so() {
    let api = Api::new();
    let id = api.endpoint().await;
    for path in
        ["/".to_owned(), "/parked".to_owned(), format!("/webhooks/{id}/nothing"), format!("/webhooks/{id}/on/x")]
    {
        let answer = api.office.handle(get(path.clone()).into_http(), api.now()).await;
        assert_eq!(answer.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn a_parameter_that_means_nothing_is_refused_and_nothing_is_done() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = api.everything();
    for mut request in requests(&id) {
        request.target.push_str("?dryRun=true");
        let problem = api.send(request).await.refused("bad-request");
        assert!(problem.detail.contains("dryRun"), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_body_that_is_not_what_is_asked_for_is_refused() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = api.everything();
    let deep = format!(r#"{{"url":{}{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
    let bodies = requests(&id).into_iter().filter(|request| ["POST", "PUT"].contains(&request.method));
    for request in bodies {
        for body in [
            "{",
            "[]",
            "null",
            r#"["https://hooks.acme.example"]"#,
            r#"{"url":"https://a.example","url":"https://b.example"}"#,
            r#"{"url":"https://a.example","active":true}"#,
            r#"{"url":"https://a.example"} {}"#,
            r#"{"from":"2020-01-15T09:00:00Z","until":"2020-01-15T09:00:00Z"}"#,
            r#"{"because":"\ud800"}"#,
            r#"{"id":"x"}"#,
            deep.as_str(),
            "\u{feff}{}",
        ] {
            let problem = api.send(request.clone().body(body)).await.refused("bad-request");
            assert!(problem.detail.len() < 300, "{body}: {problem:#?}");
        }
    }
    let long = put(format!("/webhooks/{id}"), &json!({ "url": URL, "description": "x".repeat(330_000) }));
    api.send(long).await.refused("too-large");
    let coded = put(format!("/webhooks/{id}"), &json!({ "url": URL })).header("content-encoding", "br");
    api.send(coded).await.refused("unsupported-media-type");
    assert_eq!(api.everything(), before);
    assert!(api.woken().is_empty());
}

#[tokio::test]
async fn what_says_nothing_needs_no_body() {
    let api = Api::new();
    let id = api.endpoint().await;
    for (action, status) in [("off", 200), ("on", 200), ("retry", 202), ("secrets", 201)] {
        let answer = api.send(get(format!("/webhooks/{id}/{action}")).method("POST")).await;
        assert_eq!(answer.status, status, "{answer:#?}");
    }
}
