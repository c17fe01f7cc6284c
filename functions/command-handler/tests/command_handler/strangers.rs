//! Queue messages that ingest did not send.

use serde_json::json;
use testkit::Fault;

use crate::bench::{Bench, ids};
use crate::probe::{Command, Note};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_is_set_aside_whole() {
    let bench = Bench::probe();
    let (_, command) = bench.seal(bench.event("x", "Note", 1).subject("A").data_json(&json!({ "text": "n" })));
    let without = |name: &str| {
        let mut event: serde_json::Value = serde_json::from_str(&command).expect("JSON");
        event.as_object_mut().expect("an object").remove(name);
        event.to_string()
    };
    let bodies = [
        "not json at all".to_owned(),
        "{}".to_owned(),
        "\u{1F4E6}\n\t\"".to_owned(),
        without("tenantid"),
        without("operationid"),
        without("authid"),
        without("specversion"),
        command.replace("\"tenantid\":\"acme\"", "\"tenantid\":\"No Tenant\""),
    ];
    let good = bench.send("B", "1", note()).await;
    for (number, body) in bodies.iter().enumerate() {
        bench.send_raw("acme/probe/A", &number.to_string(), body).await;
    }

    bench.deliver().await;

    assert!(bench.waiting().is_empty(), "acknowledged");
    assert_eq!(bench.outcome(&good), "succeeded");
    let parked = bench.parked();
    let mut found: Vec<_> = parked.iter().map(|parked| crate::bench::text(&parked["message"])).collect();
    let mut expected = bodies.to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for parked in parked {
        assert_eq!((&parked["parked_key"], &parked["reason"]), (&json!("#probe"), &json!("not-a-command")), "{parked}");
        assert!(!parked["last_error"].as_str().expect("an error").is_empty(), "{parked}");
        assert!(parked["operation"].is_null() && parked["message_type"].is_null(), "{parked}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_in_another_streams_group_has_no_order_and_is_set_aside() {
    let bench = Bench::probe();
    let (receipt, body) = bench.seal(bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" })));
    bench.send_raw("acme/probe/B", "d-1", &body).await;
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "none");
    assert_eq!(bench.parked()[0]["last_error"], "its message group is missing or malformed");
}

#[tokio::test(start_paused = true)]
async fn setting_aside_twice_is_one_entry() {
    let bench = Bench::probe();
    bench.send_raw("g", "d-1", "garbage").await;
    let messages = bench.receive();
    for _ in 0..2 {
        assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
        assert_eq!(bench.parked().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_set_aside_is_given_back_and_holds_up_nobody() {
    let bench = Bench::probe();
    bench.send_raw("acme/probe/A", "d-1", "garbage").await;
    let receipt = bench.send("A", "1", note()).await;
    bench.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" if attempt.body.contains("not-a-command") => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    let messages = bench.receive();
    let given_back = bench.handle(&messages).await;
    assert_eq!(given_back, ids(&messages[..1]));
    assert_eq!(bench.outcome(&receipt), "succeeded");

    bench.acknowledge(&messages, &given_back);
    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.deliver().await;
    assert_eq!(bench.parked().len(), 1);
    assert!(bench.waiting().is_empty());
}
