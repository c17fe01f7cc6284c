//! What a consumer may say, and of what.

use serde_json::{Value, json};
use testkit::Fault;

use crate::world::{World, rejected, succeeded};

/// A submitted order's operation, and its message.
async fn submitted(world: &World) -> (String, String) {
    let operation = world.submit("1").await.accepted().operation();
    (operation, world.queued().remove(0).body)
}

#[tokio::test(start_paused = true)]
async fn whoever_follows_the_operation_sees_what_is_reported() {
    for (report, expected) in [
        (
            succeeded(),
            json!({ "status": "succeeded", "resource": { "href": "https://legacy.example/orders/7", "version": 3 } }),
        ),
        (json!({ "status": "succeeded" }), json!({ "status": "succeeded" })),
        (
            rejected("out-of-stock"),
            json!({ "status": "rejected", "error": { "type": "urn:waybill:problem:own:out-of-stock", "status": 422 } }),
        ),
        (
            json!({ "status": "discarded", "detail": "ordered by telephone" }),
            json!({ "status": "discarded", "error": { "type": "urn:waybill:problem:discarded", "detail": "ordered by telephone" } }),
        ),
    ] {
        let world = World::new();
        let (operation, message) = submitted(&world).await;
        assert_eq!(world.follow(&operation).await["status"], "accepted");
        let told = world.report(&message, &report).await.ok().json();
        let followed = world.follow(&operation).await;
        assert_eq!(told, followed, "both say the same");
        for (name, value) in expected.as_object().expect("an object") {
            match value {
                Value::Object(members) => {
                    members
                        .iter()
                        .for_each(|(member, value)| assert_eq!(followed[name][member], *value, "{followed:#}"));
                }
                value => assert_eq!(followed[name], *value, "{followed:#}"),
            }
        }
        let sender = json!({ "id": "shop-client", "type": "service_account" });
        assert_eq!((&followed["type"], &followed["principal"]), (&json!("SubmitOrder"), &sender), "{followed:#}");
        assert!(followed["finishedAt"].is_string(), "{followed:#}");
    }
}

#[tokio::test(start_paused = true)]
async fn it_is_said_once() {
    let world = World::new();
    let (operation, message) = submitted(&world).await;
    world.report(&message, &rejected("out-of-stock")).await.ok();
    let before = world.follow(&operation).await;
    world.report(&message, &rejected("out-of-stock")).await.ok();
    for other in [succeeded(), rejected("too-late"), json!({ "status": "discarded", "detail": "no" })] {
        let problem = world.report(&message, &other).await.refused("already-reported");
        assert!(problem.detail.contains("rejected"), "{problem:?}");
    }
    assert_eq!(world.follow(&operation).await, before);
}

