//! The sample events in `events/`: every one is taken, and the recorded AWS events are what these samples become.

use bench::Request;
use std::path::Path;

use kernel::timestamp::Timestamp;
use serde_json::Value;

use crate::api::Api;

/// Every sample command with its context, found as a newcomer would: `events/<context>/*.json`.
pub fn commands() -> Vec<(&'static str, Value)> {
    let mut samples = Vec::new();
    for context in catalog::CONTEXTS.iter().filter(|context| context.commands_of_clients().next().is_some()) {
        let folder = events().join(context.name);
        for file in std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
            let path = file.expect("a readable folder").path();
            let text = std::fs::read_to_string(&path).expect("a readable file");
            let event = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            samples.push((context.name, event));
        }
    }
    assert!(samples.len() >= catalog::CONTEXTS.len(), "{samples:?}");
    samples
}

fn events() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events")
}

fn recorded(name: &str) -> Value {
    let path = events().join("aws").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[tokio::test]
async fn the_recorded_request_is_accepted_as_it_is() {
    let api = Api::new();
    let event = recorded("ingest.json");
    let client = event["requestContext"]["authorizer"]["jwt"]["claims"]["client_id"].as_str().expect("a client");
    api.register_client(client, "demo");
    let request = lambda_http::request::from_str(&event.to_string()).expect("a gateway's event");
    let answer = api.ingest.handle(request, api.now()).await;
    assert_eq!(answer.status(), 202, "{:?}", answer.body());
    let (message, command) = api.only_command("orders");
    assert_eq!(message.group.as_deref(), Some("demo/orders/O-1001"));
    let trace = command.extension("traceparent").map(ToString::to_string);
    assert_eq!(trace.as_deref(), event["headers"]["traceparent"].as_str());
}

/// `UPDATE_EVENTS=1` writes the bodies anew.
#[tokio::test]
async fn the_recorded_queue_batch_is_what_ingest_queues() {
    let api = Api::new();
    let mut recorded = recorded("command-handler.json");
    let records = recorded["Records"].as_array_mut().expect("records");
    for record in &mut *records {
        let attributes = &record["attributes"];
        let sent: u64 = attributes["SentTimestamp"].as_str().and_then(|sent| sent.parse().ok()).expect("a time");
        let subject =
            attributes["MessageGroupId"].as_str().and_then(|group| group.rsplit('/').next()).expect("a group");
        let id = serde_json::from_str::<Value>(record["body"].as_str().expect("a body")).expect("JSON")["id"].clone();
        let (_, event) = commands().into_iter().find(|(_, event)| event["id"] == id).expect("a sample");
        assert_eq!(event["subject"], subject);
        let request = Request::structured(&event)
            .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
        api.send_at(request, Timestamp::from_millis(sent)).await.accepted();
        let message = api.queued("orders").pop().expect("a message");
        if std::env::var_os("UPDATE_EVENTS").is_some() {
            record["body"] = message.body.clone().into();
            record["md5OfBody"] =
                testkit::Aws::sqs_event(std::slice::from_ref(&message))["Records"][0]["md5OfBody"].clone();
            record["attributes"]["MessageDeduplicationId"] = message.deduplication_id.clone().into();
            continue;
        }
        assert_eq!(record["body"], message.body, "see UPDATE_EVENTS");
        assert_eq!(record["attributes"]["MessageGroupId"], message.group.unwrap_or_default());
        assert_eq!(record["attributes"]["MessageDeduplicationId"], message.deduplication_id.unwrap_or_default());
    }
    if std::env::var_os("UPDATE_EVENTS").is_some() {
        let text = serde_json::to_string_pretty(&recorded).expect("JSON") + "\n";
        std::fs::write(events().join("aws/command-handler.json"), text).expect("written");
    }
}
