//! What goes back to the queue: only what must, exactly as it was received, and in time.

use bench::Bench;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use testkit::{Aws, Fault};
use tokio::time::Instant;

use crate::probe::{self, BRITTLE, Command, Note, Swell};
use crate::support::{ids, of_group, strings};

fn note(text: &str) -> Command {
    Note { text: text.to_owned() }.into()
}

const NOTHING: [String; 0] = [];

#[tokio::test(start_paused = true)]
async fn a_failure_gives_back_that_command_and_the_later_ones_of_its_group_only() {
    let bench = probe::bench();
    let large = || Command::from(Swell { events: 1, bytes: 250_000 });
    let first = bench.send("A", "1", large()).await;
    let mut others = vec![bench.send("B", "2", note("n")).await];
    let failing = bench.send("A", "3", large()).await;
    others.push(bench.send("B", "4", note("n")).await);
    let later = bench.send("A", "5", note("n")).await;
    others.push(bench.send("C", "6", note("n")).await);
    // The first of A's commands fills a commit; what comes after it does not get through.
    let mut commits = 0;
    bench.aws.inject(move |attempt| {
        let of_a = attempt.operation == "TransactWriteItems" && attempt.body.contains("acme/probe/A");
        commits += u32::from(of_a);
        if of_a && commits > 1 { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    let messages = bench.receive();

    let given_back = bench.handle(&messages).await;

    assert_eq!(given_back, ids(&of_group(&messages, "A")[1..]), "{}", bench.aws.calls());
    assert_eq!(bench.outcome(&first), "succeeded");
    assert_eq!((bench.outcome(&failing), bench.outcome(&later)), ("none".to_owned(), "none".to_owned()));
    assert_eq!(bench.operations("B"), strings(&others[..2]));
    assert_eq!(bench.operations("C"), strings(&others[2..]));

    bench.acknowledge(&messages, &given_back);
    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.deliver().await;
    assert_eq!(bench.operations("A"), strings(&[first, failing, later]), "in order after all");
    assert!(bench.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_loaded_gives_back_its_group() {
    let bench = probe::bench();
    for (aggregate, id) in [("A", "1"), ("B", "2"), ("A", "3")] {
        bench.send(aggregate, id, note("n")).await;
    }
    bench.aws.inject(|attempt| match attempt.operation {
        "Query" if attempt.body.contains("acme/probe/A") => Fault::LoseRequest,
        _ => Fault::None,
    });
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, ids(&of_group(&messages, "A")));
    assert_eq!(bench.events("B").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn ids_go_back_letter_for_letter() {
    let bench = probe::bench();
    bench.send("A", "1", note("n")).await;
    bench.send_raw("acme/probe/A", "d-1", "garbage").await;
    bench.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    let mut event = Aws::sqs_event(&bench.receive());
    let odd = ["  F00D-é/\"+=%2F  ", "UPPER-lower-\u{1F4E6}"];
    for (record, id) in event["Records"].as_array_mut().expect("records").iter_mut().zip(odd) {
        record["messageId"] = json!(id);
    }
    let event: SqsEvent = serde_json::from_value(event).expect("an SQS event");

    let response = bench.handler.handle(event, bench.aws.now().into(), Instant::now() + Duration::from_secs(5)).await;

    let failure = |id| json!({ "itemIdentifier": id });
    let expected = json!({ "batchItemFailures": odd.map(failure) });
    assert_eq!(serde_json::to_value(response).expect("JSON"), expected);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_lost_while_the_store_is_down() {
    let bench = probe::bench();
    let mut receipts = Vec::new();
    for number in 0..10 {
        receipts.push(bench.send(["A", "B"][number % 2], &number.to_string(), note("n")).await);
    }
    bench.aws.inject(|_| Fault::refuse(503, "ServiceUnavailable"));
    let messages = bench.receive();
    let mut given_back = bench.handle(&messages).await;
    given_back.sort();
    assert_eq!(given_back, ids(&messages));
    assert!(receipts.iter().all(|receipt| bench.outcome(receipt) == "none"));

    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.deliver().await;
    assert!(receipts.iter().all(|receipt| bench.outcome(receipt) == "succeeded"));
    assert_eq!((bench.events("A").len(), bench.events("B").len()), (5, 5));
}

#[tokio::test(start_paused = true)]
async fn passing_faults_are_met_in_process() {
    for fault in [
        || Fault::Throttle,
        || Fault::LoseRequest,
        || Fault::refuse(500, "InternalServerError"),
        || Fault::TransactionConflict { item: 1 },
        || Fault::Hang,
    ] {
        let bench = probe::bench();
        let receipt = bench.send("A", "1", note("n")).await;
        bench.aws.inject(move |attempt| match (attempt.operation, attempt.nth) {
            ("TransactWriteItems", 1 | 2) => fault(),
            _ => Fault::None,
        });
        bench.deliver().await;
        assert_eq!(bench.operations("A"), [receipt.to_string()], "{:?}\n{}", fault(), bench.aws.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_runs_out_of_time_is_given_back_in_time() {
    let bench = probe::bench();
    let quick = bench.send("B", "1", note("n")).await;
    bench.send("A", "2", note("n")).await;
    bench.send("A", "3", note("n")).await;
    bench.send_raw("garbage", "d-1", "garbage").await;
    bench.aws.inject(|attempt| match attempt.operation {
        "Query" if attempt.body.contains("acme/probe/A") => Fault::Hang,
        "TransactWriteItems" if attempt.body.contains("not-a-command") => Fault::Hang,
        _ => Fault::None,
    });
    let messages = bench.receive();
    let (start, time) = (Instant::now(), Duration::from_secs(3));

    let given_back = bench.handle_within(&messages, time).await;

    assert!(start.elapsed() < time + Duration::from_millis(50), "{:?}", start.elapsed());
    assert_eq!(given_back, ids(&messages[1..]));
    assert_eq!(bench.outcome(&quick), "succeeded");
}

#[tokio::test(start_paused = true)]
async fn an_invocation_without_time_left_touches_nothing() {
    let bench = probe::bench();
    let receipt = bench.send("A", "1", note("n")).await;
    bench.aws.every_call_takes(Duration::from_millis(10));
    let messages = bench.receive();
    assert_eq!(bench.handle_within(&messages, Duration::ZERO).await, ids(&messages));
    assert_eq!(bench.outcome(&receipt), "none");
}

#[tokio::test(start_paused = true)]
async fn a_past_that_panics_keeps_to_its_own_stream() {
    let bench = probe::bench();
    bench.send("A", "1", note("trap")).await;
    bench.deliver().await;
    let brittle = Bench::on(bench.aws.clone(), &BRITTLE);
    for (aggregate, id) in [("A", "2"), ("B", "3"), ("A", "4")] {
        brittle.send(aggregate, id, note("n")).await;
    }
    let messages = brittle.receive();
    assert_eq!(brittle.handle(&messages).await, ids(&of_group(&messages, "A")));
    assert_eq!(brittle.events("B").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_empty_batch_is_nothing_to_do() {
    let bench = probe::bench();
    assert_eq!(bench.handle(&[]).await, NOTHING);
    assert_eq!(bench.aws.items(testkit::TABLES.operations), [] as [Value; 0]);
}
