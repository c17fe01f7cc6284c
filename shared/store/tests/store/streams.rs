//! Reading streams without knowing what they mean.

use std::time::Duration;

use kernel::domain_event::RecordedEvent;
use proptest::prelude::*;
use serde_json::{Value, json};
use store::StoreError;
use store::stream_positions::{CommitReference, Positions, PositionsError};
use testkit::{Attempt, Aws, Fault, TABLES};

use crate::probe::{self, Command, Write};
use crate::world::{World, run, stream};

/// A world with a stream `S-1` of commits with so many events each.
async fn world_with(commits: impl IntoIterator<Item = usize>, letters: usize) -> World {
    let world = World::of(probe::context::<1>());
    let stream = stream("S-1");
    let mut loaded = world.load(&stream).await;
    for (number, lines) in commits.into_iter().enumerate() {
        let write = Command::from(Write { lines, letters });
        loaded = world.append(&stream, &loaded, &number.to_string(), write).await;
    }
    world
}

fn versions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.version).collect()
}

#[tokio::test]
async fn all_that_is_missing_is_read_and_no_more() {
    let world = world_with([3, 1, 4], 1).await;
    for (version, missing) in [(0, 1..=8), (2, 3..=8), (3, 4..=8), (6, 7..=8), (7, 8..=8)] {
        let events = world.streams.after(&stream("S-1"), version).await.expect("events");
        assert_eq!(versions(&events), missing.collect::<Vec<_>>(), "after {version}");
    }
    for up_to_date in [8, 9] {
        let events = world.streams.after(&stream("S-1"), up_to_date).await.expect("events");
        assert!(events.is_empty(), "after {up_to_date}: {:?}", versions(&events));
    }
    assert!(world.streams.after(&stream("nobody"), 0).await.expect("nothing").is_empty());
}

#[tokio::test]
async fn thirty_two_commits_back_cost_one_call_however_long_the_stream() {
    let world = world_with([1; 100], 1).await;
    for (version, calls) in [(100, 1), (90, 1), (68, 1), (67, 2), (36, 2), (35, 3)] {
        world.aws.forget_calls();
        let events = world.streams.after(&stream("S-1"), version).await.expect("events");
        assert_eq!(versions(&events), (version + 1..=100).collect::<Vec<_>>());
        assert_eq!(world.aws.calls().len(), calls, "after {version}\n{}", world.aws.calls());
    }
}

#[tokio::test]
async fn a_commit_is_found_by_its_reference_without_its_snapshot() {
    let world = world_with([3, 1], 1).await;
    let reference = |id: &str, commit_number| CommitReference { stream_id: stream(id).to_string(), commit_number };
    for (number, expected) in [(1, vec![1, 2, 3]), (2, vec![4])] {
        let found = world.streams.find(&reference("S-1", number)).await.expect("an answer").expect("a commit");
        assert_eq!((found.stream_id.as_str(), found.commit_number), ("acme/probe/S-1", number));
        assert_eq!((found.first_version, found.committed_at()), (expected[0], world.now));
        assert_eq!(versions(&found.events().expect("events")), expected);
        assert!(format!("{found:?}").contains("snapshot: None, snapshot_layout: None"), "{found:?}");
    }
    for nowhere in [reference("S-1", 0), reference("S-1", 3), reference("nobody", 1)] {
        let found = world.streams.find(&nowhere).await.expect("an answer");
        assert!(found.is_none(), "{nowhere:?}: {found:?}");
    }
    world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    let down = world.streams.find(&reference("S-1", 1)).await;
    assert!(matches!(down, Err(StoreError::Unavailable { operation: "GetItem", .. })), "{down:?}");
}

/// Puts commits into the table past the store, with nothing but their keys.
fn put(aws: &Aws, numbers: impl IntoIterator<Item = u64>) {
    for commit_number in numbers {
        aws.insert(TABLES.events, &json!({ "stream_id": "acme/probe/S-1", "commit_number": commit_number }));
    }
}

