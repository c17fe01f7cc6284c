//! `GET /operations/{id}/trace`: what became of a command and of what followed, as far as its caller may read.

use kernel::command::Command;
use kernel::ids::StreamId;
use kernel::operation::{LONGEST_WAY, Status};
use kernel::problem::Problem;
use kernel::system_command::SystemCommand;
use serde_json::{Value, json};
use store::event_store::Streams;
use store::operations::{OperationRecord, Operations};
use testkit::{Fault, TABLES};

use crate::api::{Accepted, Api, PUBLIC_URL, client, get, second, submitted};

fn path(Accepted { receipt, .. }: &Accepted) -> String {
    format!("/operations/{receipt}/trace")
}

/// An order that is to be paid, and can be read.
async fn order(api: &Api, id: &str, customer: &str) -> Accepted {
    let (stream, mut data) = (format!("demo/orders/{id}"), submitted(customer, second(0)));
    data["payWithinSeconds"] = json!(1800);
    let command = api.happens(&stream, &[("OrderSubmitted", data)], second(0)).await;
    api.project(&stream).await;
    command
}

/// The command by which payments hear of the order, as the listener hands it in.
async fn heard(api: &Api, order: &str) -> Command {
    let streams = Streams::new(api.aws.dynamodb(), TABLES.events);
    let stream = StreamId::parse(&format!("demo/orders/{order}")).expect("a stream");
    let events = streams.after(&stream, 0).await.expect("events");
    let payments = catalog::context("payments").expect("a context");
    let heard = SystemCommand::of_heard(payments, &events[0], PUBLIC_URL).expect("it is heard").expect("a command");
    Command::open(heard.event.to_json().as_bytes(), "payments").expect("a command")
}

/// The handler gave it this outcome.
async fn ends(api: &Api, command: &Command, outcome: Status, problem: Option<Problem>) {
    let problem = problem.map(|problem| problem.to_json());
    let record = OperationRecord { outcome, problem, ..OperationRecord::of(command, api.now()) };
    let operations = Operations::new(api.aws.dynamodb(), TABLES.operations);
    assert!(operations.put_open(&record).await.expect("an answer"));
}

async fn trace(api: &Api, command: &Accepted) -> Value {
    api.get(path(command)).await.ok().json()
}

#[tokio::test]
async fn a_commit_that_is_damaged_makes_a_trace_incomplete_and_no_error() {
    for (attribute, damage) in [("events", json!("[")), ("effects", json!("[")), ("first_version", json!("one"))] {
        let api = Api::new();
        let command = order(&api, "O-7", "C-7").await;
        let mut commits = api.aws.items(TABLES.events).into_iter();
        let mut commit = commits.find(|commit| commit["stream_id"] == "demo/orders/O-7").expect("a commit");
        commit[attribute] = damage;
        api.aws.insert(TABLES.events, &commit);
        let trace = trace(&api, &command).await;
        assert_eq!(
            (&trace["operation"]["status"], &trace["complete"]),
            (&json!("succeeded"), &json!(false)),
            "{attribute}"
        );
        assert_eq!(trace["events"], json!([]));
    }
}

#[tokio::test]
async fn a_command_that_is_not_handled_yet_is_accepted() {
    let api = Api::new();
    let command = api.accepts("demo", "c1", &json!(1), api.now());
    let answer = api.get(path(&command)).await.ok();
    let expected = json!({
        "operation": {
            "id": command.receipt.to_string(), "status": "accepted", "acceptedAt": command.receipt.accepted_at,
        },
        "events": [], "documents": [], "timers": [], "caused": [], "complete": true, "withheld": false,
    });
    assert_eq!(answer.json(), expected);
    assert_eq!(answer.header("retry-after"), "1");
    let later = command.receipt.accepted_at.plus(LONGEST_WAY).plus(std::time::Duration::from_millis(1));
    api.send_at(get(path(&command)), later).await.refused("not-found");
}

#[tokio::test]
async fn what_is_not_the_tenants_is_as_absent_as_what_never_was() {
    let api = Api::new();
    let foreign = api.order("other", "O-1", "C-7", second(0)).await;
    let unheard_of = api.get("/operations/unheard-of/trace").await;
    let answer = api.get(path(&foreign)).await;
    assert_eq!(answer.text, unheard_of.text);
    answer.refused("not-found");
    api.send(get(path(&foreign)).by(client("other-client"))).await.ok();
    let of_system = kernel::receipt::Receipt::of_system(
        foreign.receipt.accepted_at,
        foreign.receipt.command_key,
        foreign.receipt.digest,
    );
    api.get(format!("/operations/{of_system}/trace")).await.refused("not-found");
}

