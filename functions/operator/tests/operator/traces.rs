//! `GET /traces/{id}` and `GET /traces?search=…`: what became of a command, for operators.

use bench::Bench;
use bench::platform::register_operator;
use bench::sealing::TRACEPARENT;
use kernel::ids::{StreamId, TenantId};
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::webhook_signature::WebhookSecret;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use store::webhooks::progress::{Failing, Position, Progress};
use store::webhooks::{Endpoint, EndpointId, EndpointSettings, Off, PayloadKind, Webhooks};
use testkit::{Fault, TABLES};

use crate::api::{Answer, Api, Queued, bad_order, client, get, good_order, post, second};

/// By an operator of `acme`, whose commands the bench handles.
async fn ask(api: &Api, target: &str) -> Answer {
    api.send(get(target).by(client("acme-desk"))).await
}

/// With the handler of orders, and an operator of its tenant.
fn api() -> (Api, Bench) {
    let api = Api::new();
    register_operator(&api.aws, "client:acme-desk", Some("acme"));
    let bench = Bench::on(api.aws.clone(), catalog::context("orders").expect("a context"));
    (api, bench)
}

/// An order that is to be paid, and was handled.
async fn order(bench: &Bench, id: &str, subject: &str) -> Receipt {
    let mut data = good_order();
    data["payWithinSeconds"] = json!(1800);
    let event = bench.event(id, "SubmitOrder", 1).subject(subject).data_json(&data);
    let receipt = bench.send_event(event).await;
    bench.deliver().await;
    receipt
}

fn ids(found: &Value) -> Vec<&str> {
    let found = found["found"].as_array().expect("a list").iter();
    found.map(|found| found["id"].as_str().expect("an id")).collect()
}

#[tokio::test]
async fn a_handled_command_is_told_with_all_that_is_known_of_it() {
    let (api, bench) = api();
    let receipt = order(&bench, "c-1", "O-1").await;
    let told = ask(&api, &format!("/traces/{receipt}")).await.ok().json();
    let key = receipt.command_key.to_string();
    assert_eq!((&told["tenant"], &told["id"]), (&json!("acme"), &json!(receipt.to_string())));
    assert_eq!(told["correlation"], key, "its sender has given no other");
    let trace_id = lambda::trace::id(TRACEPARENT).expect("an id");
    assert_eq!(told["traceIds"], json!([trace_id]));
    let logs = told["logs"].as_str().expect("a query");
    let payment = told["caused"][0]["operation"]["id"].as_str().and_then(Receipt::read).expect("an operation");
    for part in [&receipt.shared_text(), &payment.shared_text(), trace_id] {
        assert!(logs.contains(part), "{logs}");
    }
    assert_eq!((&told["operation"]["status"], &told["stream"]), (&json!("succeeded"), &json!("acme/orders/O-1")));
    assert_eq!(told["events"][0]["type"], "OrderSubmitted");
    assert_eq!(told["published"], false, "nobody has shown it");
    assert_eq!(told["documents"][0]["reached"], false);
    let payment = &told["caused"][0];
    assert_eq!((&payment["type"], &payment["operation"]["status"]), (&json!("StartPayment"), &json!("accepted")));
    assert_eq!(told["complete"], true);
    assert!(!told.to_string().contains("unitPrice"), "no data: {told:#}");
}

#[tokio::test]
async fn a_command_that_waits_for_a_person_shows_its_attempts_and_errors() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(1));
    let parking = api.parks_because(&queued, "unreadable", "missing field customer").await;
    let path = format!("/traces/{}", queued.operation());
    let told = api.get(&path).await.ok().json();
    assert_eq!(told["operation"]["status"], "parked");
    let parked = &told["parked"];
    assert_eq!((&parked["id"], &parked["stage"]), (&json!(parking), &json!("waiting")));
    assert_eq!((&parked["reason"], &parked["error"]), (&json!("unreadable"), &json!("missing field customer")));
    assert_eq!((&parked["attempts"], &parked["revision"]), (&json!(0), &json!(0)));
    api.detail(parked["id"].as_str().expect("an id")).await;

    api.resubmit(&parking, json!({})).await.accepted();
    let told = api.get(&path).await.ok().json();
    assert_eq!((&told["operation"]["status"], &told["parked"]["stage"]), (&json!("retrying"), &json!("resubmitted")));
    api.detail(told["parked"]["id"].as_str().expect("an id")).await;
}

#[tokio::test]
async fn what_only_the_platform_is_to_see_of_an_error_a_tenants_operator_does_not() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), second(1));
    api.parks_because(&queued, "refused-by-store", "AKIA secret").await;
    let path = format!("/traces/{}", queued.operation());
    assert!(!api.get(&path).await.ok().text.contains("AKIA"));
    let root = api.send(get(format!("{path}?tenant=demo")).by(client("root"))).await.ok();
    assert_eq!(root.json()["parked"]["error"], "AKIA secret");
}

