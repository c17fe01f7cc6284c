//! Lost answers, crashes and services that are down: nothing is lost, and nothing is done twice.

use kernel::operation::Status;
use kernel::timestamp::Timestamp;
use serde_json::json;
use testkit::{Fault, Service};

use crate::api::{Api, Queued, bad_order, client, dead_letters, get, good_order, post, second};

async fn api_with_one() -> (Api, Queued, String) {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    (api, queued, id)
}

/// What is taken and not known to be sent, for whoever looks a moment later.
async fn unsent(api: &Api) -> Vec<store::parked::ParkedMessage> {
    let later = Timestamp::from_millis(api.now().millis() + 1);
    api.parked.unsent("orders", later, 10).await.expect("read")
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_sent_now_is_taken_and_can_be_found() {
    for fault in [Fault::refuse(500, "InternalError"), Fault::Throttle, Fault::LoseRequest, Fault::Hang] {
        let (api, queued, id) = api_with_one().await;
        let inject = fault.clone();
        api.aws.inject(move |attempt| if attempt.service == Service::Sqs { inject.clone() } else { Fault::None });
        api.resubmit(&id, json!({ "data": good_order() })).await.accepted();
        assert!(api.queued("orders").is_empty());
        let [unsent] = &unsent(&api).await[..] else { panic!("one is to be sent") };
        assert_eq!((unsent.summary.revision, unsent.summary.operation.clone()), (1, Some(queued.operation())));
        let repaired = Queued::read(unsent.message.clone(), "orders").command;
        assert_eq!((repaired.revision, repaired.receipt), (1, queued.command.receipt));
        assert_eq!(api.operation(&queued).await.status, Status::Retrying);
        assert_eq!(api.detail(&id).await["stage"], "resubmitted");
    }
}

#[tokio::test(start_paused = true)]
async fn a_send_whose_answers_were_lost_is_made_up_for_and_repeats_nothing() {
    let (api, _, id) = api_with_one().await;
    api.aws.inject(|attempt| if attempt.service == Service::Sqs { Fault::LoseAnswer } else { Fault::None });
    api.resubmit(&id, json!({})).await.accepted();
    api.aws.heal();
    let [unsent] = &unsent(&api).await[..] else { panic!("nobody knows that it was sent") };
    let url = crate::api::queue("orders");
    let returning = recovery::resubmission::returning(unsent, &url);
    recovery::send_back(&api.aws.sqs(), &url, vec![returning]).await.expect("sent");
    api.only_queued("orders");
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_and_could_not_be_noted_is_answered_as_done() {
    let (api, _, id) = api_with_one().await;
    let mut sent = false;
    api.aws.inject(move |attempt| {
        sent |= attempt.operation.starts_with("SendMessage");
        if sent && attempt.service == Service::DynamoDb {
            Fault::refuse(500, "InternalServerError")
        } else {
            Fault::None
        }
    });
    api.resubmit(&id, json!({})).await.accepted();
    api.aws.heal();
    api.only_queued("orders");
    assert_eq!(unsent(&api).await.len(), 1, "it will be sent again, as the same revision");
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_taking_and_sending_leaves_it_to_be_found() {
    let (api, _, id) = api_with_one().await;
    api.aws.inject(|attempt| if attempt.service == Service::Sqs { Fault::Hang } else { Fault::None });
    let request = post(format!("/parked/{id}/resubmit"), &json!({}));
    let handled = api.desk.handle(request.into_http(), api.now());
    tokio::time::timeout(std::time::Duration::from_secs(1), handled).await.expect_err("the environment is gone");
    api.aws.heal();
    assert_eq!(unsent(&api).await.len(), 1);
    api.resubmit(&id, json!({})).await.refused("conflict");
    api.discard(&id, "too late").await.refused("conflict");
}

#[tokio::test(start_paused = true)]
async fn whoever_asks_again_after_a_lost_answer_is_told_what_they_did() {
    let (api, _, id) = api_with_one().await;
    api.aws.inject(|attempt| if attempt.operation == "TransactWriteItems" { Fault::LoseAnswer } else { Fault::None });
    let answer = api.resubmit(&id, json!({})).await;
    api.aws.heal();
    if answer.status != 202 {
        answer.refused("unavailable");
        let problem = api.resubmit(&id, json!({})).await.refused("conflict");
        assert!(problem.detail.starts_with("it was resubmitted by client:desk at "), "{problem:#?}");
    }
    assert_eq!(unsent(&api).await.len() + api.queued("orders").len(), 1, "it is sent, or will be");
}

#[tokio::test(start_paused = true)]
async fn one_lost_answer_is_not_noticed() {
    for operation in ["TransactWriteItems", "SendMessageBatch", "Query", "GetItem"] {
        let (api, queued, id) = api_with_one().await;
        let mut first = true;
        api.aws.inject(move |attempt| {
            if attempt.operation == operation && std::mem::take(&mut first) { Fault::LoseAnswer } else { Fault::None }
        });
        api.resubmit(&id, json!({})).await.accepted();
        api.only_queued("orders");
        assert_eq!(api.operation(&queued).await.status, Status::Retrying);
        assert_eq!(unsent(&api).await.len(), 0, "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_dynamodb_is_down_nothing_is_done_and_nothing_is_called_absent() {
    let (api, _, id) = api_with_one().await;
    api.get("/parked").await.ok();
    for fault in [Fault::refuse(500, "InternalServerError"), Fault::Throttle, Fault::LoseRequest] {
        let inject = fault.clone();
        api.aws.inject(move |attempt| if attempt.service == Service::DynamoDb { inject.clone() } else { Fault::None });
        for request in [
            get("/parked"),
            get("/parked?queue=orders"),
            get(format!("/parked/{id}")),
            get(format!("/parked/{id}/history")),
            get(format!("/parked/{id}/revisions/0")),
            post("/parked/outcomes", &json!({ "ids": [id] })),
            post(format!("/parked/{id}/resubmit"), &json!({})),
            post(format!("/parked/{id}/discard"), &json!({ "reason": "no" })),
            get("/parked").by(client("never-seen-before")),
        ] {
            let answer = api.send(request).await;
            assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
            let text = answer.text.clone();
            answer.refused("unavailable");
            for word in ["injected", "DynamoDB", "Query", "Transact", "Exception"] {
                assert!(!text.contains(word), "{word} is nobody's business: {text}");
            }
        }
        let body = json!({ "ids": [id], "reason": "no" });
        for action in ["resubmit", "discard"] {
            let results = api.send(post(format!("/parked/{action}"), &body)).await.ok().json();
            assert_eq!(results["results"][0]["status"], 503);
        }
        api.aws.heal();
        assert_eq!(api.detail(&id).await["stage"], "waiting");
    }
    assert!(api.queued("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn one_queue_that_is_down_does_not_keep_others_from_being_sent_to() {
    let (api, _, order) = api_with_one().await;
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    api.aws.inject(|attempt| {
        if attempt.body.contains("orders-commands") { Fault::refuse(500, "InternalError") } else { Fault::None }
    });
    let body = json!({ "ids": [order, event] });
    let results = api.send(post("/parked/resubmit", &body)).await.ok().json();
    assert_eq!((&results["results"][0]["status"], &results["results"][1]["status"]), (&json!(503), &json!(202)));
    let late = results["results"][0]["problem"]["detail"].as_str().expect("a detail");
    assert!(late.contains("will be sent within minutes"), "{late}");
    api.only_queued("read_model_updater");
    assert_eq!(unsent(&api).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn dead_letters_that_cannot_be_looked_at_are_not_called_none() {
    let api = Api::new();
    api.aws.inject(|attempt| {
        let down = attempt.body.contains(&dead_letters("orders"));
        if down { Fault::refuse(500, "InternalError") } else { Fault::None }
    });
    api.send(get("/dead-letters").by(client("root"))).await.refused("unavailable");
}

#[tokio::test]
async fn what_was_stored_wrongly_shows_nothing_of_itself() {
    let (api, _, id) = api_with_one().await;
    let list = api.aws.items(testkit::TABLES.parked);
    let (key, place) = (&list[0]["parked_key"], &list[0]["id"]);
    let item = json!({ "parked_key": { "S": key }, "id": { "S": place }, "message": { "S": "a secret" } });
    let put = json!({ "TableName": testkit::TABLES.parked, "Item": item });
    api.aws.database().put_item(serde_json::from_value(put).expect("a request")).expect("written");
    let answer = api.get(format!("/parked/{id}")).await;
    assert!(!answer.text.contains("a secret"), "{answer:#?}");
    answer.refused("internal");
}
