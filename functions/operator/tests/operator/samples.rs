//! The recorded AWS event in `events/aws/operator.json` is what the function is handed.

use std::path::Path;

use kernel::timestamp::Timestamp;
use serde_json::Value;

use crate::api::{Api, Queued};

fn recorded(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events/aws").join(name);
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{name}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[tokio::test]
async fn the_recorded_request_resubmits_the_first_of_the_recorded_commands() {
    let api = Api::new();
    let (event, commands) = (recorded("operator.json"), recorded("command-handler.json"));
    let queued = Queued::read(commands["Records"][0]["body"].as_str().expect("a body").to_owned(), "orders");
    let id = api.parks(&queued).await;
    assert_eq!(event["pathParameters"]["proxy"], format!("{id}/resubmit"));
    assert_eq!(event["rawPath"], format!("/parked/{id}/resubmit"));
    let operator = event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"].as_str().expect("a subject");
    let operator = format!("user:{operator}");
    let key = format!("operator#{operator}");
    api.aws.register(&serde_json::json!({ "registry_key": key, "entry": "operator", "tenant": "demo" }));
    let now = event["requestContext"]["timeEpoch"].as_u64().map(Timestamp::from_millis).expect("a time");
    let request = lambda_http::request::from_str(&event.to_string()).expect("a gateway's event");
    let answer = api.desk.handle(request, now).await;
    assert_eq!(answer.status(), 202, "{:?}", answer.body());
    let message = api.only_queued("orders");
    assert_eq!(message.group.as_deref(), Some("demo/orders/O-1001"));
    let detail = api.detail(&id).await;
    assert_eq!(
        (detail["history"][1]["by"].as_str(), &detail["history"][1]["at"]),
        (Some(operator.as_str()), &serde_json::json!(now))
    );
}
