//! The recorded AWS events in `events/aws`: the retries follow from the stream's batch. `UPDATE_EVENTS=1` writes anew
//! what does.

use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use publisher::Incoming;
use serde_json::{Value, json};
use store::stream_positions::CommitReference;
use testkit::Aws;
use tokio::time::Instant;

use crate::{now, published, publisher, put, retries};

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/aws").join(name)
}

fn recorded(name: &str) -> Value {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The positions of a batch as Lambda records them, with the shard of the record before.
fn positions(aws: &Aws, batch: &Value, body: &Value) -> Value {
    let mut positions = aws.on_failure_record(batch)["DDBStreamBatchInfo"].take();
    positions["shardId"] = body["DDBStreamBatchInfo"]["shardId"].clone();
    positions
}

#[tokio::test]
async fn the_recorded_retries_are_the_first_commit_of_the_stream_batch_and_the_batch_itself() {
    let aws = Aws::starting_at(UNIX_EPOCH + Duration::from_secs(1_768_550_000));
    let batch = recorded("publisher.json");
    let mut recorded_retries = recorded("publisher-retries.json");
    let body = |index: usize| -> Value {
        let body = recorded_retries["Records"][index]["body"].as_str().expect("a body");
        serde_json::from_str(body).expect("JSON")
    };
    let keys = &batch["Records"][0]["dynamodb"]["Keys"];
    let number: u64 = keys["commit_number"]["N"].as_str().expect("a number").parse().expect("a number");
    let stream_id = keys["stream_id"]["S"].as_str().expect("a stream").to_owned();
    let reference = serde_json::to_string(&CommitReference { stream_id, commit_number: number }).expect("JSON");
    let mut given_up = body(1);
    given_up["DDBStreamBatchInfo"] = positions(&aws, &batch, &given_up);
    for body in [reference, given_up.to_string()] {
        aws.sqs().send_message().queue_url(retries()).message_body(body).send().await.expect("sent");
    }

    let made = Aws::sqs_event(&aws.messages(&retries()));
    for (index, record) in recorded_retries["Records"].as_array_mut().expect("records").iter_mut().enumerate() {
        for member in ["body", "md5OfBody"] {
            record[member] = made["Records"][index][member].clone();
        }
    }
    if std::env::var_os("UPDATE_EVENTS").is_some() {
        let text = serde_json::to_string_pretty(&recorded_retries).expect("JSON") + "\n";
        std::fs::write(path("publisher-retries.json"), text).expect("written");
    } else {
        assert_eq!(recorded_retries, recorded("publisher-retries.json"), "see UPDATE_EVENTS");
    }
}

#[tokio::test(start_paused = true)]
async fn the_recorded_events_are_told_apart_and_handled() {
    let aws = Aws::new();
    let batch = recorded("publisher.json");
    for record in batch["Records"].as_array().expect("records") {
        let image = record["dynamodb"]["NewImage"].as_object().expect("an image");
        let item = image.iter().map(|(name, value)| match &value["N"] {
            Value::String(number) => (name.clone(), serde_json::from_str(number).expect("a number")),
            _ => (name.clone(), value["S"].clone()),
        });
        put(&aws, item).await;
    }

    let Ok(Incoming::Stream(stream)) = serde_json::from_value(batch) else { panic!("a stream's batch") };
    publisher(&aws).handle_stream(stream, now()).await.expect("published");
    assert_eq!(published(&aws).len(), 2);

    let Ok(Incoming::Retries(messages)) = serde_json::from_value(recorded("publisher-retries.json")) else {
        panic!("messages of a queue")
    };
    let elsewhere = messages.records[1].message_id.clone().expect("an id");
    let answer = publisher(&aws).handle_retries(messages, now(), Instant::now() + Duration::from_mins(1)).await;
    assert_eq!(published(&aws).len(), 3);
    let failed: Vec<_> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    assert_eq!(failed, [elsewhere], "its stream is not the one here");
}

#[test]
fn an_event_of_another_kind_is_refused() {
    for event in [json!({}), json!({ "Records": [] }), json!({ "Records": [{ "eventSource": "aws:s3" }] })] {
        assert!(serde_json::from_value::<Incoming>(event).is_err());
    }
}
