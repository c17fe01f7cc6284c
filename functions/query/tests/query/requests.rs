//! What holds for every request: who may ask, by which method, and for what there is.

use serde_json::json;

use crate::api::{Api, client, get, second};

const PATHS: [&str; 7] = [
    "/operations/x",
    "/orders?status=submitted",
    "/orders/O-1",
    "/orders/O-1/history",
    "/reports/orders",
    "/schemas",
    "/schemas/orders/SubmitOrder/1",
];

#[tokio::test]
async fn without_verified_claims_there_is_nothing_to_read() {
    let api = Api::new();
    for path in PATHS {
        api.send(get(path).without_claims()).await.refused("unauthenticated");
        api.send(get(path).by(json!({ "scope": "waybill/read" }))).await.refused("unauthenticated");
    }
}

#[tokio::test]
async fn a_caller_of_no_tenant_reads_nothing() {
    let api = Api::new();
    for path in PATHS {
        api.send(get(path).by(client("a-stranger"))).await.refused("not-permitted");
        api.send(get(path).by(json!({ "sub": "alice", "custom:tenant": "NOT ONE" }))).await.refused("not-permitted");
    }
}

#[tokio::test]
async fn a_user_reads_what_is_their_tenants() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    let user =
        |tenant: &str| json!({ "client_id": "web", "sub": "alice", "custom:tenant": tenant, "scope": "waybill/read" });
    api.send(get("/orders/O-1").by(user("demo"))).await.ok();
    api.send(get("/orders/O-1").by(user("other"))).await.refused("not-found");
}

#[tokio::test]
async fn a_tenants_name_is_as_its_identity_provider_has_it() {
    let api = Api::new();
    let user = |tenant: &str| json!({ "client_id": "web", "sub": "alice", "custom:tenant": tenant });
    for tenant in ["7b0c3a52-6d1e-4f0a-9d55-3f1c2b7a8e90", "Acme_GmbH", "org_Kx9fQ2mZ7tLwP4vB", &"T".repeat(64)] {
        let operation = format!("/operations/{}", api.order(tenant, "O-1", "C-7", second(0)).await.receipt);
        let paths =
            ["/orders/O-1", "/orders?customer=C-7", "/orders/O-1/history", "/reports/orders", operation.as_str()];
        for path in paths {
            api.send(get(path).by(user(tenant))).await.ok();
        }
    }
    api.send(get("/orders/O-1").by(user("acme_gmbh"))).await.refused("not-found");
    for tenant in ["acme.example", "demo#orders", "demo/orders", &"x".repeat(65)] {
        let problem = api.send(get("/orders/O-1").by(user(tenant))).await.refused("not-permitted");
        let rule = "claim custom:tenant must be a tenant's id: 1 to 64 letters, digits, hyphens or underscores";
        assert!(problem.detail.contains(rule), "{problem:#?}");
    }
}

#[tokio::test]
async fn everything_is_read_by_get_alone() {
    let api = Api::new();
    for method in ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"] {
        for path in PATHS {
            let answer = api.send(get(path).method(method)).await;
            assert_eq!(answer.header("allow"), "GET", "{method} {path}");
            answer.refused("method-not-allowed");
        }
    }
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_so() {
    let api = Api::new();
    for path in
        ["/", "", "//", "/health", "/operations", "/operations/a/b", "/reports", "/orders/O-1/history/1", "/a/b/c/d/e"]
    {
        api.get(path).await.refused("not-found");
    }
}

#[tokio::test]
async fn a_slash_too_many_does_no_harm() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    api.get("/orders/O-1/").await.ok();
}

#[tokio::test]
async fn what_takes_no_parameters_says_so() {
    let api = Api::new();
    for path in ["/operations/x", "/reports/orders", "/schemas", "/schemas/orders/SubmitOrder/1"] {
        let problem = api.get(format!("{path}?wait=10")).await.refused("bad-request");
        assert!(problem.detail.contains("wait"), "{problem:#?}");
    }
}
