//! What operators decide on parked messages: to resubmit or to discard them, each once.

use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use store::parked::{ActError, Action, OperatorAction, ParkResult, ParkedMessage, Stage, Summary, What};
use testkit::{Fault, TABLES};

use crate::parked::{
    EXPIRES, by, done, item, listed, minute, now_parked, outcome, stranger, troubled, waiting, world, write,
};
use crate::world::{World, command, stream, tenant};

// Resubmitting

#[tokio::test]
async fn resubmitting_moves_the_message_and_its_operation_together() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;

    let decision = OperatorAction { reason: None, ..by("ann", minute(5)) };
    let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, decision).await.expect("done");

    assert_eq!(now_parked(&world, &message).await, resubmitted, "what is told is what is stored");
    let Summary { revision, attempts, .. } = resubmitted.summary;
    assert_eq!((resubmitted.stage, revision, attempts), (Stage::Resubmitted, 1, 0));
    assert_eq!(resubmitted.message, "repaired");
    let done = Action {
        at: minute(5),
        what: What::Resubmitted,
        by: Some("ann".to_owned()),
        reason: None,
        error: None,
        repaired: true,
    };
    assert_eq!(resubmitted.history, [done]);
    assert_eq!(listed(&world).await, []);
    let recorded = world.recorded(&record).expect("a record");
    assert_eq!((&recorded["outcome"], &recorded["revision"]), (&json!("retrying"), &json!(1)));
    assert_eq!(recorded["recorded_at"], json!(minute(5)));
    assert!(recorded["problem"].as_str().expect("a problem").contains("an operator has resubmitted it"), "{recorded}");
}

#[tokio::test]
async fn what_a_message_was_before_each_repair_is_kept() {
    let world = world();
    let (mut message, record) = waiting(&world, "a").await;
    let others = troubled("b", 0, minute(0));
    world.parked.park_command(&others.0, &others.1).await.expect("parked");
    // Repaired, resubmitted as it was, and repaired again, each time in vain.
    for (revision, repaired, body) in [(1, true, "first repair"), (2, false, "first repair"), (3, true, "second")] {
        let resubmitted = world.parked.resubmit(&message, body.to_owned(), repaired, by("ann", minute(1))).await;
        let resubmitted = resubmitted.expect("resubmitted");
        let record = OperationRecord { revision, ..record.clone() };
        let again = ParkedMessage::new(resubmitted.summary, resubmitted.message);
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), ParkResult::Parked);
        message = now_parked(&world, &message).await;
    }
    let before = async |revision| world.parked.before_repair(&message.summary, revision).await.expect("an answer");
    let earlier = [before(0).await, before(1).await, before(2).await, before(3).await];
    assert_eq!(earlier, [Some("a in revision 0".to_owned()), None, Some("first repair".to_owned()), None]);
    assert_eq!((message.message.as_str(), message.summary.revision), ("second", 3));
    assert_eq!(listed(&world).await.len(), 2, "what it was does not wait as well");

    world.parked.discard(&message, by("ann", minute(2)), EXPIRES).await.expect("discarded");
    assert_eq!(before(2).await.as_deref(), Some("first repair"));
}

#[tokio::test]
async fn the_second_decision_is_told_who_came_first() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await.expect("first");
    let before = (world.aws.items(TABLES.parked), world.recorded(&record));

    let again = world.parked.resubmit(&message, "late".to_owned(), true, by("bob", minute(6))).await.map(|_| ());
    let given_up = world.parked.discard(&message, by("bob", minute(6)), EXPIRES).await;

    for second in [again, given_up] {
        let Err(ActError::Conflict(Some(first))) = second else { panic!("a conflict, not {second:?}") };
        assert_eq!((first.what, first.by.as_deref(), first.at), (What::Resubmitted, Some("ann"), minute(5)));
    }
    assert_eq!((world.aws.items(TABLES.parked), world.recorded(&record)), before, "nothing of it happened");
}

