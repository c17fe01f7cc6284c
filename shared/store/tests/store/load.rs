//! Loading: one call, whatever the stream's length.

use std::sync::Arc;

use kernel::ids::StreamId;
use kernel::money::Money;
use orders::commands::{CancelOrder, Command as OrderCommand, Line, ShipOrder, SubmitOrder};
use proptest::prelude::*;
use serde_json::json;
use store::event_store::Commit;
use store::{Loaded, StoreError};
use testkit::TABLES;

use crate::probe::{self, Command, Inflate, Write};
use crate::world::{World, aggregate_id, command, decided, run, state, stream};

async fn lines(world: &World, stream: &StreamId, mut loaded: Loaded, commits: usize) -> Loaded {
    for _ in 0..commits {
        let id = format!("{}-{}", stream.aggregate, loaded.commit_number);
        loaded = world.append(stream, &loaded, &id, Command::from(Write { lines: 10, letters: 12 })).await;
    }
    loaded
}

fn assert_same(found: &Loaded, expected: &Loaded) {
    assert_eq!(state(&found.aggregate), state(&expected.aggregate));
    assert_eq!(
        (found.version, found.commit_number, found.committed_at),
        (expected.version, expected.commit_number, expected.committed_at)
    );
}

#[tokio::test]
async fn a_stream_of_ten_thousand_events_loads_like_one_of_ten() {
    let world = World::of(probe::context::<1>());
    let mut bytes = Vec::new();
    for (name, commits) in [("short", 1), ("long", 1_000)] {
        let stream = stream(name);
        let expected = lines(&world, &stream, world.load(&stream).await, commits).await;
        assert_eq!(expected.version, commits as u64 * 10);
        world.aws.forget_calls();

        assert_same(&world.load(&stream).await, &expected);

        let calls = world.aws.calls();
        assert_eq!(calls.len(), 1, "{commits} commits\n{calls}");
        bytes.push(calls[0].response_bytes);
    }
    let [short, long] = bytes[..] else { panic!("two streams") };
    assert!(short.abs_diff(long) * 20 <= short, "{short} bytes for 10 events, {long} for 10,000");
}

#[test]
fn a_commit_whose_versions_go_on_behind_the_last_one_is_corrupt() {
    let event = r#"{"type":"OrderCancelled","schema":1,"data":{},"operation":"o","correlation":"c"}"#;
    let versions = |first_version: u64, events: usize| -> Result<Vec<u64>, StoreError> {
        let item = json!({
            "stream_id": "acme/orders/O-1", "commit_number": 1, "committed_at": 1, "first_version": first_version,
            "events": format!("[{}]", vec![event; events].join(",")),
        });
        let commit = Commit::from_stream_image(serde_dynamo::to_item(item).expect("an item")).expect("a commit");
        Ok(commit.events()?.iter().map(|event| event.version).collect())
    };
    assert_eq!(versions(7, 2).expect("two events"), [7, 8]);
    assert_eq!(versions(u64::MAX - 1, 1).expect("an event"), [u64::MAX - 1]);
    assert!(versions(u64::MAX, 0).expect("none").is_empty());
    for (first_version, events) in [(u64::MAX, 1), (u64::MAX - 1, 2)] {
        let corrupt = versions(first_version, events).expect_err("no versions");
        assert!(matches!(corrupt, StoreError::Corrupt { what: "commit", .. }), "{corrupt:?}");
    }
}

#[tokio::test]
async fn a_stream_that_nobody_wrote_to_is_empty() {
    let world = World::of(probe::context::<1>());
    let loaded = world.load(&stream("nothing")).await;
    assert_eq!((loaded.version, loaded.commit_number, loaded.committed_at.millis()), (0, 0, 0));
}

#[tokio::test]
async fn a_heavy_state_is_in_every_thirty_second_commit_and_loads_from_there() {
    let world = World::of(probe::context::<1>());
    let stream = stream("heavy");
    let empty = world.load(&stream).await;
    let mut expected = world.append(&stream, &empty, "grow", Command::from(Inflate { bytes: 20_000 })).await;
    for _ in 1..100 {
        expected = lines(&world, &stream, expected, 1).await;
        world.aws.forget_calls();
        assert_same(&world.load(&stream).await, &expected);
        let calls = world.aws.calls();
        assert!(calls.len() <= 2, "at commit {}\n{calls}", expected.commit_number);
    }
    let commits = world.aws.items(TABLES.events);
    let with_snapshot: Vec<_> =
        commits.iter().filter(|commit| !commit["snapshot"].is_null()).map(|commit| &commit["commit_number"]).collect();
    assert_eq!(with_snapshot, [32, 64, 96]);
}