/// Where all that stands in the table's stream which was written since the last look, and the number of each record.
fn written(aws: &Aws) -> (Positions, Vec<String>) {
    let batch = aws.stream_event(TABLES.events);
    let positions = aws.on_failure_record(&batch)["DDBStreamBatchInfo"].take();
    let number = |record: &Value| record["dynamodb"]["SequenceNumber"].as_str().expect("a number").to_owned();
    let numbers = batch["Records"].as_array().expect("records").iter().map(number).collect();
    (serde_json::from_value(positions).expect("positions"), numbers)
}

/// Makes the stream's pages end after so many records, by the number of the call.
fn pages(aws: &Aws, records: impl Fn(usize) -> usize + Send + 'static) {
    let limited = move |attempt: &Attempt<'_>| {
        let mut body: Value = serde_json::from_str(attempt.body).expect("JSON");
        body["Limit"] = json!(records(attempt.nth));
        body.to_string()
    };
    aws.rewrite(move |attempt| (attempt.operation == "GetRecords").then(|| limited(attempt)));
}

/// The numbers of the commits at these positions, and where to go on.
async fn read(world: &World, positions: &Positions) -> (Vec<u64>, Option<Positions>) {
    let found = world.positions.read(positions).await.unwrap_or_else(|error| panic!("{positions:?}: {error:?}"));
    let number = |commit: CommitReference| {
        assert_eq!(commit.stream_id, "acme/probe/S-1");
        commit.commit_number
    };
    (found.commits.into_iter().map(number).collect(), found.rest)
}

#[tokio::test]
async fn the_new_commits_between_two_positions_are_found_whatever_the_page() {
    let world = World::of(probe::context::<1>());
    put(&world.aws, 1..=5);
    let changed = json!({ "stream_id": "acme/probe/S-1", "commit_number": 3, "changed": true });
    // The second time it is no change, so that its position has no record.
    world.aws.insert(TABLES.events, &changed);
    world.aws.insert(TABLES.events, &changed);
    put(&world.aws, [6]);
    let (whole, numbers) = written(&world.aws);
    assert_eq!(numbers.len(), 7, "{numbers:?}");
    let between = |start: usize, end: &str| Positions {
        start_sequence_number: numbers[start].clone(),
        end_sequence_number: end.to_owned(),
        ..whole.clone()
    };
    let without_a_record = (numbers[5].parse::<u128>().expect("a number") + 1).to_string();
    for page in [1_000, 1, 2, 3] {
        pages(&world.aws, move |_| page);
        for (positions, expected) in [
            (whole.clone(), vec![1, 2, 3, 4, 5, 6]),
            (between(0, &numbers[4]), vec![1, 2, 3, 4, 5]),
            (between(1, &numbers[3]), vec![2, 3, 4]),
            (between(2, &numbers[2]), vec![3]),
            (between(5, &numbers[5]), vec![]),
            (between(4, &without_a_record), vec![5]),
        ] {
            world.aws.forget_calls();
            assert_eq!(read(&world, &positions).await, (expected, None), "{page} a page of {positions:?}");
            let calls = world.aws.calls();
            assert!(page < 1_000 || calls.len() == 2, "one page\n{calls}");
        }
    }
}

/// It ends with the first page that makes them a thousand or more, and the rest begins with the last record.
#[tokio::test]
async fn a_look_ends_at_a_thousand_records_and_the_next_one_goes_on() {
    let world = World::of(probe::context::<1>());
    put(&world.aws, 1..=1_300);
    let (whole, numbers) = written(&world.aws);
    for (page, first) in [(1_000, 1_000), (400, 1_200)] {
        pages(&world.aws, move |_| page);
        let rest = Positions { start_sequence_number: numbers[first - 1].clone(), ..whole.clone() };
        let (found, more) = read(&world, &whole).await;
        assert_eq!((found, more.as_ref()), ((1..=first as u64).collect(), Some(&rest)), "{page} a page");
        assert_eq!(read(&world, &rest).await, ((first as u64..=1_300).collect(), None), "{page} a page");
    }
    pages(&world.aws, |_| 999);
    assert_eq!(read(&world, &whole).await, ((1..=1_300).collect(), None), "one is missing, so another page is read");
}

