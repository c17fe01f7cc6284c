//! A run that dies between any two of its calls.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use kernel::receipt::Receipt;
use redrive::Request;
use testkit::Fault;
use tokio::time::{advance, sleep};

use crate::world::{World, names};

const STREAMS: [&str; 3] = ["A", "B", "C"];
const EACH: usize = 4;

async fn dead_letters(world: &World) -> Vec<Receipt> {
    let mut receipts = Vec::new();
    for stream in STREAMS {
        for id in names(stream, EACH) {
            receipts.push(world.bury(stream, &id, 0).await);
        }
    }
    advance(Duration::from_secs(1)).await;
    receipts
}

/// Whether a run ended before its `nth` call; at that call it dies, before the call or after it.
async fn survives(world: &World, nth: usize, after: bool) -> bool {
    let calls = Arc::new(AtomicUsize::new(0));
    let dead = Arc::new(AtomicBool::new(false));
    let (counted, died) = (Arc::clone(&calls), Arc::clone(&dead));
    let handling = Arc::new(AtomicBool::new(false));
    let beside = Arc::clone(&handling);
    world.aws.inject(move |_| {
        if beside.load(Ordering::Relaxed) {
            return Fault::None; // the handler's
        }
        let call = counted.fetch_add(1, Ordering::Relaxed) + 1;
        match (call.cmp(&nth), after) {
            (std::cmp::Ordering::Less, _) => Fault::None,
            (std::cmp::Ordering::Equal, true) => {
                died.store(true, Ordering::Relaxed);
                Fault::LoseAnswer
            }
            _ => {
                died.store(true, Ordering::Relaxed);
                Fault::Hang
            }
        }
    });
    let request = Request::default();
    let run = world.run_alone(&request);
    // The handler works in the pauses of the run, which waits for its canary.
    let others = async {
        loop {
            handling.store(true, Ordering::Relaxed);
            while world.handle().await > 0 {}
            handling.store(false, Ordering::Relaxed);
            sleep(Duration::from_millis(700)).await;
            if dead.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    let survived = tokio::select! {
        biased;
        _ = run => !dead.load(Ordering::Relaxed),
        () = others => false,
    };
    world.aws.heal();
    survived
}

async fn recovers(nth: usize, after: bool) -> bool {
    let world = World::new();
    let receipts = dead_letters(&world).await;
    let survived = survives(&world, nth, after).await;
    // What the dead run had received is seen again when it was hidden for its time.
    for _ in 0..10 {
        world.until_next_run().await;
        world.run(&Request::default()).await;
        if world.dead() == 0 {
            break;
        }
    }
    world.drain().await;
    let when = if after { "after" } else { "before" };
    assert_eq!((world.dead(), world.parked().len()), (0, 0), "dead {when} call {nth}\n{}", world.aws.calls());
    world.assert_all_succeeded(&receipts);
    for stream in STREAMS {
        assert_eq!(world.notes(stream), names(stream, EACH), "dead {when} call {nth}: lost, doubled or reordered");
    }
    survived
}

#[tokio::test(start_paused = true)]
async fn whenever_a_run_dies_nothing_is_lost_nothing_is_done_twice_and_streams_keep_their_order() {
    for after in [false, true] {
        let mut points = 0;
        while !recovers(points + 1, after).await {
            points += 1;
            assert!(points < 200, "a run that never ends");
        }
        assert!(points >= 12, "only {points} calls");
    }
}