#[tokio::test]
async fn events_documents_and_what_follows_are_told() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    let told = api.send_at(get(path(&command)), second(5)).await.ok().json();
    assert_eq!(told["operation"], api.get(format!("/operations/{}", command.receipt)).await.json());
    assert_eq!(told["history"], "https://api.example/orders/O-7/history");
    assert_eq!(told["events"], json!([{ "type": "OrderSubmitted", "version": 1, "time": second(0) }]));
    let document =
        json!({ "collection": "orders", "href": "https://api.example/orders/O-7", "version": 1, "reached": true });
    assert_eq!(told["documents"], json!([document]));
    let [payment] = &told["caused"].as_array().expect("commands")[..] else { panic!("{told:#}") };
    assert_eq!(
        (&payment["cause"], &payment["event"], &payment["type"]),
        (&json!("heard"), &json!(1), &json!("StartPayment"))
    );
    assert_eq!((&payment["context"], &payment["subject"]), (&json!("payments"), &json!("O-7")));
    assert_eq!(payment["operation"]["status"], "accepted", "it is on its way: {payment:#}");
    assert_eq!((&told["complete"], &told["withheld"]), (&json!(true), &json!(false)));
    assert!(!told.to_string().contains("C-7"), "no data: {told:#}");
}

#[tokio::test]
async fn a_document_that_is_not_as_far_says_so() {
    let api = Api::new();
    let stream = "demo/orders/O-7";
    let command = api.happens(stream, &[("OrderSubmitted", submitted("C-7", second(0)))], second(0)).await;
    let told = trace(&api, &command).await;
    assert_eq!(
        told["documents"],
        json!([{ "collection": "orders", "href": "https://api.example/orders/O-7", "reached": false }])
    );
    api.project(stream).await;
    assert_eq!(trace(&api, &command).await["documents"][0]["reached"], true);
}

#[tokio::test]
async fn a_command_that_followed_and_was_rejected_or_parked_shows_with_what_its_sender_may_know() {
    for (outcome, problem) in [
        (Status::Rejected, Problem::rejected("payments", "no-card", "There is no card")),
        (Status::Parked, Problem::parked("it waits for repair")),
    ] {
        let api = Api::new();
        let command = order(&api, "O-7", "C-7").await;
        let payment = heard(&api, "O-7").await;
        ends(&api, &payment, outcome, Some(problem.clone())).await;
        let told = trace(&api, &command).await;
        let shown = &told["caused"][0];
        assert_eq!(shown["id"], payment.receipt.to_string());
        assert_eq!(shown["operation"]["status"], outcome.as_str());
        assert_eq!(shown["operation"]["error"], json!(problem));
        for internal in ["parked", "published", "webhooks", "stream", "logs", "correlation"] {
            assert!(shown.get(internal).is_none() && told.get(internal).is_none(), "{internal}: {told:#}");
        }
        let href = shown["href"].as_str().and_then(|href| href.strip_prefix(PUBLIC_URL)).expect("a link");
        assert_eq!(api.get(href).await.ok().json(), shown["operation"], "the link leads there");
        assert_eq!(told["complete"], true);
    }
}

#[tokio::test]
async fn other_content_under_the_same_id_tells_nothing_of_the_first() {
    let api = Api::new();
    let first = api.accepts("demo", "c1", &json!({ "amount": 1 }), api.now());
    let other = api.accepts("demo", "c1", &json!({ "amount": 2 }), api.now());
    api.handles(&first, Status::Succeeded, None, api.now()).await;
    let told = trace(&api, &other).await;
    assert_eq!(told["operation"]["error"]["type"], "urn:waybill:problem:id-reused");
    for list in ["events", "documents", "timers", "caused"] {
        assert_eq!(told[list], json!([]), "{told:#}");
    }
}

#[tokio::test]
async fn what_is_missing_is_said_and_no_error() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    // As after a restore that has brought the records back, and not the events.
    change_record(&api, |record| record["commit_number"] = json!(9));
    let told = trace(&api, &command).await;
    assert_eq!((&told["operation"]["status"], &told["events"]), (&json!("succeeded"), &json!([])));
    assert_eq!(told["complete"], false, "{told:#}");
}

/// Changes the only record.
fn change_record(api: &Api, change: impl FnOnce(&mut Value)) {
    let [mut record] = <[Value; 1]>::try_from(api.aws.items(TABLES.operations)).expect("one record");
    change(&mut record);
    api.aws.insert(TABLES.operations, &record);
}

#[tokio::test]
async fn a_command_that_followed_long_ago_may_be_on_no_record_any_more() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    let later = second(0).plus(LONGEST_WAY).plus(std::time::Duration::from_hours(1));
    let told = api.send_at(get(path(&command)), later).await.ok().json();
    let payment = &told["caused"][0];
    assert!(payment.get("operation").is_none() && payment["type"] == "StartPayment", "{told:#}");
    assert_eq!(told["complete"], false);
}

/// As records of the release before are, which do not say their commit.
#[tokio::test]
async fn a_record_that_does_not_say_its_commit_leads_to_its_events_all_the_same() {
    let api = Api::new();
    let stream = "demo/orders/O-7";
    let two = [("OrderSubmitted", submitted("C-7", second(0))), ("OrderCancelled", json!({ "reason": "twice" }))];
    let command = api.happens(stream, &two, second(0)).await;
    change_record(&api, |record| {
        record.as_object_mut().expect("an item").remove("commit_number").expect("it says its commit");
    });
    let told = trace(&api, &command).await;
    assert_eq!(told["events"].as_array().map(Vec::len), Some(2), "{told:#}");
    assert_eq!(told["complete"], true);
}

