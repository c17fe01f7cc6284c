//! Read models that are made anew, as a platform operator asks for it.

use serde_json::{Value, json};

use crate::api::{Answer, Client, fresh, submit_order, wait_for};

fn ask(operator: &Client, body: &Value) -> Answer {
    operator.send("POST", "/rebuild", &[("content-type", "application/json")], &body.to_string())
}

/// Follows a rebuild until it is in one of these states.
#[track_caller]
fn follow(operator: &Client, rebuild: &str, wanted: &[&str]) -> Value {
    wait_for(&format!("{rebuild}: {wanted:?}"), || {
        let shown = operator.get(rebuild).expect(200).json();
        if wanted.iter().any(|state| shown["state"] == *state) { Ok(shown) } else { Err(shown.to_string()) }
    })
}

#[test]
fn a_rebuild_of_what_is_right_changes_nothing_that_is_read() {
    let (client, operator, order) = (Client::of("demo"), Client::operator("platform"), fresh("O"));
    let resource = client.succeeded(&client.submit(&submit_order(&order, &fresh("C"))));
    let before = client.read(&resource);

    let rebuild = ask(&operator, &json!({ "collection": "orders" })).expect(202).header("location").to_owned();
    // It begins within a minute.
    follow(&operator, &rebuild, &["running", "finished"]);
    let finished = follow(&operator, &rebuild, &["finished"]);
    let progress = &finished["progress"];
    assert_eq!((&progress["failed"], &progress["failures"]), (&json!(0), &json!([])), "{finished:#}");
    assert_eq!(progress["segmentsDone"], progress["segments"], "{finished:#}");
    assert!(progress["right"].as_u64() >= Some(1), "{finished:#}");
    let listed = operator.get("/rebuilds").expect(200).json();
    let listed = listed["items"].as_array().and_then(|all| all.iter().find(|item| item["id"] == finished["id"]));
    assert_eq!(listed.map(|item| &item["state"]), Some(&json!("finished")));

    let after = client.get(&resource).expect(200);
    assert_eq!((after.header("etag"), after.json()), (before.header("etag"), before.json()));
}

#[test]
fn only_platform_operators_rebuild_and_only_what_there_is() {
    let (demo, platform) = (Client::operator("demo"), Client::operator("platform"));
    for refused in [ask(&demo, &json!({ "dryRun": true })), demo.get("/rebuilds")] {
        assert_eq!(refused.expect(403).problem(), "not-permitted");
    }
    assert_eq!(ask(&platform, &json!({ "collection": "nothing" })).expect(400).problem(), "bad-request");
}
