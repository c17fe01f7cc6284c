//! Messages that failed: they come back by themselves, or through an operator.

use std::time::SystemTime;

use bench::sealing::seal_with;
use kernel::cloud_event::CloudEvent;
use recovery::{MessageGroup, Returning, send_back};
use serde_json::{Value, json};

use crate::api::{Answer, Client, fresh, sqs, stack, submit_order, wait_for};

/// A command as ingest would queue it, which did not look at it: its operation's path, and the message.
fn sealed(tenant: &str, order: &str, data: &Value) -> (String, Returning) {
    let stack = stack();
    let text = |name: &str| stack[name].as_str().unwrap_or_else(|| panic!("no {name} in the stack's description"));
    let event = CloudEvent::builder(fresh("sealed"), "https://shop.example/legacy", "SubmitOrder")
        .subject(order)
        .dataschema(format!("{}/schemas/orders/SubmitOrder/1", text("api_url")))
        .data_json(data);
    let (receipt, body) = seal_with(text("receipt_key"), tenant, event, SystemTime::now().into());
    let (group, deduplication_id) =
        (MessageGroup::Ordered(format!("{tenant}/orders/{order}")), receipt.command_key.to_string());
    (format!("/operations/{receipt}"), Returning { body, group, deduplication_id, ..Returning::default() })
}

/// Puts a message into a queue that the stack's description names.
fn put(pointer: &str, message: Returning) {
    let queue = stack().pointer(pointer).and_then(Value::as_str).expect("a queue's URL").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(send_back(&sqs(), &queue, vec![message])).expect("queued");
}

fn order_data() -> Value {
    submit_order("any", "C-1")["data"].clone()
}

/// Data that breaks its schema.
fn broken_data() -> Value {
    let mut data = order_data();
    data["lines"][0]["quantity"] = json!("one");
    data
}

/// The message parked for an operation, as soon as it is there.
fn parked(operator: &Client, operation: &str) -> Value {
    let receipt = operation.trim_start_matches("/operations/");
    wait_for(&format!("{operation} among what is parked"), || {
        let list = operator.get("/parked?context=orders&reason=unreadable&limit=100").expect(200).json();
        let items = list["items"].as_array().expect("items");
        items.iter().find(|item| item["operation"] == receipt).cloned().ok_or_else(|| list.to_string())
    })
}

fn act(operator: &Client, id: &Value, action: &str, body: &Value) -> Answer {
    let id = id.as_str().expect("an id");
    let headers = [("content-type", "application/json")];
    operator.send("POST", &format!("/parked/{id}/{action}"), &headers, &body.to_string())
}

#[test]
fn a_dead_letter_comes_back_on_schedule_and_succeeds() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let (operation, message) = sealed("demo", &order, &order_data());
    put("/contexts/orders/dead_letters", message);
    assert_eq!(client.get(&operation).expect(200).json()["status"], "accepted", "nobody has looked at it yet");
    let resource = client.succeeded(&operation);
    assert_eq!(client.read(&resource).json()["status"], "submitted");
    assert_eq!(client.history(&format!("/orders/{order}")).len(), 1);
}

#[test]
fn a_parked_command_is_repaired_once_and_its_client_sees_it_succeed() {
    let (client, operator, order) = (Client::of("demo"), Client::operator("demo"), fresh("O"));
    let (operation, message) = sealed("demo", &order, &broken_data());
    put("/contexts/orders/commands", message);
    assert_eq!(client.outcome(&operation)["status"], "parked");

    let id = parked(&operator, &operation)["id"].clone();
    let detail = operator.get(&format!("/parked/{}", id.as_str().expect("an id"))).expect(200).json();
    assert_eq!(detail["complaints"][0]["pointer"], "/lines/0/quantity", "{detail:#}");
    let refused = act(&operator, &id, "resubmit", &json!({ "data": broken_data() })).expect(422);
    assert_eq!(refused.problem(), "invalid-data");

    let repair = json!({ "data": order_data(), "reason": "a number as text" });
    act(&operator, &id, "resubmit", &repair).expect(202);
    assert_eq!(act(&operator, &id, "resubmit", &repair).expect(409).problem(), "conflict");
    assert_eq!(act(&operator, &id, "discard", &json!({ "reason": "late" })).expect(409).problem(), "conflict");
    let ended = wait_for("the repaired command", || {
        let seen = client.get(&operation).expect(200).json();
        if seen["status"] == "succeeded" { Ok(seen) } else { Err(seen.to_string()) }
    });
    assert_eq!(operator.get(&operation).expect(200).json()["status"], "succeeded", "its operator may follow it too");
    let outcomes =
        operator.send("POST", "/parked/outcomes", &[], &json!({ "ids": [id] }).to_string()).expect(200).json();
    assert_eq!(outcomes["counts"], json!({ "succeeded": 1 }), "{outcomes:#}");
    let before = format!("/parked/{}/revisions/0", id.as_str().expect("an id"));
    assert!(operator.get(&before).expect(200).json()["message"].is_string());
    assert_eq!((&ended["revision"], &ended["repaired"]), (&json!(1), &json!(true)), "{ended:#}");
    let resource = ended["resource"]["href"].as_str().expect("a resource").to_owned();
    assert_eq!(client.read(&resource).json()["lines"][0]["quantity"], 1);
    let history = client.history(&format!("/orders/{order}"));
    let [submitted] = &history[..] else { panic!("one event, not {history:#?}") };
    let by = submitted["repairedby"].as_str().expect("who repaired it");
    assert!(by.starts_with("client:") && submitted["commandrevision"] == 1, "{submitted:#}");
}