#[tokio::test]
async fn a_heavy_state_of_heavy_commits_loads_from_several_pages() {
    let world = World::of(probe::context::<1>());
    let stream = stream("heavier");
    let empty = world.load(&stream).await;
    let mut expected = world.append(&stream, &empty, "grow", Command::from(Inflate { bytes: 20_000 })).await;
    for number in 0..62 {
        let write = Command::from(Write { lines: 1, letters: 100_000 });
        expected = world.append(&stream, &expected, &number.to_string(), write).await;
    }
    world.aws.forget_calls();
    assert_same(&world.load(&stream).await, &expected);
    let calls = world.aws.calls();
    assert!((3..=6).contains(&calls.len()), "back to commit 32, a megabyte a page\n{calls}");
}

#[tokio::test]
async fn snapshots_of_another_layout_are_passed_over() {
    let old = World::of(probe::context::<1>());
    let stream = stream("migrated");
    let expected = lines(&old, &stream, old.load(&stream).await, 70).await;
    let new = World::on(old.aws.clone(), probe::context::<2>());

    new.aws.forget_calls();
    let loaded = new.load(&stream).await;
    assert_same(&loaded, &expected);
    assert!(new.aws.calls().len() <= 4, "70 commits, 32 a page\n{}", new.aws.calls());

    let expected = lines(&new, &stream, loaded, 1).await;
    new.aws.forget_calls();
    assert_same(&new.load(&stream).await, &expected);
    assert_eq!(new.aws.calls().len(), 1, "the first commit of the new build helps\n{}", new.aws.calls());
    assert_same(&old.load(&stream).await, &expected);
}

#[tokio::test]
async fn an_event_that_this_build_cannot_read_is_not_passed_over() {
    let other = World::of(orders::CONTEXT);
    let stream = stream("foreign");
    let command = command(&stream, "1", &OrderCommand::from(submit("C-1", 1)));
    let empty = other.load(&stream).await;
    other.commit(&stream, &empty, &[decided(&empty.aggregate, &command)]).await.expect("a commit");

    let world = World::on(other.aws, probe::context::<2>());
    match world.events.load(world.aggregate_type(&stream), &stream).await {
        Err(StoreError::Corrupt { what: "domain event", .. }) => {}
        other => panic!("corrupt, not {:?}", other.map(|loaded| loaded.version)),
    }
}

fn submit(customer: &str, amount: i64) -> SubmitOrder {
    let unit_price = Money { amount, currency: "EUR".to_owned() };
    let line = Line { sku: "TEA".to_owned(), quantity: 1.try_into().expect("not zero"), unit_price };
    SubmitOrder { customer: aggregate_id(customer), lines: vec![line], on_account: true, pay_within_seconds: None }
}

fn order_commands() -> impl Strategy<Value = OrderCommand> {
    prop_oneof![
        ("[a-z]{1,8}", 0..1000_i64).prop_map(|(customer, amount)| submit(&customer, amount).into()),
        prop::option::of("[a-z]{1,8}").prop_map(|reason| CancelOrder { reason }.into()),
        "[0-9]{1,8}".prop_map(|tracking_number| ShipOrder { carrier: None, tracking_number }.into()),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn a_snapshot_says_what_the_events_say(commands in prop::collection::vec(order_commands(), 1..12)) {
        run(async {
            let world = World::of(orders::CONTEXT);
            let stream = stream("O-1");
            for (number, payload) in commands.iter().enumerate() {
                let loaded = world.load(&stream).await;
                let command = command(&stream, &number.to_string(), payload);
                if loaded.aggregate.decide(&command).is_ok() {
                    let entry = decided(&loaded.aggregate, &command);
                    world.commit(&stream, &loaded, &[entry]).await.expect("a commit");
                }
            }
            let mut folded = world.aggregate_type(&stream).empty();
            let events = world.streams.after(&stream, 0).await.expect("events");
            for recorded in &events {
                folded.evolve(&recorded.event).expect("an event of ours");
            }
            let loaded = world.load(&stream).await;
            assert_eq!(state(&loaded.aggregate), state(&Arc::from(folded)), "{commands:?}");
            assert_eq!(loaded.version, events.len() as u64);
        });
    }
}
