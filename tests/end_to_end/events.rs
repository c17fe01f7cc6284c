//! What happens elsewhere, and is heard here.

use std::time::SystemTime;

use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookId, WebhookSecret, sign};
use serde_json::{Value, json};

use crate::api::{Client, fresh, submit_order};

/// As `events/registry/demo-tenant.json` has it.
const SECRET: &str = "whsec_bG9jYWwtc3RhY2stb25seS1ub3QtYS1zZWNyZXQ=";
const CLOUD_EVENT: (&str, &str) = ("content-type", "application/cloudevents+json");

/// An order that is to be shipped, and the event of the supplier who has shipped it.
fn shipped(client: &Client) -> (String, Value) {
    let order = fresh("O");
    client.read(&client.succeeded(&client.submit(&submit_order(&order, &fresh("C")))));
    let event = json!({
        "specversion": "1.0", "id": fresh("shipped"), "source": "https://supplier.example/contexts/orders",
        "type": "OrderShipped", "subject": order, "data": { "parcel": { "carrier": "DHL", "trackingNumber": "00340" } },
    });
    (order, event)
}

fn is_shipped(client: &Client, order: &str) {
    let history = client.history(&format!("/orders/{order}"));
    let types: Vec<_> = history.iter().map(|event| event["type"].as_str().unwrap_or_default()).collect();
    assert_eq!(types, ["OrderSubmitted", "OrderShipped"]);
    assert!(history[1]["source"].as_str().is_some_and(|source| source.ends_with("/contexts/orders")), "{history:#?}");
}

#[test]
fn a_partners_event_comes_in_with_a_token_and_its_command_is_followed() {
    let client = Client::of("demo");
    let (order, event) = shipped(&client);
    let answer = client.send("POST", "/events", &[CLOUD_EVENT], &event.to_string()).expect(202);
    client.succeeded(answer.header("location"));
    is_shipped(&client, &order);
    let mut other = event.clone();
    other["source"] = json!("https://elsewhere.example/");
    assert_eq!(
        client.send("POST", "/events", &[CLOUD_EVENT], &other.to_string()).expect(403).problem(),
        "not-permitted"
    );
}

#[test]
fn a_partners_event_comes_in_with_a_signature_in_place_of_a_token() {
    let client = Client::of("demo");
    let (order, event) = shipped(&client);
    let body = event.to_string();
    let deliver = |secret: &str| {
        let (id, now) = (WebhookId::parse(&fresh("msg")).expect("an id"), Timestamp::from(SystemTime::now()));
        let secret = WebhookSecret::parse(secret).expect("a secret");
        let (signature, time) = (sign(&[secret], &id, now, body.as_bytes()), now.seconds().to_string());
        let headers =
            [CLOUD_EVENT, (ID_HEADER, id.as_str()), (TIMESTAMP_HEADER, &time), (SIGNATURE_HEADER, &signature)];
        Client::of("demo").without_token().send("POST", "/events/demo", &headers, &body)
    };
    deliver("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA").expect(401);
    for _ in 0..2 {
        let answer = deliver(SECRET).expect(202);
        client.succeeded(answer.header("location"));
    }
    is_shipped(&client, &order);
}
