//! What was done with a parked message before, and what it was before each repair.

use serde_json::json;
use store::operations::OperationRecord;
use store::parked::{OperatorAction, ParkResult, ParkedMessage, Step, Summary, What};
use store::{Entry, TooLarge};
use testkit::TABLES;

use crate::parked::{EXPIRES, by, done, history, item, listed, minute, now_parked, outcome, troubled, waiting, world};
use crate::world::{World, entry, stream};

/// A command that was resubmitted so often, each time in vain, and waits again.
async fn returned(world: &World, times: u32) -> ParkedMessage {
    let (mut message, record) = waiting(world, "a").await;
    for revision in 1..=times {
        let at = minute(u64::from(revision));
        let body = message.message.clone();
        world.parked.resubmit(&message, body, false, by("ann", at)).await.expect("resubmitted");
        let (again, _) = troubled("a", revision, at);
        let record = OperationRecord { revision, ..record.clone() };
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), ParkResult::Parked);
        message = now_parked(world, &message).await;
    }
    message
}

#[tokio::test]
async fn a_part_of_what_was_done_is_of_the_revisions_asked_for_and_says_whether_there_are_more() {
    let world = world();
    let message = returned(&world, 3).await;
    let all = [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked), (1, What::Resubmitted), (2, What::Parked)];
    for (before, limit, expected, next) in [
        (None, 4, &all[..], None),
        (None, 3, &all[..], None),
        (None, 2, &all[1..], Some(1)),
        (None, 1, &all[3..], Some(2)),
        (Some(2), 1, &all[1..3], Some(1)),
        (Some(1), 1, &all[..1], None),
        (Some(0), 1, &[], None),
    ] {
        let past = world.parked.past(&message.summary, before, limit).await.expect("a part");
        let done: Vec<_> = past.steps.iter().map(|step| (step.revision, step.action.what)).collect();
        assert_eq!((&done[..], past.before), (expected, next), "{limit} before {before:?}");
        for Step { action, .. } in past.steps {
            let error = (action.what == What::Parked).then_some("for the test");
            assert_eq!(action.error.as_deref(), error, "{action:?}");
        }
    }
}

/// Beside it and its error, its item has room for all that may be decided on it.
#[tokio::test]
async fn the_largest_message_that_a_commit_takes_can_be_decided_on_and_come_back() {
    const LARGEST: usize = 376 * 1024;
    let world = world();
    let (first, record) = troubled("a", 0, minute(0));
    // The longest error, and the longest reason in the letters that take most bytes.
    let of = |bytes: usize, revision: u32| {
        let summary = Summary { error: "e".repeat(8 * 1024), revision, ..first.summary.clone() };
        ParkedMessage::new(summary, "m".repeat(bytes))
    };
    let reason = "\u{1f4e6}".repeat(1000);
    let decision = OperatorAction { by: &"a".repeat(255), reason: Some(&reason), at: minute(1) };
    let taken = |bytes: usize| Entry {
        operation: record.clone(),
        parked: Some(of(bytes, 0)),
        decided: false,
        ..entry("unused")
    };
    let stream = stream("S-1");
    let base = world.load(&stream).await;
    let mut commit = world.events.begin(&stream, &base);
    assert_eq!(commit.add(&taken(LARGEST + 1)), Err(TooLarge));
    commit.add(&taken(LARGEST)).expect("a message that fits");
    world.events.commit(commit, world.now).await.expect("an item that DynamoDB takes");

    let message = now_parked(&world, &first).await;
    assert_eq!((message.message.len(), message.summary.error.len()), (LARGEST, 8 * 1024));
    let body = message.message.clone();
    world.parked.resubmit(&message, body, true, decision).await.expect("resubmitted");
    let record = OperationRecord { revision: 1, ..record.clone() };
    let parking = world.parked.park_command(&of(LARGEST, 1), &record).await.expect("an answer");
    assert_eq!(parking, ParkResult::Parked);
    world.parked.discard(&now_parked(&world, &first).await, decision, EXPIRES).await.expect("discarded");
}

