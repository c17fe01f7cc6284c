//! DynamoDB's limits: the builder says no before DynamoDB would, and whatever it takes DynamoDB takes too.

use kernel::counter::Counter;
use kernel::decider::{Guard, Rejection};
use proptest::prelude::*;
use serde_json::Value;
use store::operations::OperationRecord;
use store::{CommitBuilder, CommitError, Entry, TooLarge};
use testkit::TABLES;

use crate::probe::{self, Command, Inflate, Write};
use crate::world::{World, command, decided, entry, parked, run, state, stream};

fn world() -> World {
    World::of(probe::context::<1>())
}

fn counters(from: usize, count: usize) -> Vec<Guard> {
    let counter = |number: usize| Guard::Adjust {
        counter: Counter { context: "probe", name: number.to_string() },
        by: 1,
        at_least: None,
        otherwise: Rejection::new("never", ""),
    };
    (from..from + count).map(counter).collect()
}

fn with_problem(id: &str, bytes: usize) -> Entry {
    let mut entry = entry(id);
    entry.operation.problem = Some("p".repeat(bytes));
    entry
}

/// What an item may weigh: DynamoDB's bound, with room left for what the estimate leaves out.
const ITEM: usize = 396 * 1024;

/// What DynamoDB counts of an item: names and texts, 21 bytes for a number, for a map three and one for each member.
fn weight(item: &Value) -> usize {
    let value = |value: &Value| match value {
        Value::String(text) => text.len(),
        Value::Number(_) => 21,
        Value::Object(members) => 3 + members.len() + weight(value),
        other => panic!("no item of ours has {other}"),
    };
    item.as_object().expect("an item").iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

/// What the operation record of an entry without events weighs, with the number of its commit: none.
fn record_weight(entry: &Entry) -> usize {
    let record = OperationRecord { commit_number: Some(0), ..entry.operation.clone() };
    weight(&serde_json::to_value(&record).expect("JSON"))
}

/// What a message of [`parked`] counts beside its own bytes: its error, and room for the rest.
const PARKED: usize = "for the test".len() + 12 * 1024;

/// Adds entries until one does not fit; gives how many did.
fn fill(commit: &mut CommitBuilder, mut entry: impl FnMut(usize) -> Entry) -> usize {
    let too_many = 1_000;
    (0..too_many).take_while(|number| commit.add(&entry(*number)).is_ok()).count()
}

#[tokio::test]
async fn a_transaction_has_a_hundred_actions_at_most() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    assert_eq!(fill(&mut commit, |number| entry(&number.to_string())), 99, "and the stream's own");
    world.events.commit(commit, world.now).await.expect("a full transaction");
    assert_eq!(world.aws.items(TABLES.operations).len(), 99);

    let mut commit = world.events.begin(&stream, &base);
    let guarded = |id: &str, from, count| Entry { guards: counters(from, count), ..entry(id) };
    commit.add(&guarded("a", 0, 60)).expect("61 actions");
    assert_eq!(commit.add(&guarded("b", 60, 38)), Err(TooLarge), "39 more");
    commit.add(&guarded("c", 60, 37)).expect("38 more");
    world.events.commit(commit, world.now).await.expect("a full transaction");
    assert_eq!(world.aws.items(TABLES.guards).len(), 97);
}

#[tokio::test]
async fn the_events_of_a_commit_fit_one_item() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let write = Command::from(Write { lines: 1, letters: 10_000 });
    let mut aggregate = base.aggregate.clone();
    let mut commit = world.events.begin(&stream, &base);
    let taken = fill(&mut commit, |number| {
        let entry = decided(&aggregate, &command(&stream, &number.to_string(), &write));
        aggregate = entry.next.clone().expect("an aggregate");
        entry
    });
    assert!((35..40).contains(&taken), "{taken} events of 10 kB");
    assert_eq!(commit.version(), taken as u64);
    let head = world.events.commit(commit, world.now).await.expect("an item that DynamoDB takes");
    assert_eq!((head.commit_number, head.version), (1, taken as u64));
}

#[tokio::test]
async fn a_transaction_weighs_four_megabytes_at_most() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    let taken = fill(&mut commit, |number| with_problem(&number.to_string(), 300_000));
    assert!((11..14).contains(&taken), "{taken} records of 300 kB");
    let lines = decided(&base.aggregate, &command(&stream, "lines", &Command::from(Write { lines: 3, letters: 1 })));
    commit.add(&lines).expect("room for a few events is kept");
    world.events.commit(commit, world.now).await.expect("a transaction that DynamoDB takes");
}

