//! `/verifications` and `/findings`, for platform operators.

use serde_json::{Value, json};
use testkit::{Fault, TABLES};

use crate::world::{SETTLED, World};

/// A document is bent, and found.
async fn bent() -> World {
    let world = World::busy().await;
    let mut row = world.row("orders", "paid-new");
    row["document"] = json!("{}");
    world.put(TABLES.read_models, &row);
    world
}

#[tokio::test(start_paused = true)]
async fn a_verification_is_asked_for_followed_and_listed() {
    let world = bent().await;
    let body = json!({ "tenant": "acme", "settledAfter": SETTLED, "segments": 2, "pace": 5_000 }).to_string();
    let answer = world.ask("POST", "/verifications", &body).await;
    assert_eq!(answer.status, 202, "{answer:#?}");
    let asked = answer.json();
    assert_eq!((&asked["state"], &asked["requestedBy"]), (&json!("waiting"), &json!("user:olga")));
    assert_eq!((&asked["tenant"], &asked["settledAfter"]), (&json!("acme"), &json!(SETTLED)));
    let path = answer.header("location").strip_prefix(&world.verifier.public_url).expect("a path").to_owned();
    world.work().await;
    let ended = world.ask("GET", &path, "").await.json();
    assert_eq!(ended["state"], "finished", "{ended:#}");
    let progress = &ended["progress"];
    assert_eq!((&progress["segments"], &progress["segmentsDone"]), (&json!(2), &json!(2)));
    assert_eq!((&progress["found"], &progress["kinds"]), (&json!(1), &json!({ "document-bent": 1 })));
    let late = world.ask("POST", &format!("{path}/cancel"), "").await.json();
    assert_eq!((&late["state"], &late["cancelledBy"]), (&json!("finished"), &Value::Null), "too late");
    let list = world.ask("GET", "/verifications", "").await.json();
    assert_eq!(list["items"][0]["id"], ended["id"], "the newest first");
    assert_eq!(list["items"][0]["progress"], Value::Null);
}

#[tokio::test(start_paused = true)]
async fn one_stream_and_one_operation_are_verified_alone() {
    let world = bent().await;
    let mut other = world.row("orders", "account-new");
    other["document"] = json!("{}");
    world.put(TABLES.read_models, &other);
    let receipt = world.record("SubmitOrder", "paid-new");
    for body in [
        json!({ "stream": "acme/orders/paid-new" }),
        json!({ "tenant": "acme", "operation": operation_of(&world, "acme/orders/paid-new") }),
    ] {
        let answer = world.ask("POST", "/verifications", &body.to_string()).await;
        assert_eq!(answer.status, 202, "{answer:#?}");
        let shown = answer.json();
        assert_eq!(shown["stream"], "acme/orders/paid-new");
        if body["operation"].is_string() {
            assert_eq!(shown["operation"], receipt["operation_key"]);
        }
        world.work().await;
        let open = world.open().await;
        assert_eq!(open.len(), 1, "{open:#?}");
        assert_eq!(open[0].stream.as_deref(), Some("acme/orders/paid-new"));
        tokio::time::advance(std::time::Duration::from_secs(5)).await;
    }
    // What is not looked at is not closed.
    world.verify().await;
    assert_eq!(world.open().await.len(), 2);
    let body = json!({ "stream": "acme/orders/account-new" }).to_string();
    world.ask("POST", "/verifications", &body).await;
    world.work().await;
    assert_eq!(world.open().await.len(), 2);
}

