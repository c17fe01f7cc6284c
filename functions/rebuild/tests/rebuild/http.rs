//! `POST /rebuild` and `/rebuilds`, for platform operators.

use bench::http::{self, Answer};
use bench::layouts;
use lambda::run::Wake;
use serde_json::{Value, json};
use store::jobs::Task;
use testkit::Fault;

use crate::world::World;

async fn asked(world: &World, method: &'static str, target: &str, body: &str) -> Answer {
    by(world, "olga", "waybill/operate", method, target, body).await
}

/// As the function's own event, to the answer that the gateway gets, which `openapi.yaml` describes.
async fn by(world: &World, principal: &str, scope: &str, method: &'static str, target: &str, body: &str) -> Answer {
    let claims = json!({ "sub": principal, "client_id": "console", "scope": scope });
    let request = http::Request::get(target).method(method).by(claims).media_type("application/json").body(body);
    let Wake::<Value>::Http(event) = serde_json::from_value(request.event()).expect("a request") else {
        panic!("it is a request of the API");
    };
    let handle = |request| world.rebuild.handle(request, world.aws.now().into());
    let path = target.split('?').next().unwrap_or_default();
    Answer::served(event.get(), handle).await.hold(method, path)
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_is_asked_for_followed_and_listed() {
    let world = World::new();
    world.orders(6).await;
    world.project(&world.updater(layouts::read_models_of), 0..6).await;
    let answer = asked(&world, "POST", "/rebuild", r#"{"collection":"orders","segments":2,"pace":1000}"#).await;
    assert_eq!(answer.status, 202, "{answer:#?}");
    let rebuild = answer.json();
    assert_eq!((&rebuild["state"], &rebuild["requestedBy"]), (&json!("waiting"), &json!("user:olga")));
    assert_eq!((&rebuild["collection"], &rebuild["dryRun"]), (&json!("orders"), &json!(false)));
    let location = answer.header("location");
    assert!(location.starts_with(&format!("{}/rebuilds/", world.rebuild.public_url)), "{location}");
    let path = location.strip_prefix(&world.rebuild.public_url).expect("a path").to_owned();
    assert_eq!(asked(&world, "GET", &path, "").await.json()["state"], "waiting");
    world.work().await;
    let rebuild = asked(&world, "GET", &path, "").await.json();
    assert_eq!(rebuild["state"], "finished", "{rebuild:#}");
    let progress = &rebuild["progress"];
    assert_eq!(
        progress,
        &json!({ "segments": 2, "segmentsDone": 2, "streams": 6, "events": 8, "right": 0, "written": 6, "totals": 0,
            "failed": 0, "failures": [] })
    );
    world.hold().await;
    let ended = asked(&world, "POST", &format!("{path}/cancel"), "").await.json();
    assert_eq!((&ended["state"], &ended["cancelledBy"]), (&json!("finished"), &Value::Null), "too late");
    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    let second = asked(&world, "POST", "/rebuild", "").await.json();
    let path = format!("/rebuilds/{}/cancel", second["id"].as_str().expect("an id"));
    let cancelled = asked(&world, "POST", &path, "{}").await.json();
    assert_eq!((&cancelled["state"], &cancelled["cancelledBy"]), (&json!("cancelled"), &json!("user:olga")));
    let list = asked(&world, "GET", "/rebuilds", "").await.json();
    let states: Vec<&Value> = list["items"].as_array().expect("items").iter().map(|item| &item["state"]).collect();
    assert_eq!(states, ["cancelled", "finished"], "the newest first");
}

#[tokio::test(start_paused = true)]
async fn one_stream_and_one_collection_s_totals_are_asked_for_followed_and_listed() {
    let world = World::new();
    world.orders(3).await;
    world.project(&world.updater(catalog::read_models_of), 0..3).await;
    world.bend("O-1", |row| row["version"] = json!(9));
    world.bend_total(false, "submitted", 2);
    for (body, shown, progress) in [
        (
            r#"{"stream":"acme/orders/O-1","collection":"orders","segments":4}"#,
            json!("acme/orders/O-1"),
            ("written", 1),
        ),
        (r#"{"totals":true,"tenant":"acme","collection":"orders"}"#, Value::Null, ("totals", 1)),
    ] {
        let answer = asked(&world, "POST", "/rebuild", body).await;
        assert_eq!(answer.status, 202, "{answer:#?}");
        let path = answer.header("location").strip_prefix(&world.rebuild.public_url).expect("a path").to_owned();
        world.work().await;
        let rebuild = asked(&world, "GET", &path, "").await.json();
        assert_eq!((&rebuild["state"], &rebuild["stream"]), (&json!("finished"), &shown), "{rebuild:#}");
        assert_eq!((&rebuild["collection"], &rebuild["totals"]), (&json!("orders"), &json!(shown.is_null())));
        assert_eq!(rebuild["progress"][progress.0], progress.1, "{rebuild:#}");
        assert_eq!((&rebuild["progress"]["segments"], &rebuild["progress"]["failed"]), (&json!(1), &json!(0)));
        asked(&world, "GET", &path.replace("rebuilds", "replays"), "").await.refused("not-found");
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    world.hold().await;
    let totals =
        asked(&world, "POST", "/rebuild", r#"{"totals":true,"tenant":"acme","collection":"orders"}"#).await.json();
    let path = format!("/rebuilds/{}/cancel", totals["id"].as_str().expect("an id"));
    assert_eq!(asked(&world, "POST", &path, "").await.json()["state"], "cancelled");
    let list = asked(&world, "GET", "/rebuilds", "").await.json();
    let listed: Vec<_> =
        list["items"].as_array().expect("items").iter().map(|item| (&item["totals"], &item["state"])).collect();
    let (yes, no, finished) = (json!(true), json!(false), json!("finished"));
    assert_eq!(listed, [(&yes, &json!("cancelled")), (&yes, &finished), (&no, &finished)], "the newest first");
    assert_eq!(asked(&world, "GET", "/replays", "").await.json()["items"], json!([]));
}

/// A verification is a job of another function.
#[tokio::test(start_paused = true)]
async fn other_jobs_are_neither_done_nor_shown() {
    let world = World::new();
    let task = Task::Verification { tenant: None, stream: None, operation: None, settled_after: None };
    let job = world.ask(task, 1, None).await;
    world.work().await;
    assert!(world.job(&job).await.is_open());
    asked(&world, "GET", &format!("/rebuilds/{job}"), "").await.refused("not-found");
    asked(&world, "POST", &format!("/rebuilds/{job}/cancel"), "").await.refused("not-found");
    assert_eq!(asked(&world, "GET", "/rebuilds", "").await.json()["items"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn what_makes_no_sense_is_refused() {
    let world = World::new();
    for (body, about) in [
        (r#"{"collection":"parcels"}"#, "orders"),
        (r#"{"pace":0}"#, "pace"),
        (r#"{"pace":-1}"#, "integer"),
        (r#"{"segments":0}"#, "segments"),
        (r#"{"segments":65}"#, "segments"),
        (r#"{"tenant":"no tenant"}"#, "tenant"),
        (r#"{"collections":["orders"]}"#, "collections"),
        ("[]", "object"),
        (r#"{"stream":"acme/orders"}"#, "stream id"),
        (r#"{"stream":"acme/orders/O-1","tenant":"acme"}"#, "stream or tenant"),
        (r#"{"totals":true}"#, "tenant and collection"),
        (r#"{"totals":true,"collection":"orders"}"#, "tenant and collection"),
        (r#"{"totals":true,"tenant":"acme"}"#, "tenant and collection"),
        (r#"{"totals":true,"tenant":"acme","collection":"customers"}"#, "orders"),
        (r#"{"totals":true,"tenant":"acme","collection":"orders","dryRun":true}"#, "nothing else"),
        (r#"{"totals":true,"tenant":"acme","collection":"orders","pace":5}"#, "nothing else"),
        (r#"{"totals":true,"tenant":"acme","collection":"orders","segments":1}"#, "nothing else"),
        (r#"{"totals":true,"tenant":"acme","collection":"orders","stream":"acme/orders/O-1"}"#, "nothing else"),
    ] {
        let problem = asked(&world, "POST", "/rebuild", body).await.refused("bad-request");
        assert!(problem.detail.contains(about), "{body}: {}", problem.detail);
    }
    asked(&world, "GET", "/rebuilds?state=waiting", "").await.refused("bad-request");
    asked(&world, "GET", "/rebuilds/none", "").await.refused("not-found");
    asked(&world, "POST", "/rebuilds/none/cancel", "").await.refused("not-found");
    asked(&world, "POST", "/rebuilds/none/begin", "").await.refused("not-found");
    asked(&world, "DELETE", "/rebuild", "").await.refused("method-not-allowed");
    assert!(world.aws.items(testkit::TABLES.jobs).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_replay_is_asked_for_followed_and_listed() {
    let world = World::new();
    world.orders(4).await;
    let body =
        r#"{"subscriber":"listener","context":"orders","types":["OrderSubmitted"],"from":"2020-01-01T00:00:00Z"}"#;
    let answer = asked(&world, "POST", "/replay", body).await;
    assert_eq!(answer.status, 202, "{answer:#?}");
    let replay = answer.json();
    assert_eq!(
        (&replay["state"], &replay["pace"], &replay["context"]),
        (&json!("waiting"), &json!(100), &json!("orders"))
    );
    let path = answer.header("location").strip_prefix(&world.rebuild.public_url).expect("a path").to_owned();
    world.work().await;
    let replay = asked(&world, "GET", &path, "").await.json();
    assert_eq!((&replay["state"], &replay["progress"]["sent"]), (&json!("finished"), &json!(4)), "{replay:#}");
    assert_eq!(asked(&world, "GET", "/replays", "").await.json()["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(asked(&world, "GET", "/rebuilds", "").await.json()["items"], json!([]));
    asked(&world, "GET", &path.replace("replays", "rebuilds"), "").await.refused("not-found");
    asked(&world, "POST", &format!("{}/cancel", path.replace("replays", "rebuilds")), "").await.refused("not-found");
    asked(&world, "POST", &format!("{path}/cancel"), "").await.ok();
    for (body, about) in [
        ("{}", "subscriber"),
        (r#"{"subscriber":"listener"}"#, "context"),
        (r#"{"subscriber":"nobody","context":"orders"}"#, "listener"),
        (r#"{"subscriber":"listener","context":"parcels"}"#, "orders"),
        (r#"{"subscriber":"listener","context":"orders","types":["ChargeRequested"]}"#, "OrderSubmitted"),
        (r#"{"subscriber":"listener","context":"orders","from":"yesterday"}"#, "cannot be read"),
        (
            r#"{"subscriber":"listener","context":"orders","from":"2026-01-02T00:00:00Z","to":"2026-01-01T00:00:00Z"}"#,
            "before",
        ),
    ] {
        let problem = asked(&world, "POST", "/replay", body).await.refused("bad-request");
        assert!(problem.detail.contains(about), "{body}: {}", problem.detail);
    }
}

#[tokio::test(start_paused = true)]
async fn only_platform_operators_may() {
    let world = World::new();
    for (method, target) in [
        ("POST", "/rebuild"),
        ("GET", "/rebuilds"),
        ("GET", "/rebuilds/x"),
        ("POST", "/rebuilds/x/cancel"),
        ("POST", "/replay"),
    ] {
        by(&world, "tina", "waybill/operate", method, target, "").await.refused("not-permitted");
        by(&world, "nobody", "waybill/operate", method, target, "").await.refused("not-permitted");
        by(&world, "olga", "waybill/read", method, target, "").await.refused("not-permitted");
    }
    assert!(world.aws.items(testkit::TABLES.jobs).is_empty());
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_it_says_so() {
    let world = World::new();
    world.aws.inject(|attempt| {
        let is_down = attempt.body.contains("\"jobs\"");
        if is_down { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    for (method, target) in [("POST", "/rebuild"), ("GET", "/rebuilds"), ("GET", "/rebuilds/x")] {
        asked(&world, method, target, "").await.refused("unavailable");
    }
}
