//! Who may read what: by the scopes of their token, and by the tenant's read grants.

use serde_json::{Value, json};
use testkit::Fault;

use crate::api::{Api, client, get, second};

/// Claims of a token with other scopes.
fn scoped(scope: &str) -> Value {
    json!({ "client_id": "shop-client", "sub": "shop-client", "scope": scope })
}

/// A customer who signed in.
pub fn customer(id: &str) -> Value {
    json!({ "client_id": "web", "sub": format!("user-{id}"), "scope": "waybill/read", "custom:tenant": "demo", "customer": id })
}

/// Two orders of C-7 and one of C-8, of which the tenant's principals may read so much.
async fn granting(reads: &Value) -> Api {
    let api = Api::new();
    for (id, customer) in [("O-1", "C-7"), ("O-2", "C-8"), ("O-3", "C-7")] {
        api.order("demo", id, customer, second(0)).await;
    }
    api.settings("demo", &json!({ "grants": [], "routes": [], "reads": reads }));
    api
}

const DOCUMENTS: [&str; 6] = [
    "/orders/O-1",
    "/orders?customer=C-7",
    "/orders?status=submitted",
    "/orders/O-1/history",
    "/orders/O-1/history?asOf=2199-01-01T00:00:00Z",
    "/reports/orders",
];

#[tokio::test]
async fn who_may_submit_follows_operations_and_reads_schemas_and_no_documents() {
    let api = Api::new();
    let operation = format!("/operations/{}", api.order("demo", "O-1", "C-7", second(0)).await.receipt);
    for target in [operation.as_str(), "/schemas", "/schemas/orders/SubmitOrder/1"] {
        for scope in ["waybill/submit", "waybill/read", "openid waybill/read waybill/submit"] {
            api.send(get(target).by(scoped(scope))).await.ok();
        }
    }
    for target in DOCUMENTS {
        let problem = api.send(get(target).by(scoped("waybill/submit"))).await.refused("not-permitted");
        assert!(problem.detail.contains("waybill/read"), "{problem:#?}");
        api.send(get(target).by(scoped("waybill/read"))).await.ok();
    }
}

#[tokio::test]
async fn a_token_without_a_scope_of_reading_reads_nothing() {
    let api = Api::new();
    let operation = format!("/operations/{}", api.order("demo", "O-1", "C-7", second(0)).await.receipt);
    for target in DOCUMENTS.into_iter().chain([operation.as_str(), "/schemas", "/schemas/orders/SubmitOrder/1"]) {
        for scope in ["", "openid", "read", "waybill/reads"] {
            api.send(get(target).by(scoped(scope))).await.refused("not-permitted");
        }
    }
}

#[tokio::test]
async fn a_tenant_that_says_nothing_of_reading_lets_its_own_read_everything() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    for settings in [None, Some(json!({})), Some(json!({ "grants": [], "routes": [] }))] {
        if let Some(settings) = settings {
            api.settings("demo", &settings);
        }
        for target in DOCUMENTS {
            api.get(target).await.ok();
        }
    }
}

#[tokio::test]
async fn a_tenant_that_grants_nothing_of_reading_lets_nobody_read() {
    for reads in [
        json!([]),
        json!([{ "principals": [], "collections": ["*"] }]),
        json!([{ "principals": ["till-client"], "collections": ["*"] }]),
        json!([{ "principals": ["*"], "collections": ["policies"] }]),
        json!([{ "principals": ["*"], "collections": ["order", "orders*"] }]),
    ] {
        let api = granting(&reads).await;
        for target in DOCUMENTS {
            let problem = api.get(target).await.refused("not-permitted");
            assert!(problem.detail.contains("orders"), "{reads}: {problem:#?}");
        }
        api.get("/refunds/R-1").await.refused("not-found");
        api.get("/schemas").await.ok();
    }
}