#[tokio::test(start_paused = true)]
async fn a_report_whose_answer_is_lost_is_repeated() {
    let world = World::new();
    let (operation, message) = submitted(&world).await;
    world.aws.inject(|attempt| {
        if attempt.operation == "PutItem" { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    world.report(&message, &succeeded()).await.refused("unavailable");
    assert_eq!(world.follow(&operation).await["status"], "accepted");
    world.aws.heal();
    world.report(&message, &succeeded()).await.ok();
    assert_eq!(world.follow(&operation).await["status"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_grant_to_send_is_none_to_report() {
    let world = World::new();
    let (operation, message) = submitted(&world).await;
    world.report_as("shop-client", &message, &succeeded()).await.refused("not-permitted");
    world.report_as("stranger", &message, &succeeded()).await.refused("not-found");
    assert_eq!(world.follow(&operation).await["status"], "accepted");
}

#[tokio::test(start_paused = true)]
async fn what_is_carried_out_here_is_nobodys_to_report() {
    let world = World::new();
    let operation = world.submit_from("https://shop.example/tills/1", "1").await.accepted().operation();
    let message = world.aws.messages(&bench::platform::commands("orders")).remove(0).body;
    let problem = world.report(&message, &succeeded()).await.refused("not-permitted");
    assert_eq!(problem.attribute.as_deref(), Some("source"));
    assert_eq!(world.follow(&operation).await["status"], "accepted");
}

#[tokio::test(start_paused = true)]
async fn the_command_must_be_the_operations_own_as_it_was_queued() {
    let world = World::new();
    let (operation, message) = submitted(&world).await;
    let command: Value = serde_json::from_str(&message).expect("JSON");
    let other = world.submit("2").await.accepted().operation();
    for (name, value) in [
        ("id", json!("2")),
        ("source", json!("https://shop.example/other")),
        ("type", json!("CancelOrder")),
        ("subject", json!("O-7")),
        ("data", json!({})),
        ("tenantid", json!("neighbour")),
        ("operationid", json!(other)),
        ("operationid", json!("nonsense")),
    ] {
        let mut forged = command.clone();
        forged[name] = value;
        world.report_on("consumer", &operation, &forged, &succeeded()).await.refused("bad-request");
    }
    for forged in [json!({}), json!([]), json!("x"), Value::Null] {
        world.report_on("consumer", &operation, &forged, &succeeded()).await.refused("bad-request");
    }
    for id in ["nonsense", &"A".repeat(74)] {
        world.report_on("consumer", id, &command, &succeeded()).await.refused("not-found");
    }
    assert_eq!(world.follow(&operation).await["status"], "accepted");
    world.report(&message, &succeeded()).await.ok();
    assert_eq!(world.follow(&other).await["status"], "accepted");
}

#[tokio::test(start_paused = true)]
async fn a_report_says_all_that_its_status_asks_for_and_nothing_else() {
    let world = World::new();
    let (_, message) = submitted(&world).await;
    for report in [
        json!({}),
        json!({ "status": "accepted" }),
        json!({ "status": "parked", "detail": "x" }),
        json!({ "status": "succeeded", "detail": "x" }),
        json!({ "status": "succeeded", "reason": "x" }),
        json!({ "status": "succeeded", "whatever": 1 }),
        json!({ "status": "succeeded", "resource": { "href": "/orders/7", "version": 1 } }),
        json!({ "status": "succeeded", "resource": { "href": "javascript:alert(1)", "version": 1 } }),
        json!({ "status": "succeeded", "resource": { "href": "https://legacy.example/a b", "version": 1 } }),
        json!({ "status": "succeeded", "resource": { "href": "https://legacy.example/7", "version": 0 } }),
        json!({ "status": "succeeded", "resource": { "href": "https://legacy.example/7" } }),
        json!({ "status": "rejected" }),
        json!({ "status": "rejected", "reason": "x" }),
        json!({ "status": "rejected", "detail": "x" }),
        json!({ "status": "rejected", "reason": "Out of stock", "detail": "x" }),
        json!({ "status": "rejected", "reason": "a--b", "detail": "x" }),
        json!({ "status": "rejected", "reason": "x", "detail": "" }),
        json!({ "status": "rejected", "reason": "x".repeat(65), "detail": "x" }),
        json!({ "status": "rejected", "reason": "x", "detail": "x".repeat(1001) }),
        json!({ "status": "rejected", "reason": "x", "detail": "x", "resource": { "href": "https://a.example", "version": 1 } }),
        json!({ "status": "discarded" }),
        json!({ "status": "discarded", "reason": "x", "detail": "x" }),
    ] {
        world.report(&message, &report).await.refused("bad-request");
    }
    world.report(&message, &succeeded()).await.ok();
}

#[tokio::test(start_paused = true)]
async fn an_id_that_was_used_for_another_command_is_reported_once() {
    let world = World::new();
    let (_, first) = submitted(&world).await;
    world.report(&first, &succeeded()).await.ok();
    let second = world.submit_from("https://shop.example/checkout", "1").await.accepted().operation();
    assert_eq!(world.follow(&second).await["status"], "succeeded", "it is the same command");
    let changed = first.replace("\"TEA-EARL-GREY-100\"", "\"COFFEE\"");
    assert_ne!(changed, first);
    world.report(&changed, &succeeded()).await.refused("bad-request");
}
