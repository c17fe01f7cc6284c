//! What `asyncapi.yaml` repeats of the code: the frames of a connection, and the domain events that are published.

use std::collections::{BTreeMap, BTreeSet};

use kernel::frame::{Frame, MAX_REQUEST_BYTES, MOST_OPERATIONS, Request};
use serde_json::Value;
use testkit::template_json;

fn messages(channel: &str) -> BTreeMap<String, Value> {
    let document = template_json(include_str!("../../asyncapi.yaml"));
    let messages = document["channels"][channel]["messages"].as_object().expect("messages");
    messages.iter().map(|(name, message)| (name.clone(), message.clone())).collect()
}

fn examples(message: &Value) -> impl Iterator<Item = &Value> {
    message["examples"].as_array().into_iter().flatten().map(|example| &example["payload"])
}

/// Every frame that the code knows, and no other, as the code reads and writes it.
#[test]
fn frames_are_described_as_they_are() {
    let (mut actions, mut types) = (BTreeSet::new(), BTreeSet::new());
    for (name, message) in messages("live") {
        assert!(examples(&message).next().is_some(), "{name} has no example");
        for example in examples(&message) {
            if let Some(action) = example["action"].as_str() {
                actions.insert(action.to_owned());
                let read = Request::read(&example.to_string());
                assert!(read.is_ok(), "{name}: {example}: {read:?}");
            } else {
                types.insert(example["type"].as_str().unwrap_or_else(|| panic!("{name}: {example}")).to_owned());
                let frame: Frame =
                    serde_json::from_value(example.clone()).unwrap_or_else(|error| panic!("{name}: {error}"));
                let again: Value = serde_json::from_str(&frame.to_json()).expect("JSON");
                assert_eq!(&again, example, "{name}, as it is written");
            }
        }
    }
    let set = |names: &[&str]| names.iter().map(ToString::to_string).collect::<BTreeSet<_>>();
    assert_eq!(actions, set(&["submit", "follow", "unfollow", "ping"]));
    assert_eq!(types, set(&["accepted", "operations", "unfollowed", "pong", "problem"]));
    let text = include_str!("../../asyncapi.yaml");
    assert!(text.contains(&format!("takes {} KiB", MAX_REQUEST_BYTES / 1024)));
    assert!(text.contains(&format!("1 to {MOST_OPERATIONS} receipts")));
}

/// Every event of every context, with the schema of the version that is written.
#[test]
fn the_domain_events_are_those_of_the_contexts() {
    let mut expected = BTreeMap::new();
    for context in catalog::CONTEXTS {
        for event in context.events() {
            let Some(version) = event.written else { continue };
            let schema = format!("events/schemas/{}/{}.{version}.json", context.name, event.name);
            expected.insert(event.name.to_owned(), schema);
        }
    }
    let described: BTreeMap<String, String> = messages("events")
        .into_iter()
        .map(|(name, message)| {
            let data = &message["payload"]["allOf"][1]["properties"]["data"]["$ref"];
            (name, data.as_str().unwrap_or_default().to_owned())
        })
        .collect();
    assert_eq!(described, expected, "the channel `events` of asyncapi.yaml is on the left");
}
