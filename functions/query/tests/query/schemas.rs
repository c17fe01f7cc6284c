//! `GET /schemas`: what `dataschema` leads to.

use serde_json::Value;

use crate::api::{Api, PUBLIC_URL};

#[tokio::test]
async fn every_schema_is_listed_and_resolves_under_the_uri_that_messages_carry() {
    let api = Api::new();
    let listed = api.get("/schemas").await.ok().json();
    let listed: Vec<_> = listed["schemas"].as_array().expect("schemas").iter().filter_map(Value::as_str).collect();
    let mut expected = 0;
    for context in catalog::CONTEXTS {
        let versions =
            context.messages().flat_map(|message| message.versions.iter().map(|version| (message.name, version)));
        for (name, version) in versions {
            let uri = format!("{PUBLIC_URL}/schemas/{}/{name}/{}", context.name, version.number);
            assert!(listed.contains(&uri.as_str()), "{uri} is not in {listed:#?}");
            let answer = api.get(uri.strip_prefix(PUBLIC_URL).expect("of this API")).await.ok();
            assert_eq!(answer.text, version.schema, "as it is in the repository");
            assert_eq!(answer.header("content-type"), "application/schema+json");
            assert_eq!(
                answer.header("cache-control"),
                "private, max-age=3600",
                "optional members come without a new version"
            );
            jsonschema::options().offline().build(&answer.json()).expect("a schema that stands alone");
            expected += 1;
        }
    }
    assert_eq!(listed.len(), expected);
}

#[tokio::test]
async fn a_schema_that_is_not_there_is_absent() {
    let api = Api::new();
    for path in ["orders/SubmitOrder/2", "orders/SubmitOrder/0", "orders/SubmitOrder/x", "orders/SubmitOrder/-1"] {
        api.get(format!("/schemas/{path}")).await.refused("not-found");
    }
    for path in ["policies/SubmitOrder/1", "x/SubmitOrder/1", "orders/submitorder/1", "orders/..%2F..%2Fx/1"] {
        api.get(format!("/schemas/{path}")).await.refused("not-found");
    }
    for path in ["/schemas/orders", "/schemas/orders/SubmitOrder", "/schemas/orders/SubmitOrder/1/x"] {
        api.get(path).await.refused("not-found");
    }
}
