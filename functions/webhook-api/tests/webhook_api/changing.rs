//! `PUT` and `DELETE /webhooks/{id}`.

use serde_json::{Value, json};
use testkit::{Fault, TABLES};

use crate::api::{Api, URL, about, delete, demo, pointers, put};

#[tokio::test]
async fn settings_are_replaced_and_secrets_and_beginning_stay() {
    let api = Api::new();
    let id = api.registers(&json!({ "url": URL, "description": "old", "types": ["OrderSubmitted"] })).await;
    let before = api.stored(&id).await.settings;
    let wish = json!({ "url": "https://hooks.acme.example/new", "contexts": ["policies"], "payload": "thin" });
    let changed = api.send(put(format!("/webhooks/{id}"), &wish)).await.ok().json();
    assert_eq!(changed["url"], "https://hooks.acme.example/new");
    assert_eq!(
        (&changed["description"], &changed["types"]),
        (&Value::Null, &json!([])),
        "what is not said is not there"
    );
    assert_eq!(api.detail(&id).await, changed);
    let after = api.stored(&id).await.settings;
    assert_eq!((&after.secrets, after.since), (&before.secrets, before.since));
    assert_eq!(api.woken(), [format!("demo/{id}")]);
}

#[tokio::test]
async fn a_change_that_cannot_be_meant_is_refused_and_nothing_changes() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = api.everything();
    for (wish, pointer) in [
        (json!({}), "/url"),
        (json!({ "url": "https://10.0.0.1/in" }), "/url"),
        (json!({ "url": URL, "types": ["OrderLost"] }), "/types/0"),
        (json!({ "url": URL, "since": "2026-01-01T00:00:00Z" }), "/since"),
        (json!({ "url": URL, "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" }), "/secret"),
    ] {
        let problem = api.send(put(format!("/webhooks/{id}"), &wish)).await.refused("bad-request");
        assert_eq!(pointers(&problem), [pointer], "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
    assert!(api.woken().is_empty());
}

/// Before the office's change is made, somebody else's is.
async fn changed_meanwhile(api: &Api, id: &str, url: &str) {
    let mut settings = api.stored(id).await.settings;
    url.clone_into(&mut settings.url);
    let mut row = api.everything().into_iter().find(|row| row["place"] == id).expect("the row");
    row["document"] = json!(serde_json::to_string(&settings).expect("JSON"));
    let aws = api.aws.clone();
    api.aws.inject(move |attempt| {
        if attempt.operation == "UpdateItem" {
            aws.insert(TABLES.webhooks, &row);
        }
        Fault::None
    });
}

#[tokio::test]
async fn of_two_who_change_it_at_once_one_is_told() {
    let api = Api::new();
    let id = api.endpoint().await;
    changed_meanwhile(&api, &id, "https://hooks.acme.example/theirs").await;
    let ours = put(format!("/webhooks/{id}"), &json!({ "url": "https://hooks.acme.example/ours" }));
    let problem = api.send(ours).await.refused("conflict");
    assert!(problem.detail.contains("changed meanwhile"), "{problem:#?}");
    assert_eq!(api.detail(&id).await["url"], "https://hooks.acme.example/theirs");
}

#[tokio::test(start_paused = true)]
async fn a_change_whose_answer_was_lost_is_known_as_ones_own() {
    for (nth, wish) in [json!({ "url": "https://hooks.acme.example/new" }), json!({})].into_iter().enumerate() {
        let api = Api::new();
        let id = api.endpoint().await;
        let mut first = true;
        api.aws.inject(move |attempt| {
            let lost = attempt.operation == "UpdateItem" && std::mem::take(&mut first);
            if lost { Fault::LoseAnswer } else { Fault::None }
        });
        if nth == 0 {
            api.send(put(format!("/webhooks/{id}"), &wish)).await.ok();
        } else {
            assert_eq!(api.post(format!("/webhooks/{id}/secrets"), wish).await.status, 201);
            assert_eq!(api.stored(&id).await.settings.secrets.len(), 2, "one was added, and not two");
        }
    }
}

#[tokio::test]
async fn what_is_removed_is_gone_at_once_and_left_for_the_sender() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.notes(&id, "orders/O-1", 1).await;
    let answer = api.send(delete(format!("/webhooks/{id}"))).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(api.woken(), [format!("demo/{id}")]);
    assert!(api.webhooks.endpoint(&demo(&id)).await.expect("an answer").expect("a row").removed);
    for request in about(&id) {
        api.send(request).await.refused("not-found");
    }
    assert_eq!(api.get("/webhooks").await.ok().json(), json!({ "items": [] }));
    assert!(api.woken().is_empty());
}
