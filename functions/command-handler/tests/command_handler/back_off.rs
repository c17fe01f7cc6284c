//! When what failed comes again: soon, in order, and at the cost of one call.

use bench::{Bench, VISIBILITY};
use std::time::Duration;

use kernel::receipt::Receipt;
use testkit::{Attempt, Fault};
use tokio::time::{Instant, sleep};

use crate::probe::{self, Command, Note};
use crate::support::{ids, of_group, strings};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

/// Loads of A's stream are refused, and the SDK does not try again.
fn no_loads_of_a(attempt: &Attempt<'_>) -> Fault {
    let of_a = attempt.operation == "Query" && attempt.body.contains("acme/probe/A");
    if of_a { Fault::refuse(400, "AccessDenied") } else { Fault::None }
}

/// Handles what there is for this time, as Lambda's poller would.
async fn handle_for(bench: &Bench, time: Duration) {
    let until = Instant::now() + time;
    while Instant::now() < until {
        let messages = bench.receive();
        if messages.is_empty() {
            sleep(Duration::from_millis(100)).await;
        }
        let given_back = bench.handle(&messages).await;
        bench.acknowledge(&messages, &given_back);
    }
}

#[tokio::test(start_paused = true)]
async fn a_hiccup_costs_its_stream_less_than_two_seconds() {
    let bench = probe::bench();
    bench.aws.every_call_takes(Duration::from_millis(10));
    let receipt = bench.send("A", "1", note()).await;
    bench.aws.inject(no_loads_of_a);
    let (start, messages) = (Instant::now(), bench.receive());
    assert_eq!(bench.handle(&messages).await, ids(&messages));
    bench.aws.heal();
    while bench.outcome(&receipt) == "none" {
        handle_for(&bench, Duration::from_millis(100)).await;
        assert!(start.elapsed() < Duration::from_secs(2), "{}", bench.aws.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn what_failed_is_hidden_in_one_call_and_where_nothing_failed_there_is_none() {
    let bench = probe::bench();
    for (aggregate, id) in [("A", "1"), ("B", "2"), ("A", "3"), ("C", "4")] {
        bench.send(aggregate, id, note()).await;
    }
    bench.aws.inject(no_loads_of_a);
    let messages = bench.receive();
    bench.aws.forget_calls();
    let given_back = bench.handle(&messages).await;
    assert_eq!(given_back, ids(&of_group(&messages, "A")));
    assert_eq!(bench.aws.count("ChangeMessageVisibilityBatch"), 1, "{}", bench.aws.calls());
    bench.acknowledge(&messages, &given_back);

    bench.aws.heal();
    bench.wait_for_visibility().await;
    bench.aws.forget_calls();
    bench.deliver().await;
    assert_eq!(bench.aws.calls().len(), 2, "a load and a commit\n{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_stream_keeps_its_order_however_often_it_fails_and_whatever_comes_meanwhile() {
    let bench = probe::bench();
    let (mut of_a, mut of_b): (Vec<Receipt>, Vec<Receipt>) = (Vec::new(), Vec::new());
    bench.aws.inject(no_loads_of_a);
    for round in 0..8 {
        for number in 0..3 {
            of_a.push(bench.send("A", &format!("a{round}{number}"), note()).await);
        }
        of_b.push(bench.send("B", &format!("b{round}"), note()).await);
        handle_for(&bench, Duration::from_secs(3)).await;
        assert_eq!(bench.operations("B"), strings(&of_b), "it is not held up");
    }
    assert_eq!(bench.operations("A"), [] as [String; 0]);
    let received: Vec<u32> = bench.waiting().iter().map(|message| message.receive_count).collect();
    assert!(received[0] >= 6 && received.is_sorted_by(|first, next| first >= next), "{received:?}");

    bench.aws.heal();
    handle_for(&bench, Duration::from_secs(6)).await;
    assert_eq!(bench.operations("A"), strings(&of_a), "in order after all");
}

#[tokio::test(start_paused = true)]
async fn while_messages_cannot_be_hidden_the_queues_own_timeout_holds_and_nothing_is_lost() {
    for fault in [|| Fault::refuse(403, "AccessDenied"), || Fault::Hang, || Fault::FailEntries(vec![0])] {
        let bench = probe::bench();
        let mut receipts = Vec::new();
        for id in ["1", "2", "3"] {
            receipts.push(bench.send("A", id, note()).await);
        }
        bench.aws.inject(move |attempt| match attempt.operation {
            "ChangeMessageVisibilityBatch" => fault(),
            _ => no_loads_of_a(attempt),
        });
        let start = Instant::now();
        let messages = bench.receive();
        assert_eq!(bench.handle(&messages).await, ids(&messages), "{:?}", fault());
        bench.aws.heal();
        while start.elapsed() < VISIBILITY {
            assert_eq!(bench.receive(), [], "{:?} after {:?}", fault(), start.elapsed());
            sleep(Duration::from_secs(1)).await;
        }
        bench.deliver().await;
        assert_eq!(bench.operations("A"), strings(&receipts), "{:?}", fault());
    }
}
