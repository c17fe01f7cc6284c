//! Commands that are to change one version of their aggregate and no other.

use bench::Bench;
use std::time::Duration;

use kernel::receipt::Receipt;
use serde_json::json;
use testkit::Fault;

use crate::probe::{self, CONTEXT};
use crate::support::{resubmit, strings};

/// Queues a note for the aggregate that expects this version.
async fn note(bench: &Bench, aggregate: &str, id: &str, expected: u64) -> Receipt {
    let event = bench.event(id, "Note", 1).subject(aggregate).data_json(&json!({ "text": id }));
    bench.send_event(event.extension("expectedversion", expected.to_string())).await
}

fn assert_unexpected(bench: &Bench, receipt: &Receipt, detail: &str) {
    assert_eq!(bench.outcome(receipt), "rejected");
    let problem = bench.problem(receipt);
    assert_eq!(problem["type"], "urn:waybill:problem:unexpected-version");
    assert_eq!((&problem["status"], &problem["detail"]), (&json!(412), &json!(detail)));
}

#[tokio::test(start_paused = true)]
async fn of_two_who_read_the_same_version_one_writes() {
    for together in [true, false] {
        let bench = probe::bench();
        let first = note(&bench, "A", "1", 0).await;
        bench.deliver().await;
        let ann = note(&bench, "A", "2", 1).await;
        if !together {
            bench.deliver().await;
        }
        let ben = note(&bench, "A", "3", 1).await;
        bench.deliver().await;

        assert_eq!((bench.outcome(&first), bench.outcome(&ann)), ("succeeded".to_owned(), "succeeded".to_owned()));
        let detail = "it expects version 1, and the aggregate is at version 2; read it, and decide anew";
        assert_unexpected(&bench, &ben, detail);
        assert_eq!(bench.operations("A"), strings(&[first, ann]));
    }
}

#[tokio::test(start_paused = true)]
async fn in_one_batch_each_command_expects_what_those_before_it_leave() {
    let bench = probe::bench();
    let mut receipts = Vec::new();
    for (id, expected) in [("1", 0), ("2", 1), ("3", 1), ("4", 2), ("5", 0)] {
        receipts.push(note(&bench, "A", id, expected).await);
    }
    bench.aws.forget_calls();
    bench.deliver().await;
    assert_eq!(bench.aws.calls().len(), 2, "it costs no call\n{}", bench.aws.calls());
    let outcomes: Vec<_> = receipts.iter().map(|receipt| bench.outcome(receipt)).collect();
    assert_eq!(outcomes, ["succeeded", "succeeded", "rejected", "succeeded", "rejected"]);
    let detail = "it expects that there is no such aggregate yet, and the aggregate is at version 3; read it, and decide \
                  anew";
    assert_unexpected(&bench, &receipts[4], detail);
}

#[tokio::test(start_paused = true)]
async fn an_aggregate_that_is_not_there_has_no_version() {
    let bench = probe::bench();
    let receipt = note(&bench, "A", "1", 1).await;
    bench.deliver().await;
    assert_unexpected(&bench, &receipt, "it expects version 1, and there is no such aggregate");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_has_the_first_ones_outcome_though_the_version_has_moved_on() {
    let bench = probe::bench();
    let receipt = note(&bench, "A", "1", 0).await;
    bench.deliver().await;
    note(&bench, "A", "1", 0).await;
    bench.deliver().await;
    assert_eq!((bench.outcome(&receipt), bench.operations("A").len()), ("succeeded".to_owned(), 1));
}

/// A first handler decides on version 1. Before it can commit, a second one makes that version 2.
async fn overtaken(expected: u64) -> (Bench, Receipt) {
    let bench = probe::bench();
    note(&bench, "A", "0", 0).await;
    bench.deliver().await;
    let late = note(&bench, "A", "1", expected).await;
    let slow = bench.receive();
    let mut first = true;
    bench.aws.inject(move |attempt| match attempt.operation {
        "TransactWriteItems" if std::mem::take(&mut first) => Fault::Delay(Duration::from_secs(3)),
        _ => Fault::None,
    });
    let faster = async {
        while bench.aws.count("TransactWriteItems") < 2 {
            tokio::task::yield_now().await;
        }
        let other = Bench::on(bench.aws.clone(), &CONTEXT);
        let mut message = slow[0].clone();
        message.body = other.seal(other.event("2", "Note", 1).subject("A").data_json(&json!({ "text": "2" }))).1;
        assert_eq!(other.handle(&[message]).await, [] as [String; 0]);
    };
    let (given_back, ()) = tokio::join!(bench.handle(&slow), faster);
    assert_eq!(given_back, [] as [String; 0]);
    (bench, late)
}

#[tokio::test(start_paused = true)]
async fn an_expectation_holds_to_the_last_moment() {
    let (bench, late) = overtaken(1).await;
    let detail = "it expects version 1, and the aggregate is at version 2; read it, and decide anew";
    assert_unexpected(&bench, &late, detail);
    assert_eq!(bench.operations("A").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn an_expectation_that_came_true_before_its_refusal_was_stored_is_met() {
    let (bench, late) = overtaken(2).await;
    assert_eq!(bench.outcome(&late), "succeeded");
    assert_eq!(bench.operations("A").len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_parked_command_expects_after_its_repair_what_it_expected_before() {
    let bench = probe::bench();
    note(&bench, "A", "0", 0).await;
    bench.deliver().await;
    let event = bench.event("1", "Panic", 1).subject("A").data_json(&json!({ "message": "m" }));
    let parked = bench.send_event(event.extension("expectedversion", 1)).await;
    bench.deliver().await;
    assert_eq!(bench.outcome(&parked), "parked");
    note(&bench, "A", "2", 1).await;
    bench.deliver().await;

    let message = resubmit(&bench, &parked, None).await;
    bench.queue_again(&message).await;
    bench.deliver().await;

    let detail = "it expects version 1, and the aggregate is at version 2; read it, and decide anew";
    assert_unexpected(&bench, &parked, detail);
}
