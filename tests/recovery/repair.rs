//! Parked commands that go on: repaired, resubmitted, sent late. The original never runs beside them.

use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, Principal, Repair};
use kernel::operation::Status;
use kernel::receipt::Receipt;
use recovery::send_back;
use redrive::Request;
use serde_json::json;
use serde_json::value::to_raw_value;
use store::parked::{OperatorAction, ParkedMessage, Stage, What, steps};

use crate::ledger;
use crate::world::{World, tenant};

/// A command that this build cannot read, and what is parked of it.
async fn parked(world: &World, stream: &str, id: &str) -> (Receipt, String, ParkedMessage) {
    let (receipt, body) = world.seal(stream, id, "Note", &json!({ "txet": "misspelt" }));
    world.put(&world.queue, stream, id, &body).await;
    world.drain().await;
    let found = find(world, &receipt).await;
    assert_eq!((found.stage, found.summary.reason.as_str()), (Stage::Waiting, "unreadable"));
    (receipt, body, found)
}

async fn find(world: &World, receipt: &Receipt) -> ParkedMessage {
    let key = ParkedMessage::key(Some(&tenant()), "ledger");
    let id = ParkedMessage::id(receipt.accepted_at, receipt.command_key);
    world.redrive.parked.find(&key, &id).await.expect("the table answers").expect("it is parked")
}

/// Takes it for resubmission with other data, as an operator does. It is not sent yet.
async fn repair(world: &World, message: &ParkedMessage) -> ParkedMessage {
    let event = CloudEvent::from_json(message.message.as_bytes()).expect("an event");
    let olga = Principal::read("user:olga");
    let repair = Repair { data: to_raw_value(&json!({ "text": "repaired" })).expect("JSON"), by: &olga };
    let revised = Command::revised(event, message.summary.revision + 1, Some(repair)).expect("an event").to_json();
    let decision = OperatorAction { by: "olga", reason: Some("a misspelt member"), at: world.now() };
    world.redrive.parked.resubmit(message, revised, true, decision).await.expect("resubmitted")
}

async fn send(world: &World, message: &ParkedMessage) {
    let returning = recovery::resubmission::returning(message, &world.queue);
    send_back(&world.aws.sqs(), &world.queue, vec![returning]).await.expect("sent");
}

#[tokio::test(start_paused = true)]
async fn a_repaired_command_runs_once_and_its_original_never_in_whichever_order_they_come() {
    for original_first in [true, false] {
        let world = World::new();
        let (receipt, original, message) = parked(&world, "A", "A-01").await;
        let repaired = repair(&world, &message).await;
        if original_first {
            world.put(&world.queue, "A", "again", &original).await;
            send(&world, &repaired).await;
        } else {
            send(&world, &repaired).await;
            world.put(&world.queue, "A", "again", &original).await;
        }
        world.put(&world.dead_letters, "A", "once-more", &original).await;
        world.drain().await;
        world.run(&Request::default()).await;
        world.drain().await;
        assert_eq!(world.notes("A"), ["repaired"]);
        assert_eq!((world.dead(), find(&world, &receipt).await.stage), (0, Stage::Resubmitted));
        world.assert_all_succeeded(&[receipt]);
        let seen = world.record(&receipt).expect("a record").seen_by(&receipt, "https://api.example");
        assert_eq!(seen.status, Status::Succeeded, "the client's receipt is still good");
    }
}

#[tokio::test(start_paused = true)]
async fn while_a_command_is_parked_no_copy_of_it_runs_even_if_it_could() {
    let mut world = World::new();
    let receipt = world.send("A", "A-01", "Whisper", &json!({ "text": "hush" })).await;
    world.drain().await;
    // A build that understands it is deployed, and the client sends it again.
    world.deploy(&ledger::LATER);
    world.send("A", "A-01", "Whisper", &json!({ "text": "hush" })).await;
    tokio::time::advance(std::time::Duration::from_mins(6)).await;
    world.send("A", "A-01", "Whisper", &json!({ "text": "hush" })).await;
    world.drain().await;
    assert_eq!(world.record(&receipt).expect("a record").outcome, Status::Parked);
    assert_eq!(world.notes("A").len(), 0);

    // An operator resubmits it as it is.
    let message = find(&world, &receipt).await;
    let event = CloudEvent::from_json(message.message.as_bytes()).expect("an event");
    let revised = Command::revised(event, 1, None).expect("an event").to_json();
    let decision = OperatorAction { by: "olga", reason: None, at: world.now() };
    let resubmitted = world.redrive.parked.resubmit(&message, revised, false, decision).await.expect("resubmitted");
    send(&world, &resubmitted).await;
    world.drain().await;
    assert_eq!(world.notes("A"), ["hush"]);
    world.assert_all_succeeded(&[receipt]);
}

#[tokio::test(start_paused = true)]
async fn what_was_resubmitted_and_not_sent_is_sent_by_the_next_run() {
    let world = World::new();
    let (receipt, _, message) = parked(&world, "A", "A-01").await;
    repair(&world, &message).await;
    let at_once = world.run(&Request::default()).await;
    assert_eq!(at_once.error, None, "{at_once:?}");
    assert_eq!(world.notes("A").len(), 0, "whoever resubmitted it may still be at it");
    world.until_next_run().await;
    for _ in 0..3 {
        world.run(&Request::default()).await;
        world.until_next_run().await;
    }
    assert_eq!(world.notes("A"), ["repaired"]);
    world.assert_all_succeeded(&[receipt]);
    let sends = world.aws.calls();
    assert_eq!(sends.iter().filter(|call| call.operation == "SendMessageBatch").count(), 1, "sent once\n{sends}");
}

#[tokio::test(start_paused = true)]
async fn a_repair_that_does_not_help_is_parked_again_with_its_history() {
    let world = World::new();
    let (receipt, _, message) = parked(&world, "A", "A-01").await;
    let event = CloudEvent::from_json(message.message.as_bytes()).expect("an event");
    let olga = Principal::read("user:olga");
    let in_vain = Repair { data: to_raw_value(&json!({ "still": "wrong" })).expect("JSON"), by: &olga };
    let revised = Command::revised(event, 1, Some(in_vain)).expect("an event").to_json();
    let decision = OperatorAction { by: "olga", reason: None, at: world.now() };
    let resubmitted = world.redrive.parked.resubmit(&message, revised, true, decision).await.expect("resubmitted");
    send(&world, &resubmitted).await;
    world.drain().await;

    let again = find(&world, &receipt).await;
    assert_eq!((again.stage, again.summary.revision), (Stage::Waiting, 1), "{again:?}");
    let past = world.redrive.parked.past(&again.summary, None, 10).await.expect("its history");
    let done = past.steps.into_iter().chain(steps(1, again.history.clone()));
    let done: Vec<_> = done.map(|step| (step.revision, step.action.what)).collect();
    assert_eq!(done, [(0, What::Parked), (0, What::Resubmitted), (1, What::Parked)]);
    assert_eq!(again.summary.first_parked_at, message.summary.first_parked_at);
    assert_eq!(world.record(&receipt).expect("a record").outcome, Status::Parked);
    send(&world, &repair(&world, &again).await).await;
    world.drain().await;
    assert_eq!(world.notes("A"), ["repaired"]);
    world.assert_all_succeeded(&[receipt]);
}
