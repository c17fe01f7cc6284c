//! Several handlers at the same streams at the same time.

use bench::Bench;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::future::join_all;
use kernel::receipt::Receipt;
use serde_json::json;
use testkit::{Attempt, Fault, TABLES};
use tokio::time::Instant;

use crate::probe::{self, CONTEXT, Command, Note, Rename};
use crate::support::strings;

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

async fn notes(bench: &Bench, aggregate: &str, count: usize) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for number in 0..count {
        receipts.push(bench.send(aggregate, &format!("{aggregate}-{number}"), note()).await);
    }
    receipts
}

#[tokio::test(start_paused = true)]
async fn handlers_that_meet_at_a_stream_all_get_through_in_order() {
    let bench = probe::bench();
    let receipts = notes(&bench, "A", 24).await;
    let waiting = bench.waiting();
    let handlers: Vec<_> = (0..4).map(|_| Bench::on(bench.aws.clone(), &CONTEXT)).collect();
    let batches = waiting.chunks(6).zip(&handlers).map(|(batch, handler)| handler.handle(batch));

    let given_back = join_all(batches).await;

    assert_eq!(given_back.concat(), [] as [String; 0], "{}", bench.aws.calls());
    let mut found = bench.operations("A");
    for part in receipts.chunks(6) {
        let places: Vec<_> =
            part.iter().map(|receipt| found.iter().position(|operation| *operation == receipt.to_string())).collect();
        assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}");
    }
    let mut expected = strings(&receipts);
    found.sort();
    expected.sort();
    assert_eq!(found, expected, "each once");
    assert!(bench.aws.count("TransactWriteItems") > 4, "they did meet\n{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_loads_slowly_is_waited_for_briefly_and_decided_behind_the_others() {
    const SLOW: Duration = Duration::from_secs(1);
    let bench = probe::bench();
    for aggregate in ["A", "B", "C"] {
        notes(&bench, aggregate, 1).await;
    }
    let slow = format!("acme/{}/A", CONTEXT.name);
    let began = Instant::now();
    let commits: Arc<Mutex<Vec<Duration>>> = Arc::default();
    let noted = Arc::clone(&commits);
    bench.aws.inject(move |attempt: &Attempt<'_>| match attempt.operation {
        "Query" if attempt.body.contains(&slow) => Fault::Delay(SLOW),
        "TransactWriteItems" => {
            noted.lock().expect("not poisoned").push(began.elapsed());
            Fault::None
        }
        _ => Fault::None,
    });

    bench.deliver().await;

    let commits = commits.lock().expect("not poisoned");
    let [one, other, last] = commits[..] else { panic!("three commits, not {commits:?}") };
    assert!(one == other && other < Duration::from_millis(10) && last >= SLOW, "{commits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_same_messages_at_two_handlers_have_one_effect() {
    let bench = probe::bench();
    let receipts = notes(&bench, "A", 5).await;
    let messages = bench.receive();
    let other = Bench::on(bench.aws.clone(), &CONTEXT);

    let (one, two) = tokio::join!(bench.handle(&messages), other.handle(&messages));

    assert_eq!((one.len(), two.len()), (0, 0), "{}", bench.aws.calls());
    assert_eq!(bench.operations("A"), strings(&receipts));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_others_never_leave_alone_is_left_to_a_later_delivery() {
    let bench = probe::bench();
    notes(&bench, "A", 2).await;
    let calm = notes(&bench, "B", 1).await;
    bench.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" if attempt.body.contains("acme/probe/A") => Fault::TransactionConflict { item: 0 },
        _ => Fault::None,
    });
    let messages = bench.receive();
    let start = Instant::now();
    let given_back = bench.handle(&messages).await;
    assert_eq!(given_back.len(), 2, "{given_back:?}");
    assert_eq!(bench.outcome(&calm[0]), "succeeded");
    assert_eq!(bench.aws.count("TransactWriteItems"), 9 + 1, "{}", bench.aws.calls());
    // Up to 20, 40, 80, 160 and four times 320 ms, each by chance.
    let waited = start.elapsed();
    assert!(waited > Duration::from_millis(60) && waited < Duration::from_millis(1580), "{waited:?} between them");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_moves_whenever_one_would_commit_is_left_to_a_later_delivery() {
    let bench = probe::bench();
    for id in ["1", "2"] {
        bench.send("A", id, note()).await;
        bench.deliver().await;
    }
    let late = bench.send("A", "3", note()).await;
    let aws = bench.aws.clone();
    bench.aws.inject(move |attempt| {
        if attempt.operation == "TransactWriteItems" {
            let mut newest = aws.items(TABLES.events).pop().expect("a commit");
            for number in ["commit_number", "first_version"] {
                newest[number] = json!(newest[number].as_u64().expect("a number") + 1);
            }
            aws.insert(TABLES.events, &newest);
        }
        Fault::None
    });
    bench.aws.forget_calls();
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await.len(), 1, "{:?}", bench.record(&late));
    assert_eq!((bench.outcome(&late).as_str(), bench.aws.count("TransactWriteItems")), ("none", 9));
}

#[tokio::test(start_paused = true)]
async fn who_meets_nobody_waits_for_nobody() {
    let bench = probe::bench();
    let start = Instant::now();
    for round in 0..20 {
        // DynamoDB refuses the second, and it shows which one that is when each goes alone.
        for (id, command) in [("good", note()), ("bad", Rename { to: "n".repeat(3_000) }.into())] {
            bench.send(&format!("A-{round}"), &format!("{id}-{round}"), command).await;
        }
        bench.deliver().await;
    }
    assert_eq!(start.elapsed(), Duration::ZERO);
}

/// The first handler decides on a state whose name is given away before it can commit.
#[tokio::test(start_paused = true)]
async fn a_guard_that_fails_because_the_stream_moved_rejects_nothing() {
    let bench = probe::bench();
    let rename = |to: &str| Command::from(Rename { to: to.to_owned() });
    bench.send("A", "1", rename("x")).await;
    bench.deliver().await;
    let late = bench.send("A", "2", rename("z")).await;
    let slow = bench.receive();
    let mut first = true;
    bench.aws.inject(move |attempt| match attempt.operation {
        "TransactWriteItems" if std::mem::take(&mut first) => Fault::Delay(Duration::from_secs(3)),
        _ => Fault::None,
    });
    let others = async {
        while bench.aws.count("TransactWriteItems") < 2 {
            tokio::task::yield_now().await;
        }
        let other = Bench::on(bench.aws.clone(), &CONTEXT);
        let event = |id: &str, aggregate: &str, to: &str| {
            let payload = kernel::message::Message::into_json(rename(to));
            other.event(id, "Rename", 1).subject(aggregate).data_raw(payload)
        };
        // A second handler has A's next command, and then B takes the name that A gave back.
        for (id, aggregate, to) in [("3", "A", "y"), ("4", "B", "x")] {
            let (_, body) = other.seal(event(id, aggregate, to));
            let mut message = slow[0].clone();
            message.group = Some(other.stream(aggregate).to_string());
            message.body = body;
            assert_eq!(other.handle(&[message]).await, [] as [String; 0]);
        }
    };

    let (given_back, ()) = tokio::join!(bench.handle(&slow), others);

    assert_eq!(given_back, [] as [String; 0]);
    assert_eq!(bench.outcome(&late), "succeeded", "{:?}", bench.record(&late));
    let names: Vec<_> = bench.aws.items(TABLES.guards).iter().map(|item| item["guard_key"].clone()).collect();
    assert_eq!(names, ["acme#probe#claim#name#x", "acme#probe#claim#name#z"]);
}