#[tokio::test]
async fn a_collection_is_read_by_whom_it_is_granted_to() {
    for reads in [
        json!([{ "principals": ["shop-client"], "collections": ["orders"] }]),
        json!([{ "principals": ["till-client"], "collections": ["*"] }, { "principals": ["*"], "collections": ["orders"] }]),
        json!([{ "principals": ["*"], "collections": ["*"] }]),
        json!([{ "principals": ["*"], "collections": ["orders"], "own": "customer" }, { "principals": ["shop-client"], "collections": ["*"] }]),
    ] {
        let api = granting(&reads).await;
        for target in DOCUMENTS {
            let answer = api.get(target).await;
            assert_eq!(answer.status, 200, "{reads} {target}: {answer:#?}");
        }
    }
}

#[tokio::test]
async fn whoever_may_read_their_own_finds_what_is_anothers_as_absent_as_what_never_was() {
    let api = granting(&json!([{ "principals": ["*"], "collections": ["orders"], "own": "customer" }])).await;
    let ask = async |target: &str| api.send(get(target).by(customer("C-7"))).await;
    for target in
        ["/orders/O-1", "/orders/O-1?version=1", "/orders/O-1/history", "/orders/O-1/history?asOf=2199-01-01T00:00:00Z"]
    {
        ask(target).await.ok();
    }
    assert_eq!(ask("/orders?customer=C-7").await.ok().json()["items"].as_array().map(Vec::len), Some(2));
    assert_eq!(ask("/orders?customer=C-7&status=cancelled").await.ok().json()["items"], json!([]));
    for rest in ["", "?version=1", "?version=9", "/history", "/history?cursor=1", "/history?asOf=2199-01-01T00:00:00Z"]
    {
        let foreign = ask(&format!("/orders/O-2{rest}")).await;
        assert_eq!(foreign.status, 404, "{rest}: {foreign:#?}");
        assert_eq!(foreign.text, ask(&format!("/orders/O-9{rest}")).await.text, "{rest}");
    }
}

#[tokio::test]
async fn whoever_may_read_their_own_asks_by_themselves_and_gets_no_totals() {
    let api = granting(&json!([{ "principals": ["*"], "collections": ["orders"], "own": "customer" }])).await;
    for target in [
        "/orders?customer=C-8",
        "/orders?status=submitted",
        "/orders?customer=C-8&status=submitted",
        "/orders?customer=",
    ] {
        let problem = api.send(get(target).by(customer("C-7"))).await.refused("not-permitted");
        assert!(problem.detail.contains("customer=C-7"), "{target}: {problem:#?}");
    }
    api.send(get("/reports/orders").by(customer("C-7"))).await.refused("not-permitted");
}

#[tokio::test]
async fn a_token_without_the_claim_or_with_an_empty_one_owns_nothing() {
    let api = granting(&json!([{ "principals": ["*"], "collections": ["*"], "own": "customer" }])).await;
    for claims in [client("shop-client"), customer("")] {
        for target in DOCUMENTS {
            api.send(get(target).by(claims.clone())).await.refused("not-permitted");
        }
    }
}

#[tokio::test]
async fn read_grants_of_one_tenant_give_nothing_to_another() {
    let api = granting(&json!([{ "principals": ["*"], "collections": ["*"] }])).await;
    api.settings("other", &json!({ "reads": [] }));
    let other = api.send(get("/orders/O-1").by(client("other-client"))).await;
    other.refused("not-permitted");
    let mut of_other = customer("C-7");
    of_other["custom:tenant"] = json!("other");
    api.settings("other", &json!({ "reads": [{ "principals": ["*"], "collections": ["*"], "own": "customer" }] }));
    let api = api.restarted();
    api.send(get("/orders/O-1").by(of_other)).await.refused("not-found");
}

#[tokio::test(start_paused = true)]
async fn while_it_is_not_known_what_was_granted_nothing_is_read() {
    let api = granting(&json!([{ "principals": ["*"], "collections": ["*"] }])).await;
    api.aws.inject(|attempt| {
        if attempt.body.contains("tenant#demo") { Fault::refuse(500, "InternalServerError") } else { Fault::None }
    });
    for target in DOCUMENTS {
        api.send(get(target).by(customer("C-7"))).await.refused("unavailable");
    }
    api.aws.heal();
    api.send(get("/orders/O-1").by(customer("C-7"))).await.ok();
    api.settings("demo", &json!({ "reads": [{ "principal": "*" }] }));
    let api = api.restarted();
    api.send(get("/orders/O-1").by(customer("C-7"))).await.refused("internal");
}
