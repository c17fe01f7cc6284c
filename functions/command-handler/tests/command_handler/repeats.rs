//! The same command again: one effect, whatever the queue and the network do.

use std::time::Duration;

use serde_json::json;
use testkit::Fault;

use crate::probe::{self, Command, Gate, Hang, Note, PanicUnless, Refuse};
use crate::support::strings;

fn note(text: &str) -> Command {
    Note { text: text.to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_acknowledged_and_changes_nothing() {
    let bench = probe::bench();
    let first = bench.send("A", "1", note("n")).await;
    bench.deliver().await;
    let record = bench.record(&first);
    let again = bench.send("A", "1", note("n")).await;
    bench.aws.forget_calls();

    bench.deliver().await;

    assert_eq!(first.command_key, again.command_key);
    assert_eq!(bench.record(&first), record);
    assert_eq!(bench.operations("A"), [first.to_string()]);
    assert!(bench.waiting().is_empty());
    assert_eq!(bench.aws.calls().len(), 2, "{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_committed_but_not_acknowledged_is_known_again() {
    let bench = probe::bench();
    let mut receipts = Vec::new();
    for (aggregate, id) in [("A", "1"), ("B", "2"), ("A", "3"), ("A", "4")] {
        receipts.push(bench.send(aggregate, id, note("n")).await);
    }
    let messages = bench.receive();
    for _ in 0..3 {
        assert_eq!(bench.handle(&messages).await, [] as [String; 0]);
        assert_eq!(bench.operations("A"), strings(&[receipts[0], receipts[2], receipts[3]]));
        assert_eq!(bench.operations("B"), strings(&receipts[1..2]));
    }
}

#[tokio::test(start_paused = true)]
async fn duplicates_among_new_commands_hold_nobody_up() {
    let bench = probe::bench();
    let old = [bench.send("A", "1", note("n")).await, bench.send("A", "2", Command::from(Refuse {})).await];
    bench.deliver().await;
    let mut new = Vec::new();
    for (id, again) in [("3", None), ("4", Some("1")), ("5", Some("2")), ("6", Some("3"))] {
        new.push(bench.send("A", id, note("n")).await);
        match again {
            Some("2") => _ = bench.send("A", "2", Command::from(Refuse {})).await,
            Some(id) => _ = bench.send("A", id, note("n")).await,
            None => {}
        }
    }
    bench.aws.forget_calls();

    bench.deliver().await;

    let expected: Vec<_> = old[..1].iter().chain(&new).copied().collect();
    assert_eq!(bench.operations("A"), strings(&expected));
    assert_eq!(bench.outcome(&old[1]), "rejected");
    assert!(bench.aws.calls().len() <= 7, "{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn the_same_id_with_other_content_leaves_the_first_outcome() {
    let bench = probe::bench();
    let first = bench.send("A", "1", note("first")).await;
    let second = bench.send("A", "1", note("second")).await;
    let neighbour = bench.send("A", "2", note("neighbour")).await;
    assert_ne!(first.digest, second.digest);

    bench.deliver().await;

    assert_eq!(bench.record(&second).expect("the first one's record")["digest"], json!(first.digest.to_string()));
    assert_eq!(bench.operations("A"), strings(&[first, neighbour]));
    assert!(bench.waiting().is_empty());

    // For another aggregate, and thus in another group.
    let elsewhere = bench.send("B", "1", note("first")).await;
    bench.deliver().await;
    assert_eq!(bench.record(&elsewhere).expect("the first one's record")["subject"], "A");
    assert_eq!(bench.operations("B"), [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_after_the_commit_does_not_make_it_twice() {
    let bench = probe::bench();
    let receipt = bench.send("A", "1", note("n")).await;
    bench.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("TransactWriteItems", 1) => Fault::LoseAnswer,
        _ => Fault::None,
    });
    bench.deliver().await;
    assert_eq!(bench.operations("A"), [receipt.to_string()]);
}

#[tokio::test(start_paused = true)]
async fn a_commit_whose_every_answer_is_lost_is_found_at_the_next_delivery() {
    let bench = probe::bench();
    let receipt = bench.send("A", "1", note("n")).await;
    bench.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let messages = bench.receive();
    let given_back = bench.handle(&messages).await;
    assert_eq!(given_back.len(), 1, "nobody knows that it happened\n{}", bench.aws.calls());
    bench.acknowledge(&messages, &given_back);

    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.deliver().await;

    assert_eq!(bench.outcome(&receipt), "succeeded");
    assert_eq!(bench.operations("A"), [receipt.to_string()]);
    assert!(bench.waiting().is_empty());
}

/// Behind a repeat, a command is first decided on a state that has the repeat's events twice.
#[tokio::test(start_paused = true)]
async fn what_a_command_does_on_a_state_that_never_was_does_not_count() {
    let bench = probe::bench();
    let first = bench.send("A", "1", note("n")).await;
    bench.deliver().await;
    bench.send("A", "1", note("n")).await;
    let second = bench.send("A", "2", Command::from(PanicUnless { notes: 1 })).await;

    bench.deliver().await;

    assert_eq!(bench.outcome(&second), "succeeded", "{:?}", bench.record(&second));
    assert_eq!(bench.operations("A"), strings(&[first, second]));
    assert_eq!(bench.parked(), [] as [serde_json::Value; 0]);
}

/// Its decision hung on a state that never was, and would take as long again on any other.
#[tokio::test(start_paused = true)]
async fn what_hung_behind_a_repeat_is_parked_and_not_tried_again() {
    let bench = probe::bench();
    bench.send("A", "1", note("n")).await;
    bench.deliver().await;
    bench.send("A", "1", note("n")).await;
    let gate = Gate(2);
    let hung = bench.send("A", "2", Command::from(Hang { gate: 2 })).await;
    let patience = async {
        gate.reached().await;
        tokio::time::advance(Duration::from_secs(3)).await;
    };

    tokio::join!(bench.deliver(), patience);
    gate.open();

    assert_eq!(bench.outcome(&hung), "parked", "{:?}", bench.record(&hung));
}
