//! `POST /webhooks`, `GET /webhooks` and `GET /webhooks/{id}`.

use std::time::Duration;

use bench::platform::PUBLIC_URL;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use serde_json::{Value, json};
use store::webhooks::{Health, PayloadKind};

use crate::api::{Api, URL, client, get, pointers, post};

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

#[tokio::test(start_paused = true)]
async fn what_is_registered_reads_back_and_its_secret_is_shown_once() {
    let api = Api::new();
    let wish = json!({
        "url": URL, "description": " The shop's ledger ", "types": ["OrderSubmitted"], "contexts": ["orders"], "payload": "thin",
    });
    let answer = api.post("/webhooks", wish).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let mut registered = answer.json();
    let id = registered["id"].as_str().expect("an id").to_owned();
    assert_eq!(answer.header("location"), format!("{PUBLIC_URL}/webhooks/{id}"));
    let secret = registered.as_object_mut().expect("an object").remove("secret").expect("a secret");
    assert_eq!(
        registered,
        json!({
            "id": id, "url": URL, "description": "The shop's ledger", "types": ["OrderSubmitted"], "contexts": ["orders"],
            "payload": "thin", "since": api.now().minus(Duration::from_mins(1)), "status": "on", "secrets": 1,
        })
    );
    let answer = api.get(format!("/webhooks/{id}")).await.ok();
    assert_eq!(answer.json(), registered);
    assert!(!answer.text.contains("whsec_"), "{answer:#?}");
    let answer = api.get("/webhooks").await.ok();
    assert_eq!(answer.json(), json!({ "items": [registered] }));
    assert!(!answer.text.contains("whsec_"), "{answer:#?}");

    let stored = api.stored(&id).await.settings;
    assert_eq!(stored.secrets, [WebhookSecret::parse(secret.as_str().expect("a text")).expect("a secret")]);
    assert_eq!(stored.payload, PayloadKind::Thin);
    assert_eq!(api.woken(), [format!("demo/{id}")]);
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_of_which_only_the_url_is_said_gets_everything_from_now_on() {
    let api = Api::new();
    let id = api.endpoint().await;
    let expected = json!({
        "id": id, "url": URL, "types": [], "contexts": [], "payload": "full",
        "since": api.now().minus(Duration::from_mins(1)), "status": "on", "secrets": 1,
    });
    assert_eq!(api.detail(&id).await, expected);
}

#[tokio::test]
async fn no_two_endpoints_have_an_id_or_a_secret_in_common() {
    let api = Api::new();
    let mut secrets = Vec::new();
    let mut ids = Vec::new();
    for _ in 0..3 {
        let answer = api.post("/webhooks", json!({ "url": URL })).await.json();
        secrets.push(answer["secret"].as_str().expect("a secret").to_owned());
        ids.push(answer["id"].as_str().expect("an id").to_owned());
    }
    for mut all in [secrets, ids] {
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 3);
    }
}

#[tokio::test]
async fn two_systems_may_agree_on_a_secret_and_a_beginning_beforehand() {
    let api = Api::new();
    let wish = json!({ "url": URL, "secret": SECRET, "since": "2026-01-01T01:00:00+01:00" });
    let registered = api.post("/webhooks", wish).await.json();
    assert_eq!((&registered["secret"], &registered["since"]), (&json!(SECRET), &json!("2026-01-01T00:00:00.000Z")));
    let settings = api.stored(registered["id"].as_str().expect("an id")).await.settings;
    assert_eq!(settings.secrets[0].expose(), SECRET);
    assert_eq!(Some(settings.since), Timestamp::parse("2026-01-01T00:00:00Z"));
}

#[tokio::test]
async fn where_nothing_may_be_sent_is_refused_with_the_reason() {
    let api = Api::new();
    for (url, why) in [
        (json!("http://hooks.acme.example/in"), "not https"),
        (json!("ftp://hooks.acme.example/in"), "not https"),
        (json!("hooks.acme.example/in"), "malformed"),
        (json!(""), "malformed"),
        (json!("https://"), "malformed"),
        (json!("https://user:secret@hooks.acme.example/in"), "user name or password"),
        (json!("https://hooks.acme.example/in#top"), "fragment"),
        (json!("https://hooks.acme.example:0/in"), "port"),
        (json!("https://localhost/in"), "local networks"),
        (json!("https://metadata.google.internal/in"), "local networks"),
        (json!("https://hooks/in"), "full domain name"),
        (json!("https://127.0.0.1/in"), "127.0.0.1"),
        (json!("https://10.0.0.1/in"), "10.0.0.1"),
        (json!("https://192.168.1.1/in"), "192.168.1.1"),
        (json!("https://169.254.169.254/latest"), "169.254.169.254"),
        (json!("https://[::1]/in"), "::1"),
        (json!("https://[fd00::1]/in"), "fd00::1"),
        (json!("http://127.0.0.1:8081/in"), "not https"),
        (json!(format!("https://hooks.acme.example/{}", "x".repeat(2048))), "2048 bytes"),
        (json!(7), "must be a text"),
        (json!(null), "must be there"),
    ] {
        let problem = api.post("/webhooks", json!({ "url": url })).await.refused("bad-request");
        assert!(problem.detail.starts_with("url: ") && problem.detail.contains(why), "{url}: {problem:#?}");
        assert_eq!(pointers(&problem), ["/url"], "{url}");
    }
    assert!(api.everything().is_empty() && api.woken().is_empty());
    let added = api.post("/webhooks", json!({ "url": "http://127.0.0.1:8080/in" })).await;
    assert_eq!(added.status, 201, "the installation allows it: {added:#?}");
}

