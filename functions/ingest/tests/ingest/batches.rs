//! Batches: all of it is queued, or nothing.

use bench::{Answer, Request};
use kernel::cloud_event::CloudEvent;
use serde_json::{Value, json};
use testkit::{Fault, Message};

use crate::api::{Api, bind_policy, queue, submit_order, with};
use crate::hostile::padded;

/// Orders and policies in turn, each with an id of its own.
fn mixed(count: usize) -> Vec<Value> {
    let event = |index: usize| {
        let event = if index.is_multiple_of(2) { submit_order() } else { bind_policy() };
        with(event, &json!({ "id": format!("n{index}"), "subject": format!("S-{index}") }))
    };
    (0..count).map(event).collect()
}

fn operations(answer: &Answer) -> Vec<Value> {
    answer.json()["operations"].as_array().unwrap_or_else(|| panic!("no operations in {answer:#?}")).clone()
}

#[tokio::test]
async fn an_empty_batch_is_accepted_and_calls_nobody() {
    let api = Api::new();
    let answer = api.send(Request::batch(&[])).await.accepted();
    assert_eq!(answer.json(), json!({ "operations": [] }));
    api.assert_nothing_queued();
}

#[tokio::test]
async fn ten_events_of_two_contexts_take_a_call_for_each_context() {
    let api = Api::new();
    api.warm_up().await;
    let answer = api.send(Request::batch(&mixed(10))).await.accepted();
    assert!(answer.header("retry-after").parse::<u32>().is_ok());
    assert_eq!(operations(&answer).len(), 10);
    assert_eq!(api.aws.count("SendMessageBatch"), 2, "{}", api.aws.calls());
    assert_eq!(api.aws.calls().len(), 2, "{}", api.aws.calls());
}

#[tokio::test]
async fn twenty_five_events_arrive_in_their_order_and_are_answered_in_it() {
    let api = Api::new();
    api.warm_up().await;
    let events = mixed(25);
    let answer = api.send(Request::batch(&events)).await.accepted();
    assert_eq!(api.aws.count("SendMessageBatch"), 4, "{}", api.aws.calls());
    let subjects = |of: &[Value]| of.iter().map(|one| one["subject"].clone()).collect::<Vec<_>>();
    assert_eq!(subjects(&operations(&answer)), subjects(&events));
    for (context, first) in [("orders", 0), ("policies", 1)] {
        let queued: Vec<_> = api.queued(context).into_iter().filter_map(|message| message.group).collect();
        let expected: Vec<_> = (first..25).step_by(2).map(|index| format!("demo/{context}/S-{index}")).collect();
        assert_eq!(queued, expected);
    }
}

#[tokio::test]
async fn a_hundred_events_are_taken_and_one_more_is_too_many() {
    let api = Api::new();
    api.send(Request::batch(&mixed(101))).await.refused("too-large");
    api.assert_nothing_queued();
    let answer = api.send(Request::batch(&mixed(100))).await.accepted();
    assert_eq!(operations(&answer).len(), 100);
    assert_eq!(api.aws.count("SendMessageBatch"), 10, "{}", api.aws.calls());
}

#[tokio::test]
async fn a_batch_of_heavy_events_is_split_by_weight() {
    let api = Api::new();
    api.warm_up().await;
    let heavy = |index: usize| {
        let own = json!({ "id": format!("heavy{index}"), "subject": format!("H-{index}") });
        padded(&with(submit_order(), &own), 200_000)
    };
    let events: Vec<_> = (0..10).map(heavy).collect();
    let request = Request::of_type("application/cloudevents-batch+json", format!("[{}]", events.join(",")));
    api.send(request).await.accepted();
    assert_eq!(api.aws.count("SendMessageBatch"), 2, "five of them fit into one MiB\n{}", api.aws.calls());
    assert_eq!(api.queued("orders").len(), 10);
}

#[tokio::test]
async fn events_of_one_aggregate_go_one_call_after_the_other_for_the_sake_of_their_order() {
    let api = Api::new();
    api.warm_up().await;
    let events: Vec<_> = (0..3).map(|index| with(submit_order(), &json!({ "id": format!("same{index}") }))).collect();
    api.aws.inject(|attempt| if attempt.nth == 1 { Fault::FailEntries(vec![0]) } else { Fault::None });
    api.send(Request::batch(&events)).await.accepted();
    let id = |message: &Message| CloudEvent::from_json(message.body.as_bytes()).expect("an event").id().to_owned();
    let queued: Vec<_> = api.queued("orders").iter().map(id).collect();
    assert_eq!(queued, ["same0", "same1", "same2"], "{}", api.aws.calls());
}

#[tokio::test]
async fn one_event_at_fault_keeps_all_of_them_out() {
    let api = Api::new();
    let mut events = mixed(5);
    events[1]["data"]["premium"] = json!(0);
    events[3] = with(events[3].clone(), &json!({ "source": "https://elsewhere.example/" }));
    events[4] = with(events[4].clone(), &json!({ "time": "yesterday" }));
    let problem = api.send(Request::batch(&events)).await.refused("invalid-batch");
    let faults: Vec<_> = problem
        .errors
        .iter()
        .map(|fault| (fault.index, fault.ty.as_deref(), fault.attribute.as_deref(), fault.pointer.as_deref()))
        .collect();
    assert_eq!(
        faults,
        [
            (Some(1), Some("urn:waybill:problem:invalid-data"), Some("data"), Some("/premium")),
            (Some(3), Some("urn:waybill:problem:not-permitted"), None, None),
            (Some(4), Some("urn:waybill:problem:malformed-event"), Some("time"), None),
        ]
    );
    assert_eq!(problem.status, 400);
    api.assert_nothing_queued();
}

