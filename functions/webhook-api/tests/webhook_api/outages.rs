//! Services that are down: nothing is called absent, and what is stored counts.

use bench::Answer;
use serde_json::json;
use testkit::{Fault, Service};

use crate::api::{Api, URL, about, client, get, post};

#[track_caller]
fn assert_unavailable(answer: Answer) {
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    for word in ["injected", "DynamoDB", "Query", "UpdateItem", "Exception"] {
        assert!(!answer.text.contains(word), "{word} is nobody's business: {answer:#?}");
    }
    answer.refused("unavailable");
}

#[tokio::test(start_paused = true)]
async fn while_dynamodb_is_down_nothing_is_done_and_nothing_is_called_absent() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.post(format!("/webhooks/{id}/secrets"), json!({})).await;
    api.woken();
    let before = api.everything();
    for fault in [Fault::refuse(500, "InternalServerError"), Fault::Throttle, Fault::LoseRequest] {
        api.aws.inject(move |attempt| if attempt.service == Service::DynamoDb { fault.clone() } else { Fault::None });
        let further = [get("/webhooks"), post("/webhooks", &json!({ "url": URL })), get("/webhooks").by(client("new"))];
        for request in about(&id).into_iter().chain(further) {
            assert_unavailable(api.send(request).await);
        }
        api.aws.heal();
    }
    assert_eq!(api.everything(), before);
    assert!(api.woken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_change_that_is_not_known_to_be_made_says_so() {
    let api = Api::new();
    let id = api.endpoint().await;
    api.aws.inject(|attempt| {
        let is_write = ["PutItem", "UpdateItem"].contains(&attempt.operation);
        if is_write { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    let changes =
        about(&id).into_iter().filter(|request| request.method != "GET" && !request.target.ends_with("/secrets"));
    for request in changes.chain([post("/webhooks", &json!({ "url": URL }))]) {
        let answer = api.send(request).await;
        assert!(answer.text.contains("look whether it was changed"), "{answer:#?}");
        assert_unavailable(answer);
    }
    assert!(api.woken().is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_is_done_even_if_the_sender_cannot_be_told() {
    let api = Api::new();
    api.aws.inject(
        |attempt| {
            if attempt.service == Service::Sqs { Fault::refuse(500, "InternalError") } else { Fault::None }
        },
    );
    let registered = api.post("/webhooks", json!({ "url": URL })).await;
    assert_eq!(registered.status, 201);
    let id = registered.json()["id"].as_str().expect("an id").to_owned();
    api.post(format!("/webhooks/{id}/secrets"), json!({})).await;
    for request in
        about(&id).into_iter().filter(|request| !(request.method == "POST" && request.target.ends_with("/secrets")))
    {
        let answer = api.send(request).await;
        assert!(answer.status.is_success(), "{answer:#?}");
    }
    assert!(api.stored(&id).await.removed);
}

#[tokio::test]
async fn what_was_stored_wrongly_shows_nothing_of_itself() {
    let api = Api::new();
    let id = api.endpoint().await;
    let item = json!({ "webhook_key": { "S": "demo" }, "place": { "S": id }, "document": { "S": "a secret" } });
    let put = json!({ "TableName": testkit::TABLES.webhooks, "Item": item });
    api.aws.database().put_item(serde_json::from_value(put).expect("a request")).expect("written");
    for request in [get("/webhooks"), get(format!("/webhooks/{id}"))] {
        let answer = api.send(request).await;
        assert!(!answer.text.contains("a secret"), "{answer:#?}");
        answer.refused("internal");
    }
}
