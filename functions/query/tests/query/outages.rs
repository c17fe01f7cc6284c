//! While DynamoDB fails: a 503 that says when to come back and nothing of what is behind it.

use bench::Answer;
use std::time::Duration;

use serde_json::json;
use testkit::{Fault, Service};

use crate::api::{Api, get, second};

async fn seeded() -> (Api, Vec<String>) {
    let api = Api::new();
    let command = api.order("demo", "O-1", "C-7", second(0)).await;
    let paths = [
        "/orders/O-1",
        "/orders?customer=C-7",
        "/orders?status=submitted",
        "/reports/orders",
        "/orders/O-1/history",
        "/orders/O-1/history?asOf=2199-01-01T00:00:00Z",
    ];
    let operation = format!("/operations/{}", command.receipt);
    let paths: Vec<_> = paths.into_iter().map(str::to_owned).chain([operation]).collect();
    for path in &paths {
        api.get(path).await.ok();
    }
    (api, paths)
}

#[track_caller]
fn assert_unavailable(answer: Answer) {
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    assert_refused_discreetly(answer, "unavailable");
}

fn assert_refused_discreetly(answer: Answer, problem: &str) {
    let text = answer.text.clone();
    answer.refused(problem);
    for word in ["injected", "DynamoDB", "Query", "GetItem", "Internal", "Exception", "stored", "dispatch", "order"] {
        assert!(!text.contains(word), "{word} is nobody's business: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_now_is_unavailable_and_not_absent() {
    let (api, paths) = seeded().await;
    for fault in [Fault::refuse(500, "InternalServerError"), Fault::Throttle, Fault::Hang, Fault::LoseAnswer] {
        let inject = fault.clone();
        api.aws.inject(move |_| inject.clone());
        for path in &paths {
            assert_unavailable(api.get(path).await);
        }
        api.aws.heal();
        for path in &paths {
            api.get(path).await.ok();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_bad_moment_is_not_noticed() {
    let (api, paths) = seeded().await;
    for path in &paths {
        let mut first = true;
        api.aws.inject(move |_| if std::mem::take(&mut first) { Fault::Throttle } else { Fault::None });
        api.get(path).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn what_needs_no_table_is_answered_all_the_same() {
    let (api, _) = seeded().await;
    api.aws.inject(|attempt| match attempt.service {
        Service::DynamoDb => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    tokio::time::advance(Duration::from_hours(24)).await;
    api.get("/schemas").await.ok();
    api.get("/schemas/orders/SubmitOrder/1").await.ok();
    api.get("/operations/forged").await.refused("not-found");
}

#[tokio::test(start_paused = true)]
async fn without_receipt_keys_an_operation_is_unavailable_and_all_else_is_answered() {
    let (api, paths) = seeded().await;
    let api = api.restarted();
    api.aws.inject(|attempt| match attempt.service {
        Service::SecretsManager => Fault::refuse(500, "InternalServiceError"),
        _ => Fault::None,
    });
    for path in &paths {
        let answer = api.get(path).await;
        if path.starts_with("/operations/") { assert_unavailable(answer) } else { drop(answer.ok()) }
    }
    api.aws.heal();
    for path in &paths {
        api.get(path).await.ok();
    }
}

#[tokio::test(start_paused = true)]
async fn a_caller_who_cannot_be_looked_up_is_not_refused_but_put_off() {
    let (api, _) = seeded().await;
    api.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert_unavailable(api.send(get("/schemas").by(crate::api::client("never-seen-before"))).await);
}

#[tokio::test]
async fn what_was_stored_wrongly_shows_nothing_of_itself() {
    let api = Api::new();
    let item = json!({ "collection_key": { "S": "demo#orders" }, "id": { "S": "O-1" }, "version": { "S": "stored" } });
    let put = json!({ "TableName": testkit::TABLES.read_models, "Item": item });
    api.aws.database().put_item(serde_json::from_value(put).expect("a request")).expect("written");
    // Trying again would not help.
    assert_refused_discreetly(api.get("/orders/O-1").await, "internal");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_entry_cannot_be_read_any_more_reads_nothing() {
    let (api, paths) = seeded().await;
    api.register("shop-client", "no tenant");
    tokio::time::advance(Duration::from_hours(1)).await;
    for path in &paths {
        assert_refused_discreetly(api.get(path).await, "internal");
    }
    api.register("shop-client", "demo");
    api.get(&paths[0]).await.ok();
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_holds_no_keys_opens_no_receipt() {
    let (api, paths) = seeded().await;
    let operation = paths.last().expect("an operation");
    api.aws.put_secret(&testkit::Aws::secret_arn("receipt-key"), "too short");
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_refused_discreetly(api.get(operation).await, "internal");
}