#[tokio::test]
async fn an_item_is_taken_up_to_its_bound_to_the_byte() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let parked_whole = |bytes: usize| Entry { parked: Some(parked("p", "m".repeat(bytes))), ..entry("parked") };
    let events = |id: &str, lines, letters| {
        decided(&base.aggregate, &command(&stream, id, &Command::from(Write { lines, letters })))
    };
    let events_bytes = |entry: &Entry| -> usize {
        // A comma behind each.
        entry.events.iter().map(|event| serde_json::to_string(event).expect("JSON").len() + 1).sum()
    };
    let before = events("before", 2, 100_000);
    let record = ITEM - record_weight(&with_problem("a", 0));
    let message = ITEM - PARKED;
    let letters = ITEM - 512 - events_bytes(&before) - events_bytes(&events("events", 1, 0));
    for (what, before, fits, too_large) in [
        ("a record", vec![], with_problem("a", record), with_problem("a", record + 1)),
        ("a parked message", vec![], parked_whole(message), parked_whole(message + 1)),
        ("events", vec![before], events("events", 1, letters), events("events", 1, letters + 1)),
    ] {
        let mut commit = world.events.begin(&stream, &base);
        for entry in &before {
            commit.add(entry).unwrap_or_else(|error| panic!("{what}: {error}"));
        }
        assert_eq!(commit.add(&too_large), Err(TooLarge), "{what}");
        assert_eq!(commit.add(&fits), Ok(()), "{what}");
        assert_eq!((commit.is_empty(), commit.len()), (false, before.len() + 1), "{what}");
        world.events.commit(commit, world.now).await.unwrap_or_else(|error| panic!("{what}: {error:?}"));
    }
}

/// Records, guards and parked messages count, and room is kept for a commit of the largest size.
#[tokio::test]
async fn a_transaction_is_taken_up_to_its_bound_to_the_byte() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    let mut room = 4 * 1024 * 1024 - 64 * 1024 - ITEM;
    for number in 0..9 {
        let record = with_problem(&number.to_string(), 380_000);
        commit.add(&record).expect("a record that fits");
        room -= record_weight(&record);
    }
    let last = |bytes| Entry {
        guards: counters(0, 3),
        parked: Some(parked("p", "m".repeat(100_000))),
        ..with_problem("last", bytes)
    };
    let guards = 3 * (1024 + "acme#probe#counter#0".len());
    let bytes = room - record_weight(&last(0)) - guards - (100_000 + PARKED);
    assert_eq!(commit.add(&last(bytes + 1)), Err(TooLarge));
    assert_eq!(commit.add(&last(bytes)), Ok(()));
    world.events.commit(commit, world.now).await.expect("a transaction that DynamoDB takes");
}

#[tokio::test]
async fn what_does_not_fit_an_item_fits_no_transaction() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    let parked_whole = |bytes: usize| Entry { parked: Some(parked("p", "m".repeat(bytes))), ..entry("parked") };
    let events = decided(&base.aggregate, &command(&stream, "a", &Command::from(Write { lines: 41, letters: 10_000 })));
    for too_large in [with_problem("a", 410_000), parked_whole(410_000), events] {
        assert_eq!(commit.add(&too_large), Err(TooLarge));
    }
    assert!(commit.is_empty());
    commit.add(&parked_whole(256 * 1024)).expect("the largest message that ingest sends");
    world.events.commit(commit, world.now).await.expect("parked");
}

#[tokio::test]
async fn a_snapshot_that_does_not_fit_beside_its_events_is_left_out() {
    let world = world();
    let stream = stream("S-1");
    let empty = world.load(&stream).await;
    let light = world.append(&stream, &empty, "grow", Command::from(Inflate { bytes: 15_000 })).await;
    let full = world.append(&stream, &light, "fill", Command::from(Write { lines: 39, letters: 10_000 })).await;

    let commits = world.aws.items(TABLES.events);
    let with_snapshot: Vec<_> = commits.iter().map(|commit| !commit["snapshot"].is_null()).collect();
    assert_eq!(with_snapshot, [true, false]);
    let loaded = world.load(&stream).await;
    assert_eq!(state(&loaded.aggregate), state(&full.aggregate));
    assert_eq!(loaded.version, 40);
}

