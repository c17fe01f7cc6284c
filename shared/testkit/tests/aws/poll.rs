use std::time::Duration;

use aws_lambda_events::event::sqs::{BatchItemFailure, SqsBatchResponse, SqsEvent};
use serde_json::{Value, json};
use testkit::Aws;

fn updates() -> String {
    Aws::queue_url("updates")
}

async fn with_messages(bodies: &[&str]) -> Aws {
    let aws = Aws::new();
    for body in bodies {
        aws.sqs().send_message().queue_url(updates()).message_body(*body).send().await.expect("sent");
    }
    aws
}

fn left(aws: &Aws) -> Vec<String> {
    aws.messages(&updates()).into_iter().map(|message| message.body).collect()
}

const VISIBILITY: Duration = Duration::from_secs(30);

#[tokio::test(start_paused = true)]
async fn the_poller_deletes_what_the_handler_does_not_name() {
    let aws = with_messages(&["good", "bad", "good too"]).await;
    let handle = async |event: SqsEvent| {
        let mut response = SqsBatchResponse::default();
        for record in event.records.into_iter().filter(|record| record.body.as_deref() == Some("bad")) {
            let mut failure = BatchItemFailure::default();
            failure.item_identifier = record.message_id.unwrap_or_default();
            response.batch_item_failures.push(failure);
        }
        response
    };

    assert_eq!(aws.poll(&updates(), 10, VISIBILITY, handle).await, 3);
    assert_eq!(left(&aws), ["bad"]);
    assert_eq!(aws.poll(&updates(), 10, VISIBILITY, handle).await, 0, "not visible yet");
    tokio::time::advance(VISIBILITY).await;
    assert_eq!(aws.poll(&updates(), 10, VISIBILITY, handle).await, 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_names_nothing_is_success() {
    for answer in [Value::Null, json!({}), json!({ "batchItemFailures": null }), json!({ "batchItemFailures": [] })] {
        let aws = with_messages(&["a", "b"]).await;
        aws.poll(&updates(), 10, VISIBILITY, async |_: Value| answer.clone()).await;
        assert!(left(&aws).is_empty(), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_cannot_be_understood_fails_the_whole_batch() {
    for answer in [
        json!("done"),
        json!({ "batchItemFailures": "all" }),
        json!({ "batchItemFailures": [{ "itemIdentifier": "unknown" }] }),
        json!({ "batchItemFailures": [{ "itemIdentifier": "" }] }),
        json!({ "batchItemFailures": [{ "identifier": "a" }] }),
    ] {
        let aws = with_messages(&["a", "b"]).await;
        aws.poll(&updates(), 10, VISIBILITY, async |_: Value| answer.clone()).await;
        assert_eq!(left(&aws), ["a", "b"], "{answer}");
    }
}