#[tokio::test]
async fn the_stores_must_answer() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    trace(&api, &command).await;
    for table in [TABLES.operations, TABLES.events, TABLES.read_models] {
        api.aws.inject(move |attempt| {
            let named = attempt.operation == "BatchGetItem" && attempt.body.contains(&format!("\"{table}\""));
            if named { Fault::refuse(500, "InternalServerError") } else { Fault::None }
        });
        api.get(path(&command)).await.refused("unavailable");
        api.aws.heal();
    }
    trace(&api, &command).await;
}

// What one may read

/// Claims of a token with other scopes.
fn scoped(scope: &str) -> Value {
    json!({ "client_id": "shop-client", "sub": "shop-client", "scope": scope })
}

/// A customer who signed in.
fn customer(id: &str) -> Value {
    json!({ "client_id": "web", "sub": format!("user-{id}"), "scope": "waybill/read", "custom:tenant": "demo", "customer": id })
}

#[track_caller]
fn assert_operation_alone(told: &Value) {
    assert_eq!(told["operation"]["status"], "succeeded");
    for list in ["events", "documents", "timers", "caused"] {
        assert_eq!(told[list], json!([]), "{told:#}");
    }
    assert_eq!(told["withheld"], true);
}

#[tokio::test]
async fn who_may_submit_alone_sees_the_operation_alone() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    let ask = async |claims: Value| api.send(get(path(&command)).by(claims)).await;
    assert_operation_alone(&ask(scoped("waybill/submit")).await.ok().json());
    for scope in ["", "openid", "waybill/reads"] {
        ask(scoped(scope)).await.refused("not-permitted");
    }
    api.aws.register(&json!({ "registry_key": "operator#user:desk", "entry": "operator", "tenant": "demo" }));
    let desk =
        json!({ "client_id": "the-console", "sub": "desk", "username": "desk", "scope": "openid waybill/operate" });
    assert_operation_alone(&ask(desk).await.ok().json());
}

#[tokio::test]
async fn what_the_tenant_does_not_grant_is_left_out_with_all_that_followed_from_it() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    let payment = heard(&api, "O-7").await;
    ends(&api, &payment, Status::Rejected, Some(Problem::rejected("payments", "no-card", "There is no card"))).await;
    api.settings("demo", &json!({ "reads": [{ "principals": ["*"], "collections": ["orders"] }] }));
    let api = api.restarted();
    let told = trace(&api, &command).await;
    assert_eq!((told["events"].as_array().map(Vec::len), &told["caused"]), (Some(1), &json!([])));
    assert_eq!((&told["withheld"], &told["complete"]), (&json!(true), &json!(true)));
    assert!(!told.to_string().contains("ayment"), "{told:#}");

    api.settings("demo", &json!({ "reads": [] }));
    assert_operation_alone(&trace(&api.restarted(), &command).await);
}

#[tokio::test]
async fn whoever_may_read_their_own_sees_what_is_known_as_theirs() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    let stream = "demo/orders/O-8";
    let new = api.happens(stream, &[("OrderSubmitted", submitted("C-7", second(0)))], second(0)).await;
    api.settings("demo", &json!({ "reads": [{ "principals": ["*"], "collections": ["*"], "own": "customer" }] }));
    let api = api.restarted();
    let ask = async |command: &Accepted, who: &str| api.send(get(path(command)).by(customer(who))).await.ok().json();
    let own = ask(&command, "C-7").await;
    assert_eq!((own["events"].as_array().map(Vec::len), &own["withheld"]), (Some(1), &json!(true)));
    assert_eq!(own["caused"], json!([]), "the payment has no document yet, which would say whose it is");
    assert_operation_alone(&ask(&command, "C-8").await);
    assert_operation_alone(&ask(&new, "C-7").await);
    api.project(stream).await;
    assert_eq!(ask(&new, "C-7").await["events"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn while_it_is_not_known_what_was_granted_nothing_is_told() {
    let api = Api::new();
    let command = order(&api, "O-7", "C-7").await;
    api.aws.inject(|attempt| {
        if attempt.body.contains("tenant#demo") { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    api.get(path(&command)).await.refused("unavailable");
}

#[tokio::test]
async fn a_system_receipt_leads_to_its_trace_once_there_is_a_record() {
    let api = Api::new();
    order(&api, "O-7", "C-7").await;
    let payment = heard(&api, "O-7").await;
    let path = format!("/operations/{}/trace", payment.receipt);
    api.get(&path).await.refused("not-found");
    ends(&api, &payment, Status::Rejected, None).await;
    assert_eq!(api.get(&path).await.ok().json()["operation"]["type"], "StartPayment");
}
