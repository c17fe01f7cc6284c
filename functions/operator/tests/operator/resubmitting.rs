//! `POST /parked/{id}/resubmit` without data: back to the queue, as it is.

use kernel::operation::Status;
use kernel::timestamp::Timestamp;
use serde_json::json;
use testkit::{Metrics, TABLES};

use crate::api::{Api, Queued, client, good_order, post, second};

#[tokio::test(start_paused = true)]
async fn a_command_goes_back_to_its_streams_place_in_its_next_revision() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), second(0));
    let id = api.parks(&queued).await;
    let answer = api.resubmit(&id, json!({ "reason": "the warehouse is back" })).await.accepted().json();
    assert_eq!(answer, json!({ "id": id, "stage": "resubmitted", "operation": queued.operation() }));

    let message = api.only_queued("orders");
    assert_eq!(message.group.as_deref(), Some("demo/orders/O-1"));
    assert_eq!(message.deduplication_id, Some(format!("{}.1.0", queued.key())));
    assert_eq!(message.attribute("attempts"), Some("0"), "its attempts begin anew");
    let first_failed_at = message.attribute("firstfailedat").and_then(Timestamp::parse);
    assert_eq!(first_failed_at, Some(api.now()));
    let sent = Queued::read(message.body, "orders").command;
    assert_eq!(sent.revision, 1);
    let unrevised = queued.command.event.clone().with_extension("commandrevision", 1).expect("a revision");
    assert_eq!(sent.event, unrevised, "all else is as it was");

    let operation = api.operation(&queued).await;
    assert_eq!((operation.status, operation.attempt, operation.finished_at), (Status::Retrying, None, None));
    let item = &api.aws.items(TABLES.parked)[0];
    assert!(item.get("unsent").is_none() && item.get("waiting").is_none(), "{item:#}");
    assert_eq!(api.ids("queue=orders").await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_only_another_release_can_read_goes_to_its_streams_place_in_its_next_revision() {
    let strange = [("\"authid\"", "\"principal\""), ("\"specversion\":\"1.0\"", "\"specversion\":\"2.0\"")];
    for (ours, theirs) in strange {
        let api = Api::new();
        let mut queued = Queued::order("demo", "O-1", &good_order(), second(0));
        queued.body = queued.body.replacen(ours, theirs, 1);
        let id = api.parks(&queued).await;
        assert_eq!(api.detail(&id).await["repairable"], false);
        api.resubmit(&id, json!({ "data": good_order() })).await.refused("not-repairable");
        api.resubmit(&id, json!({})).await.accepted();

        let message = api.only_queued("orders");
        assert_eq!(message.group.as_deref(), Some("demo/orders/O-1"));
        assert_eq!(message.deduplication_id, Some(format!("{}.1.0", queued.key())));
        let read_there = Queued::read(message.body.replacen(theirs, ours, 1), "orders").command;
        let expected = queued.command.event.clone().with_extension("commandrevision", 1).expect("a revision");
        assert_eq!(read_there.event, expected, "all else is as it was");
        assert_eq!(api.operation(&queued).await.status, Status::Retrying);
    }
}

#[tokio::test]
async fn nothing_need_be_said() {
    for body in ["", " ", "{}", r#"{"reason":null}"#, r#"{"reason":""}"#] {
        let api = Api::new();
        let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
        api.send(post(format!("/parked/{id}/resubmit"), &json!({})).body(body)).await.accepted();
        assert_eq!(api.detail(&id).await["history"][1].get("reason"), None, "{body}");
    }
}

#[tokio::test]
async fn a_domain_event_goes_back_as_it_is() {
    let api = Api::new();
    let (id, body) = api.parks_event("demo/orders/O-7").await;
    let answer = api.resubmit(&id, json!({})).await.accepted().json();
    assert_eq!(answer, json!({ "id": id, "stage": "resubmitted" }));
    let message = api.only_queued("read_model_updater");
    assert_eq!((message.body, message.group.as_deref()), (body, Some("demo")), "in the group of its tenant");
    assert_eq!(message.deduplication_id, None, "which gives no order");
}

#[tokio::test]
async fn the_place_of_a_commit_goes_back_as_it_is() {
    let api = Api::new();
    let body = r#"{"stream_id": "demo/orders/O-1", "commit_number": 3}"#;
    let id = api.parks_stranger("publisher", body).await;
    api.send(post(format!("/parked/{id}/resubmit"), &json!({})).by(client("root"))).await.accepted();
    assert_eq!(api.only_queued("publisher").body, body);
}

#[tokio::test]
async fn what_is_resubmitted_and_discarded_is_counted_by_context_or_else_by_queue() {
    let api = Api::new();
    let metrics = Metrics::default();
    let counting = metrics.begin();
    for nth in 0..2 {
        let id = api.parks(&Queued::order("demo", &format!("O-{nth}"), &good_order(), second(nth))).await;
        api.resubmit(&id, json!({})).await.accepted();
    }
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    api.discard(&event, "of no use").await.ok();
    let stranger = api.parks_stranger("publisher", "{}").await;
    api.send(post(format!("/parked/{stranger}/resubmit"), &json!({})).by(client("root"))).await.accepted();
    drop(counting);
    let expected =
        [("Discarded Context=orders", 1), ("Resubmitted Context=orders", 2), ("Resubmitted Context=publisher", 1)];
    let counters = metrics.counters();
    assert_eq!(counters.iter().map(|(name, count)| (name.as_str(), *count)).collect::<Vec<_>>(), expected);
}

#[tokio::test(start_paused = true)]
async fn each_time_it_is_another_revision() {
    let api = Api::new();
    let mut queued = Queued::order("demo", "O-1", &good_order(), second(0));
    for revision in 1..=3 {
        let id = api.parks(&queued).await;
        api.resubmit(&id, json!({})).await.accepted();
        let message = api.queued("orders").pop().expect("a message");
        assert_eq!(message.deduplication_id, Some(format!("{}.{revision}.0", queued.key())));
        queued = Queued::read(message.body, "orders");
        assert_eq!(queued.command.revision, revision);
    }
    assert_eq!(api.queued("orders").len(), 3, "none was taken for a repeat");
}

#[tokio::test]
async fn the_second_time_is_a_conflict_that_says_who_was_first() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
    let before = api.now();
    api.resubmit(&id, json!({})).await.accepted();
    let changed = api.everything();
    for problem in [
        api.resubmit(&id, json!({})).await.refused("conflict"),
        api.resubmit(&id, json!({ "data": good_order() })).await.refused("conflict"),
        api.discard(&id, "too late").await.refused("conflict"),
        api.send(post(format!("/parked/{id}/resubmit"), &json!({})).by(client("root"))).await.refused("conflict"),
    ] {
        let at = problem.detail.strip_prefix("it was resubmitted by client:desk at ").and_then(Timestamp::parse);
        assert!(at.is_some_and(|at| at >= before), "{problem:#?}");
    }
    assert_eq!(api.everything(), changed);
}

