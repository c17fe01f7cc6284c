//! Where commands go: the context's shared queue, or one of the tenant's own.

use bench::Request;
use serde_json::{Value, json};
use testkit::{Aws, Message};

use crate::api::{Api, submit_order, with};

/// Everything of the shop's goes to a pipeline of the tenant's own, but for its tills.
fn routed() -> (Api, String) {
    let api = Api::without_tenants();
    let pipeline = Aws::queue_url("demo-pipeline.fifo");
    api.register_client("shop-client", "demo");
    api.register_tenant(
        "demo",
        &json!({
            "grants": [{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/", "/elsewhere"] }],
            "routes": [
                { "source": "https://shop.example/", "queue": pipeline },
                { "source": "https://shop.example/tills/" },
            ],
        }),
    );
    (api, pipeline)
}

fn of(source: &str) -> Value {
    with(submit_order(), &json!({ "source": source }))
}

fn only(messages: Vec<Message>) -> Message {
    let [message]: [Message; 1] = messages.try_into().unwrap_or_else(|all| panic!("not one message: {all:#?}"));
    message
}

#[tokio::test]
async fn a_source_with_a_route_goes_to_the_tenants_own_queue() {
    let (api, pipeline) = routed();
    api.send(Request::structured(&of("https://shop.example/web"))).await.accepted();
    let message = only(api.aws.messages(&pipeline));
    assert_eq!(message.group.as_deref(), Some("demo/own/O-1001"));
    assert!(api.queued("orders").is_empty());
}

#[tokio::test]
async fn an_exception_and_what_no_route_covers_go_to_the_contexts_queue() {
    for source in ["https://shop.example/tills/4", "/elsewhere"] {
        let (api, pipeline) = routed();
        api.send(Request::structured(&of(source))).await.accepted();
        api.only_command("orders");
        assert!(api.aws.messages(&pipeline).is_empty());
    }
}

#[tokio::test]
async fn a_batch_is_split_by_route() {
    let (api, pipeline) = routed();
    let sources = ["https://shop.example/web", "https://shop.example/tills/1", "https://shop.example/app"];
    let events: Vec<_> = sources.into_iter().map(of).collect();
    api.send(Request::batch(&events)).await.accepted();
    assert_eq!(api.aws.messages(&pipeline).len(), 2);
    api.only_command("orders");
}

#[tokio::test]
async fn a_type_of_the_tenants_own_needs_a_schema_of_its_own() {
    let (api, pipeline) = routed();
    let rocket = with(
        of("https://shop.example/web"),
        &json!({ "type": "LaunchRocket", "subject": "R-1", "data": { "countdown": 10 } }),
    );
    api.send(Request::structured(&rocket)).await.refused("unknown-type");

    let schema =
        r#"{ "properties": { "countdown": { "type": "integer", "maximum": 10 } }, "required": ["countdown"] }"#;
    api.register_schema("demo", "urn:demo:rocket:1", "LaunchRocket", schema);
    let api = api.restarted();
    let answer = api.send(Request::structured(&rocket)).await.accepted();
    assert_eq!(answer.json()["type"], "LaunchRocket");
    let message = only(api.aws.messages(&pipeline));
    assert_eq!(message.group.as_deref(), Some("demo/own/R-1"));
    let queued: Value = serde_json::from_str(&message.body).expect("JSON");
    assert_eq!(queued["dataschema"], "urn:demo:rocket:1", "the consumer learns what it was checked by");

    let late = with(rocket, &json!({ "data": { "countdown": 11 } }));
    let problem = api.send(Request::structured(&late)).await.refused("invalid-data");
    assert_eq!(problem.errors[0].pointer.as_deref(), Some("/countdown"));
}

#[tokio::test]
async fn with_several_schemas_an_event_must_name_one() {
    let (api, pipeline) = routed();
    for version in 1..=2 {
        api.register_schema("demo", &format!("urn:demo:rocket:{version}"), "LaunchRocket", "true");
    }
    let rocket = with(of("https://shop.example/web"), &json!({ "type": "LaunchRocket" }));
    let problem = api.send(Request::structured(&rocket)).await.refused("unknown-schema");
    assert!(problem.detail.contains("name one"), "{problem:#?}");
    let named = with(rocket, &json!({ "dataschema": "urn:demo:rocket:2" }));
    api.send(Request::structured(&named)).await.accepted();
    only(api.aws.messages(&pipeline));
}

#[tokio::test]
async fn a_known_type_on_a_queue_of_ones_own_is_checked_by_its_bundled_schema_or_by_the_one_it_names() {
    let (api, pipeline) = routed();
    let free = with(of("https://shop.example/web"), &json!({ "data": { "anything": "goes" } }));
    api.send(Request::structured(&free)).await.refused("invalid-data");
    api.register_schema("demo", "urn:demo:free", "SubmitOrder", "true");
    let api = api.restarted();
    let named = with(free, &json!({ "dataschema": "urn:demo:free" }));
    api.send(Request::structured(&named)).await.accepted();
    only(api.aws.messages(&pipeline));
}

#[tokio::test]
async fn a_type_of_the_tenants_own_reaches_no_shared_queue() {
    let (api, _) = routed();
    api.register_schema("demo", "urn:demo:rocket:1", "LaunchRocket", "true");
    let rocket = with(of("https://shop.example/tills/1"), &json!({ "type": "LaunchRocket" }));
    api.send(Request::structured(&rocket)).await.refused("unknown-type");
    api.assert_nothing_queued();
}
