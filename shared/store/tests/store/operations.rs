//! Operations: found by command, seen by who holds which receipt, and marked as retried.

use std::ops::RangeInclusive;
use std::time::Duration;

use kernel::operation::{LONGEST_WAY, Resource, Status};
use kernel::problem::Problem;
use store::operations::{OperationRecord, expires_too_soon};
use store::{Entry, StoreError};
use testkit::{Fault, TABLES};
use tokio::time::Instant;

use crate::probe::{self, Command, Write};
use crate::world::{World, command, entry, operation, stream, tenant};

const URL: &str = "https://api.example";

fn write(letters: usize) -> kernel::command::Command {
    command(&stream("S-1"), "a", &Command::from(Write { lines: 1, letters }))
}

fn record(command: &kernel::command::Command) -> OperationRecord {
    OperationRecord {
        operation_key: OperationRecord::key(&tenant("acme"), command.receipt.command_key),
        digest: command.receipt.digest.to_string(),
        resource: Some("/probes/S-1".to_owned()),
        version: Some(3),
        ..entry("a").operation
    }
}

#[tokio::test]
async fn a_record_is_found_by_its_own_tenant_as_it_was_written() {
    let world = World::of(probe::context::<1>());
    let command = write(1);
    let full = OperationRecord {
        outcome: Status::Rejected,
        problem: Some(Problem::not_found("it is gone").to_json()),
        expires_at: Some(1_800_000_000),
        ..record(&command)
    };
    world.record(full.clone()).await;

    let key = command.receipt.command_key;
    assert_eq!(world.operations.find(&tenant("acme"), key).await.expect("found"), Some(full));
    assert_eq!(world.operations.find(&tenant("globex"), key).await.expect("not found"), None);
    world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert!(world.operations.find(&tenant("acme"), key).await.is_err());
}

#[test]
fn a_success_links_what_it_changed_at_its_version() {
    let command = write(1);
    let seen = record(&command).seen_by(&command.receipt, URL);
    assert_eq!((seen.id, seen.status), (command.receipt.to_string(), Status::Succeeded));
    assert_eq!(seen.accepted_at, command.receipt.accepted_at);
    assert_eq!(seen.resource, Some(Resource { href: format!("{URL}/probes/S-1?version=3"), version: 3 }));
    assert!(seen.finished_at.is_some() && seen.error.is_none());
}

#[test]
fn what_is_not_final_has_not_finished() {
    let command = write(1);
    let problem = Some(Problem::parked("it waits for repair").to_json());
    let parked =
        OperationRecord { outcome: Status::Parked, resource: None, version: None, problem, ..record(&command) };
    let seen = parked.seen_by(&command.receipt, URL);
    assert_eq!((seen.status, seen.finished_at), (Status::Parked, None));
    assert_eq!(seen.error, Some(Problem::parked("it waits for repair")));
}

#[test]
fn a_receipt_of_other_content_reads_as_rejected_whatever_became_of_the_first() {
    let (first, second) = (write(1), write(2));
    assert_eq!(first.receipt.command_key, second.receipt.command_key, "the same id");
    for outcome in [Status::Succeeded, Status::Rejected, Status::Parked, Status::Retrying, Status::Discarded] {
        let seen = OperationRecord { outcome, ..record(&first) }.seen_by(&second.receipt, URL);
        assert_eq!((&seen.id, seen.status), (&second.receipt.to_string(), Status::Rejected), "{outcome:?}");
        assert_eq!(seen.error.map(|problem| problem.ty), Some(Problem::id_reused("").ty));
        assert_eq!((seen.ty, seen.subject, seen.resource), (None, None, None), "nothing of the first is told");
    }
}

#[test]
fn a_retried_command_says_how_often() {
    let command = write(1);
    let problem = Some(Problem::retrying("the store did not answer").to_json());
    let retrying = OperationRecord { outcome: Status::Retrying, attempt: Some(3), problem, ..record(&command) };
    let seen = retrying.seen_by(&command.receipt, URL);
    assert_eq!((seen.status, seen.attempt, seen.finished_at), (Status::Retrying, Some(3), None));
    assert_eq!(seen.error.map(|problem| problem.detail), Some("the store did not answer".to_owned()));
}

#[test]
fn a_discarded_command_has_finished() {
    let command = write(1);
    let problem = Some(Problem::discarded("ordered by mistake").to_json());
    let seen = OperationRecord { outcome: Status::Discarded, problem, ..record(&command) };
    let seen = seen.seen_by(&command.receipt, URL);
    assert!(seen.status == Status::Discarded && seen.finished_at.is_some(), "{seen:?}");
}

