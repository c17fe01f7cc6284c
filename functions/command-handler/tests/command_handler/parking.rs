//! Commands that cannot succeed as they stand are set aside, and cost their neighbours nothing.

use bench::{Bench, text};
use std::time::Duration;

use command_handler::Deciding;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use testkit::Fault;

use crate::probe::{self, Command, Gate, Hang, LATER, Note, Panic, Swell};
use crate::support::{ids, of_group, strings};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

/// A command of a type that this build has never heard of.
async fn whisper(bench: &Bench, aggregate: &str, id: &str) -> Receipt {
    bench.send_event(bench.event(id, "Whisper", 2).subject(aggregate).data_json(&json!({ "text": "psst" }))).await
}

/// It is parked whole with its reason, and the operation says so.
fn assert_parked(bench: &Bench, receipt: &Receipt, message: &str, reason: &str) -> Value {
    assert_eq!(bench.outcome(receipt), "parked", "{:?}", bench.record(receipt));
    let record = bench.record(receipt).expect("a record");
    assert!(record["expires_at"].is_null(), "it is not over: {record}");
    assert_eq!(bench.problem(receipt)["type"], "urn:waybill:problem:parked");
    let parked: Vec<_> =
        bench.parked().into_iter().filter(|parked| parked["operation"] == receipt.to_string()).collect();
    let [parked] = &parked[..] else { panic!("one entry, not {parked:?}") };
    assert_eq!(parked["parked_key"], format!("acme#{}", bench.handler.context.name));
    assert_eq!(parked["id"], format!("{}#{}", receipt.accepted_at, receipt.command_key));
    assert_eq!(parked["reason"], reason);
    assert!(parked["message"] == message, "not the whole message: {}", parked["message"]);
    parked.clone()
}

/// Delivers it between neighbours of its own group and of another, and gives its entry among the parked.
async fn park_among_neighbours(bench: &Bench, send: impl AsyncFn() -> Receipt, reason: &str) -> Value {
    let before = bench.send("A", "before", note()).await;
    let troubled = send().await;
    let elsewhere = bench.send("B", "elsewhere", note()).await;
    let after = bench.send("A", "after", note()).await;
    let message = bench.waiting()[1].body.clone();
    bench.aws.forget_calls();

    bench.deliver().await;

    assert_eq!(bench.operations("A"), strings(&[before, after]));
    assert_eq!(bench.operations("B"), strings(&[elsewhere]));
    assert!(bench.waiting().is_empty(), "acknowledged");
    let parked = assert_parked(bench, &troubled, &message, reason);
    assert_eq!((&parked["stage"], &parked["revision"], &parked["attempts"]), (&json!("waiting"), &json!(0), &json!(0)));
    let times = ["first_failed_at", "first_parked_at", "parked_at"].map(|time| text(&parked[time]));
    assert_eq!(times, [times[0].as_str(); 3]);
    parked
}

