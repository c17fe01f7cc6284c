//! Commits: everything or nothing, and a "no" that says whose fault it was.

use std::time::Duration;

use kernel::operation::Status;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use store::operations::OperationRecord;
use store::{CommitError, Entry, Refusal};
use testkit::{Fault, TABLES};

use crate::probe::{self, Command, Write};
use crate::world::{World, command, decided, entry, parked, stream};

fn world() -> World {
    World::of(probe::context::<1>())
}

fn write() -> Command {
    Write { lines: 2, letters: 1 }.into()
}

fn numbers(world: &World) -> Vec<(u64, u64)> {
    let number = |value: &Value| value.as_u64().expect("a number");
    let commits = world.aws.items(TABLES.events);
    commits.iter().map(|commit| (number(&commit["commit_number"]), number(&commit["first_version"]))).collect()
}

#[tokio::test]
async fn commits_and_events_are_numbered_without_gaps() {
    let world = world();
    let stream = stream("S-1");
    for id in ["a", "b", "c"] {
        let loaded = world.load(&stream).await;
        world.append(&stream, &loaded, id, write()).await;
    }
    assert_eq!(numbers(&world), [(1, 1), (2, 3), (3, 5)]);
    let loaded = world.load(&stream).await;
    assert_eq!((loaded.commit_number, loaded.version), (3, 6));
}

#[tokio::test]
async fn whoever_comes_second_to_the_same_commit_is_told_that_the_stream_moved() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    world.append(&stream, &base, "first", write()).await;

    for late in [decided(&base.aggregate, &command(&stream, "late", &write())), entry("late")] {
        match world.commit(&stream, &base, std::slice::from_ref(&late)).await {
            Err(CommitError::Refused { stream_moved: true, entries }) => assert!(entries.is_empty(), "{entries:?}"),
            other => panic!("the stream moved, not {other:?}"),
        }
        assert_eq!(world.recorded(&late.operation), None, "nothing of it happened");
    }
    assert_eq!(numbers(&world), [(1, 1)]);
}

#[tokio::test]
async fn what_was_not_decided_does_not_care_where_the_stream_is() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    world.append(&stream, &base, "first", write()).await;

    let parked = Entry { parked: Some(parked("p-1", "{}".to_owned())), decided: false, ..entry("unreadable") };
    let head = world.commit(&stream, &base, &[parked]).await.expect("parked");

    assert_eq!(head.commit_number, 0, "nothing was appended to the base");
    assert_eq!(world.aws.items(TABLES.parked).len(), 1);
}

#[tokio::test]
async fn an_outcome_once_final_stays() {
    for outcome in [Status::Succeeded, Status::Rejected, Status::Discarded] {
        let world = world();
        let stream = stream("S-1");
        let first = OperationRecord { outcome, subject: "first".to_owned(), ..entry("a").operation };
        world.record(first.clone()).await;
        let of_other_content = OperationRecord { digest: "f".repeat(32), ..first.clone() };

        for (again, same_content) in [(first.clone(), true), (of_other_content, false)] {
            let base = world.load(&stream).await;
            let neighbour = decided(&base.aggregate, &command(&stream, "neighbour", &write()));
            let again = Entry { operation: again, ..entry("a") };
            let refused = world.commit(&stream, &base, &[neighbour, again]).await;
            match refused {
                Err(CommitError::Refused { stream_moved: false, entries }) => match entries[..] {
                    [(1, Refusal::Duplicate { same_content: found, .. })] => assert_eq!(found, same_content),
                    _ => panic!("a duplicate, not {entries:?}"),
                },
                other => panic!("refused, not {other:?}"),
            }
            assert_eq!(numbers(&world), [], "the neighbour did not happen either");
        }
        assert_eq!(world.recorded(&first).expect("a record")["subject"], "first");
    }
}

/// The one duplicate among the entries of a refused commit: whether it is of the same content.
fn duplicate(refused: Result<store::Head, CommitError>) -> bool {
    match refused {
        Err(CommitError::Refused { stream_moved: false, entries }) => match entries[..] {
            [(0, Refusal::Duplicate { same_content, .. })] => same_content,
            _ => panic!("a duplicate, not {entries:?}"),
        },
        other => panic!("refused, not {other:?}"),
    }
}

#[tokio::test]
async fn a_retried_command_gives_way_to_one_of_the_same_content_and_revision() {
    let world = world();
    let stream = stream("S-1");
    let retried = OperationRecord { outcome: Status::Retrying, revision: 1, ..entry("a").operation };
    world.record(retried.clone()).await;
    let base = world.load(&stream).await;
    let repaired = OperationRecord { revision: 1, ..entry("a").operation };
    let of_other_content = OperationRecord { digest: "f".repeat(32), ..repaired.clone() };
    let original = OperationRecord { revision: 0, ..repaired.clone() };
    let ahead = OperationRecord { revision: 2, ..repaired.clone() };
    for (operation, same_content) in [(of_other_content, false), (original.clone(), true), (ahead, true)] {
        let refused = world.commit(&stream, &base, &[Entry { operation, ..entry("a") }]).await;
        assert_eq!(duplicate(refused), same_content);
        assert_eq!(world.recorded(&retried).expect("a record")["outcome"], "retrying");
    }

    world.commit(&stream, &base, &[Entry { operation: repaired, ..entry("a") }]).await.expect("its outcome");

    assert_eq!(world.recorded(&retried).expect("a record")["outcome"], "succeeded");
    let late = world.commit(&stream, &base, &[Entry { operation: original, ..entry("a") }]).await;
    assert!(duplicate(late), "the original comes too late");
}

