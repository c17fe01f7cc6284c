//! What a run sends.

use kernel::cloud_event::CloudEvent;
use serde_json::Value;

use crate::api::{Api, TOKEN};

/// What was sent to `/commands` by the run, read as ingest reads it.
async fn command(api: &Api) -> CloudEvent {
    api.run().await.result.expect("it passes");
    let requests = api.web.requests();
    let posted = requests.iter().rfind(|request| request.uri().path() == "/commands").expect("a command");
    CloudEvent::from_json(posted.body().as_bytes()).expect("a CloudEvent")
}

#[tokio::test(start_paused = true)]
async fn a_run_is_a_command_that_the_context_knows_and_its_schema_accepts() {
    let command = command(&Api::good()).await;
    assert_eq!(catalog::context_of_command(command.ty()).map(|context| context.name), Some("checks"));
    let schema = catalog::schema("checks", command.ty(), 1).expect("its schema");
    let validator = jsonschema::validator_for(&serde_json::from_str(schema).expect("JSON")).expect("a schema");
    let data: Value = serde_json::from_str(command.json().expect("JSON data")).expect("JSON");
    assert!(validator.is_valid(&data), "{data}");
    assert_eq!(command.source(), "urn:waybill:synthetic-check");
    assert_eq!(command.subject(), Some("2026-01-15"), "the day that it runs on");
}

#[tokio::test(start_paused = true)]
async fn no_two_runs_are_the_same_command() {
    let [first, second] = [Api::good(), Api::good()];
    assert_ne!(command(&first).await.id(), command(&second).await.id());
}

#[tokio::test(start_paused = true)]
async fn the_token_is_got_with_the_secret_and_shown_to_the_api_alone() {
    let api = Api::good();
    api.run().await.result.expect("it passes");
    let requests = api.web.requests();
    let authorization = |at: usize| requests[at].headers()["authorization"].to_str().expect("text").to_owned();
    // "checker:no%2Fbody%2Bmay%20see%20this": both parts are encoded, as RFC 6749 wants it.
    assert_eq!(authorization(0), "Basic Y2hlY2tlcjpubyUyRmJvZHklMkJtYXklMjBzZWUlMjB0aGlz");
    assert_eq!(requests[0].body(), "grant_type=client_credentials&scope=waybill%2Fsubmit+waybill%2Fread");
    for (at, request) in requests.iter().enumerate().skip(1) {
        assert_eq!(request.uri().host(), Some("api.example"));
        assert_eq!(authorization(at), format!("Bearer {TOKEN}"));
    }
}
