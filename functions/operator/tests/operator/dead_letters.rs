//! `GET /dead-letters`: what lies in the dead-letter queues.

use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{Api, client, dead_letters, get, pairs, user};

async fn bury(api: &Api, queue: &str, body: &str) {
    let url = dead_letters(queue);
    let mut send = api.aws.sqs().send_message().queue_url(&url).message_body(body);
    if catalog::context(queue).is_some() {
        send = send.message_group_id("g").message_deduplication_id(body);
    }
    send.send().await.expect("sent");
}

async fn look(api: &Api) -> Value {
    api.send(get("/dead-letters").by(client("root"))).await.ok().json()
}

fn queue<'a>(looked: &'a Value, name: &str) -> &'a Value {
    let queues = looked["queues"].as_array().expect("queues");
    queues.iter().find(|queue| queue["name"] == name).unwrap_or_else(|| panic!("no {name} in {looked:#}"))
}

#[tokio::test(start_paused = true)]
async fn every_queue_says_how_much_it_holds_and_since_when() {
    let api = Api::new();
    let begin = api.now();
    bury(&api, "orders", "a").await;
    tokio::time::advance(Duration::from_mins(1)).await;
    bury(&api, "orders", "b").await;
    bury(&api, "publisher", "c").await;
    let looked = look(&api).await;
    assert_eq!(*queue(&looked, "orders"), json!({ "name": "orders", "waiting": 2, "inFlight": 0, "oldest": begin }));
    assert_eq!(queue(&looked, "publisher")["oldest"], json!(begin.plus(Duration::from_mins(1))));
    let none = json!({ "name": "read_model_updater", "waiting": 0, "inFlight": 0, "oldest": null });
    assert_eq!(*queue(&looked, "read_model_updater"), none);
    assert_eq!(looked["queues"].as_array().map(Vec::len), Some(pairs().len()));
}

#[tokio::test(start_paused = true)]
async fn looking_takes_nothing_out_and_holds_nothing_back() {
    let api = Api::new();
    bury(&api, "orders", "a").await;
    let looked = look(&api).await;
    assert_eq!(look(&api).await, looked);
    assert_eq!(api.aws.receive(&dead_letters("orders"), 10, Duration::from_secs(30)).len(), 1);
    let looked = look(&api).await;
    let expected = json!({ "name": "orders", "waiting": 0, "inFlight": 1, "oldest": null });
    assert_eq!(*queue(&looked, "orders"), expected, "what is being redriven");
}

#[tokio::test]
async fn they_are_for_platform_operators() {
    let api = Api::new();
    for claims in [client("desk"), user("alice", Some("demo")), client("a-stranger")] {
        api.send(get("/dead-letters").by(claims)).await.refused("not-permitted");
    }
    assert_eq!(api.aws.count("GetQueueAttributes"), 0);
}
