//! A context that fails everything for a while.

use std::time::Duration;

use kernel::receipt::Receipt;
use recovery::back_off::MAX_RECEIVES;
use redrive::{Canary, QueueReport, Request};
use testkit::Fault;
use tokio::time::advance;

use crate::world::{SCHEDULE, VISIBILITY, World, broken, loads, names};

fn schedule() -> Request {
    Request::default()
}

/// Queues so many commands for each stream while the context is down, until all are dead letters.
async fn outage(world: &World, streams: &[&str], each: usize) -> Vec<Receipt> {
    world.break_streams("acme/ledger");
    let mut receipts = Vec::new();
    for stream in streams {
        for id in names(stream, each) {
            receipts.push(world.note(stream, &id).await);
        }
    }
    world.drain().await;
    assert_eq!(world.dead(), receipts.len(), "all are dead letters");
    receipts
}

#[tokio::test(start_paused = true)]
async fn all_commands_of_an_outage_succeed_in_order_once_it_is_over_and_none_is_parked() {
    let world = World::new();
    let streams = ["A", "B", "C", "D"];
    let receipts = outage(&world, &streams, 15).await;

    for _ in 0..24 {
        world.run(&schedule()).await;
        world.until_next_run().await;
    }
    assert_eq!(world.parked().len(), 0, "two hours of outage");

    world.aws.heal();
    for _ in 0..12 {
        world.run(&schedule()).await;
        world.until_next_run().await;
    }
    world.assert_all_succeeded(&receipts);
    for stream in streams {
        assert_eq!(world.notes(stream), names(stream, 15));
    }
    assert_eq!((world.dead(), world.parked().len()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn during_an_outage_no_more_than_the_canaries_are_sent_back() {
    let world = World::new();
    outage(&world, &["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"], 30).await;

    world.aws.forget_calls();
    let (mut redriven, runs) = (0, 12);
    for _ in 0..runs {
        let report = world.run_alone(&schedule()).await.queues.remove(0);
        assert_eq!(report.canary, Some(Canary::OnItsWay), "{report:?}");
        redriven += report.redriven;
        advance(SCHEDULE).await;
    }
    assert!(redriven <= 10, "five in half an hour, for nobody says what became of them: {redriven}");
    let calls = world.aws.calls().len();
    assert!(calls <= runs * 40, "{calls} calls in {runs} runs over 300 dead letters\n{}", world.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn what_waits_reads_as_retrying_with_its_attempt() {
    let world = World::new();
    let receipts = outage(&world, &["A"], 1).await;
    assert_eq!(world.record(&receipts[0]), None, "nothing could be written");

    world.run_alone(&schedule()).await;
    let record = world.record(&receipts[0]).expect("a record");
    let operation = record.seen_by(&receipts[0], "https://api.example");
    assert_eq!((operation.status, operation.attempt), (kernel::operation::Status::Retrying, Some(1)));
    assert_eq!(operation.error.expect("why").ty, "urn:waybill:problem:retrying");
    assert_eq!(operation.finished_at, None);
}

#[tokio::test(start_paused = true)]
async fn attempts_first_failure_and_last_error_travel_with_the_message() {
    let world = World::new();
    let receipts = outage(&world, &["A"], 1).await;
    let first = world.aws.messages(&world.dead_letters).remove(0);
    assert_eq!(first.attribute("attempts"), Some("0"));
    let failed_at = first.attribute("firstfailedat").expect("a time").to_owned();
    let error = first.attribute("error").expect("an error");
    assert!(error.contains("DynamoDB did not answer Query"), "{error}");

    world.run_alone(&schedule()).await;
    world.drain().await;
    let returned = world.aws.messages(&world.dead_letters).pop().expect("it failed again");
    assert_eq!(returned.attribute("attempts"), Some("1"));
    assert_eq!(returned.attribute("firstfailedat"), Some(failed_at.as_str()));
    assert!(returned.attribute("error").is_some() && returned.attribute("redrivenat").is_some());
    assert_eq!(receipts.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_passes_while_the_run_waits_takes_the_others_along() {
    let world = World::new();
    let receipts = outage(&world, &["A", "B", "C"], 3).await;
    world.aws.heal();
    let report = world.run(&schedule()).await;
    assert_eq!((report.canary, report.found), (Some(Canary::Passed), 9));
    assert_eq!((report.redriven, report.parked, report.waiting, world.dead()), (9, 0, 0, 0), "{report:?}");
    world.drain().await;
    world.assert_all_succeeded(&receipts);
}

#[tokio::test(start_paused = true)]
async fn what_fails_again_waits_longer_each_time() {
    for (attempts, minutes) in [(1, 5), (2, 10), (3, 20), (9, 360)] {
        let world = World::new();
        world.bury("A", "A-01", attempts).await;
        advance(Duration::from_mins(minutes - 1)).await;
        let early = world.run_alone(&schedule()).await.queues.remove(0);
        assert_eq!((early.redriven, early.waiting, early.canary), (0, 1, None), "after {attempts}: {early:?}");
        advance(Duration::from_mins(2 + minutes / 4)).await;
        let late = world.run_alone(&schedule()).await.queues.remove(0);
        assert_eq!(late.redriven, 1, "after {attempts}: {late:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn by_hand_no_back_off_is_waited_for() {
    let world = World::new();
    let receipt = world.bury("A", "A-01", 9).await;
    let by_hand = Request { by_hand: true, ..Request::default() };
    advance(Duration::from_secs(1)).await;
    assert_eq!(world.run(&schedule()).await.redriven, 0);
    assert_eq!(world.run(&by_hand).await.redriven, 1);
    world.drain().await;
    world.assert_all_succeeded(&[receipt]);
}

#[tokio::test(start_paused = true)]
async fn what_is_not_due_holds_up_its_own_stream_and_no_other() {
    let world = World::new();
    let first = world.bury("A", "A-01", 4).await;
    let second = world.bury("A", "A-02", 0).await;
    let other = world.bury("B", "B-01", 0).await;
    advance(Duration::from_secs(1)).await;
    let report = world.run(&schedule()).await;
    assert_eq!((report.redriven, report.waiting), (1, 2), "{report:?}");
    world.drain().await;
    world.assert_all_succeeded(&[other]);
    advance(Duration::from_mins(50)).await;
    world.run(&schedule()).await;
    world.drain().await;
    world.assert_all_succeeded(&[first, second]);
    assert_eq!(world.notes("A"), names("A", 2));
}

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_back_behind_its_stream_keeps_its_place() {
    let world = World::new();
    let receipts = outage(&world, &["A"], 25).await;
    // The canary is the first of its stream; it fails, and comes back behind the 24 others.
    world.run_alone(&schedule()).await;
    world.drain().await;
    assert_eq!(world.dead(), 26, "the canary stays until its outcome is known");
    world.aws.heal();
    for _ in 0..12 {
        world.run(&schedule()).await;
        world.until_next_run().await;
    }
    world.assert_all_succeeded(&receipts);
    assert_eq!(world.notes("A"), names("A", 25));
    assert_eq!(world.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_works_on_what_was_there_when_it_began() {
    let world = World::new();
    let receipts = outage(&world, &["A", "B"], 2).await;
    world.aws.heal();
    // While the run waits for its canary, another command dies.
    let late = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        world.aws.inject(|attempt| if loads(attempt, "acme/ledger/Z") { broken() } else { Fault::None });
        let (_, body) = world.seal("Z", "Z-01", "Note", &serde_json::json!({ "text": "Z-01" }));
        world.put(&world.dead_letters, "Z", "late", &body).await;
        std::future::pending::<()>().await;
    };
    let request = schedule();
    let report = tokio::select! {
        report = world.run(&request) => report,
        () = late => unreachable!("it waits for ever"),
    };
    assert_eq!((report.found, report.redriven), (4, 4), "{report:?}");
    world.drain().await;
    world.assert_all_succeeded(&receipts);
    assert_eq!(world.dead(), 1, "what came later");
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_do_no_harm() {
    let world = World::new();
    let receipts = outage(&world, &["A", "B", "C", "D", "E"], 6).await;
    world.aws.heal();
    for _ in 0..4 {
        let request = schedule();
        let both = async { tokio::join!(world.run_alone(&request), world.run_alone(&request)) };
        world.beside_the_handler(both).await;
        world.until_next_run().await;
    }
    world.assert_all_succeeded(&receipts);
    for stream in ["A", "B", "C", "D", "E"] {
        assert_eq!(world.notes(stream), names(stream, 6));
    }
    assert_eq!(world.dead(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_tells_and_changes_nothing() {
    let world = World::new();
    let receipts = outage(&world, &["A", "B"], 3).await;
    world.aws.heal();
    let before: Vec<_> = world.aws.messages(&world.dead_letters).into_iter().map(|message| message.id).collect();
    let dry = Request { dry_run: true, ..Request::default() };
    let report = world.run_alone(&dry).await;
    assert!(report.dry_run);
    let told = &report.queues[0];
    assert_eq!(
        (told.found, told.redriven, told.behind_canary),
        (6, 2, 4),
        "the first of each stream goes ahead: {report:?}"
    );
    let after: Vec<_> = world.aws.messages(&world.dead_letters).into_iter().map(|message| message.id).collect();
    assert_eq!((before, world.aws.messages(&world.queue).len()), (after, 0));
    assert_eq!(receipts.iter().filter_map(|receipt| world.record(receipt)).count(), 0);
    // And what it looked at is there for the next run at once.
    assert_eq!(world.run(&schedule()).await.redriven, 6);
}

/// What the report says of the letters that were found: redriven, behind a canary, parked, settled, waiting, unseen.
#[track_caller]
fn adds_up(report: &QueueReport) -> [u64; 6] {
    let QueueReport { redriven, behind_canary, parked, settled, waiting, unseen, .. } = *report;
    let parts = [redriven, behind_canary, parked, settled, waiting, unseen];
    assert_eq!(parts.iter().sum::<u64>(), report.found, "each letter is one of them: {report:?}");
    parts
}

#[tokio::test(start_paused = true)]
async fn the_numbers_of_a_report_add_up_to_what_was_found() {
    let dry = Request { dry_run: true, ..schedule() };
    let world = World::new();
    let receipts = outage(&world, &["A", "B", "C", "D", "E"], 2).await;
    // Two streams more: one whose first letter is not due, and one that has used up its attempts.
    world.bury("F", "F-01", 4).await;
    world.bury("F", "F-02", 0).await;
    world.bury("G", "G-01", 10).await;
    advance(Duration::from_secs(1)).await;

    let outlook = world.run_alone(&dry).await.queues.remove(0);
    assert_eq!(adds_up(&outlook), [5, 6, 0, 0, 2, 0], "five ahead, and nobody knows yet about the others: {outlook:?}");
    let down = world.run_alone(&schedule()).await.queues.remove(0);
    let [redriven, _, parked, settled, ..] = adds_up(&down);
    assert_eq!(
        (redriven, parked, settled, down.canary),
        (5, 0, 0, Some(Canary::OnItsWay)),
        "as was promised: {down:?}"
    );
    let outlook = world.run_alone(&dry).await.queues.remove(0);
    assert_eq!(
        adds_up(&outlook),
        [0, 1, 0, 0, 12, 0],
        "five are on their way, and their streams behind them: {outlook:?}"
    );

    world.aws.heal();
    world.drain().await;
    let outlook = world.run_alone(&dry).await.queues.remove(0);
    assert_eq!(adds_up(&outlook), [5, 0, 1, 5, 2, 0], "the five have their outcome, so the context is up: {outlook:?}");
    let up = world.run(&schedule()).await;
    assert_eq!((adds_up(&up), up.canary), ([5, 0, 1, 5, 2, 0], Some(Canary::Passed)), "{up:?}");
    world.drain().await;
    world.assert_all_succeeded(&receipts);
}

#[tokio::test(start_paused = true)]
async fn a_canary_that_passes_is_counted_once() {
    let world = World::new();
    outage(&world, &["A", "B", "C", "D", "E", "F"], 2).await;
    world.aws.heal();
    let report = world.run(&schedule()).await;
    assert_eq!(adds_up(&report), [12, 0, 0, 0, 0, 0], "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn sqs_takes_to_the_dead_letters_what_the_handler_did_not_live_to_send_there() {
    let world = World::new();
    let receipt = world.note("A", "A-01").await;
    for _ in 0..=MAX_RECEIVES {
        // Received by a function that dies.
        world.aws.receive(&world.queue, 10, VISIBILITY);
        advance(VISIBILITY + Duration::from_secs(1)).await;
    }
    assert_eq!((world.dead(), world.aws.messages(&world.queue).len()), (1, 0));
    world.run(&schedule()).await;
    world.drain().await;
    world.assert_all_succeeded(&[receipt]);
}