#[tokio::test(start_paused = true)]
async fn a_command_of_an_unknown_type_is_parked() {
    let bench = probe::bench();
    let parked = park_among_neighbours(&bench, async || whisper(&bench, "A", "1").await, "unreadable").await;
    assert_eq!(parked["last_error"], "no message of this context is called Whisper");
    assert_eq!(parked["message_type"], "Whisper");
    assert_eq!(bench.aws.calls().len(), 4, "as if nothing were\n{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_command_of_an_unknown_version_is_parked() {
    let bench = probe::bench();
    let event = || bench.event("1", "Note", 9).subject("A").data_json(&json!({ "text": "n" }));
    let parked = park_among_neighbours(&bench, async || bench.send_event(event()).await, "unreadable").await;
    assert_eq!(parked["last_error"], "Note has no version 9 here");
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_data_does_not_decode_is_parked_with_the_cause() {
    let bench = probe::bench();
    let event = || bench.event("1", "Note", 1).subject("A").data_json(&json!({ "txt": "n" }));
    let parked = park_among_neighbours(&bench, async || bench.send_event(event()).await, "unreadable").await;
    assert!(text(&parked["last_error"]).contains("missing field `text`"), "{parked}");
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_decision_panics_is_parked() {
    for deciding in [Deciding::default(), Deciding::Inline] {
        let mut bench = probe::bench();
        bench.handler.deciding = deciding;
        let panic = || Command::from(Panic { message: "index out of luck".to_owned() });
        let parked = park_among_neighbours(&bench, async || bench.send("A", "1", panic()).await, "panicked").await;
        assert_eq!(parked["last_error"], "index out of luck");
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_that_quotes_all_it_has_is_clipped_and_parked() {
    let bench = probe::bench();
    let panic = || Command::from(Panic { message: "ä".repeat(120_000) });
    let parked = park_among_neighbours(&bench, async || bench.send("A", "1", panic()).await, "panicked").await;
    assert_eq!(text(&parked["last_error"]), "ä".repeat(2_048));
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_decision_hangs_is_parked() {
    let bench = probe::bench();
    let gate = Gate(1);
    let hang = || Command::from(Hang { gate: 1 });
    let patience = async {
        gate.reached().await;
        tokio::time::advance(Duration::from_secs(3)).await;
    };
    let parked = park_among_neighbours(&bench, async || bench.send("A", "1", hang()).await, "hung");
    let (parked, ()) = tokio::join!(parked, patience);
    assert_eq!(parked["last_error"], "no decision within 2s");
    gate.open();
}

/// They are decided one after the other. None hangs, however long all of them take.
#[tokio::test(start_paused = true)]
async fn commands_of_one_stream_have_their_time_each() {
    let bench = probe::bench();
    let gates = [Gate(3), Gate(4), Gate(5)];
    let mut receipts = Vec::new();
    for gate in gates {
        receipts.push(bench.send("A", &gate.0.to_string(), Command::from(Hang { gate: gate.0 })).await);
    }
    let slow = async {
        for gate in gates {
            gate.reached().await;
            tokio::time::advance(Duration::from_millis(1_500)).await;
            gate.open();
        }
    };

    tokio::join!(bench.deliver(), slow);

    let outcomes: Vec<_> = receipts.iter().map(|receipt| bench.outcome(receipt)).collect();
    assert_eq!(outcomes, ["succeeded"; 3]);
}

#[tokio::test(start_paused = true)]
async fn a_command_with_an_event_too_large_to_publish_is_parked() {
    let bench = probe::bench();
    let swell = || Command::from(Swell { events: 1, bytes: 256 * 1024 });
    let parked = park_among_neighbours(&bench, async || bench.send("A", "1", swell()).await, "too-large").await;
    let error = parked["last_error"].as_str().expect("an error");
    assert!(error.starts_with("its Swollen could not be published"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_only_its_surroundings_make_too_large_to_publish_is_parked_as_well() {
    let bench = probe::bench();
    let nearly = || Command::from(Swell { events: 1, bytes: 254 * 1024 - 200 });
    park_among_neighbours(&bench, async || bench.send("A", "1", nearly()).await, "too-large").await;
}

#[tokio::test(start_paused = true)]
async fn a_command_with_events_too_large_for_a_transaction_is_parked() {
    let bench = probe::bench();
    let swell = || Command::from(Swell { events: 3, bytes: 150_000 });
    park_among_neighbours(&bench, async || bench.send("A", "1", swell()).await, "too-large").await;
}

#[tokio::test(start_paused = true)]
async fn a_command_that_only_dynamodb_refuses_is_parked() {
    let bench = probe::bench();
    // The key of such a claim is longer than DynamoDB lets keys be.
    let rename = || Command::from(probe::Rename { to: "n".repeat(3_000) });
    park_among_neighbours(&bench, async || bench.send("A", "1", rename()).await, "refused-by-store").await;
}

#[tokio::test(start_paused = true)]
async fn a_message_too_large_to_be_parked_is_given_back_and_holds_up_no_other_group() {
    let bench = probe::bench();
    let data = json!({ "text": "x".repeat(420_000) });
    let receipt = bench.send_event(bench.event("1", "Whisper", 2).subject("A").data_json(&data)).await;
    bench.send("B", "2", note()).await;
    bench.send("A", "3", note()).await;
    bench.aws.forget_calls();
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, ids(&of_group(&messages, "A")));
    assert_eq!(bench.outcome(&receipt), "none");
    assert_eq!(bench.events("B").len(), 1);
    let hidden = bench.aws.count("ChangeMessageVisibilityBatch");
    assert_eq!((bench.aws.calls().len(), hidden), (4, 1), "and not again and again\n{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_parked_command_that_is_delivered_again_is_a_duplicate() {
    let bench = probe::bench();
    let receipt = whisper(&bench, "A", "1").await;
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
    let (parked, record) = (bench.parked(), bench.record(&receipt));
    assert_parked(&bench, &receipt, &messages[0].body, "unreadable");

    // Also at a build that could read it, and as the client's own repeat: it waits for its operator.
    let later = Bench::on(bench.aws.clone(), &LATER);
    assert_eq!(later.handle(&messages).await, [] as [String; 0]);
    assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
    bench.acknowledge(&messages, &[]);
    whisper(&bench, "A", "1").await;
    later.deliver().await;

    assert_eq!((bench.parked(), bench.record(&receipt)), (parked, record));
    assert_eq!(bench.events("A"), []);
}

#[tokio::test(start_paused = true)]
async fn a_parked_command_is_not_replaced_by_another_under_its_id() {
    let bench = probe::bench();
    let first = whisper(&bench, "A", "1").await;
    bench.deliver().await;
    let second = bench.send("A", "1", note()).await;
    bench.deliver().await;
    let record = bench.record(&second).expect("the first one's record");
    assert_eq!((&record["outcome"], &record["digest"]), (&json!("parked"), &json!(first.digest.to_string())));
    assert_eq!(bench.events("A"), []);
}

#[tokio::test(start_paused = true)]
async fn a_command_that_cannot_be_parked_now_is_given_back() {
    let bench = probe::bench();
    let receipt = whisper(&bench, "A", "1").await;
    bench.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, ids(&messages));
    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.deliver().await;
    assert_parked(&bench, &receipt, &messages[0].body, "unreadable");
}
