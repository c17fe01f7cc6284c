//! How much a run looks at, how long it takes, and what it tells and counts.

use std::time::Duration;

use kernel::timestamp::Timestamp;
use recovery::{MessageGroup, Returning};
use redrive::{QueueReport, Redrive, Request};
use serde_json::json;
use testkit::{Log, Metrics};
use tokio::time::{Instant, advance};

use crate::world::{World, names};

/// A run for which so much time is left, with nobody at work beside it.
async fn run(world: &World, request: &Request, left: Duration) -> QueueReport {
    world.redrive.run(request, world.now(), Instant::now() + left).await.queues.remove(0)
}

const ENOUGH: Duration = Duration::from_mins(5);

fn schedule() -> Request {
    Request::default()
}

fn dry() -> Request {
    Request { dry_run: true, ..schedule() }
}

#[tokio::test(start_paused = true)]
async fn no_more_is_received_than_five_canaries_need() {
    let world = World::new();
    world.bury_many(10, 3, 0).await;
    let report = run(&world, &schedule(), ENOUGH).await;
    assert_eq!((report.redriven, report.behind_canary, report.unseen), (5, 5, 20), "{report:?}");
    assert_eq!(world.aws.count("ReceiveMessage"), 1);
}

#[tokio::test(start_paused = true)]
async fn no_more_than_five_hundred_are_looked_through_for_canaries() {
    let world = World::new();
    world.bury_many(520, 1, 4).await;
    let report = run(&world, &schedule(), ENOUGH).await;
    assert_eq!((report.redriven, report.waiting, report.unseen), (0, 500, 20), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_there_when_the_run_began_is_received_once_and_nothing_is_asked_for_after_it() {
    let world = World::new();
    world.bury_many(20, 1, 0).await;
    let report = run(&world, &dry(), ENOUGH).await;
    assert_eq!((report.found, world.aws.count("ReceiveMessage")), (20, 2), "{}", world.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn three_seconds_before_the_end_nothing_more_is_begun() {
    let world = World::new();
    world.bury_many(20, 1, 0).await;
    for (left, unseen) in [(3_000, 20), (3_001, 0)] {
        let report = run(&world, &dry(), Duration::from_millis(left)).await;
        assert_eq!((report.found, report.unseen), (20, unseen), "{left} ms: {report:?}");
    }
    let begin = Instant::now();
    let report = run(&world, &schedule(), Duration::from_secs(10)).await;
    assert_eq!((report.redriven, begin.elapsed()), (5, Duration::from_secs(7)), "waits for its canaries: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_failed_when_the_run_begins_is_due_and_what_fails_after_that_is_for_the_next() {
    let world = World::new();
    world.put(&world.dead_letters, "A", "stranger", "no JSON").await;
    let before = Timestamp::from_millis(world.now().millis() - 1);
    let by_hand = Request { by_hand: true, ..schedule() };
    for (request, began, redriven) in [(schedule(), before, 0), (by_hand, before, 0), (schedule(), world.now(), 1)] {
        let report = world.redrive.run(&request, began, Instant::now() + ENOUGH).await.queues.remove(0);
        assert_eq!(report.redriven, redriven, "began at {began}: {report:?}");
        assert_eq!(world.dead(), 1 - usize::try_from(redriven).expect("a few"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_pace_does_not_keep_a_run_beyond_its_time() {
    let world = World::new();
    let aws = world.aws.clone();
    let redrive = Redrive { pace: redrive::Pace { rate: 1, ..world.redrive.pace }, ..world.redrive };
    let letters = (0..100).map(|nth| Returning {
        body: format!("stranger {nth}"),
        group: MessageGroup::Ordered("x".to_owned()),
        deduplication_id: nth.to_string(),
        ..Returning::default()
    });
    redrive.ways[0].dead_letters.bury(letters.collect()).await.expect("buried");
    advance(Duration::from_secs(1)).await;
    let begin = Instant::now();
    let now = aws.now().into();
    let report = redrive.run(&schedule(), now, begin + Duration::from_secs(10)).await.queues.remove(0);
    assert_eq!(begin.elapsed(), Duration::from_secs(7), "{report:?}");
    assert!((7..100).contains(&report.redriven), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_a_run_then_does_with_what_has_used_up_its_attempts() {
    // Alone it is parked. While another will be due that can tell whether the context is up, both wait.
    for (with_another, expected) in [(false, (1, 0)), (true, (0, 2))] {
        let world = World::new();
        world.bury("A", "A-01", 10).await;
        if with_another {
            world.bury("B", "B-01", 4).await;
        }
        advance(Duration::from_secs(1)).await;
        for request in [dry(), schedule()] {
            let report = run(&world, &request, ENOUGH).await;
            assert_eq!((report.parked, report.waiting), expected, "{request:?}: {report:?}");
            assert_eq!((report.redriven, report.behind_canary, report.canary), (0, 0, None), "{report:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_waits_for_no_canary_in_a_dry_run_either() {
    let world = World::new();
    for id in names("A", 2) {
        world.bury("A", &id, 0).await;
    }
    world.put(&world.dead_letters, "B", "stranger", "no JSON").await;
    advance(Duration::from_secs(1)).await;
    for request in [dry(), schedule()] {
        let report = run(&world, &request, ENOUGH).await;
        assert_eq!((report.redriven, report.behind_canary), (2, 1), "{request:?}: {report:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_repeat_of_what_was_never_sent_back_leaves_no_record() {
    let world = World::new();
    for stream in ["A", "B", "C", "D", "E"] {
        world.bury(stream, &format!("{stream}-01"), 0).await;
    }
    let receipt = world.bury("F", "F-01", 0).await;
    let (_, body) = world.seal("F", "F-01", "Note", &json!({ "text": "F-01" }));
    world.put(&world.dead_letters, "F", "again", &body).await;
    advance(Duration::from_secs(1)).await;
    let report = run(&world, &schedule(), ENOUGH).await;
    assert_eq!((report.redriven, report.behind_canary, report.settled), (5, 1, 1), "{report:?}");
    assert_eq!(world.record(&receipt), None, "it is no canary, and is as it was");
}

#[tokio::test(start_paused = true)]
async fn a_run_counts_what_it_sends_back_and_parks_and_a_dry_run_nothing() {
    let (world, metrics, log) = (World::new(), Metrics::default(), Log::default());
    let (counting, logging) = (metrics.begin(), log.begin(&["redrive"]));
    run(&world, &schedule(), ENOUGH).await;
    assert!(!log.text().contains("redriven"), "where nothing failed there is nothing to tell: {}", log.text());
    world.bury("A", "A-01", 0).await;
    world.put(&world.dead_letters, "B", "stranger", "no JSON").await;
    advance(Duration::from_secs(1)).await;
    run(&world, &dry(), ENOUGH).await;
    assert!(metrics.counters().values().all(|count| *count == 0), "{:?}", metrics.counters());
    world.run(&schedule()).await;
    world.drain().await;
    world.bury("C", "C-01", 10).await;
    world.run(&schedule()).await;
    drop((counting, logging));
    let counters = metrics.counters();
    assert_eq!((counters["Redriven Context=ledger"], counters["Parked Context=ledger"]), (2, 2), "{counters:?}");
    assert_eq!(metrics.values("ParkedWaiting Context=ledger"), [0.0, 1.0, 2.0], "at the end of each run");
    let told = log.lines().into_iter().filter(|line| line["message"] == "redriven").collect::<Vec<_>>();
    assert_eq!((told.len(), &told[0]["found"], &told[0]["redriven"]), (2, &json!(2), &json!(2)), "{told:#?}");
}
