//! `GET /reports/{collection}`.

use serde_json::json;

use crate::api::{Api, client, get, second, time};

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

#[tokio::test]
async fn a_range_of_days_has_the_totals_of_each_and_their_sum() {
    let api = Api::new();
    for (id, placed) in [
        ("O-1", "2025-12-31T23:59:59.999Z"),
        ("O-2", "2026-01-01T00:00:00Z"),
        ("O-3", "2026-01-01T23:59:59Z"),
        ("O-4", "2026-01-03T12:00:00Z"),
        ("O-5", "2026-01-04T00:00:00Z"),
    ] {
        api.order("demo", id, "C-1", time(placed)).await;
    }
    // Whatever becomes of an order, its day is the one on which it was placed.
    api.happens("demo/orders/O-3", &[("OrderCancelled", json!({}))], time("2026-01-04T00:00:00Z")).await;
    api.project("demo/orders/O-3").await;
    let report = api.get("/reports/orders?from=2026-01-01&to=2026-01-03").await.ok().json();
    let days = [
        json!({ "day": "2026-01-01", "totals": { "submitted": 1, "cancelled": 1, "amount:EUR": 900 } }),
        json!({ "day": "2026-01-03", "totals": { "submitted": 1, "amount:EUR": 900 } }),
    ];
    let totals = json!({ "submitted": 2, "cancelled": 1, "amount:EUR": 1800 });
    assert_eq!(report, json!({ "totals": totals, "days": days }));
    let one_day = api.get("/reports/orders?to=2026-01-03&from=2026-01-03").await.ok().json();
    assert_eq!(one_day, json!({ "totals": days[1]["totals"], "days": [days[1]] }));

    let none = json!({ "totals": {}, "days": [] });
    assert_eq!(api.get("/reports/orders?from=2026-02-01&to=2026-02-28").await.ok().json(), none);
    let theirs = get("/reports/orders?from=2026-01-01&to=2026-01-03").by(client("other-client"));
    assert_eq!(api.send(theirs).await.ok().json(), none);
}

#[tokio::test]
async fn a_range_is_two_days_in_order_and_a_year_at_most() {
    let api = Api::new();
    for (query, said) in [
        ("from=2026-01-01", "given together"),
        ("to=2026-01-01", "given together"),
        ("from=2026-01-02&to=2026-01-01", "not before from"),
        ("from=2024-01-01&to=2025-01-01", "at most 366 days"),
        ("from=2026-02-29&to=2026-03-01", "from is a day"),
        ("from=2026-01-01&to=2026-01-31T00:00:00Z", "to is a day"),
        ("from=1969-12-31&to=1970-01-01", "from is a day"),
        ("from=&to=2026-01-01", "from is a day"),
        ("from=2026-01-01&from=2026-01-02&to=2026-01-03", "given twice"),
        ("day=2026-01-01", "known: from, to"),
    ] {
        let problem = api.get(format!("/reports/orders?{query}")).await.refused("bad-request");
        assert!(problem.detail.contains(said), "{query}: {problem:#?}");
    }
    for range in ["from=2024-01-01&to=2024-12-31", "from=1970-01-01&to=1970-01-01", "from=9999-12-31&to=9999-12-31"] {
        api.get(format!("/reports/orders?{range}")).await.ok();
    }
}
