//! How a rebuild walks: in segments, page by page, at its pace, until it is done, cancelled, or out of time.

use std::time::Duration;

use bench::layouts;
use serde_json::{Value, json};
use store::jobs::Task;
use testkit::{Fault, TABLES};
use tokio::time::{Instant, sleep};

use crate::world::{World, all};

/// As many more streams as that, each like the order `O-1`.
fn copies(world: &World, count: usize) {
    let commits = world.aws.items(TABLES.events);
    let commit = commits.iter().find(|commit| commit["stream_id"] == "acme/orders/O-1").expect("the order");
    for nth in 0..count {
        let mut copy = commit.clone();
        copy["stream_id"] = json!(format!("acme/orders/X-{nth}"));
        world.aws.insert(TABLES.events, &copy);
    }
}

#[tokio::test(start_paused = true)]
async fn eight_segments_are_at_least_six_times_as_quick_as_one() {
    let mut took = Vec::new();
    for segments in [1, 8] {
        let world = World::new();
        world.orders(2).await;
        copies(&world, 8_000);
        world.aws.every_call_takes(Duration::from_millis(8));
        // As DynamoDB holds what a transaction writes, totals among it.
        world.aws.transactions_hold_items(Duration::from_millis(2), Duration::from_millis(4), 7);
        let began = Instant::now();
        let job = world.ask(all(), segments, None).await;
        world.work().await;
        took.push(began.elapsed());
        assert_eq!(world.counts(&job).await["written"], 8_002);
    }
    let ratio = took[0].as_secs_f64() / took[1].as_secs_f64();
    assert!(ratio >= 6.0, "{ratio:.1} times as quick: {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_goes_over_several_pages_is_one_stream() {
    let world = World::new();
    world.orders(3).await;
    let commits = world.aws.items(TABLES.events);
    let first = commits.iter().find(|commit| commit["stream_id"] == "acme/orders/O-1").expect("the order").clone();
    let mut cancelled = commits.iter().find(|commit| commit["stream_id"] == "acme/orders/O-0").expect("it").clone();
    let events: Vec<Value> = serde_json::from_str(cancelled["events"].as_str().expect("events")).expect("JSON");
    cancelled["events"] = json!(json!([events.last()]).to_string());
    cancelled["stream_id"] = first["stream_id"].clone();
    for number in 2..1_203 {
        let mut commit = cancelled.clone();
        (commit["commit_number"], commit["first_version"]) = (json!(number), json!(number));
        world.aws.insert(TABLES.events, &commit);
    }
    let counts = world.rebuilt().await;
    assert_eq!((counts["streams"], counts["written"]), (3, 3), "{counts:?}");
    world.hold().await;
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_the_next_invocation_does() {
    let world = World::new();
    world.orders(2).await;
    copies(&world, 3_000);
    world.aws.every_call_takes(Duration::from_millis(50));
    let job = world.ask(all(), 2, None).await;
    let mut invocations = 0;
    while world.job(&job).await.is_open() {
        let finish_by = Instant::now() + Duration::from_secs(2);
        world.rebuild.work(world.aws.now().into(), finish_by).await.expect("worked");
        invocations += 1;
        assert!(invocations < 50, "no end");
    }
    assert!(invocations > 2, "{invocations}");
    assert_eq!(world.counts(&job).await["written"], 3_002, "each once");
}

#[tokio::test(start_paused = true)]
async fn a_pace_is_kept() {
    let world = World::new();
    world.orders(2).await;
    copies(&world, 2_000);
    let began = Instant::now();
    let job = world.ask(all(), 4, Some(100)).await;
    world.work().await;
    assert!(!world.job(&job).await.is_open());
    let took = began.elapsed();
    // What a page holds is taken at once.
    assert!(took >= Duration::from_secs(15) && took < Duration::from_secs(25), "{took:?} for 2,000 at 100 a second");
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_rebuild_stops_and_keeps_what_it_has_done() {
    let world = World::new();
    world.orders(2).await;
    copies(&world, 3_000);
    let job = world.ask(all(), 1, Some(50)).await;
    let began = Instant::now();
    let cancel = async {
        sleep(Duration::from_secs(25)).await;
        assert!(world.rebuild.jobs.cancel(&job, "user:olga", world.aws.now().into()).await.expect("an answer"));
        assert!(!world.rebuild.jobs.cancel(&job, "user:olga", world.aws.now().into()).await.expect("an answer"));
    };
    tokio::join!(world.work(), cancel);
    assert!(began.elapsed() < Duration::from_secs(40), "{:?}", began.elapsed());
    let written = world.counts(&job).await["written"];
    assert!((500..3_000).contains(&written), "{written}");
    world.work().await;
    assert_eq!(world.counts(&job).await["written"], written, "it stays so");
    assert_eq!(world.job(&job).await.cancelled_by.as_deref(), Some("user:olga"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_pace_is_kept_from_the_first_page_on() {
    let world = World::new();
    world.orders(2).await;
    copies(&world, 100);
    let job = world.ask(all(), 8, Some(1)).await;
    let finish_by = Instant::now() + Duration::from_secs(50);
    world.rebuild.work(world.aws.now().into(), finish_by).await.expect("worked");
    let written = world.counts(&job).await["written"];
    assert!(written <= 40, "{written} in 50 seconds");
}

/// Whatever is the matter with the oldest one.
#[tokio::test(start_paused = true)]
async fn a_job_that_fails_or_cannot_be_read_holds_up_no_other() {
    let world = World::new();
    world.orders(6).await;
    let foreign = json!({ "job_key": "jobs", "place": "0", "task": { "kind": "of-a-later-release" } });
    world.aws.insert(TABLES.jobs, &foreign);
    let replay = Task::Replay {
        subscriber: "gone".to_owned(),
        context: "orders".to_owned(),
        tenant: None,
        types: Vec::new(),
        from: None,
        to: None,
        dry_run: false,
    };
    let stuck = world.ask(replay, 1, None).await;
    sleep(Duration::from_secs(1)).await;
    world.aws.inject(|attempt| match attempt.operation {
        "SendMessageBatch" => Fault::refuse(400, "AWS.SimpleQueueService.NonExistentQueue"),
        _ => Fault::None,
    });
    let ended: Vec<String> = {
        let mut ended = Vec::new();
        for _ in 0..60 {
            ended.push(world.ask(all(), 1, None).await);
        }
        ended
    };
    let finish_by = Instant::now() + Duration::from_mins(10);
    assert!(world.rebuild.work(world.aws.now().into(), finish_by).await.is_err(), "the alarm rings");
    assert!(world.job(&stuck).await.is_open());
    for job in &ended {
        assert!(!world.job(job).await.is_open());
    }
    world.hold().await;
}

#[tokio::test(start_paused = true)]
async fn one_invocation_at_a_time_works_on_a_rebuild_and_one_that_died_is_replaced() {
    let world = World::new();
    world.orders(8).await;
    world.project(&world.updater(layouts::read_models_of), 0..8).await;
    let job = world.ask(all(), 2, None).await;
    let until = world.aws.now() + Duration::from_mins(2);
    let taken = world.rebuild.jobs.take(&job, world.aws.now().into(), until.into()).await.expect("an answer");
    assert!(taken.is_some());
    world.work().await;
    assert_eq!(world.counts(&job).await.get("written"), None, "somebody else is at it");
    sleep(Duration::from_mins(2)).await;
    world.work().await;
    assert_eq!(world.counts(&job).await["written"], 8);
    world.hold().await;
}
