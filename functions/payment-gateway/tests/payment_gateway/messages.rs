//! The gateway's own declarations, held against what payments publish and take.

use kernel::message::Message as _;
use serde_json::{Value, json};

/// The outcomes as the gateway writes them; the other tests see that it does.
#[test]
fn what_is_handed_in_is_what_payments_take() {
    let outcomes = [
        ("RecordCharge", json!({ "charge": "ch-1" })),
        ("RecordDecline", json!({ "reason": "card-declined" })),
        ("RecordVoid", json!({})),
        ("RecordRefund", json!({ "refund": "re-1" })),
    ];
    for (name, data) in outcomes {
        payments::commands::Command::decode(name, 1, &data.to_string()).unwrap_or_else(|error| panic!("{error}"));
    }
}

/// Each event that asks for something is published in one version, with the members that are read here.
#[test]
fn what_asks_for_something_is_published_in_versions_that_are_read() {
    let context = catalog::context("payments").expect("a context");
    let members = [
        ("ChargeRequested", &["customer", "amount"][..]),
        ("VoidRequested", &["chargeRequested"]),
        ("RefundRequested", &["charge", "amount"]),
    ];
    for (name, members) in members {
        let event = context.events().find(|event| event.name == name).expect("an event of payments");
        let versions: Vec<_> = event.versions.iter().map(|version| version.number).collect();
        assert_eq!(versions, [1], "functions/payment-gateway/src/messages.rs reads version 1 of {name}");
        let schema: Value = serde_json::from_str(event.versions[0].schema).expect("JSON");
        for member in members {
            let required = schema["required"].as_array().expect("required members");
            assert!(required.contains(&json!(member)), "{name} has {member}");
        }
    }
}
