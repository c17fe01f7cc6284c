//! `POST /parked/{id}/discard`: given up, and its sender is told why.

use kernel::operation::Status;
use serde_json::json;
use testkit::TABLES;

use crate::api::{Api, Queued, RETENTION, bad_order, client, post, second};

#[tokio::test(start_paused = true)]
async fn the_sender_sees_the_operation_end_with_the_reason() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    let answer = api.discard(&id, "  ordered by telephone meanwhile ").await.ok().json();
    assert_eq!(answer, json!({ "id": id, "stage": "discarded", "operation": queued.operation() }));

    let operation = api.operation(&queued).await;
    assert_eq!((operation.status, operation.finished_at), (Status::Discarded, Some(api.now())));
    let problem = operation.error.expect("a reason");
    assert_eq!((problem.ty.as_ref(), problem.status), ("urn:waybill:problem:discarded", 500));
    assert_eq!(problem.detail, "ordered by telephone meanwhile");

    let expires_at = json!(api.now().plus(RETENTION).seconds());
    assert!(api.aws.items(TABLES.parked).iter().all(|item| item["expires_at"].is_null()), "what was decided stays");
    assert_eq!(api.aws.items(TABLES.operations)[0]["expires_at"], expires_at);
    assert!(api.queued("orders").is_empty());
    let detail = api.detail(&id).await;
    assert_eq!((&detail["stage"], &detail["repairable"]), (&json!("discarded"), &json!(false)));
    let done = json!({ "revision": 0, "at": api.now(), "what": "discarded", "by": "client:desk", "reason": "ordered by telephone meanwhile" });
    assert_eq!(detail["history"][1], done);
    assert_eq!(detail["outcome"]["status"], "discarded");
    assert_eq!(api.ids("queue=orders").await, [""; 0]);
}

#[tokio::test]
async fn so_does_the_sender_of_a_command_that_only_another_release_can_read() {
    let api = Api::new();
    let mut queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    queued.body = queued.body.replacen("\"authid\"", "\"principal\"", 1);
    let id = api.parks(&queued).await;
    api.discard(&id, "that release will not come back").await.ok();
    assert_eq!(api.operation(&queued).await.status, Status::Discarded);
}

#[tokio::test]
async fn what_is_no_command_is_discarded_as_well() {
    let api = Api::new();
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    assert_eq!(api.discard(&event, "rebuilt by hand").await.ok().json(), json!({ "id": event, "stage": "discarded" }));
    let stranger = api.parks_stranger("orders", "no command").await;
    let discard = post(format!("/parked/{stranger}/discard"), &json!({ "reason": "spam" }));
    api.send(discard.by(client("root"))).await.ok();
    assert_eq!(api.ids("reason=not-a-command").await, [""; 0]);
}

#[tokio::test]
async fn without_a_reason_nothing_is_given_up() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    let before = api.everything();
    for body in ["", "{}", r#"{"reason":null}"#, r#"{"reason":""}"#, r#"{"reason":" \t\n"}"#] {
        let request = post(format!("/parked/{id}/discard"), &json!({})).body(body);
        let problem = api.send(request).await.refused("bad-request");
        assert!(problem.detail.contains("reason"), "{body}: {problem:#?}");
    }
    let problem = api.discard(&id, &"x".repeat(1001)).await.refused("bad-request");
    assert!(problem.detail.contains("1000"), "{problem:#?}");
    assert_eq!(api.everything(), before);
    api.discard(&id, &"é".repeat(1000)).await.ok();
}

#[tokio::test]
async fn what_was_given_up_stays_so() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &bad_order(), second(0))).await;
    api.discard(&id, "hopeless").await.ok();
    let before = api.everything();
    for problem in
        [api.discard(&id, "hopeless").await.refused("conflict"), api.resubmit(&id, json!({})).await.refused("conflict")]
    {
        assert!(problem.detail.starts_with("it was discarded by client:desk at "), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}