#[tokio::test]
async fn a_retried_command_says_how_often_and_when_it_failed() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), second(1));
    let record = OperationRecord {
        attempt: Some(3),
        failed_at: Some(second(9)),
        problem: Some(Problem::retrying("the store did not answer").to_json()),
        ..OperationRecord::of(&queued.command, second(9))
    };
    assert!(api.operations.put_open(&record).await.expect("an answer"));
    let told = api.get(format!("/traces/{}", queued.operation())).await.ok().json();
    assert_eq!((&told["operation"]["attempt"], &told["failedAt"]), (&json!(3), &json!(second(9))));
    assert!(told["operation"]["error"]["detail"].as_str().is_some_and(|told| told.contains("did not answer")));
}

#[tokio::test]
async fn an_operator_traces_their_own_tenants_commands_and_a_platform_operator_says_whose() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), api.now());
    for target in [format!("/traces/{}", queued.operation()), format!("/traces?search={}", queued.operation())] {
        let (own, sign) = (api.get(&target).await, if target.contains('?') { '&' } else { '?' });
        let text = own.ok().text;
        assert!(text.contains("accepted"), "it is not handled yet: {text}");
        let with_tenant = async |who: &str, tenant: &str| {
            api.send(get(format!("{target}{sign}tenant={tenant}")).by(client(who))).await
        };
        for who in ["desk", "root"] {
            assert_eq!(with_tenant(who, "demo").await.ok().text, text, "{who}");
        }
        for (who, tenant) in [("neighbour", "demo"), ("desk", "other"), ("root", "%00")] {
            with_tenant(who, tenant).await.refused("not-found");
        }
        api.send(get(&target).by(client("root"))).await.refused("bad-request");
        api.send(get(&target).by(client("stranger"))).await.refused("not-permitted");
    }
    // Another tenant's receipt is as absent as a forged one.
    let path = format!("/traces/{}", queued.operation());
    let unheard_of = api.get("/traces/unheard-of").await;
    let foreign = api.send(get(&path).by(client("neighbour"))).await;
    assert_eq!(foreign.text, unheard_of.text);
    foreign.refused("not-found");
    api.send(get(format!("{path}?tenant=other")).by(client("root"))).await.refused("not-found");
    let search = api.send(get(format!("/traces?search={}", queued.operation())).by(client("neighbour"))).await;
    assert_eq!(search.ok().json(), json!({ "found": [], "complete": true }));
    api.parks(&queued).await;
    for id in [queued.key(), queued.operation()] {
        api.send(get(format!("/traces/{id}")).by(client("neighbour"))).await.refused("not-found");
        api.get(format!("/traces/{id}")).await.ok();
    }
}

#[tokio::test]
async fn a_command_is_found_by_whatever_an_operator_has_of_it() {
    let (api, bench) = api();
    let first = order(&bench, "c-1", "O-1").await;
    let other = order(&bench, "c-2", "O-2").await;
    let receipt = first.to_string();
    for text in
        [receipt.as_str(), &first.command_key.to_string(), "O-1", "acme/orders/O-1", "acme/orders/O-1/1", "%20O-1%20"]
    {
        let found = ask(&api, &format!("/traces?search={text}")).await.ok().json();
        assert_eq!(ids(&found), [receipt.as_str()], "{text}: {found:#}");
        assert_eq!(
            (&found["found"][0]["status"], &found["found"][0]["stream"]),
            (&json!("succeeded"), &json!("acme/orders/O-1"))
        );
    }
    let by_key = ask(&api, &format!("/traces/{}", other.command_key)).await.ok().json();
    assert_eq!(by_key["id"], other.to_string(), "the same receipt as its sender has");
    for text in ["O-9", "demo/orders/O-1", "acme/orders/O-1/x", "cart-7", "a%20b", &"0".repeat(32), &"A".repeat(74)] {
        let found = ask(&api, &format!("/traces?search={text}")).await.ok().json();
        assert_eq!(found, json!({ "found": [], "complete": true }), "{text}");
    }
    for bad in [
        "/traces",
        "/traces?search=",
        "/traces?search=%20",
        &format!("/traces?search={}", "x".repeat(257)),
        "/traces?search=x&limit=1",
    ] {
        ask(&api, bad).await.refused("bad-request");
    }
    let post = post("/traces?search=x", &json!({})).by(client("acme-desk"));
    assert_eq!(api.send(post).await.status, 405);
}