#[tokio::test]
async fn a_decision_on_a_revision_that_is_not_the_newest_is_a_conflict() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await.expect("first");
    let (again, _) = troubled("a", 1, minute(7));
    let record = OperationRecord { revision: 1, ..record };
    assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), ParkResult::Parked);

    let late = world.parked.discard(&message, by("bob", minute(8)), EXPIRES).await;

    let Err(ActError::Conflict(Some(last))) = late else { panic!("a conflict, not {late:?}") };
    assert_eq!((last.what, last.at), (What::Parked, minute(7)));
    assert_eq!(outcome(&world, &record), "parked");
    let newest = now_parked(&world, &message).await;
    world.parked.discard(&newest, by("bob", minute(9)), EXPIRES).await.expect("on what there is now");
}

#[tokio::test]
async fn a_message_without_operation_is_resubmitted_alone() {
    let world = world();
    let message = stranger(None, "probe", 1);
    world.parked.park(&message).await.expect("parked");
    let resubmitted = world.parked.resubmit(&message, message.message.clone(), false, by("ann", minute(2))).await;
    assert_eq!(resubmitted.expect("resubmitted").summary.revision, 1);
    assert_eq!(world.aws.items(TABLES.operations), [] as [Value; 0]);
}

// Sending

async fn unsent(world: &World, before: Timestamp, limit: i32) -> Vec<String> {
    let unsent = world.parked.unsent("probe", before, limit).await.expect("a list");
    unsent.into_iter().map(|message| message.message).collect()
}

#[tokio::test]
async fn what_is_resubmitted_is_unsent_until_it_is_sent() {
    let world = world();
    for (id, at) in [("late", 9), ("early", 3), ("sent", 5)] {
        let (message, _) = waiting(&world, id).await;
        let resubmitted = world.parked.resubmit(&message, id.to_owned(), true, by("ann", minute(at))).await;
        if id == "sent" {
            world.parked.sent(&resubmitted.expect("resubmitted").summary).await.expect("said so");
        }
    }
    waiting(&world, "still here").await;
    assert_eq!(unsent(&world, minute(10), 10).await, ["early", "late"]);
    assert_eq!(unsent(&world, minute(9), 10).await, ["early"], "not what may be on its way right now");
    assert_eq!(unsent(&world, minute(10), 1).await, ["early"]);
    assert_eq!(world.parked.unsent("orders", minute(10), 10).await.expect("a list"), []);
}

#[tokio::test]
async fn what_is_parked_again_waits_again_in_its_revision() {
    for confirmed_first in [true, false] {
        let world = world();
        let (message, record) = waiting(&world, "a").await;
        let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
        let resubmitted = resubmitted.expect("resubmitted").summary;
        if confirmed_first {
            world.parked.sent(&resubmitted).await.expect("said so");
        }
        let (again, _) = troubled("a", 1, minute(7));
        let record = OperationRecord { revision: 1, recorded_at: minute(7), ..record };
        assert_eq!(world.parked.park_command(&again, &record).await.expect("an answer"), ParkResult::Parked);
        if !confirmed_first {
            world.parked.sent(&resubmitted).await.expect("too late, and no harm");
        }

        let now = now_parked(&world, &message).await;
        assert_eq!((now.stage, now.summary.revision), (Stage::Waiting, 1));
        assert_eq!((now.summary.first_failed_at, now.summary.first_parked_at), (minute(0), minute(0)));
        assert_eq!(now.summary.parked_at, minute(7));
        assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked)]);
        assert_eq!(listed(&world).await, std::slice::from_ref(&now.summary));
        assert_eq!(unsent(&world, minute(10), 10).await, [] as [String; 0]);
        let item = item(&world, &message);
        assert!(item["unsent"].is_null() && item["unsent_since"].is_null(), "{item}");
        assert_eq!(outcome(&world, &record), "parked");
    }
}

// Giving up

#[tokio::test]
async fn discarding_ends_the_operation_with_the_operators_reason() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;

    let decision = OperatorAction { reason: Some("ordered by mistake"), ..by("ann", minute(5)) };
    world.parked.discard(&message, decision, EXPIRES).await.expect("discarded");

    let now = now_parked(&world, &message).await;
    assert_eq!((now.stage, now.message.as_str()), (Stage::Discarded, "a in revision 0"));
    assert_eq!((now.history[0].what, now.history[0].reason.as_deref()), (What::Discarded, Some("ordered by mistake")));
    assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Discarded)]);
    assert_eq!(listed(&world).await, []);
    let key = command(&stream("S-1"), "a", &write()).receipt.command_key;
    let operation = world.operations.find(&tenant("acme"), key).await.expect("an answer").expect("a record");
    assert_eq!((operation.outcome, operation.recorded_at), (Status::Discarded, minute(5)));
    assert_eq!(operation.expires_at, Some(EXPIRES));
    let problem: Problem = serde_json::from_str(operation.problem.as_deref().expect("a problem")).expect("a problem");
    assert_eq!(problem, Problem::discarded("ordered by mistake"));

    let (_, record_of_a_repeat) = troubled("a", 0, minute(6));
    assert_eq!(record.operation_key, record_of_a_repeat.operation_key);
    let again = world.parked.park_command(&message, &record_of_a_repeat).await.expect("an answer");
    assert_eq!(again, ParkResult::Settled, "it is over");
}

