//! Commands that can never succeed, among others that can.

use std::time::Duration;

use kernel::operation::Status;
use redrive::Request;
use serde_json::json;
use store::operations::OperationRecord;
use testkit::{Fault, Log, TABLES};

use crate::world::{RETENTION, World, broken, loads, names, tenant};

#[tokio::test(start_paused = true)]
async fn a_poison_command_among_99_good_ones_is_parked_and_no_neighbour_is_tried_twice() {
    let world = World::new();
    let mut good = Vec::new();
    let mut poison = None;
    for number in 1..=10 {
        for stream in ["A", "B", "C", "D", "E", "F", "G", "H", "I", "J"] {
            if (stream, number) == ("D", 4) {
                poison = Some(world.send("D", "poison", "Whisper", &json!({ "text": "hush" })).await);
            } else {
                good.push(world.note(stream, &format!("{stream}-{number:02}")).await);
            }
        }
    }
    world.drain().await;

    assert_eq!(good.len(), 99);
    world.assert_all_succeeded(&good);
    let record = world.record(&poison.expect("sent")).expect("a record");
    assert_eq!(record.outcome, Status::Parked);
    let parked = world.parked();
    assert_eq!((parked.len(), &parked[0]["reason"]), (1, &json!("unreadable")), "{parked:?}");
    assert_eq!(parked[0]["last_error"], "no message of this context is called Whisper");
    let most = world.receives.lock().expect("not poisoned").values().copied().max();
    assert_eq!(most, Some(1), "everything was received once");
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_fails_for_ever_is_parked_with_its_error_and_holds_up_no_other() {
    let world = World::new();
    world.break_streams("acme/ledger/P");
    let mut poison = Vec::new();
    for id in names("P", 2) {
        poison.push(world.note("P", &id).await);
    }
    let mut good = Vec::new();
    for stream in ["A", "B", "C"] {
        for id in names(stream, 3) {
            good.push(world.note(stream, &id).await);
        }
    }
    world.drain().await;
    world.assert_all_succeeded(&good);
    assert_eq!(world.dead(), 2);

    // Dead letters of others come and go meanwhile, so the context is known to be up.
    for hour in 0..100 {
        let late = world.bury("Z", &format!("Z-{hour:02}"), 0).await;
        for _ in 0..4 {
            world.run(&Request::default()).await;
            world.for_a_while(Duration::from_mins(15)).await;
        }
        world.assert_all_succeeded(&[late]);
        if world.parked().len() == 2 {
            break;
        }
    }
    let parked = world.parked();
    assert_eq!((parked.len(), world.dead()), (2, 0), "{parked:?}");
    for entry in &parked {
        assert_eq!((&entry["reason"], &entry["attempts"]), (&json!("attempts-used-up"), &json!(10)), "{entry}");
        assert!(entry["last_error"].as_str().expect("an error").contains("DynamoDB did not answer"), "{entry}");
        assert!(entry["first_failed_at"].as_str() < entry["parked_at"].as_str(), "{entry}");
    }
    for receipt in &poison {
        assert_eq!(world.record(receipt).expect("a record").outcome, Status::Parked);
    }
}

#[tokio::test(start_paused = true)]
async fn many_streams_that_fail_for_ever_do_not_keep_others_from_coming_back() {
    let world = World::new();
    world.break_streams("acme/ledger/P");
    for stream in 0..20 {
        world.bury(&format!("P{stream}"), &format!("P{stream}-01"), 0).await;
    }
    let good = world.bury("A", "A-01", 0).await;
    for _ in 0..36 {
        world.run(&Request::default()).await;
        world.until_next_run().await;
    }
    world.assert_all_succeeded(&[good]);
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_used_for_two_commands_costs_neither_its_message_before_one_has_its_outcome() {
    let world = World::new();
    world.break_streams("acme/ledger");
    // The same source and id, with other content for another aggregate.
    let (first, body) = world.seal("X", "reused", "Note", &json!({ "text": "first" }));
    let (second, other) = world.seal("Y", "reused", "Note", &json!({ "text": "second" }));
    world.put(&world.dead_letters, "Y", "second", &other).await;
    world.put(&world.dead_letters, "X", "first", &body).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    for _ in 0..12 {
        world.run(&Request::default()).await;
        world.until_next_run().await;
    }
    world.aws.heal();
    for _ in 0..24 {
        world.run(&Request::default()).await;
        world.until_next_run().await;
    }
    let notes = [world.notes("X"), world.notes("Y")].concat();
    assert_eq!((notes.len(), world.dead()), (1, 0), "one of them took effect: {notes:?}");
    let record = world.record(&first).expect("a record");
    assert_eq!(record.outcome, Status::Succeeded);
    let seen = [&first, &second].map(|receipt| record.seen_by(receipt, "https://api.example").status);
    assert!(seen.contains(&Status::Succeeded) && seen.contains(&Status::Rejected), "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn while_nobody_receives_commands_no_attempt_is_used_up() {
    let world = World::new();
    let receipt = world.bury("A", "A-01", 0).await;
    // The handler is switched off for a day.
    for _ in 0..48 {
        tokio::time::advance(Duration::from_mins(31)).await;
        let report = world.run_alone(&Request::default()).await.queues.remove(0);
        assert_eq!((report.parked, report.error), (0, None));
    }
    assert_eq!(world.record(&receipt).expect("a record").attempt, Some(1));
    world.drain().await;
    world.run(&Request::default()).await;
    world.assert_all_succeeded(&[receipt]);
    assert_eq!((world.notes("A"), world.dead()), (vec!["A-01".to_owned()], 0));
}

#[tokio::test(start_paused = true)]
async fn a_lonely_command_that_used_up_its_attempts_is_parked() {
    let world = World::new();
    let receipt = world.bury("A", "A-01", 10).await;
    let report = world.run(&Request::default()).await;
    assert_eq!((report.parked, report.redriven, world.dead()), (1, 0, 0), "{report:?}");
    let record = world.record(&receipt).expect("a record");
    let operation = record.seen_by(&receipt, "https://api.example");
    assert_eq!((record.outcome, world.aws.count("UpdateItem")), (Status::Parked, 0));
    assert_eq!(operation.error.expect("why").ty, "urn:waybill:problem:parked");
}

/// Between a look at its record and its parking, a command may get its outcome, and long after that the record expires.
#[tokio::test(start_paused = true)]
async fn a_command_that_has_its_outcome_when_it_is_to_be_parked_is_parked_only_if_that_is_forgotten() {
    for forgotten in [false, true] {
        let (world, log) = (World::new(), Log::default());
        let receipt = world.bury("A", "A-01", 10).await;
        let expires_at = world.now().seconds() + 1;
        let settled = json!({ "operation_key": OperationRecord::key(&tenant(), receipt.command_key),
            "outcome": "succeeded", "digest": "of the same", "context": "ledger", "command_type": "Note",
            "subject": "A", "principal": null, "revision": 0, "recorded_at": world.now(), "expires_at": expires_at });
        tokio::time::advance(Duration::from_secs(2)).await;
        let aws = world.aws.clone();
        world.aws.inject(move |attempt| {
            match (attempt.operation, attempt.nth) {
                ("TransactWriteItems", 1) => aws.insert(TABLES.operations, &settled),
                ("UpdateItem", _) if forgotten => _ = aws.database().sweep_ttl().expect("swept"),
                _ => {}
            }
            Fault::None
        });
        let logging = log.begin(&["redrive"]);
        let report = world.run_alone(&Request::default()).await.queues.remove(0);
        drop(logging);
        let [parked, settled] = if forgotten { [1, 0] } else { [0, 1] };
        assert_eq!((report.parked, report.settled, world.dead()), (parked, settled, 0), "{report:?}");
        assert_eq!(log.text().contains(r#""message":"parked""#), forgotten, "{}", log.text());
        let record = world.record(&receipt).expect("a record");
        let kept_until = world.now().plus(RETENTION).seconds();
        assert_eq!(record.outcome, if forgotten { Status::Parked } else { Status::Succeeded });
        assert!(forgotten || record.expires_at == Some(kept_until), "{record:?} is to be kept until {kept_until}");
    }
}

#[tokio::test(start_paused = true)]
async fn while_others_can_tell_whether_the_context_is_up_what_used_up_its_attempts_waits_for_them() {
    let world = World::new();
    world.aws.inject(|attempt| if loads(attempt, "acme/ledger") { broken() } else { Fault::None });
    world.bury("A", "A-01", 10).await;
    world.bury("B", "B-01", 0).await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let down = world.run(&Request::default()).await;
    assert_eq!((down.parked, down.redriven), (0, 1), "{down:?}");
    world.aws.heal();
    world.until_next_run().await;
    let up = world.run(&Request::default()).await;
    assert_eq!((up.parked, world.dead()), (1, 0), "{up:?}");
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_command_that_used_up_its_attempts_goes_behind_a_canary_too() {
    let world = World::new();
    world.break_streams("acme/ledger");
    world.bury("A", "A-01", 10).await;
    for id in ["A-02", "A-03", "A-04"] {
        world.bury("A", id, 0).await;
    }
    tokio::time::advance(Duration::from_secs(1)).await;
    let down = world.run_alone(&Request::default()).await.queues.remove(0);
    assert_eq!((down.parked, down.redriven, down.behind_canary, down.waiting), (0, 1, 3, 0), "{down:?}");
    world.aws.heal();
    world.for_a_while(Duration::from_mins(20)).await;
    world.run(&Request::default()).await;
    world.drain().await;
    assert_eq!(world.notes("A"), ["A-02", "A-03", "A-04"]);
    assert_eq!((world.parked().len(), world.dead()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn what_the_queue_would_soon_forget_is_parked_even_in_an_outage() {
    let world = World::new();
    world.break_streams("acme/ledger");
    let receipt = world.bury("A", "A-01", 2).await;
    world.bury("B", "B-01", 0).await;
    tokio::time::advance(Duration::from_hours(10 * 24 + 1)).await;
    let report = world.run_alone(&Request::default()).await.queues.remove(0);
    assert_eq!((report.parked, world.dead()), (2, 0), "{report:?}");
    assert_eq!(world.record(&receipt).expect("a record").outcome, Status::Parked);
    assert!(world.parked().iter().all(|entry| entry["reason"] == "too-old"));
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_and_could_not_be_parked_is_tried_again_without_a_canary() {
    let world = World::new();
    world.put(&world.dead_letters, "A", "stranger", "no JSON").await;
    tokio::time::advance(Duration::from_secs(1)).await;
    let report = world.run(&Request::default()).await;
    assert_eq!((report.redriven, report.canary, world.dead()), (1, None, 0), "{report:?}");
    world.drain().await;
    let parked = world.parked();
    assert_eq!((parked.len(), &parked[0]["reason"]), (1, &json!("not-a-command")), "{parked:?}");
}
