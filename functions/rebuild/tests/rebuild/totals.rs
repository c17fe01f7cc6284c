//! Totals that are counted anew.

use std::time::Duration;

use bench::layouts;
use serde_json::json;
use store::jobs::{Job, Segment};
use testkit::{Fault, TABLES};
use tokio::time::{Instant, sleep};
use walk::Walk as _;
use walk::counting::Counting as _;

use crate::world::{World, cancel, of_stream, totals};

/// Whose totals of all time and of a day are off.
async fn off(orders: usize) -> World {
    let world = World::new();
    world.orders(orders).await;
    world.project(&world.updater(catalog::read_models_of), 0..orders).await;
    world.bend_total(false, "submitted", 3);
    world.bend_total(false, "gone", 1);
    world.bend_total(true, "submitted", -2);
    world
}

#[tokio::test(start_paused = true)]
async fn totals_that_are_off_are_set_right_and_no_document_is_written() {
    let world = off(9).await;
    let row = world.row("O-1");
    let job = world.ask(totals(), 1, None).await;
    world.work().await;
    let counts = world.counts(&job).await;
    assert_eq!((counts["totals"], counts.get("failed")), (3, None), "{counts:?}");
    assert!(!world.job(&job).await.is_open());
    world.hold().await;
    assert_eq!(world.row("O-1"), row);
    let job = world.ask(totals(), 1, None).await;
    world.work().await;
    assert_eq!(world.counts(&job).await.get("totals"), None, "a second one finds nothing");
}

#[tokio::test(start_paused = true)]
async fn while_updaters_keep_writing_totals_get_exact_all_the_same() {
    for seed in 0..6 {
        let world = off(24).await;
        world.aws.calls_take(Duration::from_millis(1), Duration::from_millis(30), seed);
        world.aws.transactions_hold_items(Duration::from_millis(1), Duration::from_millis(10), seed);
        for nth in 0..24 {
            world.bench.send(&format!("O-{nth}"), &format!("later-{nth}"), cancel()).await;
        }
        world.deliver().await;
        let (old, new) = (world.updater(layouts::read_models_of), world.updater(catalog::read_models_of));
        let mut random = fastrand::Rng::with_seed(seed);
        let updating = async {
            for nth in 0..24 {
                world.project(if nth % 2 == 0 { &new } else { &old }, [nth]).await;
                sleep(Duration::from_millis(random.u64(..400))).await;
            }
        };
        let job = world.ask(totals(), 1, None).await;
        let working = async {
            while world.job(&job).await.is_open() {
                world.work().await;
                sleep(Duration::from_mins(1)).await;
            }
        };
        tokio::join!(updating, working);
        assert_eq!(world.counts(&job).await.get("failed"), None);
        // The release before counts otherwise.
        world.rebuilt().await;
        world.hold().await;
    }
}

/// One that finds no quiet moment comes again, and does not for ever keep others waiting.
#[tokio::test(start_paused = true)]
async fn totals_that_never_rest_hold_up_nobody_and_are_given_up_in_the_end() {
    let world = off(2).await;
    world.aws.every_call_takes(Duration::from_millis(20));
    let job = world.ask(totals(), 1, None).await;
    let mut invocations = 0;
    while world.job(&job).await.is_open() {
        sleep(Duration::from_mins(1)).await;
        let other = world.ask(of_stream("O-1"), 1, None).await;
        let restless = async {
            loop {
                world.bend_total(false, "restless", 1);
                sleep(Duration::from_millis(30)).await;
            }
        };
        tokio::select! {
            () = world.work() => {}
            () = restless => {}
        }
        assert!(!world.job(&other).await.is_open(), "it is not kept waiting");
        invocations += 1;
    }
    assert_eq!(invocations, 10);
    let segments = world.rebuild.jobs.segments(&job).await.expect("segments");
    let failures = &segments[&0].failures;
    assert_eq!((failures.len(), failures[0].what.as_str()), (1, "orders/acme"), "{failures:?}");
    assert!(failures[0].error.contains("others kept moving them"), "{failures:?}");
}