/// What is asked of a record that was read is what DynamoDB asks when the outcome is written.
#[tokio::test]
async fn a_command_may_be_carried_out_exactly_where_its_outcome_would_be_written() {
    let world = World::of(probe::context::<1>());
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    for outcome in [Status::Retrying, Status::Succeeded, Status::Rejected, Status::Parked, Status::Discarded] {
        for (same_content, same_revision) in [(true, true), (true, false), (false, true), (false, false)] {
            let id = format!("{}-{same_content}-{same_revision}", outcome.as_str());
            let command = command(&stream, &id, &Command::from(Write { lines: 1, letters: 1 }));
            let mut found = OperationRecord { outcome, ..operation(&command) };
            if !same_content {
                found.digest = "f".repeat(32);
            }
            found.revision = if same_revision { command.revision } else { command.revision + 1 };
            world.record(found.clone()).await;

            let is_open = outcome == Status::Retrying && same_content && same_revision;
            assert_eq!(found.is_open_to(&command), is_open, "{id}");
            let entry = Entry { operation: operation(&command), ..entry("unused") };
            let written = world.commit(&stream, &base, &[entry]).await;
            assert_eq!(written.is_ok(), is_open, "{id}: {written:?}");
        }
    }
}

/// Not of a command that may still come when the record has expired, nor of one so old that its own record has.
#[test]
fn a_record_tells_of_receipts_of_its_own_time() {
    let command = write(1);
    let receipt = command.receipt;
    let way_ends = receipt.accepted_at.plus(LONGEST_WAY);
    let too_late = way_ends.plus(Duration::from_millis(1));
    for (accepted_at, expires_at, tells) in [
        (Some(receipt.accepted_at), None, true),
        (Some(way_ends), None, true),
        (Some(too_late), None, false),
        (Some(way_ends), Some(way_ends.seconds()), true),
        (Some(receipt.accepted_at), Some(way_ends.seconds() - 1), false),
        (Some(too_late), Some(way_ends.seconds() + 1), false),
        (Some(too_late), Some(way_ends.seconds() - 1), false),
        (None, Some(0), true),
    ] {
        let found = OperationRecord { accepted_at, expires_at, ..record(&command) };
        assert_eq!(found.tells_of(&receipt), tells, "accepted at {accepted_at:?}, expires at {expires_at:?}");
    }
}

#[test]
fn a_day_more_is_not_worth_a_write() {
    const DAY: u64 = 86_400;
    for (expires_at, until, too_soon) in [
        (Some(1_000), 0, false),
        (Some(1_000), 1_000, false),
        (Some(1_000), 1_000 + DAY, false),
        (Some(1_000), 1_001 + DAY, true),
        (Some(1_000), u64::MAX, true),
        (Some(u64::MAX), u64::MAX, false),
        (None, u64::MAX, false),
    ] {
        assert_eq!(expires_too_soon(expires_at, until), too_soon, "{expires_at:?} until {until}");
    }
}

#[tokio::test]
async fn a_record_that_expires_is_kept_longer_never_shorter_and_no_other_is_touched() {
    for by_the_event_store in [false, true] {
        let world = World::of(probe::context::<1>());
        let keep = async |key: &str, until: u64| {
            if by_the_event_store {
                world.events.keep_operation(key, until).await
            } else {
                world.operations.keep(key, until).await
            }
        };
        let expiring = OperationRecord { expires_at: Some(1_000), ..entry("expiring").operation };
        let lasting = retried("lasting");
        for record in [&expiring, &lasting] {
            world.record(record.clone()).await;
        }
        for (until, expires_at) in [(999, 1_000), (1_000, 1_000), (1_001, 1_001), (1_000, 1_001)] {
            assert!(keep(&expiring.operation_key, until).await.expect("an answer"), "there is a record");
            assert_eq!(world.recorded(&expiring).expect("a record")["expires_at"], expires_at, "kept until {until}");
        }
        let before = world.aws.items(TABLES.operations);
        assert!(keep(&lasting.operation_key, 1_001).await.expect("an answer"), "there is a record");
        assert!(!keep("acme#nobody", 1_001).await.expect("an answer"), "there is none");
        assert_eq!(world.aws.items(TABLES.operations), before);

        world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
        let down = keep(&expiring.operation_key, 2_000).await;
        assert!(matches!(down, Err(StoreError::Unavailable { operation: "UpdateItem", .. })), "{down:?}");
    }
}

