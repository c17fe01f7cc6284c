//! What becomes of commands.

use std::thread;

use serde_json::{Value, json};

use crate::api::{Client, fresh, submit_order, to_order, wait_for};

#[test]
fn a_command_goes_in_and_comes_out_as_a_read_model() {
    let (client, order, customer) = (Client::of("demo"), fresh("O"), fresh("C"));
    let traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [("content-type", "application/cloudevents+json"), ("traceparent", traceparent)];
    let taken = client.send("POST", "/commands", &headers, &submit_order(&order, &customer).to_string()).expect(202);
    assert_eq!(taken.json()["status"], "accepted");

    let resource = client.succeeded(taken.header("location"));
    assert!(resource.ends_with(&format!("/orders/{order}?version=1")), "{resource}");
    let document = client.read(&resource);
    assert_eq!(document.json()["status"], "submitted");
    assert_eq!(document.json()["total"], json!({ "amount": 1250, "currency": "EUR" }));

    let unchanged = client.send("GET", &format!("/orders/{order}"), &[("if-none-match", document.header("etag"))], "");
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));

    let history = client.history(&format!("/orders/{order}"));
    assert_eq!(history.len(), 1, "{history:#?}");
    assert_eq!(history[0]["type"], "OrderSubmitted");
    assert_eq!(history[0]["traceparent"], traceparent, "the trace goes all the way");
    let schema = client.get(history[0]["dataschema"].as_str().expect("a schema")).expect(200);
    assert_eq!(schema.header("content-type"), "application/schema+json");
}

#[test]
fn binary_mode_and_put_do_as_well() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let id = fresh("binary");
    let headers = [
        ("content-type", "application/json"),
        ("ce-specversion", "1.0"),
        ("ce-id", &id),
        ("ce-source", "https://shop.example/checkout"),
        ("ce-type", "SubmitOrder"),
        ("ce-subject", &order),
    ];
    let data = submit_order(&order, &fresh("C"))["data"].to_string();
    let taken = client.send("PUT", "/commands", &headers, &data).expect(202);
    client.read(&client.succeeded(taken.header("location")));
}

#[test]
fn a_refusal_is_final_and_says_why() {
    let client = Client::of("demo");
    let operation = client.outcome(&client.submit(&to_order("CancelOrder", &fresh("O"), &json!({}))));
    assert_eq!(operation["status"], "rejected", "{operation:#}");
    assert_eq!(operation["error"]["type"], "urn:waybill:problem:orders:unknown-order");
    assert_eq!(operation["error"]["status"], 422);
}

#[test]
fn a_shipped_order_is_returned_and_no_more_than_once() {
    let (client, order, [first, second]) = (Client::of("demo"), fresh("O"), [fresh("R"), fresh("R")]);
    let customer = fresh("C");
    client.succeeded(&client.submit(&submit_order(&order, &customer)));
    let request = |id: &str| to_order("RequestReturn", id, &json!({ "order": order, "customer": customer }));
    let too_early = client.outcome(&client.submit(&request(&first)));
    assert_eq!(too_early["error"]["type"], "urn:waybill:problem:orders:not-returnable", "{too_early:#}");
    client.succeeded(&client.submit(&to_order("ShipOrder", &order, &json!({ "trackingNumber": fresh("T") }))));

    client.succeeded(&client.submit(&request(&first)));
    assert_eq!(client.outcome(&client.submit(&request(&second)))["status"], "rejected");
    let received = client.succeeded(&client.submit(&to_order("ReceiveReturn", &first, &json!({}))));
    let document = client.read(&received);
    assert_eq!((&document.json()["status"], &document.json()["order"]), (&json!("received"), &json!(order)));
    let types: Vec<_> =
        client.history(&format!("/returns/{first}")).iter().map(|event| event["type"].clone()).collect();
    assert_eq!(types, ["ReturnRequested", "ReturnReceived"]);
}

#[test]
fn the_same_event_twice_is_one_command() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let event = submit_order(&order, &fresh("C"));
    let first = client.submit(&event);
    let resource = client.succeeded(&first);
    let second = client.submit(&event);
    assert_eq!(client.succeeded(&second), resource);
    assert_eq!(client.history(&format!("/orders/{order}")).len(), 1);
}

#[test]
fn an_id_used_for_something_else_is_rejected_and_the_first_outcome_stays() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let mut event = submit_order(&order, &fresh("C"));
    let first = client.submit(&event);
    client.succeeded(&first);
    event["data"]["lines"][0]["quantity"] = json!(100);
    let second = client.outcome(&client.submit(&event));
    assert_eq!(second["status"], "rejected", "{second:#}");
    assert_eq!(second["error"]["type"], "urn:waybill:problem:id-reused");
    client.succeeded(&first);
    assert_eq!(client.history(&format!("/orders/{order}")).len(), 1);
}

