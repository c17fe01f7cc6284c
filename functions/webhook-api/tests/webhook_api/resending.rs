//! `POST /webhooks/{id}/resend`.

use std::time::Duration;

use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use store::webhooks::progress::Again;
use store::webhooks::{Errand, Span, What};

use crate::api::{Api, URL, demo, pointers};

const FROM: &str = "2020-01-15T09:00:00Z";
const TO: &str = "2020-01-15T10:00:00Z";

fn span() -> Span {
    let time = |text| Timestamp::parse(text).expect("a time");
    Span { from: time(FROM), to: time(TO) }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_of_a_time_is_sent_again() {
    let api = Api::new();
    let id = api.endpoint().await;
    let body = json!({ "from": FROM, "to": TO });
    let answer = api.post(format!("/webhooks/{id}/resend"), body.clone()).await.accepted().json();
    assert_eq!(answer["resending"], json!({ "from": span().from, "to": span().to }));
    assert_eq!(api.detail(&id).await, answer);
    let errand = Errand { what: What::Resend(span()), behind: None };
    assert_eq!(api.stored(&id).await.errand, Some(errand.clone()));
    assert_eq!(api.woken(), [format!("demo/{id}")]);

    for another in [body.clone(), json!({ "from": FROM, "stream": "orders/O-1" })] {
        let problem = api.post(format!("/webhooks/{id}/resend"), another).await.refused("conflict");
        assert!(problem.detail.contains("`resending`"), "{problem:#?}");
    }
    assert!(api.woken().is_empty());
    api.webhooks.errand_is_at(&demo(&id), &errand, None).await.expect("written");
    assert_eq!(api.detail(&id).await["resending"], Value::Null, "it is done");
    api.post(format!("/webhooks/{id}/resend"), body).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn until_now_if_nothing_else_is_said() {
    let api = Api::new();
    let id = api.endpoint().await;
    let from = api.now().minus(Duration::from_hours(1));
    let answer = api.post(format!("/webhooks/{id}/resend"), json!({ "from": from })).await.accepted().json();
    assert_eq!(answer["resending"], json!({ "from": from, "to": api.now() }));
}

#[tokio::test(start_paused = true)]
async fn one_stream_alone_is_sent_again_even_one_that_was_never_sent() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.fails(&id, "orders/O-1", 3, true).await;
    for stream in ["orders/O-1", "policies/P-7"] {
        let body = json!({ "from": FROM, "to": TO, "stream": stream });
        let answer = api.post(format!("/webhooks/{id}/resend"), body).await.accepted().json();
        assert_eq!(answer["resending"], Value::Null, "the endpoint as a whole does nothing");
        let progress = api.progress(&id, stream).await.expect("a row");
        assert_eq!(progress.again, Some(Again { span: span(), at: None }));
        assert_eq!((progress.due, progress.failing), (Some(api.now()), None));
    }
    assert_eq!(api.stored(&id).await.errand, None);
    assert_eq!(api.woken().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_again_is_refused_and_nothing_is_noted() {
    let api = Api::new();
    let id = api.registers(&json!({ "url": URL, "contexts": ["orders", "policies"], "types": ["OrderShipped"] })).await;
    let before = api.everything();
    let tomorrow = api.now().plus(Duration::from_hours(24));
    for (body, pointer) in [
        (json!({}), "/from"),
        (json!({ "from": "yesterday" }), "/from"),
        (json!({ "from": TO, "to": FROM }), "/from"),
        (json!({ "from": tomorrow }), "/from"),
        (json!({ "from": FROM, "to": 5 }), "/to"),
        (json!({ "from": FROM, "stream": "" }), "/stream"),
        (json!({ "from": FROM, "stream": "O-1001" }), "/stream"),
        (json!({ "from": FROM, "stream": "demo/orders/O-1001" }), "/stream"),
        (json!({ "from": FROM, "stream": "orders/nothing/O-1001" }), "/stream"),
        (json!({ "from": FROM, "stream": "orders/O 1001" }), "/stream"),
        (json!({ "from": FROM, "stream": "shop/O-1001" }), "/stream"),
        (json!({ "from": FROM, "stream": "accounts/A-1" }), "/stream"),
        (json!({ "from": FROM, "stream": "policies/P-1" }), "/stream"),
        (json!({ "from": FROM, "stream": ["orders/O-1"] }), "/stream"),
    ] {
        let problem = api.post(format!("/webhooks/{id}/resend"), body.clone()).await.refused("bad-request");
        assert_eq!(pointers(&problem), [pointer], "{body}: {problem:#?}");
    }
    assert_eq!(api.everything(), before);
    assert!(api.woken().is_empty());
    api.post(format!("/webhooks/{id}/resend"), json!({ "from": FROM, "stream": "orders/O-1" })).await.accepted();
}
