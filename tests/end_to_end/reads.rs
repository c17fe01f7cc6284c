//! What can be read of what happened.

use kernel::day::Day;
use kernel::timestamp::Timestamp;
use serde_json::json;

use crate::api::{Client, fresh, submit_order, to_order, wait_for};

#[test]
fn orders_are_listed_by_customer_and_status_newest_first() {
    let (client, customer) = (Client::of("demo"), fresh("C"));
    let orders: Vec<String> = (0..3).map(|_| fresh("O")).collect();
    for order in &orders {
        client.read(&client.succeeded(&client.submit(&submit_order(order, &customer))));
    }
    client.read(&client.succeeded(&client.submit(&to_order("CancelOrder", &orders[1], &json!({ "reason": "late" })))));

    let ids = |path: &str| {
        let page = client.get(path).expect(200).json();
        page["items"]
            .as_array()
            .expect("items")
            .iter()
            .map(|item| item["id"].as_str().expect("an id").to_owned())
            .collect::<Vec<_>>()
    };
    let newest_first: Vec<_> = orders.iter().rev().cloned().collect();
    wait_for("the list by customer", || match ids(&format!("/orders?customer={customer}")) {
        listed if listed == newest_first => Ok(()),
        listed => Err(format!("{listed:?}")),
    });
    assert_eq!(ids(&format!("/orders?customer={customer}&status=cancelled")), [orders[1].clone()]);
    assert_eq!(ids(&format!("/orders?customer={customer}&status=submitted")), [orders[2].clone(), orders[0].clone()]);
    let page = client.get("/orders?status=cancelled&limit=100").expect(200).json();
    assert!(page["items"].as_array().expect("items").iter().all(|item| item["status"] == "cancelled"), "{page:#}");
}

#[test]
fn an_order_can_be_seen_as_it_was() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    client.read(&client.succeeded(&client.submit(&submit_order(&order, &fresh("C")))));
    client.read(&client.succeeded(&client.submit(&to_order("ShipOrder", &order, &json!({ "trackingNumber": "T-1" })))));

    let path = format!("/orders/{order}");
    let history = client.history(&path);
    let types: Vec<_> = history.iter().map(|event| event["type"].as_str().expect("a type")).collect();
    assert_eq!(types, ["OrderSubmitted", "OrderShipped"]);
    let time = |index: usize| history[index]["time"].as_str().expect("a time");
    let as_of = |time: &str| client.get(&format!("{path}/history?asOf={time}"));
    assert_eq!(as_of(time(0)).expect(200).json()["status"], "submitted");
    assert_eq!(as_of(time(1)).expect(200).json()["status"], "shipped");
    assert_eq!(as_of("2020-01-01T00:00:00Z").problem(), "not-found");
}

#[test]
fn a_version_that_is_not_there_yet_is_to_be_asked_for_again() {
    let (client, order) = (Client::of("demo"), fresh("O"));
    client.read(&client.succeeded(&client.submit(&submit_order(&order, &fresh("C")))));
    let early = client.get(&format!("/orders/{order}?version=2")).expect(404);
    assert_eq!(early.problem(), "not-yet");
    assert_eq!(early.header("retry-after"), "1");
}

#[test]
fn reports_are_the_sum_over_all_orders() {
    let client = Client::of("bookkeeping"); // no other test orders anything there meanwhile
    let report = || client.get("/reports/orders").expect(200).json()["totals"].clone();
    let count = |name: &str| report()[name].as_i64().unwrap_or(0);
    let (before, amount) = (count("submitted"), count("amount:EUR"));
    let days = [(); 3].map(|()| {
        let order = client.read(&client.succeeded(&client.submit(&submit_order(&fresh("O"), &fresh("C"))))).json();
        Day::of(Timestamp::parse(order["placedAt"].as_str().expect("a time")).expect("a time"))
    });
    assert_eq!((count("submitted"), count("amount:EUR")), (before + 3, amount + 3 * 1250), "{:#}", report());
    let by_day = client.get(&format!("/reports/orders?from={}&to={}", days[0], days[2])).expect(200).json();
    assert_eq!(by_day["days"][0]["day"], json!(days[0]), "{by_day:#}");
    assert!(by_day["totals"]["submitted"].as_i64() >= Some(3), "{by_day:#}");
}

#[test]
fn a_customers_order_shows_in_the_overview_of_the_customer() {
    let (client, order, customer) = (Client::of("demo"), fresh("O"), fresh("C"));
    client.read(&client.succeeded(&client.submit(&submit_order(&order, &customer))));
    let overview = wait_for("the customer's order", || {
        let answer = client.get(&format!("/customers/{customer}"));
        if answer.status != 200 {
            return Err(format!("{answer:?}"));
        }
        let overview = answer.json();
        if overview["orders"]["count"] == 1 { Ok(overview) } else { Err(overview.to_string()) }
    });
    assert_eq!(overview["orders"]["latest"][0]["id"], json!(order), "{overview:#}");
    assert_eq!(overview["orders"]["sums"], json!([{ "amount": 1250, "currency": "EUR" }]), "{overview:#}");
    assert_eq!(overview["complete"], true, "{overview:#}");
}