#[test]
fn a_discarded_command_tells_its_client_why() {
    let (client, operator) = (Client::of("demo"), Client::operator("demo"));
    let (operation, message) = sealed("demo", &fresh("O"), &broken_data());
    put("/contexts/orders/commands", message);
    let id = parked(&operator, &operation)["id"].clone();
    assert_eq!(act(&operator, &id, "discard", &json!({})).expect(400).problem(), "bad-request");
    act(&operator, &id, "discard", &json!({ "reason": "the shop is closed" })).expect(200);
    let ended = client.get(&operation).expect(200).json();
    assert_eq!((&ended["status"], &ended["error"]["detail"]), (&json!("discarded"), &json!("the shop is closed")));
}

#[test]
fn an_operator_sees_their_own_tenant_and_a_platform_operator_all() {
    let (demo, platform) = (Client::operator("demo"), Client::operator("platform"));
    let (operation, message) = sealed("neighbour", &fresh("O"), &broken_data());
    put("/contexts/orders/commands", message);
    let id = parked(&platform, &operation)["id"].clone();
    let path = format!("/parked/{}", id.as_str().expect("an id"));
    platform.get(&path).expect(200);
    assert_eq!(demo.get(&path).expect(404).problem(), "not-found");
    let reason = json!({ "reason": "none of my business" });
    assert_eq!(act(&demo, &id, "discard", &reason).expect(404).problem(), "not-found");
    assert_eq!(demo.get("/dead-letters").expect(403).problem(), "not-permitted");
    assert_eq!(demo.send("POST", "/redrive", &[], "{}").expect(403).problem(), "not-permitted");
    let of_neighbour = format!("{operation}?tenant=neighbour");
    assert_eq!(platform.get(&of_neighbour).expect(200).json()["status"], "parked");
    assert_eq!(demo.get(&of_neighbour).expect(404).problem(), "not-found");
    assert_eq!(demo.get(&operation).expect(404).problem(), "not-found");
    act(&platform, &id, "discard", &reason).expect(200);
}

#[test]
fn operating_needs_its_scope_and_the_consoles_page_needs_none() {
    let client = Client::of("demo");
    client.get("/parked").expect(403);
    client.clone().without_token().get("/parked").expect(401);
    let page = client.without_token().get("/console").expect(200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert!(page.header("content-security-policy").contains("default-src 'none'"), "{page:?}");
}

#[test]
fn a_commit_that_was_not_published_comes_back_by_hand() {
    let (client, operator, order) = (Client::of("demo"), Client::operator("platform"), fresh("O"));
    client.succeeded(&client.submit(&submit_order(&order, "C-1")));
    let body = json!({ "stream_id": format!("demo/orders/{order}"), "commit_number": 1 }).to_string();
    put("/queues/publisher_dead_letters", Returning { body, ..Returning::default() });
    wait_for("the publisher's dead letters", || {
        operator.send("POST", "/redrive", &[], &json!({ "context": "publisher" }).to_string()).expect(200);
        let queues = operator.get("/dead-letters").expect(200).json();
        let publisher =
            queues["queues"].as_array().and_then(|all| all.iter().find(|queue| queue["name"] == "publisher"));
        match publisher {
            Some(queue) if queue["waiting"] == 0 && queue["inFlight"] == 0 => Ok(()),
            _ => Err(queues.to_string()),
        }
    });
}
