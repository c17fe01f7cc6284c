//! How a verification walks: when it is due, page by page, while things move, and while the store fails.

use std::collections::BTreeSet;
use std::time::Duration;

use store::findings::Kind;
use store::jobs::{Progress, Task};
use testkit::{Fault, TABLES};
use verifier::Verifier;

use crate::world::{SETTLED, World, cancel, submit};

fn all() -> Task {
    Task::Verification { tenant: None, stream: None, operation: None, settled_after: Some(SETTLED) }
}

#[tokio::test(start_paused = true)]
async fn once_a_day_everything_is_verified() {
    let world = World::busy().await;
    let daily = Verifier { every: Some(Duration::from_hours(24)), ..world.another_verifier() };
    let scheduled = async || {
        let jobs = daily.jobs.newest("verification", 50).await.expect("jobs");
        jobs.into_iter().filter(|job| job.requested_by == "schedule").collect::<Vec<_>>()
    };
    let minute = Duration::from_mins(1);
    // Thirty hours are of two days.
    let mut days = BTreeSet::new();
    for _ in 0..30 * 60 / 10 {
        days.insert(world.now().seconds() / (24 * 60 * 60));
        daily.work(world.now(), tokio::time::Instant::now() + minute).await.expect("worked");
        tokio::time::advance(10 * minute).await;
    }
    let jobs = scheduled().await;
    assert_eq!(jobs.len(), days.len(), "{days:?}: {jobs:#?}");
    assert!(jobs.iter().all(|job| job.progress() == Progress::Finished && job.pace == Some(100_000)), "{jobs:#?}");
}

/// By itself, it judges only what has had the time of the slowest lawful way.
#[tokio::test(start_paused = true)]
async fn what_is_on_its_way_is_not_found() {
    let world = World::busy().await;
    world.unpublished("orders", "lost", "lost", submit(true)).await;
    world.unpublished("orders", "unheard", "unheard", submit(false)).await;
    let patient = || Task::Verification { tenant: None, stream: None, operation: None, settled_after: None };
    for hours in [0, 1, 24, 22] {
        world.it.pass(Duration::from_hours(hours)).await;
        world.settle().await;
        world.verify_that(patient()).await;
        assert_eq!(world.open().await, [], "after {hours} hours more");
    }
    world.it.pass(Duration::from_hours(2)).await;
    world.settle().await;
    world.verify_that(patient()).await;
    let kinds: Vec<Kind> = world.open().await.iter().map(|finding| finding.kind).collect();
    assert_eq!(kinds, [Kind::PublicationLost; 2]);
}

/// What moves between the two looks is no finding.
#[tokio::test(start_paused = true)]
async fn what_arrives_meanwhile_is_not_found() {
    let world = World::busy().await;
    let row = world.row("orders", "paid-new");
    world.delete(TABLES.read_models, &row).await;
    let arrives = async {
        // After the first look, before the second.
        tokio::time::sleep(Duration::from_secs(2)).await;
        world.put(TABLES.read_models, &row);
    };
    tokio::join!(world.verify(), arrives);
    assert_eq!(world.open().await, []);
}

/// While commands go on, a verification finds nothing, and its totals are counted once there is a quiet moment.
#[tokio::test(start_paused = true)]
async fn while_everything_goes_on_nothing_is_found() {
    let world = World::busy().await;
    world.it.aws.calls_take(Duration::from_millis(2), Duration::from_millis(40), 7);
    let going_on = async {
        for nth in 0..40 {
            let order = format!("busy-{nth}");
            world.it.send("orders", &order, &order, submit(nth % 2 == 0)).await;
            if nth > 4 {
                let before = format!("busy-{}", nth - 4);
                world.it.send("orders", &before, &format!("cancel-{nth}"), cancel()).await;
            }
            world.settle().await;
        }
    };
    let verifying = async {
        for _ in 0..6 {
            world.verify().await;
            assert_eq!(world.open().await, []);
        }
    };
    tokio::join!(going_on, verifying);
    world.settle().await;
    world.pass().await;
    let counts = world.verify().await;
    assert_eq!(world.open().await, []);
    assert_eq!(counts.get("unjudged").copied().unwrap_or_default(), 0, "{counts:?}");
}

/// Every call fails once, or its answer is lost: the verification goes on, and finds the same.
#[tokio::test(start_paused = true)]
async fn whatever_call_fails_it_finds_the_same() {
    let world = World::busy().await;
    // Until no timer waits.
    world.it.pass(Duration::from_hours(3)).await;
    world.settle().await;
    let mut row = world.row("orders", "paid-new");
    row["version"] = serde_json::json!(1);
    world.put(TABLES.read_models, &row);
    world.verify().await;
    let expected: Vec<String> = world.open().await.into_iter().map(|finding| finding.id).collect();
    assert_eq!(expected.len(), 1);
    world.it.aws.forget_calls();
    world.verify().await;
    let calls = world.it.aws.calls().len();
    for answer_lost in [false, true] {
        for failing in (0..calls).step_by(3) {
            let mut nth = 0;
            // As often as the SDK tries.
            world.it.aws.inject(move |_| {
                nth += 1;
                match (nth > failing && nth <= failing + 4, answer_lost) {
                    (false, _) => Fault::None,
                    (true, false) => Fault::refuse(500, "InternalServerError"),
                    (true, true) => Fault::LoseAnswer,
                }
            });
            let job = store::jobs::Job::new(all(), 2, None, "user:olga", world.now());
            for _ in 0..5 {
                if world.verifier.jobs.add(&job).await.is_ok() {
                    break;
                }
            }
            for _ in 0..10 {
                let finish_by = tokio::time::Instant::now() + Duration::from_mins(5);
                let _ = world.verifier.work(world.now(), finish_by).await;
                tokio::time::advance(Duration::from_mins(3)).await;
            }
            world.it.aws.heal();
            let ended = world.verifier.jobs.find(job.id()).await.expect("an answer").expect("a job");
            assert_eq!(ended.progress(), Progress::Finished, "call {failing}");
            let found: Vec<String> = world.open().await.into_iter().map(|finding| finding.id).collect();
            assert_eq!(found, expected, "call {failing}");
        }
    }
}

/// Of another tenant's damage nothing is said, and nothing closed.
#[tokio::test(start_paused = true)]
async fn one_tenant_alone() {
    let world = World::busy().await;
    let mut row = world.row("orders", "paid-new");
    row["version"] = serde_json::json!(9);
    world.put(TABLES.read_models, &row);
    world.verify().await;
    let tenant = kernel::ids::TenantId::parse("globex").expect("a tenant");
    let task = Task::Verification { tenant: Some(tenant), stream: None, operation: None, settled_after: Some(SETTLED) };
    let counts = world.verify_that(task).await;
    assert_eq!(counts.get("found"), None, "{counts:?}");
    assert_eq!(world.open().await.len(), 1, "it is another's");
}
