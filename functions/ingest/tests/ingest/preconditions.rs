//! Commands that are to take effect only while their aggregate is as their sender read it.

use bench::{Answer, Request};
use kernel::command::Command;
use serde_json::{Value, json};

use crate::api::{Api, submit_order, with};

/// What the queued command expects.
async fn expected(request: Request) -> Option<u64> {
    let api = Api::new();
    api.send(request).await.accepted();
    let (message, _) = api.only_command("orders");
    Command::open(message.body.as_bytes(), "orders").expect("a command").expected_version
}

fn cancel(changes: &Value) -> Value {
    let cancel = json!({ "id": "c-2", "type": "CancelOrder", "data": { "reason": "late" } });
    with(with(submit_order(), &cancel), changes)
}

#[tokio::test]
async fn a_version_is_expected_by_attribute_in_any_mode_or_by_header() {
    let (plain, numbered) = (cancel(&json!({})), cancel(&json!({ "expectedversion": 7 })));
    assert_eq!(expected(Request::structured(&plain)).await, None);
    assert_eq!(expected(Request::structured(&numbered)).await, Some(7));
    assert_eq!(expected(Request::binary(&numbered)).await, Some(7));
    assert_eq!(expected(Request::batch(std::slice::from_ref(&numbered))).await, Some(7));
    for request in [Request::structured(&plain), Request::binary(&plain), Request::structured(&numbered)] {
        assert_eq!(expected(request.clone().header("if-match", "\"7\"")).await, Some(7));
        assert_eq!(expected(request.header("if-match", "\"7.2\"")).await, Some(7), "of a document's second layout");
    }
    let large = cancel(&json!({ "expectedversion": "4294967296" }));
    assert_eq!(expected(Request::structured(&large)).await, Some(4_294_967_296));
}

#[tokio::test]
async fn an_aggregate_that_is_not_there_yet_is_expected_by_a_star_or_by_version_nought() {
    let unnamed = with(submit_order(), &json!({ "subject": null }));
    for event in [submit_order(), unnamed] {
        assert_eq!(expected(Request::structured(&event).header("if-none-match", "*")).await, Some(0));
        let event = with(event, &json!({ "expectedversion": 0 }));
        assert_eq!(expected(Request::structured(&event)).await, Some(0));
        assert_eq!(expected(Request::structured(&event).header("if-none-match", " * ")).await, Some(0));
    }
}

#[tokio::test]
async fn the_same_command_with_another_expectation_is_another_command() {
    let digest =
        |answer: Answer| kernel::receipt::Receipt::read(&answer.operation()).expect("a receipt").digest.to_string();
    let api = Api::new();
    let mut digests = Vec::new();
    for request in [
        Request::structured(&cancel(&json!({}))),
        Request::structured(&cancel(&json!({ "expectedversion": 7 }))),
        Request::structured(&cancel(&json!({}))).header("if-match", "\"7\""),
        Request::structured(&cancel(&json!({ "expectedversion": 8 }))),
    ] {
        digests.push(digest(api.send(request).await.accepted()));
    }
    assert_eq!(digests[1], digests[2], "header and attribute are one");
    digests.dedup();
    assert_eq!(digests.len(), 3);
}

#[tokio::test]
async fn a_precondition_that_cannot_be_understood_is_refused_and_not_ignored() {
    let api = Api::new();
    let if_match = [
        "*",
        "7",
        "\"\"",
        "\"a\"",
        "\"07\"",
        "\"7.\"",
        "\".2\"",
        "\"7.02\"",
        "\"7.2.1\"",
        "\"-1\"",
        "W/\"7\"",
        "\"7\", \"8\"",
        "\"7",
        "",
        "\"18446744073709551616\"",
    ];
    let headers = if_match.map(|tag| ("if-match", tag)).into_iter().chain([
        ("if-none-match", "\"7\""),
        ("if-none-match", ""),
        ("if-none-match", "*, *"),
    ]);
    for (name, tag) in headers {
        let problem = api.send(Request::structured(&cancel(&json!({}))).header(name, tag)).await.refused("bad-request");
        assert!(problem.detail.to_lowercase().contains(name), "{name}: {tag}: {}", problem.detail);
    }
    let twice = Request::structured(&cancel(&json!({}))).header("if-match", "\"7\"").header("if-match", "\"7\"");
    api.send(twice).await.refused("bad-request");
    let both = Request::structured(&cancel(&json!({}))).header("if-match", "\"7\"").header("if-none-match", "*");
    api.send(both).await.refused("bad-request");
    let batch = Request::batch(&[cancel(&json!({}))]).header("if-match", "\"7\"");
    assert!(api.send(batch).await.refused("bad-request").detail.contains("expectedversion"));
    api.assert_nothing_queued();
}

#[tokio::test]
async fn an_expected_version_that_can_never_be_is_refused_by_its_attribute() {
    let api = Api::new();
    for value in [json!(-1), json!("7.0"), json!("seven"), json!(true), json!("07")] {
        let event = cancel(&json!({ "expectedversion": value }));
        for (request, attribute) in
            [(Request::structured(&event), "expectedversion"), (Request::binary(&event), "ce-expectedversion")]
        {
            let problem = api.send(request).await.refused("malformed-event");
            assert_eq!(problem.attribute.as_deref(), Some(attribute), "{value}");
        }
    }
    let contradicts = Request::structured(&cancel(&json!({ "expectedversion": 7 }))).header("if-match", "\"8\"");
    let problem = api.send(contradicts).await.refused("malformed-event");
    assert_eq!(problem.attribute.as_deref(), Some("expectedversion"), "{}", problem.detail);
    let nobody = Request::structured(&cancel(&json!({ "subject": null, "expectedversion": 7 })));
    api.send(nobody).await.refused("invalid-subject");
    api.assert_nothing_queued();
}