#[tokio::test]
async fn a_thousand_resubmissions_and_parkings_of_a_large_message_leave_it_as_able_as_the_first() {
    const TIMES: u32 = 1000;
    let world = world();
    // The longest reason there can be, in the letters that take most bytes.
    let reason = "\u{1f4e6}".repeat(1000);
    let (mut message, record) = troubled("a", 0, minute(0));
    message.message = "m".repeat(250 * 1024);
    let first = message.clone();
    for revision in 0..=TIMES {
        let record = OperationRecord { revision, ..record.clone() };
        // So long that DynamoDB's page ends before a part of what was done does.
        message.summary.error = format!("error {revision} {}", "e".repeat(8000));
        message.summary.parked_at = minute(u64::from(revision));
        assert_eq!(world.parked.park_command(&message, &record).await.expect("an answer"), ParkResult::Parked);
        if revision == TIMES {
            break;
        }
        let waiting = now_parked(&world, &message).await;
        let decision = OperatorAction { by: "ann", reason: Some(&reason), at: minute(u64::from(revision)) };
        let resubmitted = world.parked.resubmit(&waiting, waiting.message.clone(), revision == 500, decision).await;
        let ParkedMessage { summary, message: body, .. } = resubmitted.expect("resubmitted");
        message = ParkedMessage::new(summary, body);
    }

    let item = item(&world, &first).to_string();
    assert!(item.len() < 300 * 1024, "its item has {} bytes", item.len());
    assert_eq!(listed(&world).await.len(), 1, "what was done before is in no list");
    let history = history(&world, &first, 100).await;
    assert_eq!(history.len(), 2001);
    for (nth, step) in history.iter().enumerate() {
        let (nth, Step { revision, action }) = (u32::try_from(nth).expect("few"), step);
        let expected = if nth % 2 == 0 { What::Parked } else { What::Resubmitted };
        assert_eq!((*revision, action.what, action.at), (nth / 2, expected, minute(u64::from(nth / 2))));
        match action.what {
            What::Parked if *revision < TIMES => {
                assert!(action.error.as_ref().expect("why").starts_with(&format!("error {revision} ")));
            }
            What::Resubmitted => assert_eq!(action.reason.as_ref(), Some(&reason)),
            _ => {}
        }
    }
    let latest = now_parked(&world, &first).await;
    world.parked.discard(&latest, by("ann", minute(2000)), EXPIRES).await.expect("discarded");
    assert_eq!(outcome(&world, &record), "discarded");
}

#[tokio::test]
async fn what_an_earlier_release_kept_in_the_messages_own_item_is_read_and_moves_with_the_next_decision() {
    let world = world();
    let (message, _) = waiting(&world, "a").await;
    // As releases wrote it that kept all of it there: three parkings, two decisions.
    let parked = |at: u64| json!({ "at": minute(at), "what": "parked", "reason": "unreadable" });
    let resubmitted =
        |at: u64| json!({ "at": minute(at), "what": "resubmitted", "by": "ann", "reason": "r".repeat(1000) });
    let mut item = item(&world, &message);
    item["history"] = json!([parked(0), resubmitted(1), parked(2), resubmitted(3), parked(4)]);
    item["revision"] = json!(2);
    item["parked_at"] = json!(minute(4));
    world.aws.insert(TABLES.parked, &item);
    let mut record = world.aws.items(TABLES.operations).pop().expect("a record");
    record["revision"] = json!(2);
    world.aws.insert(TABLES.operations, &record);

    let before =
        [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked), (1, What::Resubmitted), (2, What::Parked)];
    assert_eq!(done(&world, &message).await, before);
    let now = now_parked(&world, &message).await;
    assert_eq!(now.history.len(), 5);
    world.parked.discard(&now, by("bob", minute(5)), EXPIRES).await.expect("discarded");
    assert_eq!(now_parked(&world, &message).await.history.len(), 1);
    assert_eq!(done(&world, &message).await, [&before[..], &[(2, What::Discarded)]].concat());
}

#[tokio::test]
async fn what_was_decided_does_not_expire() {
    let world = world();
    let (sent, _) = waiting(&world, "a").await;
    let resubmitted = world.parked.resubmit(&sent, "repaired".to_owned(), true, by("ann", minute(1))).await;
    world.parked.sent(&resubmitted.expect("resubmitted").summary).await.expect("said so");
    let (given_up, _) = waiting(&world, "b").await;
    world.parked.discard(&given_up, by("ann", minute(1)), EXPIRES).await.expect("discarded");
    let items = world.aws.items(TABLES.parked);
    assert_eq!(items.len(), 5, "two messages, what was done with each, and one as it was before its repair");
    assert!(items.iter().all(|item| item["expires_at"].is_null()), "{items:#?}");
}
