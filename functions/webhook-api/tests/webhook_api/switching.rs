//! `POST /webhooks/{id}/off`, `on` and `retry`.

use std::time::Duration;

use bench::http::user;
use bench::platform::register_operator;
use serde_json::{Value, json};
use store::webhooks::{Errand, Health, Off, Span, What};

use crate::api::{Api, demo, pointers, post};

const RETRY: Errand = Errand { what: What::Retry, behind: None };

fn resend(api: &Api) -> Errand {
    let span = Span { from: api.now().minus(Duration::from_hours(1)), to: api.now() };
    Errand { what: What::Resend(span), behind: Some("demo/orders/O-1".to_owned()) }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_is_switched_off_for_a_reason_and_on_again() {
    let api = Api::new();
    let id = api.endpoint().await;
    let off = api.post(format!("/webhooks/{id}/off"), json!({ "because": " They move house " })).await.ok().json();
    assert_eq!(
        (&off["status"], &off["off"]),
        (&json!("off"), &json!({ "at": api.now(), "because": "They move house" }))
    );
    assert_eq!(api.detail(&id).await, off);
    assert!(api.woken().is_empty(), "there is nothing to look at");

    let on = api.post(format!("/webhooks/{id}/on"), json!({})).await.ok().json();
    assert_eq!((&on["status"], &on["off"]), (&json!("on"), &Value::Null));
    assert_eq!(api.detail(&id).await, on);
    assert_eq!(api.stored(&id).await.errand, Some(RETRY), "all that is held or waits is due");
    assert_eq!(api.woken(), [format!("demo/{id}")]);
}

#[tokio::test]
async fn without_a_reason_it_says_who() {
    let api = Api::new();
    let id = api.endpoint().await;
    register_operator(&api.aws, "user:olga", Some("demo"));
    let mut claims = user("the-console", "olga", None, "waybill/operate");
    claims["username"] = json!("Olga O.");
    for (because, body) in [
        ("switched off by client:desk", post(format!("/webhooks/{id}/off"), &json!({ "because": "  " }))),
        ("switched off by client:desk", post(format!("/webhooks/{id}/off"), &json!({})).body("")),
        ("switched off by user:olga (Olga O.)", post(format!("/webhooks/{id}/off"), &json!({})).by(claims)),
    ] {
        assert_eq!(api.send(body).await.ok().json()["off"]["because"], because);
    }
}

#[tokio::test]
async fn a_reason_is_a_line() {
    let api = Api::new();
    let id = api.endpoint().await;
    for because in [json!("x".repeat(201)), json!("one\ntwo"), json!("\u{202e}"), json!(7)] {
        let problem = api.post(format!("/webhooks/{id}/off"), json!({ "because": because })).await;
        assert_eq!(pointers(&problem.refused("bad-request")), ["/because"], "{because}");
    }
    assert_eq!(api.detail(&id).await["status"], "on");
    api.post(format!("/webhooks/{id}/off"), json!({ "because": "é".repeat(200) })).await.ok();
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_switched_on_has_not_failed() {
    let api = Api::new();
    let id = api.endpoint().await;
    let now = api.now();
    let health =
        Health { failures: 9, failing_since: Some(now), last_answer: Some("410".to_owned()), ..Health::default() };
    let off = Off { at: now, because: "it is gone".to_owned() };
    api.leaves(&id, health, Some(now.plus(Duration::from_hours(1))), Some(off)).await;
    assert_eq!(api.detail(&id).await["off"]["because"], "it is gone");
    let on = api.post(format!("/webhooks/{id}/on"), json!({})).await.ok().json();
    for member in ["failingSince", "lastAnswer", "notBefore", "off"] {
        assert_eq!(on[member], Value::Null, "{on:#}");
    }
    assert_eq!(api.detail(&id).await, on);
}

#[tokio::test]
async fn what_is_held_or_waits_is_due_when_somebody_says_so() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.fails(&id, "orders/O-1", 2, true).await;
    let answer = api.post(format!("/webhooks/{id}/retry"), json!({})).await.accepted();
    assert_eq!(answer.json(), api.detail(&id).await);
    assert_eq!(api.stored(&id).await.errand, Some(RETRY));
    assert_eq!(api.woken(), [format!("demo/{id}")]);
}

#[tokio::test(start_paused = true)]
async fn what_is_being_sent_again_is_not_lost_to_a_retry_or_to_switching_on() {
    let api = Api::new();
    let id = api.endpoint().await;
    let errand = resend(&api);
    let read = api.webhooks.endpoint(&demo(&id)).await.expect("read").expect("an endpoint");
    api.webhooks.send_on_errand(&read, &errand, api.now()).await.expect("written");
    let problem = api.post(format!("/webhooks/{id}/retry"), json!({})).await.refused("conflict");
    assert!(problem.detail.contains("`resending`"), "{problem:#?}");
    assert!(api.woken().is_empty());
    api.post(format!("/webhooks/{id}/off"), json!({})).await.ok();
    let on = api.post(format!("/webhooks/{id}/on"), json!({})).await.ok().json();
    let What::Resend(span) = errand.what else { panic!("{errand:?}") };
    assert_eq!(on["resending"], json!({ "from": span.from, "to": span.to }));
    assert_eq!(api.stored(&id).await.errand, Some(errand));
}
