//! `GET /{collection}`.

use bench::Answer;
use serde_json::json;

use crate::api::{Api, client, get, second};

fn ids(answer: &Answer) -> Vec<String> {
    let body = answer.json();
    let items = body["items"].as_array().unwrap_or_else(|| panic!("{answer:#?}"));
    items.iter().map(|item| item["id"].as_str().unwrap_or_default().to_owned()).collect()
}

/// Follows the links to the end.
async fn all(api: &Api, target: &str) -> Vec<Vec<String>> {
    let mut pages = Vec::new();
    let mut target = target.to_owned();
    loop {
        let answer = api.get(&target).await.ok();
        pages.push(ids(&answer));
        assert!(pages.len() < 100, "{target} has no end");
        match answer.next() {
            Some(next) => target = next,
            None => return pages,
        }
    }
}

/// Nine orders: of C-1 and C-2 in turn; the first three cancelled.
async fn nine_orders() -> Api {
    let api = Api::new();
    for nth in 0..9 {
        let customer = if nth % 2 == 0 { "C-1" } else { "C-2" };
        api.order("demo", &format!("O-{nth}"), customer, second(nth)).await;
    }
    for nth in 0..3 {
        let stream = format!("demo/orders/O-{nth}");
        api.happens(&stream, &[("OrderCancelled", json!({}))], second(60)).await;
        api.project(&stream).await;
    }
    api.order("other", "O-foreign", "C-1", second(5)).await;
    api
}

#[tokio::test]
async fn documents_are_listed_by_owner_by_state_and_by_both_newest_first() {
    let api = nine_orders().await;
    assert_eq!(ids(&api.get("/orders?customer=C-2").await.ok()), ["O-7", "O-5", "O-3", "O-1"]);
    assert_eq!(ids(&api.get("/orders?status=cancelled").await.ok()), ["O-2", "O-1", "O-0"]);
    assert_eq!(ids(&api.get("/orders?status=submitted").await.ok()), ["O-8", "O-7", "O-6", "O-5", "O-4", "O-3"]);
    assert_eq!(ids(&api.get("/orders?customer=C-1&status=cancelled").await.ok()), ["O-2", "O-0"]);
    assert_eq!(ids(&api.get("/orders?status=submitted&customer=C-1").await.ok()), ["O-8", "O-6", "O-4"]);
    let document = api.get("/orders?customer=C-2&limit=1").await.ok().json();
    assert_eq!(document["items"][0], api.get("/orders/O-7").await.ok().json(), "whole documents");
}

#[tokio::test]
async fn what_nobody_has_is_an_empty_list() {
    let api = nine_orders().await;
    for query in ["customer=C-3", "customer=", "customer=C-1&status=shipped", "customer=C%23"] {
        let answer = api.get(format!("/orders?{query}")).await.ok();
        assert_eq!(answer.json(), json!({ "items": [] }), "{query}");
        assert_eq!(answer.next(), None);
    }
}

#[tokio::test]
async fn a_state_that_there_is_not_is_refused_with_those_that_there_are() {
    let api = nine_orders().await;
    for state in ["Submitted", "lost", "", "unknown", "submitted%20", &"x".repeat(1025)] {
        for query in [format!("status={state}"), format!("customer=C-1&status={state}")] {
            let problem = api.get(format!("/orders?{query}")).await.refused("bad-request");
            assert!(
                problem.detail.contains("status is one of: submitted, confirmed, shipped, cancelled"),
                "{query}: {problem:#?}"
            );
        }
    }
    api.get("/policies?status=submitted").await.refused("bad-request");
    assert_eq!(ids(&api.get("/checks?month=2026-13").await.ok()), [""; 0], "months are no closed set");
}

#[tokio::test]
async fn a_tenant_sees_its_own_only() {
    let api = nine_orders().await;
    let answer = api.send(get("/orders?customer=C-1").by(client("other-client"))).await.ok();
    assert_eq!(ids(&answer), ["O-foreign"]);
}

#[tokio::test]
async fn a_long_list_comes_in_parts_without_gaps_or_repeats() {
    let api = nine_orders().await;
    for (query, expected) in [
        ("customer=C-1", vec!["O-8", "O-6", "O-4", "O-2", "O-0"]),
        ("status=submitted", vec!["O-8", "O-7", "O-6", "O-5", "O-4", "O-3"]),
        ("customer=C-1&status=submitted", vec!["O-8", "O-6", "O-4"]),
    ] {
        for limit in [1, 2, 3, 5, 6, 100] {
            let pages = all(&api, &format!("/orders?{query}&limit={limit}")).await;
            assert!(pages.iter().all(|page| page.len() <= limit), "{query} by {limit}: {pages:?}");
            assert_eq!(pages.concat(), expected, "{query} by {limit}: {pages:?}");
        }
    }
}

