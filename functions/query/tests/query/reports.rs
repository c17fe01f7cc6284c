//! `GET /reports/{collection}`.

use serde_json::json;

use crate::api::{Api, client, get, second};

#[tokio::test]
async fn totals_are_those_of_all_documents_as_they_are() {
    let api = Api::new();
    assert_eq!(api.get("/reports/orders").await.ok().json(), json!({ "totals": {} }));
    for nth in 0..3 {
        api.order("demo", &format!("O-{nth}"), "C-1", second(nth)).await;
    }
    let expected = json!({ "totals": { "submitted": 3, "amount:EUR": 2700 } });
    assert_eq!(api.get("/reports/orders").await.ok().json(), expected);

    api.happens("demo/orders/O-0", &[("OrderCancelled", json!({}))], second(9)).await;
    api.happens("demo/orders/O-1", &[("OrderShipped", json!({ "trackingNumber": "JD01" }))], second(9)).await;
    api.project("demo/orders/O-0").await;
    api.project("demo/orders/O-1").await;
    let expected = json!({ "totals": { "submitted": 1, "shipped": 1, "cancelled": 1, "amount:EUR": 1800 } });
    assert_eq!(api.get("/reports/orders").await.ok().json(), expected);
    assert_eq!(api.get("/reports/policies").await.ok().json(), json!({ "totals": {} }));
}

#[tokio::test]
async fn another_tenants_orders_do_not_count() {
    let api = Api::new();
    api.order("demo", "O-1", "C-1", second(0)).await;
    let theirs = api.send(get("/reports/orders").by(client("other-client"))).await.ok();
    assert_eq!(theirs.json(), json!({ "totals": {} }));
}

#[tokio::test]
async fn there_is_no_report_of_nothing_and_none_by_anything() {
    let api = Api::new();
    api.get("/reports/refunds").await.refused("not-found");
    let problem = api.get("/reports/orders?customer=C-1").await.refused("bad-request");
    assert!(problem.detail.contains("customer"), "{problem:#?}");
}
