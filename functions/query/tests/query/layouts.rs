//! Documents that a release before stored in another layout read as this build's.

use serde_json::{Value, json};
use testkit::{Fault, TABLES};

use crate::api::{Api, get, second};
use crate::grants::customer;

/// The order as a release before stored it: without `pieces`, of another customer, and in another state.
fn of_the_first_layout(api: &Api, order: &str) {
    let mut row = row(api, order);
    let text = |name: &str| row[name].as_str().expect("text").to_owned();
    let (owner, state) = (text("owner_key").replace("C-7", "C-8"), text("state_key").replace("submitted", "open"));
    row["document"] = json!(json!({ "id": order, "customer": "C-8" }).to_string());
    row["owner_key"] = json!(owner);
    row["state_key"] = json!(state);
    row.as_object_mut().expect("an item").remove("layout").expect("a layout");
    api.aws.insert(TABLES.read_models, &row);
}

fn row(api: &Api, order: &str) -> Value {
    let mut rows = api.aws.items(TABLES.read_models).into_iter();
    rows.find(|row| row["id"] == order && row["collection_key"] == "demo#orders")
        .unwrap_or_else(|| panic!("{order} is not there"))
}

#[tokio::test]
async fn a_document_of_another_layout_reads_as_its_events_say() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    let expected = api.get("/orders/O-1").await.ok();
    of_the_first_layout(&api, "O-1");
    let stored = row(&api, "O-1");
    let before = get("/orders/O-1").header("if-none-match", "\"1\"");
    let read = api.send(before).await.ok();
    assert_eq!(
        (read.json(), read.header("etag")),
        (expected.json(), "\"1.2\""),
        "who has the old one gets the new one"
    );
    assert_eq!(api.get("/orders/O-1/history?asOf=2030-01-01T00:00:00Z").await.ok().json(), expected.json());
    assert_eq!(row(&api, "O-1"), stored, "reading writes nothing");
    // It may be further than what is stored.
    api.happens("demo/orders/O-1", &[("OrderCancelled", json!({}))], second(1)).await;
    let read = api.get("/orders/O-1?version=2").await.ok();
    assert_eq!((&read.json()["status"], read.header("etag")), (&json!("cancelled"), "\"2.2\""));
}

#[tokio::test]
async fn lists_show_them_as_they_are_now_and_not_where_they_belong_no_more() {
    let api = Api::new();
    for order in ["O-1", "O-2"] {
        api.order("demo", order, "C-7", second(0)).await;
    }
    let expected = api.get("/orders/O-1").await.ok().json();
    of_the_first_layout(&api, "O-1");
    for (list, found) in [("customer=C-8", vec![]), ("customer=C-7", vec!["O-2"]), ("status=submitted", vec!["O-2"])] {
        let page = api.get(&format!("/orders?{list}")).await.ok().json();
        let ids: Vec<&Value> = page["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
        assert_eq!(ids, found, "{list}: until a rebuild writes its places");
    }
    let mut row = row(&api, "O-1");
    row["owner_key"] = json!("demo#orders#C-7");
    api.aws.insert(TABLES.read_models, &row);
    let page = api.get("/orders?customer=C-7").await.ok().json();
    assert!(page["items"].as_array().expect("items").contains(&expected), "{page:#}");
}

#[tokio::test]
async fn one_that_cannot_be_made_anew_hides_no_other() {
    let api = Api::new();
    for order in ["O-1", "O-2"] {
        api.order("demo", order, "C-7", second(0)).await;
    }
    let rows = api.aws.items(TABLES.read_models);
    for mut row in rows.into_iter().filter(|row| row["id"] == "O-1" && !row["document"].is_null()) {
        row["layout"] = json!(99);
        api.aws.insert(TABLES.read_models, &row);
    }
    let mut commit = api.aws.items(TABLES.events).into_iter().find(|commit| commit["stream_id"] == "demo/orders/O-1");
    let commit = commit.as_mut().expect("a commit");
    commit["events"] = json!("[");
    api.aws.insert(TABLES.events, commit);
    let page = api.get("/orders?customer=C-7").await.ok().json();
    let ids: Vec<&Value> = page["items"].as_array().expect("items").iter().map(|item| &item["id"]).collect();
    assert_eq!(ids, ["O-2"]);
    let seen = api.get("/customers/C-7").await.ok().json();
    assert_eq!((&seen["orders"]["count"], &seen["complete"]), (&json!(1), &json!(false)));
    assert_eq!(api.get("/orders/O-1").await.status, 500);
}

#[tokio::test]
async fn whose_it_is_the_events_say_too() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    of_the_first_layout(&api, "O-1");
    api.settings("demo", &json!({ "reads": [{ "principals": ["*"], "collections": ["orders"], "own": "customer" }] }));
    for path in ["/orders/O-1", "/orders/O-1/history"] {
        api.send(get(path).by(customer("C-7"))).await.ok();
        api.send(get(path).by(customer("C-8"))).await.refused("not-found");
    }
}

#[tokio::test]
async fn while_its_events_cannot_be_read_neither_can_the_document() {
    let api = Api::new();
    api.order("demo", "O-1", "C-7", second(0)).await;
    of_the_first_layout(&api, "O-1");
    api.aws.inject(|attempt| match (attempt.operation, attempt.body.contains("events")) {
        ("Query", true) => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    api.get("/orders/O-1").await.refused("unavailable");
    api.aws.heal();
    // The stream has less than the document is at.
    let mut row = row(&api, "O-1");
    row["version"] = json!(2);
    api.aws.insert(TABLES.read_models, &row);
    assert_eq!(api.get("/orders/O-1").await.status, 500);
}