#[tokio::test]
async fn every_fault_in_the_data_of_a_batch_is_listed() {
    let api = Api::new();
    let mut events = mixed(2);
    events[0]["data"] = json!({ "customer": "a b", "lines": [] });
    let problem = api.send(Request::batch(&events)).await.refused("invalid-batch");
    let mut faults: Vec<_> =
        problem.errors.iter().map(|fault| (fault.index, fault.pointer.as_deref().unwrap_or_default())).collect();
    faults.sort_unstable();
    assert_eq!(faults, [(Some(0), "/customer"), (Some(0), "/lines")]);
    assert!(problem.detail.starts_with("1 of its events"), "{problem:#?}");
}

#[tokio::test]
async fn an_event_too_large_for_its_way_is_named_by_its_index() {
    let api = Api::new();
    let events = [mixed(1)[0].to_string(), padded(&submit_order(), 262_144)].join(",");
    let request = Request::of_type("application/cloudevents-batch+json", format!("[{events}]"));
    let problem = api.send(request).await.refused("invalid-batch");
    let [fault] = &problem.errors[..] else { panic!("{problem:#?}") };
    assert_eq!((fault.index, fault.ty.as_deref()), (Some(1), Some("urn:waybill:problem:too-large")));
    api.assert_nothing_queued();
}

#[tokio::test]
async fn an_event_of_the_largest_size_is_read_and_counts_without_its_white_space() {
    let api = Api::new();
    let event = submit_order().to_string();
    let of_length = |length: usize| {
        let text = event.replacen('{', &format!("{{{}", " ".repeat(length - event.len())), 1);
        Request::of_type("application/cloudevents-batch+json", format!("[{text}]"))
    };
    api.send(of_length(262_145)).await.refused("invalid-batch");
    api.send(of_length(262_144)).await.accepted();
}

#[tokio::test]
async fn what_is_too_large_is_told_how_large_it_may_be() {
    let api = Api::new();
    for (media_type, length, detail) in [
        ("application/cloudevents+json", 262_145, "an event takes at most 256 KiB; put large content elsewhere"),
        ("application/cloudevents-batch+json", 6_291_457, "the body has more than 6291456 bytes"),
    ] {
        let problem = api.send(Request::of_type(media_type, " ".repeat(length))).await.refused("too-large");
        assert!(problem.detail.starts_with(detail), "{problem:#?}");
    }
}

#[tokio::test]
async fn nothing_of_a_batch_is_read_where_one_event_is_too_large() {
    let api = Api::new();
    let events = ["no event".to_owned(), padded(&submit_order(), 262_145)].map(|text| text.replace("no event", "1"));
    let request = Request::of_type("application/cloudevents-batch+json", format!("[{}]", events.join(",")));
    let problem = api.send(request).await.refused("invalid-batch");
    let [fault] = &problem.errors[..] else { panic!("{problem:#?}") };
    assert_eq!((fault.index, fault.ty.as_deref()), (Some(1), Some("urn:waybill:problem:too-large")));
}

#[tokio::test]
async fn of_a_batch_full_of_faults_each_event_is_listed_and_not_every_fault() {
    let api = Api::new();
    let line = json!({ "sku": "", "quantity": 0 });
    let events: Vec<_> = (0..100)
        .map(|index| with(submit_order(), &json!({ "id": format!("n{index}"), "data": { "lines": vec![&line; 50] } })))
        .collect();
    let problem = api.send(Request::batch(&events)).await.refused("invalid-batch");
    let mut listed: Vec<_> = problem.errors.iter().filter_map(|fault| fault.index).collect();
    assert!((195..=220).contains(&listed.len()), "{}", listed.len());
    listed.dedup();
    assert_eq!(listed, (0..100).collect::<Vec<_>>());
}

#[tokio::test]
async fn once_a_hundred_faults_are_listed_each_event_adds_one() {
    let api = Api::new();
    // Two faults each, so the fiftieth is the last that lists both.
    let data = json!({ "customer": "a b", "lines": [] });
    let events: Vec<_> =
        (0..60).map(|index| with(submit_order(), &json!({ "id": format!("n{index}"), "data": data }))).collect();
    let problem = api.send(Request::batch(&events)).await.refused("invalid-batch");
    assert_eq!(problem.errors.len(), 50 * 2 + 10, "{problem:#?}");
}

/// What a refusal repeats of what was sent would add up to more than Lambda lets a function answer.
#[tokio::test]
async fn a_batch_of_long_names_is_refused_at_no_length() {
    let api = Api::new();
    let long = "x".repeat(60_000);
    let of_strange_type = |index: usize| with(submit_order(), &json!({ "id": format!("n{index}"), "type": long }));
    let events: Vec<_> = (0..100).map(of_strange_type).collect();
    let problem = api.send(Request::batch(&events)).await.refused("invalid-batch");
    assert_eq!(problem.errors.len(), 100);
    assert!(problem.to_json().len() < 1_000_000, "{}", problem.to_json().len());
}

#[tokio::test]
async fn two_identical_events_are_one_command() {
    let api = Api::new();
    let answer = api.send(Request::batch(&[submit_order(), submit_order()])).await.accepted();
    let operations = operations(&answer);
    assert_eq!(operations[0], operations[1]);
    assert_eq!(api.aws.messages(&queue("orders")).len(), 1);
}

#[tokio::test]
async fn a_batch_of_one_is_still_a_batch() {
    let api = Api::new();
    let answer = api.send(Request::batch(&[submit_order()])).await.accepted();
    assert_eq!(operations(&answer).len(), 1);
    assert!(answer.headers.get("location").is_none(), "there is no single place to follow: {answer:#?}");
}