#[tokio::test]
async fn of_an_aggregate_the_newest_commands_are_found() {
    let (api, bench) = api();
    order(&bench, "c-1", "O-1").await;
    let data = json!({ "reason": "twice" });
    let cancel = bench.event("c-2", "CancelOrder", 1).subject("O-1").data_json(&data);
    let cancel = bench.send_event(cancel).await;
    bench.deliver().await;
    let found = ask(&api, "/traces?search=O-1").await.ok().json();
    assert_eq!(found["found"].as_array().map(Vec::len), Some(2), "{found:#}");
    let newest = found["found"].as_array().expect("a list").iter().find(|found| found["id"] == cancel.to_string());
    assert_eq!(newest.expect("it is found")["events"], json!(["OrderCancelled"]));
}

fn endpoint(url: &str, types: &[&str]) -> EndpointSettings {
    EndpointSettings {
        url: url.to_owned(),
        description: None,
        types: types.iter().map(ToString::to_string).collect(),
        contexts: Vec::new(),
        payload: PayloadKind::Full,
        secrets: vec![WebhookSecret::from_random([7; 32])],
        since: second(0),
    }
}

#[tokio::test]
async fn each_webhook_says_how_far_it_is_with_the_commands_events() {
    let (api, bench) = api();
    let webhooks = Webhooks::new(api.aws.dynamodb(), TABLES.webhooks);
    let tenant = TenantId::parse("acme").expect("a tenant");
    let create = async |url: &str, types: &[&str]| -> Endpoint {
        let id = EndpointId::draw(tenant.clone());
        webhooks.create(&id, &endpoint(url, types), second(0)).await.expect("created")
    };
    let [sent, held, off, waiting] = [
        create("https://sent.example/", &[]).await,
        create("https://held.example/", &["OrderSubmitted"]).await,
        create("https://off.example/", &[]).await,
        create("https://waiting.example/", &[]).await,
    ];
    create("https://others.example/", &["OrderShipped"]).await;
    let receipt = order(&bench, "c-1", "O-1").await;
    let stream = StreamId::parse("acme/orders/O-1").expect("a stream");
    for endpoint in [&sent, &held, &off] {
        webhooks.note(&endpoint.id, &stream, 1, api.now()).await.expect("noted");
    }
    let progress = async |endpoint: &Endpoint| -> Progress {
        webhooks.find(&endpoint.id, &stream).await.expect("an answer").expect("progress")
    };
    let mut done = progress(&sent).await;
    (done.done, done.due) = (Some(Position { version: 1, commit: 1 }), None);
    webhooks.caught_up(&sent.id, &done, api.now()).await.expect("kept");
    let at = api.now();
    let mut failing = progress(&held).await;
    failing.failing = Some(Failing { attempts: 7, since: at, at, answer: "500".to_owned(), held: true });
    (failing.done, failing.due) = (Some(Position::default()), None);
    webhooks.keep(&held.id, &failing).await.expect("kept");
    webhooks.switch_off(&off.id, &Off { at, because: "they move".to_owned() }).await.expect("off");

    let told = ask(&api, &format!("/traces/{receipt}")).await.ok().json();
    assert_eq!(told["published"], true, "a dispatcher has noted it");
    let told = told["webhooks"].as_array().expect("a list").clone();
    assert_eq!(told.len(), 4, "{told:#?}");
    for (endpoint, status) in [(&sent, "sent"), (&held, "held"), (&off, "off"), (&waiting, "waiting")] {
        let shown = told.iter().find(|shown| shown["id"] == endpoint.id.id).expect("it is shown");
        assert_eq!((&shown["status"], &shown["wanted"]), (&json!(status), &json!(1)), "{shown:#}");
        assert_eq!(shown["version"], u64::from(status == "sent"));
        assert_eq!(
            (shown["attempts"].as_u64(), shown["answer"].as_str()),
            if status == "held" { (Some(7), Some("500")) } else { (None, None) }
        );
        assert!(!shown.to_string().contains("whsec"), "no secret");
    }
}

#[tokio::test]
async fn a_discarded_command_shows_what_was_done_with_it() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(1));
    let parking = api.parks(&queued).await;
    api.discard(&parking, "ordered twice").await.ok();
    let told = api.get(format!("/traces/{}", queued.key())).await.ok().json();
    assert_eq!(
        (&told["operation"]["status"], &told["parked"]["stage"]),
        (&json!(Status::Discarded), &json!("discarded"))
    );
}

#[tokio::test]
async fn the_stores_must_answer() {
    let (api, bench) = api();
    let receipt = order(&bench, "c-1", "O-1").await;
    for target in [format!("/traces/{receipt}"), "/traces?search=O-1".to_owned()] {
        ask(&api, &target).await.ok();
        for operation in ["BatchGetItem", "Query"] {
            api.aws.inject(move |attempt| {
                if attempt.operation == operation { Fault::refuse(500, "InternalServerError") } else { Fault::None }
            });
            let answer = ask(&api, &target).await;
            if !(target.contains('?') && operation == "BatchGetItem") {
                answer.refused("unavailable");
            }
            api.aws.heal();
        }
    }
}
