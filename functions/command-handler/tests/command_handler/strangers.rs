//! Queue messages that ingest did not send.

use bench::platform::RETENTION;
use bench::{Bench, text};
use std::time::Duration;

use kernel::receipt::Receipt;
use serde_json::json;
use testkit::Fault;

use crate::probe::{self, Command, Note};
use crate::support::{ids, resubmit};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_is_set_aside_whole() {
    let bench = probe::bench();
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
        without("type"),
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
    let mut found: Vec<_> = parked.iter().map(|parked| text(&parked["message"])).collect();
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
    let bench = probe::bench();
    let (receipt, body) = bench.seal(bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" })));
    bench.send_raw("acme/probe/B", "d-1", &body).await;
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "parked");
    assert_eq!(bench.parked()[0]["last_error"], "its message group is missing or malformed");
}

/// A command as a release queues it that calls one of the attributes something else: this build finds no command in it.
async fn from_another_release(bench: &Bench, aggregate: &str, id: &str) -> (Receipt, String) {
    let note = bench.event(id, "Note", 1).subject(aggregate).data_json(&json!({ "text": "n" }));
    let (receipt, body) = bench.seal(note);
    let strange = body.replacen("\"authid\"", "\"principal\"", 1);
    assert_ne!(strange, body);
    bench.send_raw(&format!("acme/probe/{aggregate}"), id, &strange).await;
    (receipt, strange)
}

/// What the other release reads in a message of its own.
fn as_read_by_its_release(message: &str) -> String {
    message.replacen("\"principal\"", "\"authid\"", 1)
}

#[tokio::test(start_paused = true)]
async fn a_command_of_another_release_is_parked_with_its_operation() {
    let bench = probe::bench();
    let (receipt, body) = from_another_release(&bench, "A", "1").await;
    let behind_it = bench.send("A", "2", note()).await;
    bench.aws.forget_calls();
    bench.deliver().await;

    assert!(bench.waiting().is_empty(), "acknowledged");
    assert_eq!((bench.outcome(&receipt).as_str(), bench.outcome(&behind_it).as_str()), ("parked", "succeeded"));
    assert_eq!(bench.problem(&receipt)["type"], "urn:waybill:problem:parked");
    let record = bench.record(&receipt).expect("a record");
    assert_eq!((&record["command_type"], &record["subject"]), (&json!("Note"), &json!("A")));
    let [parked] = &bench.parked()[..] else { panic!("one entry") };
    assert_eq!((&parked["parked_key"], &parked["operation"]), (&json!("acme#probe"), &json!(receipt.to_string())));
    assert_eq!((&parked["reason"], &parked["message"]), (&json!("unreadable"), &json!(body)));
    assert_eq!(parked["last_error"], "its authid is missing or malformed");
    assert_eq!(bench.aws.count("TransactWriteItems"), 2, "one for both its records, one for the other command");
}

#[tokio::test(start_paused = true)]
async fn what_has_its_outcome_is_not_parked_by_a_copy_of_another_release() {
    let bench = probe::bench();
    let note = || bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" }));
    let receipt = bench.send_event(note()).await;
    bench.deliver().await;
    let (again, _) = from_another_release(&bench, "A", "1").await;
    assert_eq!(again.command_key, receipt.command_key);
    bench.deliver().await;
    assert_eq!((bench.outcome(&receipt).as_str(), bench.parked().len()), ("succeeded", 0));
    assert!(bench.waiting().is_empty(), "acknowledged, as a repeat");
}

/// As for a repeat that this build reads: its record has to outlast it, and once that is gone the command is a new one.
#[tokio::test(start_paused = true)]
async fn a_copy_of_another_release_keeps_the_record_or_is_parked_if_that_is_just_forgotten() {
    for forgotten in [false, true] {
        let bench = probe::bench();
        let note = || bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" }));
        let receipt = bench.send_event(note()).await;
        bench.deliver().await;
        tokio::time::advance(RETENTION + Duration::from_hours(24)).await;
        from_another_release(&bench, "A", "1").await;
        bench.aws.forget_calls();
        let aws = bench.aws.clone();
        bench.aws.inject(move |attempt| {
            if forgotten && attempt.operation == "UpdateItem" {
                aws.database().sweep_ttl().expect("swept");
            }
            Fault::None
        });
        bench.deliver().await;
        let (outcome, parked, tries) = if forgotten { ("parked", 1, 2) } else { ("succeeded", 0, 1) };
        assert_eq!((bench.outcome(&receipt).as_str(), bench.parked().len()), (outcome, parked));
        assert_eq!(bench.aws.count("TransactWriteItems"), tries, "{}", bench.aws.calls());
        let expires_at = bench.record(&receipt).expect("a record")["expires_at"].as_u64();
        let from_now = kernel::timestamp::Timestamp::from(bench.aws.now()).plus(RETENTION).seconds();
        assert_eq!(expires_at, (!forgotten).then_some(from_now));
    }
}

#[tokio::test(start_paused = true)]
async fn a_command_of_another_release_that_comes_twice_is_parked_once() {
    let bench = probe::bench();
    from_another_release(&bench, "A", "1").await;
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
    let parked = bench.parked();
    assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
    assert_eq!(bench.parked(), parked);
}

#[tokio::test(start_paused = true)]
async fn a_command_of_another_release_runs_there_when_it_is_resubmitted_and_here_it_is_parked_again() {
    let bench = probe::bench();
    let (receipt, original) = from_another_release(&bench, "A", "1").await;
    bench.deliver().await;

    // Too early: this build still finds no command in it.
    let resubmitted = resubmit(&bench, &receipt, None).await;
    assert_eq!(bench.outcome(&receipt), "retrying");
    bench.send_raw("acme/probe/A", "r-1", &resubmitted).await;
    bench.deliver().await;
    let record = bench.record(&receipt).expect("a record");
    assert_eq!((&record["outcome"], &record["revision"]), (&json!("parked"), &json!(1)));

    // That release is back, and a copy of the original is still under way.
    let resubmitted = resubmit(&bench, &receipt, None).await;
    for (id, message) in [("o", &original), ("r-2", &resubmitted)] {
        bench.send_raw("acme/probe/A", id, &as_read_by_its_release(message)).await;
    }
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "succeeded");
    assert_eq!(bench.operations("A"), [receipt.to_string()], "once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_whose_id_is_too_long_for_a_group_is_handled_in_the_group_that_stands_for_it() {
    let bench = probe::bench();
    let (tenant, aggregate) = ("T".repeat(64), "a".repeat(64));
    let event = bench.event("1", "Note", 1).subject(aggregate.as_str()).data_json(&json!({ "text": "n" }));
    let (_, body) = bench::sealing::seal(&tenant, event, bench.now());
    let stream = kernel::ids::StreamId::parse(&format!("{tenant}/probe/{aggregate}")).expect("a stream id");
    bench.send_raw(&stream.message_group(), "d-1", &body).await;
    bench.deliver().await;
    assert_eq!(bench.parked(), [] as [serde_json::Value; 0]);
    let operations = bench.aws.items(testkit::TABLES.operations);
    assert_eq!(operations[0]["outcome"], "succeeded", "{operations:?}");
}

#[tokio::test(start_paused = true)]
async fn setting_aside_twice_is_one_entry() {
    let bench = probe::bench();
    bench.send_raw("g", "d-1", "garbage").await;
    let messages = bench.receive();
    for _ in 0..2 {
        assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
        assert_eq!(bench.parked().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_set_aside_is_given_back_and_holds_up_nobody() {
    let bench = probe::bench();
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