// Answers that get lost

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_once_does_no_harm() {
    let world = world();
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" | "UpdateItem" if attempt.nth % 2 == 1 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let (message, record) = waiting(&world, "a").await;
    let resubmitted = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
    let resubmitted = resubmitted.expect("one that was asked again is no conflict");
    world.parked.sent(&resubmitted.summary).await.expect("sent");
    assert_eq!(now_parked(&world, &message).await, resubmitted);
    assert_eq!(done(&world, &message).await, [(0, What::Parked), (0, What::Resubmitted)]);

    let (given_up, _) = waiting(&world, "b").await;
    world.parked.discard(&given_up, by("ann", minute(6)), EXPIRES).await.expect("discarded");
    assert_eq!(done(&world, &given_up).await, [(0, What::Parked), (0, What::Discarded)]);
    assert_eq!(outcome(&world, &record), "retrying");
    let lost = world.aws.calls().iter().filter(|call| call.status.is_none()).count();
    assert!(lost >= 5, "{lost} answers lost\n{}", world.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn a_resubmission_whose_answer_never_comes_is_found_among_the_unsent() {
    let world = world();
    let (message, record) = waiting(&world, "a").await;
    world.aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let lost = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(5))).await;
    assert!(matches!(lost, Err(ActError::Store(_))), "nobody knows that it happened: {lost:?}");
    world.aws.heal();

    assert_eq!(unsent(&world, minute(10), 10).await, ["repaired"]);
    assert_eq!(outcome(&world, &record), "retrying");
    let again = world.parked.resubmit(&message, "repaired".to_owned(), true, by("ann", minute(6))).await;
    let Err(ActError::Conflict(Some(first))) = again else { panic!("a conflict, not {again:?}") };
    assert_eq!((first.by.as_deref(), first.at), (Some("ann"), minute(5)), "and she sees that it was herself");
}

#[tokio::test(start_paused = true)]
async fn what_others_are_at_is_tried_again_and_an_outage_is_no_conflict() {
    let world = world();
    let conflict = || Fault::TransactionConflict { item: 1 };
    for (id, fault) in [("a", conflict()), ("b", Fault::refuse(400, "TransactionInProgressException"))] {
        let (message, _) = waiting(&world, id).await;
        let mut busy = 4;
        world.aws.inject(move |attempt| match attempt.operation {
            "TransactWriteItems" if busy > 0 => {
                busy -= 1;
                fault.clone()
            }
            _ => Fault::None,
        });
        let resubmitted = world.parked.resubmit(&message, "{}".to_owned(), false, by("ann", minute(5))).await;
        assert_eq!(resubmitted.expect("in the end").summary.revision, 1);
    }

    let (message, record) = waiting(&world, "c").await;
    // The SDK tries three times what it takes to be over soon.
    for (fault, tries) in [(conflict(), 5), (Fault::refuse(500, "InternalServerError"), 3), (Fault::Hang, 3)] {
        let now = fault.clone();
        world.aws.inject(move |attempt| match attempt.operation {
            "TransactWriteItems" => now.clone(),
            _ => Fault::None,
        });
        world.aws.forget_calls();
        let down = world.parked.discard(&message, by("ann", minute(6)), EXPIRES).await;
        assert!(matches!(down, Err(ActError::Store(_))), "{fault:?}: {down:?}");
        assert_eq!(world.aws.count("TransactWriteItems"), tries, "{fault:?}\n{}", world.aws.calls());
        assert!(world.parked.park_command(&message, &record).await.is_err());
        assert!(world.parked.park(&message).await.is_err());
    }
}