#[tokio::test(start_paused = true)]
async fn whoever_saw_an_earlier_parking_cannot_act_on_a_later_one() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), second(0));
    let earlier = api.parks(&queued).await;
    api.resubmit(&earlier, json!({})).await.accepted();
    let later = api.parks(&Queued::read(api.only_queued("orders").body, "orders")).await;
    let before = api.everything();
    let problem = api.discard(&earlier, "what I saw was hopeless").await.refused("conflict");
    assert!(problem.detail.starts_with("it was resubmitted by client:desk at"), "{problem:#?}");
    api.resubmit(&earlier, json!({})).await.refused("conflict");
    assert_eq!(api.everything(), before);
    api.discard(&later, "still hopeless").await.ok();
}

#[tokio::test]
async fn the_largest_command_that_is_taken_can_be_resubmitted_and_a_larger_one_is_left_where_it_is() {
    let api = Api::new();
    let small = Queued::order("demo", "O-1", &json!({ "note": "" }), second(0));
    let of = |bytes: usize, order: &str| {
        let note = "x".repeat(bytes - small.body.len());
        Queued::order("demo", order, &json!({ "note": note }), second(0))
    };
    let largest = api.parks(&of(256 * 1024, "O-1")).await;
    api.resubmit(&largest, json!({})).await.accepted();

    let larger = api.parks(&of(257 * 1024, "O-2")).await;
    let before = api.everything();
    api.resubmit(&larger, json!({})).await.refused("too-large");
    assert_eq!(api.everything(), before);
}