#[tokio::test]
async fn the_link_and_the_cursor_lead_to_the_same_place() {
    let api = nine_orders().await;
    let first = api.get("/orders?customer=C-1&status=submitted&limit=2").await.ok();
    let cursor = first.json()["next"].as_str().map(str::to_owned).expect("a cursor");
    assert_eq!(
        first.next().as_deref(),
        Some(format!("/orders?customer=C%2D1&status=submitted&limit=2&cursor={cursor}").as_str())
    );
    let by_cursor = api.get(format!("/orders?status=submitted&customer=C-1&limit=2&cursor={cursor}")).await.ok();
    assert_eq!(ids(&by_cursor), ["O-4"]);
    assert_eq!(by_cursor.next(), None);
}

#[tokio::test]
async fn twenty_are_listed_unless_said_otherwise() {
    let api = Api::new();
    for nth in 0..21 {
        api.order("demo", &format!("O-{nth}"), "C-1", second(nth)).await;
    }
    let answer = api.get("/orders?customer=C-1").await.ok();
    assert_eq!(ids(&answer).len(), 20);
    assert!(answer.next().is_some_and(|next| next.contains("limit=20")), "{answer:#?}");
}

#[tokio::test]
async fn documents_of_the_same_moment_are_all_listed() {
    let api = Api::new();
    for nth in 0..7 {
        api.order("demo", &format!("O-{nth}"), "C-1", second(0)).await;
    }
    for query in ["customer=C-1", "status=submitted"] {
        let mut found = all(&api, &format!("/orders?{query}&limit=2")).await.concat();
        found.sort();
        assert_eq!(found, ["O-0", "O-1", "O-2", "O-3", "O-4", "O-5", "O-6"], "{query}");
    }
}

#[tokio::test]
async fn a_list_must_say_of_what() {
    let api = Api::new();
    for target in ["/orders", "/orders?limit=5", "/policies"] {
        let problem = api.get(target).await.refused("bad-request");
        assert!(problem.detail.contains("status"), "{problem:#?}");
    }
}

#[tokio::test]
async fn a_misspelt_parameter_is_not_passed_over() {
    let api = Api::new();
    for name in ["custommer", "holder", "Customer", "offset", "q"] {
        let problem = api.get(format!("/orders?status=submitted&{name}=1")).await.refused("bad-request");
        assert!(problem.detail.contains(name) && problem.detail.contains("customer"), "{problem:#?}");
    }
}

#[tokio::test]
async fn a_parameter_given_twice_is_refused_for_only_one_would_count() {
    let api = Api::new();
    let problem = api.get("/orders?status=submitted&status=cancelled").await.refused("bad-request");
    assert!(problem.detail.contains("status"), "{problem:#?}");
}

#[tokio::test]
async fn limits_and_cursors_that_make_no_sense_are_refused() {
    let api = nine_orders().await;
    for limit in ["0", "101", "-1", "%2B5", "many", "", "1e1", "99999999999999999999"] {
        let problem = api.get(format!("/orders?status=submitted&limit={limit}")).await.refused("bad-request");
        assert_eq!(problem.detail, "limit is 1 to 100", "{limit}");
    }
    let encoded = |place: &str| {
        use base64::Engine as _;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(place)
    };
    let cursors = [
        String::new(),
        "!".to_owned(),
        "bm9uc2Vuc2U".to_owned(),
        "_w".to_owned(),
        encoded("2026-01-15T09:30:00.000Z"),
        encoded("2026-01-15T09:30:00.000Z#"),
        encoded("2026-01-15T09:30:00.000Z#a b"),
        encoded("2026-01-15T10:30:00.000+01:00#O-1"),
        encoded(&format!("2026-01-15T09:30:00.{}Z#O-1", "0".repeat(2000))),
        encoded("~"),
        encoded(&"x".repeat(3000)),
    ];
    for query in ["customer=C-1", "status=submitted"] {
        for cursor in &cursors {
            let problem = api.get(format!("/orders?{query}&cursor={cursor}")).await.refused("bad-request");
            assert!(problem.detail.contains("cursor"), "{problem:#?}");
        }
    }
}

/// DynamoDB would refuse to look for it, which would read as an outage.
#[tokio::test]
async fn a_filter_longer_than_any_key_is_refused() {
    let api = Api::new();
    for (collection, name) in [("orders", "customer"), ("checks", "month")] {
        api.get(format!("/{collection}?{name}={}", "x".repeat(1024))).await.ok();
        let problem = api.get(format!("/{collection}?{name}={}", "x".repeat(1025))).await.refused("bad-request");
        assert!(problem.detail.contains(name), "{problem:#?}");
    }
}

#[tokio::test]
async fn other_collections_have_other_filters() {
    let api = Api::new();
    let policy = json!({
        "number": "HH-1", "holder": "H:7", "premium": 1, "currency": "EUR", "from": "2026-02-01", "until": "2027-02-01",
    });
    api.happens("demo/policies/P-1", &[("PolicyBound", policy)], second(0)).await;
    api.project("demo/policies/P-1").await;
    assert_eq!(ids(&api.get("/policies?holder=H%3A7").await.ok()), ["P-1"]);
    assert_eq!(ids(&api.get("/policies?status=active").await.ok()), ["P-1"]);
    api.get("/policies?customer=H:7").await.refused("bad-request");
}
