//! A rebuild that dies at any of its calls, or meets the updater at every document.

use std::time::Duration;

use bench::layouts;
use fastrand::Rng;
use serde_json::json;
use testkit::Fault;
use tokio::time::{Instant, sleep};

use crate::world::{World, all, cancel};

async fn of_the_release_before(orders: usize) -> World {
    let world = World::new();
    world.orders(orders).await;
    world.project(&world.updater(layouts::read_models_of), 0..orders).await;
    world
}

/// Whether its answer is lost or the call is never made, the next invocation goes on, and nothing counts twice.
#[tokio::test(start_paused = true)]
async fn killed_at_any_call_it_goes_on() {
    let calls = {
        let world = of_the_release_before(12).await;
        world.ask(all(), 2, None).await;
        world.aws.forget_calls();
        world.work().await;
        world.aws.calls().len()
    };
    assert!(calls > 10, "{calls}");
    for lost in [true, false] {
        for killed_at in 1..=calls {
            let world = of_the_release_before(12).await;
            let job = world.ask(all(), 2, None).await;
            let mut nth = 0;
            world.aws.inject(move |_| {
                nth += 1;
                match nth {
                    _ if nth < killed_at => Fault::None,
                    _ if nth == killed_at && lost => Fault::LoseAnswer,
                    _ => Fault::Hang, // it is dead from here on
                }
            });
            let finish_by = Instant::now() + Duration::from_secs(30);
            let _ = world.rebuild.work(world.aws.now().into(), finish_by).await;
            world.aws.heal();
            for _ in 0..3 {
                sleep(Duration::from_mins(3)).await;
                world.work().await;
            }
            assert!(!world.job(&job).await.is_open(), "killed at {killed_at} of {calls}");
            world.hold().await;
        }
    }
}

/// Events come, the updater of this build and of the release before write, and every read is at least as new as the one
/// before it.
#[tokio::test(start_paused = true)]
async fn beside_updaters_of_both_releases_no_read_is_older_and_totals_are_exact() {
    for seed in 0..12 {
        let world = of_the_release_before(20).await;
        world.aws.calls_take(Duration::from_millis(1), Duration::from_millis(40), seed);
        world.aws.transactions_hold_items(Duration::from_millis(1), Duration::from_millis(20), seed);
        let mut random = Rng::with_seed(seed);
        let others: Vec<usize> = (0..20).filter(|_| random.bool()).collect();
        for nth in &others {
            world.bench.send(&format!("O-{nth}"), &format!("later-{nth}"), cancel()).await;
        }
        world.deliver().await;
        world.ask(all(), 4, None).await;
        let (old, new) = (world.updater(layouts::read_models_of), world.updater(catalog::read_models_of));
        let (some, rest) = others.split_at(others.len() / 2);
        let updating = async {
            tokio::join!(world.project(&old, some.iter().copied()), world.project(&new, rest.iter().copied()));
        };
        let reading = async {
            let mut seen = [0; 20];
            for _ in 0..40 {
                for (nth, seen) in seen.iter_mut().enumerate() {
                    let row = world.row(&format!("O-{nth}")).expect("a document");
                    let version = row["version"].as_u64().expect("a version");
                    assert!(version >= *seen, "O-{nth} was at {seen} and is at {version}");
                    *seen = version;
                }
                sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::join!(updating, reading, world.work());
        // The release before may have come last.
        world.rebuilt().await;
        world.hold().await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_that_walk_the_same_segments_count_nothing_twice() {
    for seed in 0..8 {
        let world = of_the_release_before(15).await;
        world.aws.calls_take(Duration::from_millis(1), Duration::from_millis(40), seed);
        let (first, second) = (world.ask(all(), 2, None).await, world.ask(all(), 3, None).await);
        tokio::join!(world.work(), world.work());
        assert!(!world.job(&first).await.is_open() && !world.job(&second).await.is_open());
        world.hold().await;
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_throttles_it_goes_on_and_off() {
    let world = of_the_release_before(30).await;
    let job = world.ask(all(), 4, None).await;
    let mut random = Rng::with_seed(3);
    world.aws.inject(move |_| if random.u32(..3) == 0 { Fault::Throttle } else { Fault::None });
    for _ in 0..40 {
        let _ = world.rebuild.work(world.aws.now().into(), Instant::now() + Duration::from_mins(1)).await;
        sleep(Duration::from_mins(3)).await;
    }
    world.aws.heal();
    world.work().await;
    assert!(!world.job(&job).await.is_open());
    world.hold().await;
}

/// The updater has read a document that somebody has bent; the rebuild sets it right; and then the updater writes.
#[tokio::test(start_paused = true)]
async fn an_updater_that_has_read_what_was_bent_reads_again() {
    for late in 0..60 {
        let world = World::new();
        world.orders(2).await;
        world.project(&world.updater(catalog::read_models_of), 0..2).await;
        world.bend("O-1", |row| {
            row["document"] = json!(row["document"].as_str().unwrap_or_default().replace("\"C-1\"", "\"C-2\""));
        });
        world.bench.send("O-1", "later", cancel()).await;
        world.deliver().await;
        world.aws.every_call_takes(Duration::from_millis(5));
        world.ask(all(), 1, None).await;
        let updater = world.updater(catalog::read_models_of);
        let updating = async {
            sleep(Duration::from_millis(late)).await;
            world.project(&updater, [1]).await;
        };
        tokio::join!(updating, world.work());
        world.hold().await;
    }
}
