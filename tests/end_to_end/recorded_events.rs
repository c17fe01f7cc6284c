//! The recorded events in `events/aws/`, handed to the deployed functions as `cargo lambda invoke` hands them to one that
//! runs by hand (`docs/deploy.md`).

use serde_json::Value;

use crate::api::{invoke_with, stack};

/// What the function answers to the event.
fn answer(function: &str, event: &str) -> Value {
    let stack = stack();
    let name = format!("{}-{function}", stack["stack_name"].as_str().expect("a name"));
    invoke_with(&name, event).unwrap_or_else(|error| panic!("{function}: {error}"))
}

#[test]
fn the_callers_in_recorded_events_are_no_strangers_on_the_local_stack() {
    let accepted = answer("ingest", include_str!("../../events/aws/ingest.json"));
    assert_eq!(accepted["statusCode"], 202, "{accepted}");
    // Another order of that id may be there, or none yet; but the caller is known.
    let read = answer("query", include_str!("../../events/aws/query.json"));
    assert!([200, 404].map(Value::from).contains(&read["statusCode"]), "{read}");
    let operated = answer("operator", include_str!("../../events/aws/operator.json"));
    assert_eq!(operated["statusCode"], 404, "nothing is parked under that id: {operated}");
}
