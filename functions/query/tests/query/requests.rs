//! What holds for every request: who may ask, by which method, and for what there is.

use proptest::prelude::*;
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
    let user =
        |tenant: &str| json!({ "client_id": "web", "sub": "alice", "custom:tenant": tenant, "scope": "waybill/read" });
    for tenant in ["7b0c3a52-6d1e-4f0a-9d55-3f1c2b7a8e90", "Acme_GmbH", "org_Kx9fQ2mZ7tLwP4vB", &"T".repeat(64)] {
        api.settings(tenant, &json!({}));
        let operation = format!("/operations/{}", api.order(tenant, "O-1", "C-7", second(0)).await.receipt);
        let paths =
            ["/orders/O-1", "/orders?customer=C-7", "/orders/O-1/history", "/reports/orders", operation.as_str()];
        for path in paths {
            api.send(get(path).by(user(tenant))).await.ok();
        }
    }
    api.settings("acme_gmbh", &json!({}));
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
    for method in ["POST", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND"] {
        for path in PATHS.into_iter().chain(["/openapi.yaml", "/health"]) {
            let answer = api.send(get(path).method(method)).await;
            assert_eq!(answer.header("allow"), "GET, HEAD", "{method} {path}");
            answer.refused("method-not-allowed");
        }
        for path in ["/", "/nowhere", "/nowhere/O-1", "/nowhere/O-1/history", "/reports/nowhere", "/operations"] {
            api.send(get(path).method(method)).await.refused("not-found");
        }
    }
}

#[tokio::test]
async fn what_a_browser_asks_before_it_calls_is_answered_to_anybody() {
    let api = Api::new();
    for path in PATHS.into_iter().chain(["/commands", "/nowhere", "/"]) {
        let answer = api.through_the_gateway(get(path).method("OPTIONS").without_claims()).await;
        assert_eq!((answer.status.as_u16(), answer.text.as_str()), (204, ""), "{path}");
    }
}

#[tokio::test]
async fn head_tells_of_a_document_what_get_does() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    for path in ["/orders/O-1", "/orders?status=submitted", "/schemas", "/orders/O-2", "/openapi.yaml", "/health"] {
        let (get, head) =
            (api.through_the_gateway(get(path)).await, api.through_the_gateway(get(path).method("HEAD")).await);
        assert_eq!((head.status, &head.headers, head.text.as_str()), (get.status, &get.headers, ""), "{path}");
        assert_eq!(head.header("x-content-type-options"), "nosniff");
    }
}

#[tokio::test]
async fn the_description_is_served_to_anybody_with_the_apis_own_address() {
    let api = Api::new();
    let answer = api.send(get("/openapi.yaml").without_claims()).await.ok();
    assert_eq!(answer.text, include_str!("../../../../openapi.yaml"), "the example's address is this API's");
    let etag = answer.header("etag").to_owned();
    let again = api.send(get("/openapi.yaml").without_claims().header("if-none-match", &etag)).await;
    assert_eq!((again.status.as_u16(), again.text.as_str()), (304, ""));
    let elsewhere = api.at("https://orders.example/waybill");
    let answer = elsewhere.through_the_gateway(get("/waybill/openapi.yaml").without_claims()).await.ok();
    assert!(answer.text.contains(r#"api: { default: "https://orders.example/waybill" }"#), "{}", answer.text);
}

#[tokio::test]
async fn whether_the_api_answers_is_told_to_anybody_without_a_call() {
    let api = Api::new();
    let answer = api.send(get("/health").without_claims()).await.ok();
    assert_eq!(answer.text, r#"{"status":"ok"}"#);
    assert_eq!(api.aws.calls().len(), 0, "{}", api.aws.calls());
}

#[tokio::test]
async fn paths_that_lead_nowhere_say_so() {
    let api = Api::new();
    for path in [
        "/",
        "",
        "//",
        "/health/x",
        "/operations",
        "/operations/a/b",
        "/reports",
        "/orders/O-1/history/1",
        "/a/b/c/d/e",
    ] {
        api.get(path).await.refused("not-found");
    }
}

fn targets() -> impl Strategy<Value = String> {
    let paths = prop_oneof![
        "/(orders|operations|schemas|reports|policies|openapi.yaml|health)(/[ -~]{0,12}){0,4}",
        "/(orders|policies)/[A-Za-z0-9.%-]{1,8}(/history)?",
        any::<String>(),
    ];
    let queries = prop_oneof!["((status|customer|limit|cursor|version|asOf|x)=[ -~]{0,12}&?){0,3}", any::<String>(),];
    (paths, queries).prop_map(|(path, query)| format!("{path}?{query}"))
}

#[test]
fn arbitrary_requests_are_answered_and_nothing_ever_breaks() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
    let api = runtime.block_on(async { Api::new() });
    let methods = prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST", "OPTIONS"]);
    proptest!(|(method in methods, target in targets(), etag in any::<String>())| {
        let request = get(target).method(method).header("if-none-match", &etag);
        let answer = runtime.block_on(api.through_the_gateway(request));
        prop_assert!(!answer.status.is_server_error(), "{answer:#?}");
    });
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
    for path in
        ["/operations/x", "/reports/orders", "/schemas", "/schemas/orders/SubmitOrder/1", "/openapi.yaml", "/health"]
    {
        let problem = api.get(format!("{path}?wait=10")).await.refused("bad-request");
        assert!(problem.detail.contains("wait"), "{problem:#?}");
    }
}