#[test]
fn of_two_who_read_the_same_order_one_changes_it() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    let post = |event: &Value, precondition: (&str, &str)| {
        let headers = [("content-type", "application/cloudevents+json"), precondition];
        let taken = client.send("POST", "/commands", &headers, &event.to_string()).expect(202);
        client.outcome(taken.header("location"))
    };
    let submitted = post(&submit_order(&order, &fresh("C")), ("if-none-match", "*"));
    let read = client.read(submitted["resource"]["href"].as_str().expect("a resource"));

    let tag = ("if-match", read.header("etag"));
    let ship = to_order("ShipOrder", &order, &json!({ "trackingNumber": fresh("T") }));
    assert_eq!(post(&ship, tag)["status"], "succeeded");
    let late = [
        post(&to_order("CancelOrder", &order, &json!({})), tag),
        post(&submit_order(&order, &fresh("C")), ("if-none-match", "*")),
    ];
    for operation in late {
        assert_eq!(operation["status"], "rejected", "{operation:#}");
        assert_eq!(operation["error"]["type"], "urn:waybill:problem:unexpected-version");
        assert_eq!(operation["error"]["status"], 412);
    }
    assert_eq!(client.history(&format!("/orders/{order}")).len(), 2);
}

#[test]
fn data_that_breaks_its_schema_is_refused_at_the_door() {
    let client = Client::of("demo");
    let mut event = submit_order(&fresh("O"), &fresh("C"));
    event["data"]["lines"][0]["unitPrice"]["currency"] = json!("euro");
    let refused = client.post(&event).expect(422);
    assert_eq!(refused.problem(), "invalid-data");
    assert_eq!(refused.json()["errors"][0]["pointer"], "/lines/0/unitPrice/currency");
}

#[test]
fn a_batch_is_taken_whole_or_not_at_all() {
    let (client, customer) = (Client::of("demo"), fresh("C"));
    let orders: Vec<String> = (0..10).map(|_| fresh("O")).collect();
    let mut batch: Vec<Value> = orders.iter().map(|order| submit_order(order, &customer)).collect();
    let headers = [("content-type", "application/cloudevents-batch+json")];
    let send = |batch: &[Value]| client.send("POST", "/commands", &headers, &json!(batch).to_string());

    let taken = send(&batch).expect(202).json();
    let operations = taken["operations"].as_array().expect("operations");
    assert_eq!(operations.len(), 10);
    for (operation, order) in operations.iter().zip(&orders) {
        let resource = client.succeeded(&format!("/operations/{}", operation["id"].as_str().expect("an id")));
        assert_eq!(client.read(&resource).json()["id"], json!(order));
    }

    batch[3]["id"] = json!("");
    batch[7]["source"] = json!("https://elsewhere.example/");
    let refused = send(&batch).expect(400);
    assert_eq!(refused.problem(), "invalid-batch");
    let indices: Vec<_> =
        refused.json()["errors"].as_array().expect("faults").iter().map(|f| f["index"].clone()).collect();
    assert_eq!(indices, [json!(3), json!(7)]);
}

#[test]
fn a_policy_number_is_bound_once_in_a_tenant() {
    let (client, number) = (Client::of("demo"), fresh("N").to_uppercase());
    let sample: Value =
        serde_json::from_str(include_str!("../../events/policies/bind-policy.json")).expect("the sample");
    let bind = |policy: String| {
        let mut event = sample.clone();
        event["id"] = json!(fresh("bind"));
        event["subject"] = json!(policy);
        event["data"]["number"] = json!(number);
        event
    };
    client.read(&client.succeeded(&client.submit(&bind(fresh("P")))));
    let second = client.outcome(&client.submit(&bind(fresh("P"))));
    assert_eq!(second["status"], "rejected", "{second:#}");
    assert!(second["error"]["type"].as_str().is_some_and(|ty| ty.starts_with("urn:waybill:problem:policies:")));
}

#[test]
fn two_hundred_orders_at_once_all_arrive() {
    let (client, customer) = (Client::of("demo"), fresh("C"));
    let orders: Vec<String> = (0..200).map(|_| fresh("O")).collect();
    thread::scope(|scope| {
        for some in orders.chunks(25) {
            let (client, customer) = (&client, &customer);
            scope.spawn(move || {
                let operations: Vec<_> =
                    some.iter().map(|order| client.submit(&submit_order(order, customer))).collect();
                for operation in operations {
                    client.succeeded(&operation);
                }
            });
        }
    });
    let listed = wait_for("all orders in the list", || {
        let mut ids: Vec<String> = Vec::new();
        let mut next = Some(format!("/orders?customer={customer}&limit=70"));
        while let Some(path) = next {
            let page = client.get(&path).expect(200).json();
            let items = page["items"].as_array().expect("items");
            ids.extend(items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()));
            next = page["next"].as_str().map(|next| format!("/orders?customer={customer}&limit=70&cursor={next}"));
        }
        if ids.len() >= orders.len() { Ok(ids) } else { Err(format!("{} orders", ids.len())) }
    });
    let sorted = |mut ids: Vec<String>| {
        ids.sort();
        ids
    };
    assert_eq!(sorted(listed), sorted(orders), "each once, and nothing else");
}
