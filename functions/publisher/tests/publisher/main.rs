//! From the events table to the topic, by its stream or by the retries queue, with the real clients on an AWS in
//! process.

mod publishing;
mod retries;
mod samples;

use bench::platform::{dead_retries, environment, own_queue, retries, topic};
use bench::sealing::TRACEPARENT;
use kernel::RawValue;
use kernel::cloud_event::CloudEvent;
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::timestamp::Timestamp;
use publisher::{Clients, Publisher};
use serde_json::{Value, json};
use testkit::{Aws, TABLES};

fn publisher(aws: &Aws) -> Publisher {
    let (retries, dead_letters) = (retries(), dead_retries());
    let environment = environment().with(own_queue(&retries, &dead_letters)).with([("MAX_RECEIVES", "5")]);
    let clients = Clients { sns: aws.sns(), sqs: aws.sqs(), dynamodb: aws.dynamodb(), streams: aws.streams() };
    Publisher::from_environment(&environment, clients).expect("settings that do")
}

/// Puts a commit with events of so many bytes into the events table.
async fn commit(aws: &Aws, stream: &str, number: u64, first_version: u64, sizes: &[usize]) {
    let event = |size: &usize| EventData {
        ty: "OrderCancelled".into(),
        schema: 1,
        data: RawValue::from_string(json!({ "reason": "x".repeat(*size) }).to_string()).expect("JSON"),
        cause: Cause {
            operation: "op".into(),
            correlation: "co".into(),
            traceparent: Some(TRACEPARENT.into()),
            ..Cause::default()
        },
    };
    let events: Vec<_> = sizes.iter().map(event).collect();
    let item = json!({
        "stream_id": stream, "commit_number": number, "first_version": first_version,
        "events": serde_json::to_string(&events).expect("JSON"), "committed_at": 1_764_000_000_000_u64,
    });
    put(aws, item.as_object().expect("an object").iter().map(|(name, value)| (name.clone(), value.clone()))).await;
}

/// Puts an item of texts and numbers into the events table.
async fn put(aws: &Aws, item: impl Iterator<Item = (String, Value)>) {
    use aws_sdk_dynamodb::types::AttributeValue;
    let item = item.map(|(name, value)| match value {
        Value::Number(number) => (name, AttributeValue::N(number.to_string())),
        text => (name, AttributeValue::S(text.as_str().expect("text").to_owned())),
    });
    let put = aws.dynamodb().put_item().table_name(TABLES.events).set_item(Some(item.collect()));
    put.send().await.expect("a commit");
}

/// A while after the commits.
fn now() -> Timestamp {
    Timestamp::from_millis(1_764_000_000_250)
}

fn published(aws: &Aws) -> Vec<RecordedEvent> {
    let parse = |body: &str| {
        let event = CloudEvent::from_json(body.as_bytes()).expect("a CloudEvent");
        RecordedEvent::from_cloud_event(&event).expect("a domain event")
    };
    aws.published(&topic()).iter().map(|notification| parse(&notification.body)).collect()
}