/// The record of a command that is retried.
fn retried(id: &str) -> OperationRecord {
    let command = command(&stream("S-1"), id, &Command::from(Write { lines: 1, letters: 1 }));
    OperationRecord { outcome: Status::Retrying, attempt: Some(1), ..operation(&command) }
}

fn keys(records: &[OperationRecord]) -> Vec<String> {
    let mut keys: Vec<_> = records.iter().map(|record| record.operation_key.clone()).collect();
    keys.sort();
    keys
}

/// Marks them, and gives the keys of those that are closed.
async fn mark(world: &World, records: Vec<OperationRecord>) -> Vec<String> {
    let mut closed: Vec<_> = world.operations.mark_retrying(records).await.expect("an answer").into_iter().collect();
    closed.sort();
    closed
}

#[tokio::test]
async fn records_are_found_a_hundred_at_a_time() {
    let world = World::of(probe::context::<1>());
    let records: Vec<_> = (0..150).map(|number| retried(&number.to_string())).collect();
    assert_eq!(mark(&world, records[..120].to_vec()).await, [] as [String; 0]);
    world.aws.forget_calls();

    // Each key twice, and some of commands that nobody has seen.
    let wanted = keys(&records).into_iter().chain(keys(&records));
    let found = world.operations.find_all(wanted).await.expect("an answer");

    assert_eq!((world.aws.count("BatchGetItem"), world.aws.calls().len()), (2, 2), "{}", world.aws.calls());
    assert_eq!(found.len(), 120);
    for record in &records[..120] {
        assert_eq!(found.get(&record.operation_key), Some(record));
    }
    assert!(world.operations.find_all([]).await.expect("nothing").is_empty());
    world.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert!(world.operations.find_all(keys(&records)).await.is_err());
}

/// What five pauses take together, in milliseconds: each is twice as long as the one before, and drawn from the longer
/// half of its time.
const FIVE_PAUSES: RangeInclusive<u128> = 620..=1_240;

/// How often they are looked at, for their lengths are drawn.
const OFTEN: usize = 20;

#[tokio::test(start_paused = true)]
async fn keys_that_are_left_are_asked_for_again_as_long_as_some_are_answered() {
    let world = World::of(probe::context::<1>());
    let records: Vec<_> = (0..10).map(|number| retried(&number.to_string())).collect();
    mark(&world, records.clone()).await;
    world.aws.forget_calls();
    let start = Instant::now();
    // One key a call.
    world.aws.inject(|_| Fault::FailEntries((1..100).collect()));

    let found = world.operations.find_all(keys(&records)).await.expect("an answer");

    assert_eq!((found.len(), world.aws.count("BatchGetItem")), (10, 10), "{}", world.aws.calls());
    let took = start.elapsed().as_millis();
    assert!((90..=180).contains(&took), "nine of the shortest pauses take no {took} ms");
}

#[tokio::test(start_paused = true)]
async fn keys_that_stay_unanswered_are_given_up_after_five_pauses_in_a_row() {
    for _ in 0..OFTEN {
        let world = World::of(probe::context::<1>());
        let records = ["a", "b"].map(retried);
        mark(&world, records.to_vec()).await;
        world.aws.forget_calls();
        let start = Instant::now();
        world.aws.inject(|attempt| Fault::FailEntries((usize::from(attempt.nth > 50)..100).collect()));

        let given_up = world.operations.find_all(keys(&records)).await;

        assert!(matches!(given_up, Err(StoreError::Unavailable { operation: "BatchGetItem", .. })), "{given_up:?}");
        assert_eq!(world.aws.calls().len(), 6, "{}", world.aws.calls());
        let took = start.elapsed().as_millis();
        assert!(FIVE_PAUSES.contains(&took), "{took} ms");
    }

    let world = World::of(probe::context::<1>());
    let records = ["a", "b"].map(retried);
    mark(&world, records.to_vec()).await;
    world.aws.inject(|attempt| Fault::FailEntries((usize::from(attempt.nth.is_multiple_of(6))..100).collect()));
    let found = world.operations.find_all(keys(&records)).await.expect("an answer to every sixth call");
    assert_eq!((found.len(), world.aws.count("BatchGetItem")), (2, 12), "{}", world.aws.calls());
}

