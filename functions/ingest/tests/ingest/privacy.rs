//! What ingest logs: identifiers, kinds of problems, and nothing that a payload says.

use bench::Request;
use serde_json::{Value, json};
use testkit::{Fault, Log};

use crate::api::{Api, submit_order, user, with};

/// Stands in every place of an event that a client fills freely.
const SECRET: &str = "Jane.Doe-4111111111111111";

const CRATES: [&str; 6] = ["admission", "ingest", "kernel", "lambda", "messaging", "store"];

/// An order whose every free text is the secret.
fn secretive() -> Value {
    let mut event = with(submit_order(), &json!({ "cardholder": SECRET, "correlationid": SECRET }));
    event["data"]["customer"] = json!(SECRET);
    event["data"]["lines"][0]["sku"] = json!(SECRET);
    event
}

#[tokio::test]
async fn an_accepted_command_leaves_its_identifiers_in_the_log_and_nothing_of_its_payload() {
    let (api, log) = (Api::new(), Log::default());
    let guard = log.begin(&CRATES);
    let request = Request::structured(&secretive())
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
        .header("authorization", &format!("Bearer {SECRET}"));
    let answer = api.send(request).await.accepted();
    drop(guard);

    assert!(!log.text().contains(SECRET), "{}", log.text());
    let lines = log.lines();
    let line = lines.iter().find(|line| line["message"] == "accepted").unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(line["span"]["tenant"], "demo");
    assert_eq!(line["span"]["principal"], "client:shop-client");
    assert_eq!(line["span"]["operation"], answer.operation());
    assert_eq!(line["span"]["context"], "orders");
    assert_eq!(line["span"]["trace_id"], "4bf92f3577b34da6a3ce929d0e0e4736");
}

#[tokio::test(start_paused = true)]
async fn refusals_and_failures_are_logged_without_what_was_refused() {
    let (api, log) = (Api::new(), Log::default());
    let guard = log.begin(&CRATES);
    let event = secretive();
    let mut invalid = event.clone();
    invalid["data"][SECRET] = json!(SECRET);
    let mut malformed = event.clone();
    malformed[SECRET.to_ascii_lowercase()] = json!(SECRET);
    let requests = [
        Request::structured(&invalid),
        Request::structured(&malformed),
        Request::structured(SECRET),
        Request::of_type(&format!("application/cloudevents+{SECRET}"), "{}"),
        Request::structured(&with(event.clone(), &json!({ "type": SECRET }))),
        Request::structured(&with(event.clone(), &json!({ "source": format!("https://{SECRET}/") }))),
        Request::structured(&with(event.clone(), &json!({ "subject": format!("{SECRET}/") }))),
        Request::structured(&with(event.clone(), &json!({ "dataschema": format!("urn:x:{SECRET}") }))),
        Request::structured(&event).header("traceparent", SECRET).by(user("u", Some(SECRET))),
        Request::batch(&[invalid, malformed]),
    ];
    let count = requests.len();
    for request in requests {
        assert!(api.send(request).await.status.is_client_error());
    }
    api.aws.inject(|attempt| match attempt.operation {
        "SendMessage" => Fault::refuse(400, "InvalidMessageContents"),
        "SendMessageBatch" => Fault::FailEntries(vec![0]),
        _ => Fault::None,
    });
    api.send(Request::structured(&event)).await.refused("unavailable");
    api.send(Request::batch(&[event])).await.refused("unavailable");
    drop(guard);

    let text = log.text();
    assert!(!text.contains(SECRET) && !text.contains(&SECRET.to_ascii_lowercase()), "{text}");
    let lines = log.lines();
    let refused = lines.iter().filter(|line| line["message"] == "refused");
    let by_the_shop = refused.clone().filter(|line| line["span"]["principal"] == "client:shop-client").count();
    assert_eq!(by_the_shop, count + 1, "all but one who belongs to no tenant: {text}");
    let refused = refused.count();
    assert_eq!(refused, count + 2, "{text}");
    assert_eq!(log.lines().iter().filter(|line| line["level"] == "ERROR").count(), 2, "{text}");
}