#[tokio::test(start_paused = true)]
async fn what_makes_counting_impossible_is_told() {
    for (attribute, value, told) in
        [("version", json!("one"), "1 documents cannot be read"), ("tallies", json!(null), "release before")]
    {
        let world = off(3).await;
        world.bend("O-1", |row| match attribute {
            "tallies" => drop(row.as_object_mut().expect("an item").remove("tallies")),
            _ => row[attribute] = value.clone(),
        });
        let stored = world.aws.items(TABLES.read_models);
        let job = world.ask(totals(), 1, None).await;
        for _ in 0..10 {
            world.work().await;
        }
        assert!(!world.job(&job).await.is_open());
        let segments = world.rebuild.jobs.segments(&job).await.expect("segments");
        assert!(segments[&0].failures[0].error.contains(told), "{:?}", segments[&0].failures);
        assert_eq!(world.aws.items(TABLES.read_models), stored, "nothing is changed");
    }
}

/// Whether an answer is lost or a call is never made, it goes on, and nothing is set right twice.
#[tokio::test(start_paused = true)]
async fn killed_at_any_call_totals_are_exact() {
    let calls = {
        let world = off(3).await;
        world.ask(totals(), 1, None).await;
        world.aws.forget_calls();
        world.work().await;
        world.aws.calls().len()
    };
    assert!(calls > 10, "{calls}");
    for lost in [true, false] {
        for killed_at in 1..=calls {
            let world = off(3).await;
            let job = world.ask(totals(), 1, None).await;
            killed(&world, killed_at, lost).await;
            assert!(!world.job(&job).await.is_open(), "killed at {killed_at} of {calls}");
            world.hold().await;
        }
    }
}

/// The same where a document cannot be read: the totals are not forgotten.
#[tokio::test(start_paused = true)]
async fn killed_at_any_call_a_rebuild_of_what_cannot_be_read_leaves_exact_totals() {
    async fn bent() -> World {
        let world = off(2).await;
        world.bend("O-1", |row| row["tallies"] = json!("none"));
        world.ask(of_stream("O-1"), 1, None).await;
        world
    }
    let calls = {
        let world = bent().await;
        world.aws.forget_calls();
        world.work().await;
        world.work().await;
        world.aws.calls().len()
    };
    assert!(calls > 10, "{calls}");
    for lost in [true, false] {
        for killed_at in 1..=calls {
            let world = bent().await;
            killed(&world, killed_at, lost).await;
            assert!(world.rebuild.jobs.open().await.expect("jobs").is_empty(), "killed at {killed_at} of {calls}");
            world.hold().await;
        }
    }
}

/// Invocations, the first of which is dead from its n-th call on; that one's answer is lost, or it is never made.
async fn killed(world: &World, killed_at: usize, lost: bool) {
    let mut nth = 0;
    world.aws.inject(move |_| {
        nth += 1;
        match nth {
            _ if nth < killed_at => Fault::None,
            _ if nth == killed_at && lost => Fault::HangAfter,
            _ => Fault::Hang,
        }
    });
    for _ in 0..2 {
        let _ = world.rebuild.work(world.aws.now().into(), Instant::now() + Duration::from_mins(1)).await;
    }
    world.aws.heal();
    for _ in 0..3 {
        sleep(Duration::from_mins(3)).await;
        world.work().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_count_at_once_set_right_once() {
    for seed in 0..12 {
        let world = off(4).await;
        world.aws.calls_take(Duration::from_millis(1), Duration::from_millis(40), seed);
        world.aws.transactions_hold_items(Duration::from_millis(1), Duration::from_millis(20), seed);
        let count = async || {
            let (job, mut segment) =
                (Job::new(totals(), 1, None, "user:olga", world.aws.now().into()), Segment::default());
            world.rebuild.page(&job, 0, &mut segment, 1).await.expect("counted");
            segment
        };
        let (one, other) = tokio::join!(count(), count());
        assert!(one.done && other.done, "{seed}: {one:?}, {other:?}");
        assert_eq!(one.count("totals") + other.count("totals"), 3, "{seed}: {one:?}, {other:?}");
        world.hold().await;
    }
}
