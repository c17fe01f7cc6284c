//! Registry entries and keys that are there and cannot be read: nothing holds that they said before.

use bench::{Answer, Request};
use std::time::Duration;

use lambda::caller::FRESH_FOR;
use serde_json::{Value, json};
use testkit::{Fault, Log, Service};

use crate::api::{Api, bind_policy, client, receipt_secret, submit_order, with};

fn order() -> Request {
    Request::structured(&submit_order())
}

/// Demo's settings become this text.
fn damage(api: &Api, document: &str) {
    api.aws.register(&json!({ "registry_key": "tenant#demo", "entry": "settings", "document": document }));
}

/// Whoever comes after the settings are no longer fresh has them read anew, behind their back.
async fn after_a_refresh(api: &Api) {
    tokio::time::advance(FRESH_FOR).await;
    api.send(order()).await;
    tokio::time::sleep(Duration::from_millis(1)).await; // paused time passes once the refresh is done
}

#[track_caller]
fn assert_internal(answer: Answer) {
    let problem = answer.refused("internal");
    assert_eq!(problem.status, 500);
    assert!(problem.detail.contains("tell the operator"), "{problem:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_grant_that_is_revoked_by_settings_that_do_not_parse_is_revoked() {
    for document in ["", "{", r#"{"grants":"none"}"#, r#"{"grants":[],"routs":[]}"#] {
        let api = Api::new();
        api.send(order()).await.accepted();
        damage(&api, document);
        after_a_refresh(&api).await;
        let (log, queued) = (Log::default(), api.queued("orders").len());
        let guard = log.begin(&["ingest", "lambda"]);
        assert_internal(api.send(order()).await);
        drop(guard);
        let errors: Vec<_> = log.lines().into_iter().filter(|line| line["level"] == "ERROR").collect();
        let [error] = &errors[..] else { panic!("one line: {errors:#?}") };
        assert_eq!((&error["entry"], &error["span"]["tenant"]), (&json!("tenant demo"), &json!("demo")), "{error:#}");
        assert_eq!(api.queued("orders").len(), queued, "{document}");
    }
}

#[tokio::test(start_paused = true)]
async fn settings_that_are_read_for_the_first_time_and_do_not_parse_are_no_outage() {
    let api = Api::without_tenants();
    api.register_client("shop-client", "demo");
    api.register_tenant("demo", &json!({ "grants": "all of them" }));
    assert_internal(api.send(order()).await);
    api.assert_nothing_queued();
}

#[tokio::test(start_paused = true)]
async fn one_tenants_settings_do_not_close_the_door_to_others_and_a_repair_counts_at_once() {
    let api = Api::new();
    api.register_client("other-client", "other");
    let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
    api.register_tenant("other", &json!({ "grants": grants }));
    api.send(order()).await.accepted();
    damage(&api, "{");
    after_a_refresh(&api).await;
    assert_internal(api.send(order()).await);
    api.send(order().by(client("other-client"))).await.accepted();
    api.register_tenant("demo", &json!({ "grants": grants }));
    api.send(order()).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn an_outage_after_settings_were_found_unreadable_does_not_bring_the_old_ones_back() {
    let api = Api::new();
    api.send(order()).await.accepted();
    damage(&api, "{");
    after_a_refresh(&api).await;
    api.aws.inject(|attempt| match attempt.service {
        Service::DynamoDb => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    api.send(order()).await.refused("unavailable");
}

#[tokio::test(start_paused = true)]
async fn a_tenant_that_is_taken_out_of_the_registry_is_out_after_the_next_refresh() {
    let api = Api::new();
    api.send(order()).await.accepted();
    let key = json!({ "registry_key": { "S": "tenant#demo" }, "entry": { "S": "settings" } });
    let delete = json!({ "TableName": testkit::TABLES.registry, "Key": key });
    api.aws.database().delete_item(serde_json::from_value(delete).expect("a request")).expect("deleted");
    after_a_refresh(&api).await;
    let problem = api.send(order()).await.refused("not-permitted");
    assert!(problem.detail.contains("settings"), "{problem:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_client_whose_entry_cannot_be_read_is_not_let_in_as_whose_it_was() {
    let clients: [Value; 3] = [
        json!({ "registry_key": "client#shop-client", "entry": "tenant" }),
        json!({ "registry_key": "client#shop-client", "entry": "tenant", "tenant": "no tenant" }),
        json!({ "registry_key": "client#shop-client", "entry": "tenant", "tenant": "" }),
    ];
    for entry in clients {
        let api = Api::new();
        api.send(order()).await.accepted();
        api.aws.register(&entry);
        after_a_refresh(&api).await;
        let log = Log::default();
        let guard = log.begin(&["lambda"]);
        assert_internal(api.send(order()).await);
        drop(guard);
        assert!(log.lines().iter().any(|line| line["entry"] == "client shop-client"), "{entry}: {}", log.text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_holds_no_keys_any_more_seals_nothing() {
    let api = Api::new();
    api.send(order()).await.accepted();
    api.aws.put_secret(&receipt_secret(), "too short");
    tokio::time::advance(Duration::from_hours(1)).await;
    assert_internal(api.send(order()).await);
    api.aws.put_secret(&receipt_secret(), "a-secret-of-at-least-thirty-two-characters");
    api.send(order()).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn a_schema_that_was_replaced_by_one_that_cannot_be_used_refuses_its_type() {
    let api = Api::new();
    api.register_schema("demo", "urn:demo:any", "SubmitOrder", "true");
    let named = Request::structured(&with(submit_order(), &json!({ "dataschema": "urn:demo:any" })));
    api.send(named.clone()).await.accepted();
    api.register_schema("demo", "urn:demo:any", "SubmitOrder", "{");
    let log = Log::default();
    let guard = log.begin(&["schemas"]);
    after_a_refresh(&api).await;
    drop(guard);
    let line = log.lines().into_iter().find(|line| line["level"] == "ERROR").expect("an error");
    assert_eq!((&line["tenant"], &line["uri"]), (&json!("demo"), &json!("urn:demo:any")));
    api.send(named).await.refused("internal");
    let batch = Request::batch(&[submit_order(), with(submit_order(), &json!({ "dataschema": "urn:demo:any" }))]);
    api.send(batch).await.refused("internal");
    api.send(order()).await.refused("internal");
    api.send(Request::structured(&bind_policy())).await.accepted();
}
