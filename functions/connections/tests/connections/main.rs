//! Connections in process: tickets, handshakes and frames as the gateway hands them over, outcomes as push sends them, and an
//! AWS in memory.

use std::time::Duration;

use bench::Bench;
use bench::http::client;
use bench::live::Live;
use bench::platform;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use testkit::{Aws, Fault, TABLES};

mod following;
mod opening;
mod submitting;

/// A shop of the tenant `acme`, and one of another tenant, at an installation's WebSocket API.
struct Shop {
    aws: Aws,
    live: Live,
    orders: Bench,
}

impl Shop {
    fn new() -> Self {
        let aws = Aws::new();
        aws.put_secret(&platform::receipt_secret(), platform::RECEIPT_KEY);
        for (client, tenant) in [("shop", "acme"), ("spy", "globex")] {
            platform::register_client(&aws, client, tenant);
            let grants =
                json!({ "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }] });
            platform::register_tenant(&aws, tenant, &grants);
        }
        let orders = Bench::on(aws.clone(), catalog::context("orders").expect("a context"));
        Self { live: Live::on(aws.clone()), orders, aws }
    }

    /// With a connection of the shop's, `c1`.
    async fn connected() -> Self {
        let shop = Self::new();
        shop.connect("c1", "shop").await;
        shop
    }

    async fn connect(&self, id: &str, who: &str) {
        let ticket = self.live.ticket(token(who)).await;
        assert!(self.live.connect(id, &ticket).await, "connected\n{}", self.aws.calls());
    }

    /// Submits an order over the connection. Gives its receipt.
    async fn submit(&self, connection: &str, order: &str) -> String {
        let frames =
            self.live.say(connection, &json!({ "action": "submit", "id": "s", "event": order_of(order) })).await;
        assert_eq!(frames[0]["type"], "accepted", "{frames:?}");
        text(&frames[0]["operation"]["id"])
    }

    /// The same by HTTP, as it were: nobody follows it.
    async fn queue(&self, order: &str) -> String {
        let frame = json!({ "action": "submit", "id": "s", "event": order_of(order), "follow": false });
        text(&self.live.say("c1", &frame).await[0]["operation"]["id"])
    }

    async fn follow(&self, connection: &str, receipts: &[&str]) -> Vec<Value> {
        self.live.say(connection, &json!({ "action": "follow", "id": "f", "operations": receipts })).await
    }

    /// The record of an order's command that has succeeded, as the handler writes it.
    fn ended(&self, receipt: &str) -> Value {
        let receipt = Receipt::read(receipt).expect("a receipt");
        let at = kernel::timestamp::Timestamp::from(self.aws.now());
        json!({
            "operation_key": format!("acme#{}", receipt.command_key), "outcome": "succeeded", "digest": receipt.digest.to_string(),
            "context": "orders", "command_type": "SubmitOrder", "subject": "O-1", "resource": "/orders/O-1", "version": 1,
            "commit_number": 1, "revision": 0, "accepted_at": receipt.accepted_at.to_string(), "recorded_at": at.to_string(),
        })
    }

    /// The handler does what there is, and push tells of it.
    async fn handle(&self) {
        self.orders.deliver().await;
        assert!(self.live.push().await, "{}", self.aws.calls());
    }
}

fn token(client_id: &str) -> Value {
    client(client_id, "waybill/submit waybill/read")
}

fn order_of(order: &str) -> Value {
    let line = json!({ "sku": "TEA", "quantity": 1, "unitPrice": { "amount": 1250, "currency": "EUR" } });
    json!({
        "specversion": "1.0", "id": format!("id-{order}"), "source": "https://shop.example/web", "type": "SubmitOrder",
        "subject": order, "data": { "customer": "C-1", "onAccount": true, "lines": [line] },
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}")).to_owned()
}

/// Receipt and status of each operation in these frames.
fn told(frames: &[Value]) -> Vec<(String, String)> {
    let operations = frames.iter().filter(|frame| frame["type"] == "operations");
    let operations = operations.flat_map(|frame| frame["operations"].as_array().expect("operations"));
    operations.map(|operation| (text(&operation["id"]), text(&operation["status"]))).collect()
}

#[track_caller]
fn refused(frames: &[Value], kind: &str) -> Problem {
    let [frame] = frames else { panic!("one frame, not {frames:?}") };
    let problem: Problem = serde_json::from_value(frame["problem"].clone()).expect("a problem");
    assert_eq!(problem.ty, format!("urn:waybill:problem:{kind}"), "{frame}");
    problem
}