fn operation_of(world: &World, stream: &str) -> String {
    world.it.recorded(stream)[0].event.cause.operation.clone()
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let world = World::new();
    for (body, told) in [
        (r#"{"pace":0}"#, "at least 1 item"),
        (r#"{"settledAfter":59}"#, "at least 60 seconds"),
        (r#"{"segments":65}"#, "from 1 to 64"),
        (r#"{"stream":"acme"}"#, "stream"),
        (r#"{"stream":"acme/orders/O-1","tenant":"globex"}"#, "another tenant's"),
        (r#"{"stream":"acme/orders/O-1","operation":"x"}"#, "not both"),
        (r#"{"operation":"x"}"#, "with its tenant"),
        (r#"{"operation":"x","tenant":"acme"}"#, "no operation"),
        (r#"{"everything":true}"#, "everything"),
    ] {
        let answer = world.ask("POST", "/verifications", body).await;
        assert_eq!(answer.status, 400, "{body}: {answer:#?}");
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(told), "{body}: {detail}");
    }
    for target in ["/findings?kind=none", "/findings?state=new", "/findings?colour=red", "/findings?tenant=A/B"] {
        assert_eq!(world.ask("GET", target, "").await.status, 400, "{target}");
    }
    for target in ["/findings/none", "/findings/document-bent.0", "/verifications/none"] {
        assert_eq!(world.ask("GET", target, "").await.status, 404, "{target}");
    }
    assert_eq!(world.ask("POST", "/findings/document-bent.0/mend", "").await.status, 404);
}

#[tokio::test(start_paused = true)]
async fn a_finding_says_what_it_means_and_what_mends_it() {
    let world = bent().await;
    world.verify().await;
    let list = world.ask("GET", "/findings", "").await.json();
    assert_eq!(list["total"], 1, "{list:#}");
    let finding = &list["items"][0];
    assert_eq!((&finding["kind"], &finding["state"]), (&json!("document-bent"), &json!("open")));
    assert_eq!((&finding["action"], &finding["mendable"]), (&json!("project-again"), &json!(true)));
    assert_eq!((&finding["collection"], &finding["tenant"]), (&json!("orders"), &json!("acme")));
    assert!(finding["means"].as_str().is_some_and(|means| means.ends_with('.')), "{finding:#}");
    let history = format!("{}/orders/paid-new/history", world.verifier.public_url);
    assert_eq!(finding["links"]["history"], json!(history));
    let id = finding["id"].as_str().expect("an id");
    assert_eq!(world.ask("GET", &format!("/findings/{id}"), "").await.json(), *finding);
    for (query, count) in [
        ("kind=document-bent", 1),
        ("kind=total-off", 0),
        ("tenant=globex", 0),
        ("tenant=acme&stream=acme/orders/paid-new", 1),
        ("stream=acme/orders/O-9", 0),
        ("state=closed", 0),
    ] {
        assert_eq!(world.ask("GET", &format!("/findings?{query}"), "").await.json()["total"], count, "{query}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_finding_is_left_for_a_reason_until_somebody_takes_that_back() {
    let world = bent().await;
    world.verify().await;
    let id = world.open().await[0].id.clone();
    for body in ["", "{}", r#"{"reason":" "}"#] {
        assert_eq!(world.ask("POST", &format!("/findings/{id}/ignore"), body).await.status, 400, "{body}");
    }
    let left = world.ask("POST", &format!("/findings/{id}/ignore"), r#"{"reason":"a test order"}"#).await.json();
    assert_eq!((&left["state"], &left["ignored"]["reason"]), (&json!("ignored"), &json!("a test order")));
    assert_eq!(left["ignored"]["by"], "user:olga");
    world.verify().await;
    assert_eq!(world.open().await.len(), 0, "it stays ignored");
    assert_eq!(world.ask("GET", "/findings?state=ignored", "").await.json()["total"], 1);
    let again = world.ask("POST", &format!("/findings/{id}/reopen"), "").await.json();
    assert_eq!((&again["state"], &again["ignored"]), (&json!("open"), &Value::Null));
    let mended = world.ask("POST", &format!("/findings/{id}/mend"), "").await;
    assert_eq!(mended.status, 202, "{mended:#?}");
    world.rebuild().await;
    world.verify().await;
    let closed = world.ask("GET", &format!("/findings/{id}"), "").await.json();
    assert_eq!((&closed["state"], &closed["mendable"]), (&json!("closed"), &json!(false)));
    for action in ["mend", "reopen"] {
        assert_eq!(world.ask("POST", &format!("/findings/{id}/{action}"), "").await.status, 409, "{action}");
    }
    // Damaged again, it is open again.
    let mut row = world.row("orders", "paid-new");
    row["document"] = json!("{}");
    world.put(TABLES.read_models, &row);
    world.verify().await;
    assert_eq!(world.open().await[0].id, id);
    assert!(world.open().await[0].mended.is_none());
}

#[tokio::test(start_paused = true)]
async fn only_platform_operators_may() {
    let world = World::new();
    let all = [("POST", "/verifications"), ("GET", "/verifications"), ("GET", "/findings"), ("GET", "/findings/x")];
    for (method, target) in all {
        for (principal, scope) in [("tina", "waybill/operate"), ("sam", "waybill/operate"), ("olga", "waybill/read")] {
            let answer = world.ask_by(principal, scope, method, target, "{}").await;
            assert_eq!(answer.status, 403, "{principal} {target}: {answer:#?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_it_says_so() {
    let world = bent().await;
    world.verify().await;
    let id = world.open().await[0].id.clone();
    world.it.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    let mend = format!("/findings/{id}/mend");
    for (method, target) in
        [("GET", "/findings"), ("GET", "/verifications"), ("POST", "/verifications"), ("POST", &*mend)]
    {
        let answer = world.ask(method, target, "").await;
        assert_eq!(answer.status, 503, "{target}: {answer:#?}");
    }
}
