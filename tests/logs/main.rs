//! What is in no log, whatever `LOG_LEVEL` says: payloads, tokens, keys and aggregates' ids, although other crates write them
//! below `info`.

use bench::http::client;
use bench::{Request, platform};
use ingest::Ingest;
use lambda::settings::Environment;
use lambda::telemetry;
use lambda_http::{Body, Response};
use query::Query;
use serde_json::{Value, json};
use testkit::{Aws, Log};

/// In the payload, and the aggregate is called so.
const JANE: &str = "jane@doe.example";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJzaG9wIn0.";
const KEY: &str = "a-receipt-key-of-at-least-thirty-two-characters";

fn environment() -> Environment {
    let level = "trace,aws_smithy_runtime=trace,hyper=trace,lambda_runtime::layers::panic=trace,[command]=trace";
    platform::environment().with([("LOG_LEVEL", level)])
}

fn request(request: Request) -> lambda_http::Request {
    let request = request.by(client("shop", "waybill/submit waybill/read"));
    request.header("authorization", &format!("Bearer {TOKEN}")).into_http()
}

fn order() -> Value {
    let mut event: Value =
        serde_json::from_str(include_str!("../../events/orders/submit-order.json")).expect("a sample event");
    event["subject"] = json!(JANE);
    event["data"]["customer"] = json!(JANE);
    event
}

fn status(answer: &Response<Body>) -> u16 {
    answer.status().as_u16()
}

/// A command is taken in, its operation read, and a document that is not there.
async fn work(aws: &Aws) {
    let environment = environment();
    let ingest = Ingest::from_environment(&environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager());
    let query = Query::from_environment(&environment, aws.dynamodb(), aws.secrets_manager()).expect("settings");
    let now = aws.now().into();
    let command = request(Request::structured(&order()));
    let answer = Box::pin(ingest.expect("settings").handle(command, now)).await;
    assert_eq!(status(&answer), 202, "{:?}", answer.body());
    let operation: Value = serde_json::from_slice(answer.body().as_ref()).expect("an operation");
    let operation = format!("/operations/{}", operation["id"].as_str().expect("an id"));
    assert_eq!(status(&Box::pin(query.handle(request(Request::get(operation)), now)).await), 200);
    let document = format!("/orders/{JANE}");
    assert_eq!(status(&Box::pin(query.handle(request(Request::get(document)), now)).await), 404);
}

fn world() -> Aws {
    let aws = Aws::new();
    aws.put_secret(&platform::receipt_secret(), KEY);
    let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
    platform::register_tenant(&aws, "demo", &json!({ "grants": grants }));
    platform::register_client(&aws, "shop", "demo");
    aws
}

#[tokio::test]
async fn at_no_level_is_there_a_payload_a_token_a_key_or_an_aggregates_id_in_the_log() {
    let log = Log::default();
    let hook = std::panic::take_hook();
    telemetry::start_to(&environment(), log.clone()).expect("settings");
    std::panic::set_hook(hook); // a failed assertion is to be seen
    work(&world()).await;
    tracing::trace!(target: "lambda_runtime::layers::api_response", "{TOKEN}");
    tracing::debug!(target: "aws_smithy_runtime::client", KEY, "sent");
    tracing::error!(target: "lambda_runtime::layers::panic", "{JANE}");
    tracing::trace_span!(target: "lambda_http", "request", TOKEN).in_scope(|| tracing::trace!(target: "query", "ours"));
    let text = log.text();
    for secret in [JANE, TOKEN, KEY, "POT-CAST-IRON"] {
        assert!(!text.contains(secret), "{secret} is in the log:\n{text}");
    }
    let lines = log.lines();
    assert!(lines.iter().any(|line| line["message"] == "ours"), "our own lines are written at every level: {text}");
    let accepted = lines.iter().find(|line| line["message"] == "accepted").expect("accepted");
    // printf %s demo/orders/jane@doe.example | sha256sum | cut -c -16
    assert_eq!(accepted["span"]["stream"], "5a6d24002625635f");
}
