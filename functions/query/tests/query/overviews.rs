//! `GET /customers/{id}`: an overview of several contexts.

use serde_json::{Value, json};
use testkit::{Fault, TABLES};

use crate::api::{Api, get, second};
use crate::grants::customer;

async fn charged(api: &Api, order: &str, customer: &str) {
    let stream = format!("demo/payments/{order}");
    let amount = json!({ "amount": 900, "currency": "EUR" });
    let requested = json!({ "customer": customer, "amount": amount, "due": second(60) });
    let events = [("ChargeRequested", requested), ("ChargeSucceeded", json!({ "charge": "ch-1" }))];
    api.happens(&stream, &events, second(2)).await;
    api.project(&stream).await;
}

fn counts(customer: &Value) -> [u64; 3] {
    ["orders", "payments", "policies"].map(|section| customer[section]["count"].as_u64().expect("a count"))
}

#[tokio::test]
async fn a_customer_is_seen_over_all_contexts() {
    let api = Api::new();
    for (order, customer) in [("O-1", "C-7"), ("O-2", "C-7"), ("O-3", "C-8")] {
        api.order("demo", order, customer, second(0)).await;
    }
    api.order("other", "O-4", "C-7", second(0)).await;
    charged(&api, "O-1", "C-7").await;
    let answer = api.get("/customers/C-7").await.ok();
    let seen = answer.json();
    assert_eq!((counts(&seen), &seen["complete"]), ([2, 1, 0], &json!(true)), "of this tenant alone: {seen:#}");
    assert_eq!(seen["payments"]["sums"], json!([{ "amount": 900, "currency": "EUR" }]));
    assert_eq!(answer.header("cache-control"), "private, no-cache");
    let known = get("/customers/C-7").header("if-none-match", answer.header("etag"));
    assert_eq!(api.send(known.clone()).await.status, 304);
    api.happens("demo/orders/O-1", &[("OrderCancelled", json!({}))], second(5)).await;
    api.project("demo/orders/O-1").await;
    let seen = api.send(known).await.ok().json();
    assert_eq!(seen["orders"]["byStatus"], json!({ "cancelled": 1, "submitted": 1 }));
}

#[tokio::test]
async fn what_an_overview_is_not_is_not_there() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    for path in ["/customers/C-8", "/customers/orders", "/customers/no%20id"] {
        api.get(path).await.refused("not-found");
    }
    for path in ["/customers?customer=C-7", "/customers/C-7/history", "/reports/customers"] {
        api.get(path).await.refused("not-found");
    }
    api.get("/customers/C-7?version=1").await.refused("bad-request");
    api.send(get("/customers/C-7").method("DELETE")).await.refused("method-not-allowed");
}

#[tokio::test]
async fn who_may_read_their_own_sees_themselves() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    api.order("demo", "O-2", "C-8", second(0)).await;
    let reads = json!([{ "principals": ["*"], "collections": ["customers"], "own": "customer" }]);
    api.settings("demo", &json!({ "reads": reads }));
    assert_eq!(counts(&api.send(get("/customers/C-7").by(customer("C-7"))).await.ok().json()), [1, 0, 0]);
    api.send(get("/customers/C-8").by(customer("C-7"))).await.refused("not-found");
    api.send(get("/orders/O-1").by(customer("C-7"))).await.refused("not-permitted");
    let reads = json!([{ "principals": ["*"], "collections": ["orders"] }]);
    api.settings("demo", &json!({ "reads": reads }));
    let api = api.restarted();
    api.send(get("/customers/C-7").by(customer("C-7"))).await.refused("not-permitted");
}

#[tokio::test]
async fn a_contribution_of_another_layout_is_made_anew() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    let of_it = |row: &Value| row["collection_key"] == "demo#customers/orders";
    let mut row = api.aws.items(TABLES.read_models).into_iter().find(of_it).expect("a contribution");
    assert!(row["state_key"].is_null() && row["owner_key"] == "demo#customers/orders#C-7", "{row:#}");
    (row["layout"], row["document"]) = (json!(9), json!("{}"));
    api.aws.insert(TABLES.read_models, &row);
    assert_eq!(counts(&api.get("/customers/C-7").await.ok().json()), [1, 0, 0]);
    api.aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    api.get("/customers/C-7").await.refused("unavailable");
}
