//! What the desk logs: who did what to which message, and nothing of a payload or an operator's words.

use serde_json::{Value, json};
use testkit::{Fault, Log, Service};

use crate::api::{Api, Queued, get, good_order, post, second};

/// Stands wherever a payload or a person's words are.
const SECRET: &str = "Jane.Doe-4111111111111111";

const CRATES: [&str; 6] = ["operator", "kernel", "lambda", "messaging", "schemas", "store"];

fn line(log: &Log, message: &str) -> Value {
    let mut lines = log.lines().into_iter();
    lines.find(|line| line["message"] == message).unwrap_or_else(|| panic!("no {message} in {}", log.text()))
}

fn secretive() -> Value {
    let mut data = good_order();
    data["customer"] = json!(SECRET);
    data
}

#[tokio::test]
async fn an_action_is_logged_with_who_and_what_and_not_with_what_was_said() {
    let (api, log) = (Api::new(), Log::default());
    let [first, second] = [second(0), second(1)].map(|at| Queued::order("demo", "O-1", &secretive(), at));
    let ids = [api.parks_because(&first, "one", SECRET).await, api.parks_because(&second, "two", SECRET).await];
    let guard = log.begin(&CRATES);
    api.resubmit(&ids[0], json!({ "data": secretive(), "reason": SECRET })).await.accepted();
    api.discard(&ids[1], SECRET).await.ok();
    drop(guard);
    assert!(!log.text().contains(SECRET), "{}", log.text());
    for (message, id, queued) in [("resubmitted", &ids[0], first), ("discarded", &ids[1], second)] {
        let line = line(&log, message);
        assert_eq!((&line["parked"], &line["operation"]), (&json!(id), &json!(queued.operation())));
        assert_eq!((&line["span"]["operator"], &line["span"]["tenant"]), (&json!("client:desk"), &json!("demo")));
        assert_eq!((&line["message_tenant"], &line["queue"]), (&json!("demo"), &json!("orders")));
    }
    assert_eq!(line(&log, "resubmitted")["repaired"], true);
}

#[tokio::test(start_paused = true)]
async fn refusals_and_failures_are_logged_without_what_was_refused() {
    let (api, log) = (Api::new(), Log::default());
    let id = api.parks_because(&Queued::order("demo", "O-1", &secretive(), second(0)), "one", SECRET).await;
    let stranger = api.parks_stranger("orders", SECRET).await;
    let guard = log.begin(&CRATES);
    let mut invalid = secretive();
    invalid["lines"] = json!([{ SECRET: SECRET }]);
    for request in [
        post(format!("/parked/{id}/resubmit"), &json!({ "data": invalid, "reason": SECRET })),
        post(format!("/parked/{id}/resubmit"), &json!({ "data": SECRET })),
        post(format!("/parked/{id}/resubmit"), &json!({ SECRET: SECRET })),
        post(format!("/parked/{id}/discard"), &json!({ "reason": [SECRET] })),
        post(format!("/parked/{SECRET}/discard"), &json!({ "reason": SECRET })),
        get(format!("/parked?{SECRET}={SECRET}")),
        get(format!("/parked?queue={SECRET}")),
        get(format!("/parked?context={SECRET}")),
        get(format!("/parked?queue=orders&cursor={SECRET}")),
    ] {
        assert!(api.send(request).await.status.is_client_error());
    }
    api.detail(&id).await;
    api.get("/parked").await.ok();
    api.get(format!("/parked?type={SECRET}")).await.ok();
    api.aws.inject(|attempt| match attempt.service {
        Service::Sqs => Fault::refuse(400, "InvalidMessageContents"),
        _ => Fault::None,
    });
    api.resubmit(&id, json!({})).await.accepted();
    api.send(post(format!("/parked/{stranger}/resubmit"), &json!({})).by(crate::api::client("root"))).await.accepted();
    drop(guard);
    assert!(!log.text().contains(SECRET), "{}", log.text());
    let warning = line(&log, "perhaps not sent; the redrive will send it");
    assert_eq!(
        (&warning["level"], &warning["count"], &warning["queue"]),
        (&json!("WARN"), &json!(1), &json!("orders"))
    );
}
