//! How long a command takes from its acceptance to its outcome while calls fail all the time, on virtual time.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::timestamp::Timestamp;
use testkit::{Attempt, Fault};
use tokio::task::LocalSet;
use tokio::time::sleep;

use crate::world::World;

const COMMANDS: usize = 3_000;
const STREAMS: usize = 300;
/// Between two commands: fifty a second.
const PAUSE: Duration = Duration::from_millis(20);
/// Of all calls, how many in a hundred fail.
const FAILING: f64 = 0.03;
const MOST: Duration = Duration::from_secs(2);

/// One of the ways in which a call fails at once, by chance.
fn failure(operation: &str, chance: &mut fastrand::Rng) -> Fault {
    match chance.u8(0..5) {
        0 => Fault::LoseRequest,
        1 => Fault::LoseAnswer,
        2 => Fault::Throttle,
        // The SDK does not try such a call again.
        3 if operation == "TransactWriteItems" => Fault::TransactionConflict { item: 0 },
        _ => Fault::refuse(500, "InternalServerError"),
    }
}

/// From acceptance to outcome, of each command, the shortest first.
async fn latencies(seed: u64) -> Vec<Duration> {
    let world = Rc::new(World::new());
    world.aws.patience(lambda::aws::IN_THE_BACKGROUND);
    world.aws.calls_take(Duration::from_millis(4), Duration::from_millis(20), seed);
    let ended: Arc<Mutex<BTreeMap<String, Timestamp>>> = Arc::default();
    let (see, aws) = (Arc::clone(&ended), world.aws.clone());
    world.aws.observe(move |call| {
        if call.operation == "TransactWriteItems" && call.status == 200 {
            let body: serde_json::Value = serde_json::from_str(call.body).expect("a request is JSON");
            for action in body["TransactItems"].as_array().into_iter().flatten() {
                if let Some(key) = action["Put"]["Item"]["operation_key"]["S"].as_str() {
                    see.lock().expect("not poisoned").insert(key.to_owned(), aws.now().into());
                }
            }
        }
    });
    world.work(Duration::from_millis(20));
    let chance = Mutex::new(fastrand::Rng::with_seed(seed));
    world.aws.inject(move |attempt: &Attempt<'_>| {
        let mut chance = chance.lock().expect("not poisoned");
        // Sending the commands is this test's own doing.
        let fails = attempt.operation != "SendMessage" && chance.f64() < FAILING;
        if fails { failure(attempt.operation, &mut chance) } else { Fault::None }
    });
    let mut receipts = Vec::new();
    for number in 0..COMMANDS {
        receipts.push(world.note(&format!("S{:03}", number % STREAMS), &format!("{number:04}")).await);
        sleep(PAUSE).await;
    }
    while !world.aws.is_empty(&world.queue) {
        sleep(Duration::from_secs(1)).await;
    }
    world.assert_all_succeeded(&receipts);
    let ended = ended.lock().expect("not poisoned");
    let taken = receipts.iter().map(|receipt| {
        let key = format!("acme#{}", receipt.command_key);
        ended[&key].since(receipt.accepted_at)
    });
    let mut taken: Vec<_> = taken.collect();
    taken.sort_unstable();
    taken
}

#[test]
fn while_three_calls_in_a_hundred_fail_99_commands_in_a_hundred_have_their_outcome_within_two_seconds() {
    const SEED: u64 = 1;
    fastrand::seed(SEED);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    let taken = LocalSet::new().block_on(&runtime.expect("a runtime"), latencies(SEED));
    let (median, most) = (taken[COMMANDS / 2], taken[COMMANDS * 99 / 100]);
    println!("median {median:?}, 99th percentile {most:?}, longest {:?}", taken[COMMANDS - 1]);
    assert!(most <= MOST, "{most:?}");
}
