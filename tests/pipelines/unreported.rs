//! Commands of which nobody says what became of them.

use std::time::Duration;

use bench::Request;
use serde_json::{Value, json};
use testkit::{Fault, TABLES};

use crate::world::{WITHIN, World, rejected, succeeded};

const A_MINUTE: Duration = Duration::from_mins(1);

/// A command that was not reported in time: its operation, its message, and its id for operators.
async fn late(world: &World) -> (String, String, String) {
    let operation = world.submit("1").await.accepted().operation();
    let message = world.queued().remove(0).body;
    world.installation.pass(WITHIN + A_MINUTE).await;
    let [parked] = &world.waiting().await[..] else { panic!("it does not wait") };
    (operation, message, parked["id"].as_str().expect("an id").to_owned())
}

#[tokio::test(start_paused = true)]
async fn operators_are_told_once_the_time_is_over() {
    let world = World::new();
    let operation = world.submit("1").await.accepted().operation();
    world.installation.pass(WITHIN.saturating_sub(A_MINUTE)).await;
    assert_eq!(world.waiting().await, [] as [Value; 0]);
    assert_eq!(world.follow(&operation).await["status"], "accepted");
    world.installation.pass(2 * A_MINUTE).await;
    let [parked] = &world.waiting().await[..] else { panic!("it does not wait") };
    assert_eq!((&parked["operation"], &parked["reason"]), (&json!(operation), &json!("unreported")));
    assert_eq!((&parked["type"], &parked["tenant"]), (&json!("SubmitOrder"), &json!("demo")));
    let followed = world.follow(&operation).await;
    assert_eq!(
        (&followed["status"], &followed["error"]["type"]),
        (&json!("parked"), &json!("urn:waybill:problem:parked"))
    );
    assert_eq!(world.aws.items(TABLES.timers), [] as [Value; 0], "it is watched no more");
}

#[tokio::test(start_paused = true)]
async fn what_is_reported_in_time_is_nothing_to_tell() {
    let world = World::new();
    let operation = world.submit("1").await.accepted().operation();
    world.installation.pass(WITHIN / 2).await;
    world.report(&world.queued()[0].body, &rejected("out-of-stock")).await.ok();
    world.installation.pass(WITHIN).await;
    assert_eq!(world.waiting().await, [] as [Value; 0]);
    assert_eq!(world.follow(&operation).await["status"], "rejected");
    assert_eq!(world.aws.items(TABLES.timers), [] as [Value; 0], "it is watched no more");
}

#[tokio::test(start_paused = true)]
async fn a_report_that_comes_after_all_still_counts() {
    let world = World::new();
    let (operation, message, parked) = late(&world).await;
    world.report(&message, &succeeded()).await.ok();
    assert_eq!(world.follow(&operation).await["status"], "succeeded");
    assert_eq!(world.waiting().await, [] as [Value; 0], "it waits no more");
    let detail = world.operator(Request::get(format!("/parked/{parked}"))).await.ok().json();
    assert_eq!((&detail["stage"], &detail["outcome"]["status"]), (&json!("reported"), &json!("succeeded")));
    let last = detail["history"].as_array().and_then(|history| history.last()).expect("a history");
    assert_eq!(
        (&last["what"], &last["by"], &last["reason"]),
        (&json!("reported"), &json!("client:consumer"), &json!("succeeded"))
    );
    world.report(&message, &succeeded()).await.ok();
    world.report(&message, &rejected("x")).await.refused("already-reported");
    let discard = Request::post(format!("/parked/{parked}/discard")).body(json!({ "reason": "no" }).to_string());
    let problem = world.operator(discard).await.refused("conflict");
    assert!(problem.detail.contains("reported by client:consumer"), "{problem:?}");
}

#[tokio::test(start_paused = true)]
async fn an_operator_gives_it_up_and_does_not_send_it() {
    let world = World::new();
    let (operation, message, parked) = late(&world).await;
    let problem = world.operator(Request::post(format!("/parked/{parked}/resubmit"))).await.refused("not-repairable");
    assert!(problem.detail.contains("consumer"), "{problem:?}");
    let discard =
        Request::post(format!("/parked/{parked}/discard")).body(json!({ "reason": "by telephone" }).to_string());
    world.operator(discard).await.ok();
    let followed = world.follow(&operation).await;
    assert_eq!((&followed["status"], &followed["error"]["detail"]), (&json!("discarded"), &json!("by telephone")));
    world.report(&message, &succeeded()).await.refused("already-reported");
    assert_eq!(world.queued().len(), 1, "nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_sent_again_does_not_put_the_time_off() {
    let world = World::new();
    world.submit("1").await.accepted();
    world.installation.pass(WITHIN.saturating_sub(2 * A_MINUTE)).await;
    world.submit("1").await.accepted();
    world.installation.pass(3 * A_MINUTE).await;
    assert_eq!(world.waiting().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_is_promised_is_watched_over() {
    let world = World::new();
    let timers = bench::platform::timers();
    world.aws.inject(move |attempt| {
        if attempt.body.contains(&timers) { Fault::refuse(500, "ServiceUnavailable") } else { Fault::None }
    });
    world.submit("1").await.refused("unavailable");
    world.aws.heal();
    world.submit("1").await.accepted();
    assert_eq!(world.queued().len(), 1, "it is one command");
    world.installation.pass(WITHIN + A_MINUTE).await;
    assert_eq!(world.waiting().await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_watch_goes_on_where_the_database_fails_for_a_while() {
    let world = World::new();
    let operation = world.submit("1").await.accepted().operation();
    world.aws.inject(|attempt| {
        if attempt.operation == "PutItem" { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    world.installation.pass(10 * A_MINUTE).await;
    world.aws.heal();
    world.installation.pass(WITHIN).await;
    assert_eq!(world.follow(&operation).await["status"], "parked");
}

#[tokio::test(start_paused = true)]
async fn what_is_carried_out_here_is_not_watched() {
    let world = World::new();
    world.submit_from("https://shop.example/tills/1", "1").await.accepted();
    world.installation.pass(WITHIN + A_MINUTE).await;
    assert_eq!(world.waiting().await, [] as [Value; 0]);
    assert!(world.aws.is_empty(&bench::platform::timers()));
}
