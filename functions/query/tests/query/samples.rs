//! The recorded AWS events in `events/aws`: each is what its function is handed, and one follows from the other, from
//! the queued commands to the read model's updates.
//!
//! `UPDATE_EVENTS=1` writes anew what follows from the queued commands.

use std::path::{Path, PathBuf};

use aws_lambda_events::dynamodb;
use aws_lambda_events::sqs::SqsEvent;
use kernel::cloud_event::CloudEvent;
use kernel::domain_event::RecordedEvent;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::event_store::Commit;
use testkit::{Aws, TABLES};

use crate::api::{Api, get, second, time};

/// When the recorded commands were carried out.
const COMMITTED: [&str; 2] = ["2026-01-15T09:30:00.981Z", "2026-01-15T10:10:00.702Z"];

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/aws").join(name)
}

fn recorded<T: DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn records(event: &mut Value) -> &mut Vec<Value> {
    event["Records"].as_array_mut().expect("records")
}

/// Whether the files are to be written anew.
fn update(name: &str, event: &Value) -> bool {
    let asked = std::env::var_os("UPDATE_EVENTS").is_some();
    if asked {
        let text = serde_json::to_string_pretty(event).expect("JSON") + "\n";
        std::fs::write(path(name), text).expect("written");
    }
    asked
}

/// An API where the recorded commands were carried out.
async fn after_the_recorded_commands() -> Api {
    let api = Api::new();
    let mut queued: Value = recorded("command-handler.json");
    let messages = std::mem::take(records(&mut queued));
    assert_eq!(messages.len(), COMMITTED.len());
    for (message, committed) in messages.into_iter().zip(COMMITTED) {
        let event = serde_json::from_value(json!({ "Records": [message] })).expect("an SQS event");
        api.carry_out(event, time(committed)).await;
    }
    api
}

#[tokio::test(start_paused = true)]
async fn the_recorded_stream_batch_is_what_the_recorded_commands_lead_to() {
    let api = after_the_recorded_commands().await;
    let made = api.aws.stream_event(TABLES.events);
    let mut recorded: Value = recorded("publisher.json");
    for (index, record) in records(&mut recorded).iter_mut().enumerate() {
        let (recorded, made) = (&mut record["dynamodb"], &made["Records"][index]["dynamodb"]);
        assert_eq!(recorded["Keys"], made["Keys"]);
        if std::env::var_os("UPDATE_EVENTS").is_none() {
            assert_eq!(recorded["NewImage"], made["NewImage"], "see UPDATE_EVENTS");
        }
        recorded["NewImage"] = made["NewImage"].clone();
        recorded["SizeBytes"] = made["SizeBytes"].clone();
    }
    update("publisher.json", &recorded);
}

#[tokio::test(start_paused = true)]
async fn the_recorded_updates_are_what_that_stream_batch_becomes() {
    let api = after_the_recorded_commands().await;
    let stream: dynamodb::Event =
        serde_json::from_value(api.aws.stream_event(TABLES.events)).expect("a stream's event");
    let commits = stream.records.into_iter().map(|record| Commit::from_stream_image(record.change.new_image));
    let events = commits.flat_map(|commit| commit.expect("a commit").events().expect("events"));
    let published: Vec<_> = events.map(|event| event.to_cloud_event("https://api.example").to_json()).collect();

    let queue = Aws::queue_url("updates");
    for body in &published {
        api.aws.sqs().send_message().queue_url(&queue).message_body(body).send().await.expect("sent");
    }
    let made = Aws::sqs_event(&api.aws.messages(&queue));
    let mut updates: Value = recorded("read-model-updater.json");
    for (index, record) in records(&mut updates).iter_mut().enumerate() {
        for member in ["body", "md5OfBody"] {
            record[member] = made["Records"][index][member].clone();
        }
    }
    if !update("read-model-updater.json", &updates) {
        assert_eq!(updates, recorded::<Value>("read-model-updater.json"), "see UPDATE_EVENTS");
    }
}

#[test]
fn the_recorded_updates_read_as_domain_events_with_their_attributes() {
    let event: SqsEvent = recorded("read-model-updater.json");
    for (message, version) in event.records.iter().zip(1..) {
        let body = message.body.as_deref().unwrap_or_default();
        let published = CloudEvent::from_json(body.as_bytes()).expect("raw delivery: the CloudEvent itself");
        let read = RecordedEvent::from_cloud_event(&published).expect("one of ours");
        assert_eq!((read.stream.to_string().as_str(), read.version), ("demo/orders/O-1001", version));
        let attribute = |name: &str| message.message_attributes[name].string_value.clone().unwrap_or_default();
        assert_eq!(["type", "context", "tenant"].map(attribute), [published.ty(), "orders", "demo"]);
    }
}

#[tokio::test]
async fn the_recorded_request_is_answered_as_it_is() {
    let api = Api::new();
    let event: Value = recorded("query.json");
    let claims = event["requestContext"]["authorizer"]["jwt"]["claims"].clone();
    api.register(claims["client_id"].as_str().expect("a client"), "demo");
    api.order("demo", "O-1001", "C-7", second(0)).await;
    let [path, query] = ["rawPath", "rawQueryString"].map(|name| event[name].as_str().expect("text"));
    let answer = api.send(get(format!("{path}?{query}")).by(claims)).await.ok();
    assert_eq!(answer.json()["id"], json!("O-1001"));
}