#[tokio::test]
async fn twenty_empty_pages_are_passed_over_and_with_one_more_the_stretch_counts_as_forgotten() {
    for (empty, calls) in [(1, 2), (20, 21), (21, 21), (50, 21)] {
        let world = World::of(probe::context::<1>());
        put(&world.aws, 1..=2);
        let (whole, _) = written(&world.aws);
        pages(&world.aws, move |nth| if nth <= empty { 0 } else { 1_000 });
        if empty <= 20 {
            assert_eq!(read(&world, &whole).await, (vec![1, 2], None), "{empty} empty pages");
        } else {
            let found = world.positions.read(&whole).await;
            assert!(matches!(found, Err(PositionsError::Forgotten { source: None })), "{empty} empty pages: {found:?}");
        }
        assert_eq!(world.aws.count("GetRecords"), calls, "{empty} empty pages");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_has_forgotten_and_one_that_does_not_answer_are_told_apart() {
    let world = World::of(probe::context::<1>());
    put(&world.aws, 1..=2);
    let (whole, _) = written(&world.aws);
    let forgotten = async |what: &str, positions: &Positions| {
        let found = world.positions.read(positions).await;
        assert!(matches!(found, Err(PositionsError::Forgotten { source: Some(_) })), "{what}: {found:?}");
    };
    let fail = |operation: &'static str, status: u16, code: &'static str| {
        world.aws.inject(
            move |attempt| {
                if attempt.operation == operation { Fault::refuse(status, code) } else { Fault::None }
            },
        );
    };
    for operation in ["GetShardIterator", "GetRecords"] {
        for code in ["TrimmedDataAccessException", "ResourceNotFoundException"] {
            fail(operation, 400, code);
            forgotten(code, &whole).await;
        }
        for (status, code) in [(500, "InternalServerError"), (400, "ExpiredIteratorException")] {
            fail(operation, status, code);
            match world.positions.read(&whole).await {
                Err(PositionsError::Store(StoreError::Unavailable { operation: found, .. })) => {
                    assert_eq!(found, operation, "{code}");
                }
                other => panic!("{operation} did not answer, not {other:?}"),
            }
        }
    }
    world.aws.heal();
    forgotten("another shard", &Positions { shard_id: "another".to_owned(), ..whole.clone() }).await;
    assert_eq!(read(&world, &whole).await, (vec![1, 2], None));
    tokio::time::advance(Duration::from_hours(25)).await;
    forgotten("after a day", &whole).await;
}

#[tokio::test]
async fn more_than_a_megabyte_takes_several_pages() {
    let world = world_with([1; 30], 100_000).await;
    world.aws.forget_calls();
    let events = world.streams.after(&stream("S-1"), 1).await.expect("events");
    assert_eq!(versions(&events), (2..=30).collect::<Vec<_>>());
    assert!(events.iter().all(|event| event.event.data.get().len() > 100_000), "whole");
    assert!((3..=4).contains(&world.aws.calls().len()), "{}", world.aws.calls());
}

#[tokio::test]
async fn a_page_of_history_ends_at_a_megabyte_and_the_next_one_goes_on() {
    let world = world_with([1; 30], 100_000).await;
    let (mut found, mut after) = (Vec::new(), Some(0));
    while let Some(commit) = after {
        let (events, next) = world.streams.history(&stream("S-1"), commit, 100).await.expect("a page");
        assert!(next.is_none_or(|next| next > commit), "{next:?} after {commit}");
        found.extend(versions(&events));
        after = next;
    }
    assert_eq!(found, (1..=30).collect::<Vec<_>>());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn history_shows_every_event_once_whatever_the_page(
        commits in prop::collection::vec(1..4_usize, 0..12),
        page in 1..15_i32,
    ) {
        run(async {
            let world = world_with(commits.iter().copied(), 1).await;
            let (mut found, mut after) = (Vec::new(), Some(0));
            while let Some(commit) = after {
                let (events, next) = world.streams.history(&stream("S-1"), commit, page).await.expect("a page");
                found.extend(versions(&events));
                after = next;
            }
            assert_eq!(found, (1..=commits.iter().sum::<usize>() as u64).collect::<Vec<_>>(), "{page} of {commits:?}");
        });
    }
}