#[tokio::test]
async fn a_command_is_marked_as_retried_while_it_is_open() {
    let world = World::of(probe::context::<1>());
    let first = retried("new");
    assert_eq!(mark(&world, vec![first.clone()]).await, [] as [String; 0]);
    let second = OperationRecord { attempt: Some(2), ..first.clone() };
    assert_eq!(mark(&world, vec![second.clone()]).await, [] as [String; 0]);
    assert_eq!(world.recorded(&first).expect("a record")["attempt"], 2);

    let of_other_content = OperationRecord { digest: "f".repeat(32), ..first.clone() };
    let overtaking = OperationRecord { revision: 1, ..first.clone() };
    for closed in [of_other_content, overtaking] {
        assert_eq!(mark(&world, vec![closed.clone()]).await, keys(&[closed]));
    }
    assert_eq!(world.recorded(&first).expect("a record")["attempt"], 2, "it stays as it was");
    for outcome in [Status::Succeeded, Status::Rejected, Status::Parked, Status::Discarded] {
        let over = OperationRecord { outcome, ..retried(outcome.as_str()) };
        world.record(over.clone()).await;
        let again = retried(outcome.as_str());
        assert_eq!(mark(&world, vec![again.clone()]).await, keys(std::slice::from_ref(&again)), "{outcome:?}");
        assert_eq!(world.recorded(&again).expect("a record")["outcome"], outcome.as_str());
    }
}

#[tokio::test]
async fn of_marks_of_one_command_the_last_counts() {
    let world = World::of(probe::context::<1>());
    let marks = [1, 2, 3].map(|attempt| OperationRecord { attempt: Some(attempt), ..retried("a") });
    assert_eq!(mark(&world, marks.to_vec()).await, [] as [String; 0]);
    assert_eq!(world.recorded(&marks[0]).expect("a record")["attempt"], 3);
    assert_eq!(world.aws.count("TransactWriteItems"), 1);
}

#[tokio::test]
async fn marks_take_one_call_for_fifty_and_one_more_where_some_are_closed() {
    let world = World::of(probe::context::<1>());
    let records: Vec<_> = (0..120).map(|number| retried(&number.to_string())).collect();
    for over in [3, 77] {
        world.record(OperationRecord { outcome: Status::Succeeded, ..records[over].clone() }).await;
    }
    world.aws.forget_calls();

    let closed = mark(&world, records.clone()).await;

    assert_eq!(closed, keys(&[records[3].clone(), records[77].clone()]));
    let marked = world.aws.items(TABLES.operations).iter().filter(|record| record["outcome"] == "retrying").count();
    assert_eq!(marked, 118);
    // The chunks are of keys in order, so the two may be in one of them or in two.
    let calls = world.aws.calls().len();
    assert!((4..=5).contains(&calls), "three, and one more for each chunk with one at fault\n{}", world.aws.calls());

    world.aws.forget_calls();
    assert_eq!(mark(&world, records[..50].to_vec()).await, keys(&records[3..4]));
    assert_eq!(world.aws.calls().len(), 2, "one at fault among fifty\n{}", world.aws.calls());
    assert_eq!(mark(&world, Vec::new()).await, [] as [String; 0]);
}

#[tokio::test(start_paused = true)]
async fn marks_outlast_what_passes_and_say_when_it_does_not() {
    let world = World::of(probe::context::<1>());
    let over = OperationRecord { outcome: Status::Succeeded, ..retried("over") };
    world.record(over.clone()).await;
    let records = vec![retried("a"), retried("over"), retried("b")];
    let mut faults = vec![Fault::TransactionConflict { item: 0 }, Fault::LoseAnswer, Fault::Throttle];
    // As often as the SDK asks by itself.
    faults.extend([(); 3].map(|()| Fault::refuse(400, "TransactionInProgressException")));
    world.aws.inject(move |_| faults.pop().unwrap_or(Fault::None));
    assert_eq!(mark(&world, records.clone()).await, keys(&[over]));

    for fault in [|| Fault::TransactionConflict { item: 0 }, || Fault::LoseAnswer, || Fault::Hang] {
        world.aws.inject(move |_| fault());
        world.operations.mark_retrying(records.clone()).await.expect_err("no answer");
    }
}

#[tokio::test(start_paused = true)]
async fn marks_that_others_are_at_are_given_up_after_five_pauses() {
    for conflicts in [5, 6].into_iter().cycle().take(OFTEN) {
        let world = World::of(probe::context::<1>());
        let start = Instant::now();
        world.aws.inject(
            move |attempt| {
                if attempt.nth <= conflicts { Fault::TransactionConflict { item: 0 } } else { Fault::None }
            },
        );

        let marked = world.operations.mark_retrying(vec![retried("a")]).await;

        assert_eq!(marked.is_ok(), conflicts == 5, "{conflicts} conflicts: {marked:?}");
        assert_eq!(world.aws.calls().len(), 6, "{}", world.aws.calls());
        let took = start.elapsed().as_millis();
        assert!(FIVE_PAUSES.contains(&took), "{took} ms");
    }
}