#[tokio::test]
async fn a_snapshot_goes_beside_its_events_as_long_as_both_fit_to_the_byte() {
    let world = world();
    // Each on a stream of its own; their names are of one length, so that the rest weighs the same.
    let commit = async |name: &str, letters: usize| {
        let stream = stream(name);
        let empty = world.load(&stream).await;
        let grow = Command::from(Inflate { bytes: 15_000 });
        let light = world.append(&stream, &empty, &format!("grow-{name}"), grow).await;
        let fill = Command::from(Write { lines: 1, letters });
        world.append(&stream, &light, &format!("fill-{name}"), fill).await;
        let commits = world.aws.items(TABLES.events);
        commits.into_iter().rfind(|commit| commit["stream_id"] == stream.to_string()).expect("a commit")
    };
    let sample = commit("S-0", 1).await;
    let snapshot = sample["snapshot"].as_str().expect("a snapshot").len();
    let without = weight(&sample) - ("snapshot".len() + snapshot) - ("snapshot_layout".len() + 21);
    let letters = 1 + ITEM - 64 - without - snapshot;
    for (name, letters, fits) in [("S-1", letters, true), ("S-2", letters + 1, false)] {
        let commit = commit(name, letters).await;
        let attributes = ["snapshot", "snapshot_layout"].map(|name| !commit[name].is_null());
        assert_eq!(attributes, [fits; 2], "{letters} letters beside {snapshot} bytes of state");
    }
}

#[tokio::test]
async fn an_aggregate_outgrows_its_commits_at_a_byte_over_a_quarter_of_a_megabyte() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let inflate = |bytes| decided(&base.aggregate, &command(&stream, "a", &Command::from(Inflate { bytes })));
    let bytes = 256 * 1024 - state(inflate(0).next.as_ref().expect("an aggregate")).len();

    let refused = world.commit(&stream, &base, &[inflate(bytes + 1)]).await;
    assert!(matches!(refused, Err(CommitError::AggregateTooLarge)), "{refused:?}");
    assert_eq!([TABLES.events, TABLES.operations].map(|table| world.aws.items(table).len()), [0, 0]);

    world.commit(&stream, &base, &[inflate(bytes)]).await.expect("the largest state");
    let loaded = world.load(&stream).await;
    assert_eq!((loaded.version, state(&loaded.aggregate).len()), (1, 256 * 1024));
}

#[tokio::test]
async fn what_only_dynamodb_knows_to_be_wrong_is_invalid() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let otherwise = Rejection::new("taken", "");
    let claim = Guard::Claim { name: "number", value: "9".repeat(3_000), otherwise };
    let refused = world.commit(&stream, &base, &[Entry { guards: vec![claim], ..entry("a") }]).await;
    assert!(matches!(refused, Err(CommitError::Invalid(_))), "a key of over 2 kB: {refused:?}");
}

#[derive(Debug, Clone)]
struct Load {
    problem: usize,
    parked: Option<usize>,
    lines: usize,
    letters: usize,
    guards: usize,
}

fn loads() -> impl Strategy<Value = Load> {
    let letters = prop_oneof![9 => 0..200_usize, 1 => 0..20_000_usize];
    let size = || prop_oneof![4 => 0..2_000_usize, 1 => 0..390_000_usize];
    (size(), prop::option::weighted(0.2, size()), 0..20_usize, letters, 0..12_usize)
        .prop_map(|(problem, parked, lines, letters, guards)| Load { problem, parked, lines, letters, guards })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn whatever_the_builder_takes_dynamodb_takes(loads in prop::collection::vec(loads(), 1..60)) {
        run(async {
            let world = world();
            let stream = stream("S-1");
            let base = world.load(&stream).await;
            let mut aggregate = base.aggregate.clone();
            let mut commit = world.events.begin(&stream, &base);
            for (number, load) in loads.iter().enumerate() {
                let write = Command::from(Write { lines: load.lines, letters: load.letters });
                let mut entry = decided(&aggregate, &command(&stream, &number.to_string(), &write));
                entry.operation.problem = Some("p".repeat(load.problem));
                entry.parked = load.parked.map(|bytes| parked(&number.to_string(), "m".repeat(bytes)));
                entry.guards = counters(number * 100, load.guards);
                if commit.add(&entry).is_ok() {
                    aggregate = entry.next.expect("an aggregate");
                }
            }
            if !commit.is_empty() {
                world.events.commit(commit, world.now).await.unwrap_or_else(|error| panic!("{error:?} for {loads:?}"));
                assert_eq!(state(&world.load(&stream).await.aggregate), state(&aggregate));
            }
        });
    }
}
