//! `POST /parked/resubmit` and `POST /parked/discard`: many at once, by their ids.

use bench::Answer;
use std::time::Duration;

use kernel::operation::Status;
use serde_json::{Value, json};
use testkit::Fault;

use crate::api::{Api, Queued, bad_order, client, good_order, post, second};

async fn all(api: &Api, action: &str, ids: &[String]) -> Answer {
    api.send(post(format!("/parked/{action}"), &json!({ "ids": ids, "reason": "all of them" }))).await
}

fn statuses(results: &Value) -> Vec<u64> {
    let results = results["results"].as_array().expect("results");
    results.iter().map(|result| result["status"].as_u64().expect("a status")).collect()
}

/// Orders of a few streams, one after the other.
async fn park(api: &Api, count: u64, streams: u64) -> (Vec<Queued>, Vec<String>) {
    let (mut orders, mut ids) = (Vec::new(), Vec::new());
    for nth in 0..count {
        let queued = Queued::order("demo", &format!("O-{}", nth % streams), &bad_order(), second(nth));
        ids.push(api.parks_because(&queued, &format!("reason-{nth}"), "wrong").await);
        orders.push(queued);
    }
    (orders, ids)
}

#[tokio::test]
async fn what_is_resubmitted_together_goes_back_in_the_order_of_its_streams() {
    let api = Api::new();
    let (orders, mut ids) = park(&api, 12, 3).await;
    ids.reverse();
    let answer = all(&api, "resubmit", &ids).await.ok().json();
    assert_eq!(statuses(&answer), [202; 12]);
    let answered: Vec<_> = answer["results"].as_array().expect("results").iter().map(|result| &result["id"]).collect();
    assert_eq!(answered, ids.iter().collect::<Vec<_>>(), "in the order of the ids");
    let queued = api.queued("orders");
    assert_eq!(queued.len(), 12);
    for stream in 0..3 {
        let group = format!("demo/orders/O-{stream}");
        let sent = queued.iter().filter(|message| message.group.as_deref() == Some(&group));
        let sent: Vec<_> = sent.map(|message| Queued::read(message.body.clone(), "orders").key()).collect();
        let expected: Vec<_> = orders.iter().skip(stream).step_by(3).map(Queued::key).collect();
        assert_eq!(sent, expected, "{group}");
    }
}

#[tokio::test]
async fn order_in_a_stream_survives_a_half_taken_batch() {
    let api = Api::new();
    let (orders, ids) = park(&api, 4, 2).await;
    api.aws.inject(|attempt| match attempt.operation {
        "SendMessageBatch" if attempt.nth == 1 => Fault::FailEntries(vec![0]),
        _ => Fault::None,
    });
    assert_eq!(statuses(&all(&api, "resubmit", &ids).await.ok().json()), [202; 4]);
    for stream in 0..2 {
        let group = format!("demo/orders/O-{stream}");
        let sent = api.queued("orders").into_iter().filter(|message| message.group.as_deref() == Some(&group));
        let sent: Vec<_> = sent.map(|message| Queued::read(message.body, "orders").key()).collect();
        assert_eq!(sent, [orders[stream].key(), orders[stream + 2].key()]);
    }
}

#[tokio::test]
async fn each_is_acted_on_by_itself_and_answered_for() {
    let api = Api::new();
    let (orders, mut ids) = park(&api, 3, 3).await;
    let foreign = api.parks(&Queued::order("other", "O-1", &good_order(), second(9))).await;
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    api.discard(&ids[1], "already").await.ok();
    ids.extend([foreign, "nonsense".to_owned(), event, ids[0].clone()]);
    let answer = all(&api, "resubmit", &ids).await.ok().json();
    let mut found = statuses(&answer);
    // The first id is there twice: one of them wins.
    let twice = [found.pop().expect("a status"), std::mem::replace(&mut found[0], 0)];
    assert!(twice == [202, 409] || twice == [409, 202], "{answer:#}");
    assert_eq!(found, [0, 409, 202, 404, 404, 202], "{answer:#}");
    assert_eq!(answer["results"][1]["problem"]["type"], "urn:waybill:problem:conflict");
    assert_eq!(answer["results"][2].get("problem"), None);
    assert_eq!((api.queued("orders").len(), api.queued("read_model_updater").len()), (2, 1));
    assert_eq!(api.operation(&orders[1]).await.status, Status::Discarded);
}

#[tokio::test]
async fn many_are_given_up_for_one_reason() {
    let api = Api::new();
    let (orders, ids) = park(&api, 5, 5).await;
    assert_eq!(statuses(&all(&api, "discard", &ids).await.ok().json()), [200; 5]);
    for queued in &orders {
        let operation = api.operation(queued).await;
        assert_eq!(
            (operation.status, operation.error.expect("why").detail.as_str()),
            (Status::Discarded, "all of them")
        );
    }
    let without = post("/parked/discard", &json!({ "ids": ids }));
    api.send(without).await.refused("bad-request");
}

#[tokio::test]
async fn what_came_later_is_not_swept_in() {
    let api = Api::new();
    let (_, ids) = park(&api, 2, 2).await;
    let later = Queued::order("demo", "O-9", &bad_order(), second(99));
    let later = api.parks_because(&later, "reason-1", "wrong").await;
    all(&api, "resubmit", &ids).await.ok();
    assert_eq!(api.ids("queue=orders").await, [later]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_are_acted_on_side_by_side_and_one_more_is_too_many() {
    let api = Api::new();
    let mut ids = Vec::new();
    for nth in 0..101 {
        let queued = Queued::order("demo", &format!("O-{nth}"), &bad_order(), second(nth));
        api.parks_because(&queued, "unreadable", "wrong").await;
    }
    let list = api.get("/parked?queue=orders&limit=100").await.ok().json();
    ids.extend(list["items"].as_array().expect("items").iter().map(|item| item["id"].as_str().expect("id").to_owned()));
    let mut too_many = ids.clone();
    too_many.push(ids[0].clone());
    all(&api, "resubmit", &too_many).await.refused("bad-request");
    all(&api, "discard", &[]).await.refused("bad-request");

    api.aws.every_call_takes(Duration::from_millis(20));
    let begin = tokio::time::Instant::now();
    assert_eq!(statuses(&all(&api, "resubmit", &ids).await.ok().json()), [202; 100]);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    assert_eq!(api.queued("orders").len(), 100);
}

#[tokio::test]
async fn many_messages_as_heavy_as_can_be_go_back_too() {
    let api = Api::new();
    let mut ids = Vec::new();
    for nth in 0..8 {
        let data = json!({ "note": "x".repeat(250_000) });
        ids.push(api.parks(&Queued::order("demo", &format!("O-{nth}"), &data, second(nth))).await);
    }
    assert_eq!(statuses(&all(&api, "resubmit", &ids).await.ok().json()), [202; 8]);
    assert_eq!(api.queued("orders").len(), 8);
}

#[tokio::test]
async fn a_platform_operator_acts_on_many_tenants_at_once() {
    let api = Api::new();
    let ids = [
        api.parks(&Queued::order("demo", "O-1", &bad_order(), second(1))).await,
        api.parks(&Queued::order("other", "O-1", &bad_order(), second(0))).await,
    ];
    let request = post("/parked/resubmit", &json!({ "ids": ids }));
    assert_eq!(statuses(&api.send(request.by(client("root"))).await.ok().json()), [202; 2]);
    assert_eq!(api.queued("orders").len(), 2);
}
