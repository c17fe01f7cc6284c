//! `POST` and `DELETE /webhooks/{id}/secrets`.

use serde_json::{Value, json};

use crate::api::{Api, URL, delete, pointers};

async fn secrets(api: &Api, id: &str) -> Vec<String> {
    api.stored(id).await.settings.secrets.iter().map(kernel::webhook_signature::WebhookSecret::expose).collect()
}

fn secret(answer: &Value) -> String {
    answer["secret"].as_str().unwrap_or_else(|| panic!("no secret in {answer:#}")).to_owned()
}

#[tokio::test]
async fn a_new_secret_signs_beside_the_old_one_until_that_is_removed() {
    let api = Api::new();
    let registered = api.post("/webhooks", json!({ "url": URL })).await.json();
    let (id, old) = (registered["id"].as_str().expect("an id"), secret(&registered));
    api.woken();

    let answer = api.post(format!("/webhooks/{id}/secrets"), json!({})).await;
    assert_eq!(answer.status, 201, "{answer:#?}");
    let new = secret(&answer.json());
    assert_eq!(secrets(&api, id).await, [new.clone(), old], "the newest first");
    let shown = api.get(format!("/webhooks/{id}")).await.ok();
    assert_eq!(shown.json()["secrets"], 2);
    assert!(!shown.text.contains("whsec_"), "{shown:#?}");

    let answer = api.send(delete(format!("/webhooks/{id}/secrets"))).await;
    assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""));
    assert_eq!(secrets(&api, id).await, [new]);
    assert_eq!(api.detail(id).await["secrets"], 1);
    assert_eq!(api.woken(), [format!("demo/{id}"), format!("demo/{id}")]);
}

#[tokio::test]
async fn there_are_one_or_two_secrets() {
    let api = Api::new();
    let id = api.endpoint().await;
    let before = secrets(&api, &id).await;
    let problem = api.send(delete(format!("/webhooks/{id}/secrets"))).await.refused("conflict");
    assert!(problem.detail.contains("only one"), "{problem:#?}");
    assert_eq!(secrets(&api, &id).await, before);

    api.post(format!("/webhooks/{id}/secrets"), json!({})).await;
    let before = secrets(&api, &id).await;
    let problem = api.post(format!("/webhooks/{id}/secrets"), json!({})).await.refused("conflict");
    assert!(problem.detail.contains("DELETE the older one first"), "{problem:#?}");
    assert_eq!(secrets(&api, &id).await, before);
}

#[tokio::test]
async fn a_secret_may_be_brought_along_and_not_twice() {
    let api = Api::new();
    let id = api.endpoint().await;
    let own = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let answer = api.post(format!("/webhooks/{id}/secrets"), json!({ "secret": own })).await;
    assert_eq!((answer.status.as_u16(), secret(&answer.json()).as_str()), (201, own));
    api.post(format!("/webhooks/{id}/secrets"), json!({ "secret": own })).await.refused("conflict");
    let problem = api.post(format!("/webhooks/{id}/secrets"), json!({ "secret": "short" })).await;
    assert_eq!(pointers(&problem.refused("bad-request")), ["/secret"]);
    assert_eq!(secrets(&api, &id).await.len(), 2);
}