#[tokio::test]
async fn what_could_never_be_delivered_is_refused_with_the_reason() {
    let api = Api::new();
    let long: Vec<String> = (0..101).map(|nth| format!("Type{nth}")).collect();
    for (wish, pointer, why) in [
        (json!({ "types": ["OrderLost"] }), "/types/0", "no context here has a domain event of this type"),
        (json!({ "types": ["OrderSubmitted", "SubmitOrder"] }), "/types/1", "no context here"),
        (json!({ "contexts": ["shop"] }), "/contexts/0", "must be one of: accounts, "),
        (json!({ "contexts": ["policies"], "types": ["OrderSubmitted"] }), "/types/0", "none of `contexts`"),
        (
            json!({ "contexts": ["orders"], "types": ["OrderSubmitted", "PolicyBound"] }),
            "/types/1",
            "so none could ever be sent",
        ),
        (json!({ "types": ["OrderSubmitted", "OrderSubmitted"] }), "/types/1", "in the list already"),
        (json!({ "contexts": ["orders", "orders"] }), "/contexts/1", "in the list already"),
        (json!({ "types": "OrderSubmitted" }), "/types", "a list of at most 100"),
        (json!({ "types": [7] }), "/types/0", "must be a text"),
        (json!({ "types": long }), "/types", "a list of at most 100"),
        (json!({ "payload": "none" }), "/payload", "full, thin"),
        (json!({ "payload": ["full"] }), "/payload", "full, thin"),
        (json!({ "description": "x".repeat(201) }), "/description", "at most 200 characters"),
        (json!({ "description": "two\nlines" }), "/description", "visible"),
        (json!({ "since": "yesterday" }), "/since", "RFC 3339"),
        (json!({ "since": 1_768_435_200 }), "/since", "must be a text"),
        (json!({ "secret": "whsec_c2hvcnQ=" }), "/secret", "24 to 64 bytes"),
        (json!({ "secret": "hunter2-hunter2-hunter2" }), "/secret", "base64"),
    ] {
        let mut body = wish.clone();
        body["url"] = json!(URL);
        let problem = api.post("/webhooks", body).await.refused("bad-request");
        assert!(problem.detail.contains(why), "{wish}: {problem:#?}");
        assert_eq!(pointers(&problem), [pointer], "{wish}: {problem:#?}");
        assert!(!problem.to_json().contains("hunter2"), "{problem:#?}");
    }
    assert!(api.everything().is_empty() && api.woken().is_empty());
}

#[tokio::test]
async fn all_that_is_wrong_is_told_at_once() {
    let api = Api::new();
    let wish = json!({ "url": "http://acme.example", "types": ["OrderLost"], "payload": "half", "since": "now" });
    let problem = api.post("/webhooks", wish).await.refused("bad-request");
    assert_eq!(pointers(&problem), ["/since", "/url", "/types/0", "/payload"], "{problem:#?}");
    assert!(problem.detail.contains("url: the URL is not https; types/0: "), "{problem:#?}");
}

#[tokio::test]
async fn a_tenant_has_fifty_endpoints_at_most() {
    let api = Api::new();
    let mut last = String::new();
    for _ in 0..50 {
        last = api.endpoint().await;
    }
    let before = api.everything();
    let problem = api.post("/webhooks", json!({ "url": URL })).await.refused("conflict");
    assert!(problem.detail.contains("has 50 webhooks"), "{problem:#?}");
    assert_eq!(api.everything(), before);
    let all = api.get("/webhooks").await.ok().json();
    assert_eq!(all["items"].as_array().map(Vec::len), Some(50));
    let neighbour = post("/webhooks", &json!({ "url": URL })).by(client("neighbour"));
    assert_eq!(api.send(neighbour).await.status, 201, "another tenant's do not count");
    assert_eq!(api.send(crate::api::delete(format!("/webhooks/{last}"))).await.status, 204);
    assert_eq!(api.post("/webhooks", json!({ "url": URL })).await.status, 201, "nor does one that was removed");
}

#[tokio::test(start_paused = true)]
async fn how_an_endpoint_does_is_shown() {
    let api = Api::new();
    let id = api.endpoint().await;
    let now = api.now();
    let later = now.plus(Duration::from_mins(5));
    let health = Health {
        refused: 3,
        failures: 4,
        failing_since: Some(now),
        succeeded_at: Some(now),
        last_answer: Some("it answered 503".to_owned()),
        woken_at: None,
    };
    api.leaves(&id, health, Some(later), None).await;
    let shown = api.detail(&id).await;
    let expected = json!({
        "status": "failing", "failingSince": now, "succeededAt": now, "lastAnswer": "it answered 503", "notBefore": later,
    });
    for (member, value) in expected.as_object().expect("an object") {
        assert_eq!(&shown[member], value, "{shown:#}");
    }
    tokio::time::advance(Duration::from_mins(6)).await;
    assert_eq!(api.detail(&id).await["notBefore"], Value::Null, "that is over");
    let list = api.send(get("/webhooks")).await.ok().json();
    assert_eq!(list["items"][0]["status"], "failing");
}