#[tokio::test]
async fn a_parked_command_is_closed_until_an_operator_acts() {
    let world = world();
    let stream = stream("S-1");
    let waiting = OperationRecord { outcome: Status::Parked, ..entry("a").operation };
    world.record(waiting.clone()).await;
    let base = world.load(&stream).await;
    for revision in [0, 1] {
        let again = OperationRecord { revision, ..entry("a").operation };
        assert!(duplicate(world.commit(&stream, &base, &[Entry { operation: again, ..entry("a") }]).await));
    }
    assert_eq!(world.recorded(&waiting).expect("a record")["outcome"], "parked");
}

#[tokio::test]
async fn an_answer_lost_on_the_way_is_harmless() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    world.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("TransactWriteItems", 1) => Fault::LoseAnswer,
        _ => Fault::None,
    });

    let loaded = world.append(&stream, &base, "a", write()).await;

    assert_eq!((loaded.commit_number, loaded.version), (1, 2));
    assert_eq!(numbers(&world), [(1, 1)]);
    assert_eq!(world.aws.count("TransactWriteItems"), 2, "the SDK asked again\n{}", world.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_never_comes_is_met_again_as_a_duplicate() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let entry = decided(&base.aggregate, &command(&stream, "a", &write()));
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let lost = world.commit(&stream, &base, std::slice::from_ref(&entry)).await;
    assert!(matches!(lost, Err(CommitError::Store(_))), "{lost:?}");
    world.aws.heal();

    let base = world.load(&stream).await;
    assert_eq!(base.version, 2, "it did happen");
    match world.commit(&stream, &base, &[entry]).await {
        Err(CommitError::Refused { stream_moved: false, entries }) => {
            assert!(matches!(entries[..], [(0, Refusal::Duplicate { same_content: true, .. })]), "{entries:?}");
        }
        other => panic!("a duplicate, not {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_busy_item_a_busy_service_and_an_impossible_transaction_are_told_apart() {
    let world = world();
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let attempt = async |id: &str, fault: fn() -> Fault| {
        world.aws.inject(move |attempt| if attempt.operation == "TransactWriteItems" { fault() } else { Fault::None });
        world.commit(&stream, &base, &[entry(id)]).await
    };

    let busy = attempt("a", || Fault::TransactionConflict { item: 1 }).await;
    assert!(matches!(busy, Err(CommitError::Busy)), "{busy:?}");
    let busy = attempt("b", || Fault::refuse(400, "TransactionInProgressException")).await;
    assert!(matches!(busy, Err(CommitError::Busy)), "{busy:?}");
    for fault in [|| Fault::Throttle, || Fault::LoseRequest, || Fault::Hang, || Fault::refuse(500, "Whatever")] {
        let down = attempt("c", fault).await;
        assert!(matches!(down, Err(CommitError::Store(_))), "{down:?}");
    }
    let never = attempt("d", || Fault::refuse(400, "ValidationException")).await;
    assert!(matches!(never, Err(CommitError::Invalid(_))), "{never:?}");
    assert_eq!(world.aws.items(TABLES.operations), [] as [Value; 0]);
}

#[tokio::test]
async fn time_does_not_run_backwards_in_a_stream() {
    let world = world();
    let stream = stream("S-1");
    let minutes_late = Timestamp::from_millis(world.now.millis() - 120_000);
    let mut loaded = world.load(&stream).await;
    for (id, now, expected) in [
        ("a", world.now, world.now),
        ("b", minutes_late, world.now),
        ("c", world.now.plus(Duration::from_secs(1)), world.now.plus(Duration::from_secs(1))),
    ] {
        let world = World { now, ..World::on(world.aws.clone(), probe::context::<1>()) };
        let appended = world.append(&stream, &loaded, id, write()).await;
        assert_eq!(appended.committed_at, expected, "what the committer knows");
        loaded = world.load(&stream).await;
        assert_eq!(loaded.committed_at, expected, "what is stored");
    }
    let times: Vec<_> = world.streams.after(&stream, 0).await.expect("events").iter().map(|event| event.time).collect();
    assert!(times.is_sorted(), "{times:?}");
}

#[tokio::test]
async fn a_record_names_the_commit_that_has_its_events() {
    let world = World::of(probe::context::<1>());
    let stream = stream("S-1");
    for (id, lines, commit) in [("a", 2, Some(1)), ("b", 1, Some(2)), ("c", 0, Some(0))] {
        let base = world.load(&stream).await;
        let write = command(&stream, id, &Command::from(Write { lines, letters: 1 }));
        let entry = if lines == 0 { entry(id) } else { decided(&base.aggregate, &write) };
        let mut builder = world.events.begin(&stream, &base);
        builder.add(&entry).expect("it fits");
        world.events.commit(builder, world.now).await.expect("committed");
        let records = world.operations.find_all([entry.operation.operation_key.clone()]).await.expect("found");
        let record = records.values().next().expect("a record");
        assert_eq!(record.commit_number, commit, "{id}");
    }
}
