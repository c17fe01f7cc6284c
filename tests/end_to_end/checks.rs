//! The synthetic check, which is a client itself.

use serde_json::Value;

use crate::api::{Client, invoke, stack};

#[test]
fn the_synthetic_check_goes_the_whole_way() {
    let function = stack()["synthetic_check"].as_str().expect("the function's name").to_owned();
    let passed = invoke(&function).unwrap_or_else(|error| panic!("the check fails: {error}"));
    let id = passed["operation"].as_str().unwrap_or_else(|| panic!("no operation in {passed}"));

    let client = Client::of("system");
    let day = client.read(&client.succeeded(&format!("/operations/{id}"))).json();
    assert!(day["runs"].as_u64() >= Some(1), "{day:#}");
    let history = client.history(&format!("/checks/{}", day["id"].as_str().expect("a day")));
    let recorded: Vec<&Value> = history.iter().filter(|event| event["type"] == "CheckRecorded").collect();
    assert_eq!(recorded.len(), history.len(), "{history:#?}");
}

#[test]
fn the_checks_client_may_do_nothing_else() {
    let client = Client::of("system");
    let order = crate::api::submit_order(&crate::api::fresh("O"), "C-7");
    assert_eq!(client.post(&order).expect(403).problem(), "not-permitted");
}
