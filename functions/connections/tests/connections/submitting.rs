use super::*;

#[tokio::test(start_paused = true)]
async fn a_command_goes_in_and_its_outcome_comes_back() {
    let shop = Shop::connected().await;
    let receipt = shop.submit("c1", "O-1").await;
    shop.handle().await;
    let frames = shop.aws.take_frames("c1");
    assert_eq!(told(&frames), [(receipt, "succeeded".to_owned())]);
    let operation = &frames[0]["operations"][0];
    assert_eq!(operation["resource"]["href"], "https://api.example/orders/O-1?version=1");
    assert_eq!(frames[0].get("id"), None, "nobody has asked");
    assert!(shop.live.push().await);
    assert_eq!(shop.aws.take_frames("c1"), [] as [Value; 0], "once");
}

#[tokio::test(start_paused = true)]
async fn a_repeat_is_told_its_outcome_at_once() {
    let shop = Shop::connected().await;
    shop.submit("c1", "O-1").await;
    shop.handle().await;
    shop.aws.take_frames("c1");
    let frames = shop.live.say("c1", &json!({ "action": "submit", "id": "2", "event": order_of("O-1") })).await;
    assert_eq!(frames.len(), 2, "{frames:?}");
    assert_eq!(told(&frames), [(text(&frames[0]["operation"]["id"]), "succeeded".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_ingest_refuses_is_refused_in_the_same_words() {
    let shop = Shop::connected().await;
    let mut wrong = order_of("O-1");
    wrong["data"]["lines"] = json!("none");
    let problem =
        refused(&shop.live.say("c1", &json!({ "action": "submit", "id": "1", "event": wrong })).await, "invalid-data");
    assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lines"));
    let mut unknown = order_of("O-1");
    unknown["type"] = json!("EatOrder");
    refused(&shop.live.say("c1", &json!({ "action": "submit", "id": "1", "event": unknown })).await, "unknown-type");
    refused(
        &shop.live.say("c1", &json!({ "action": "submit", "id": "1", "event": { "x": 1 } })).await,
        "malformed-event",
    );
    assert!(shop.orders.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_may_only_read_submits_nothing() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(client("shop", "waybill/read")).await;
    assert!(shop.live.connect("c1", &ticket).await);
    refused(
        &shop.live.say("c1", &json!({ "action": "submit", "id": "1", "event": order_of("O-1") })).await,
        "not-permitted",
    );
    assert!(shop.orders.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_command_that_is_queued_is_accepted_even_if_it_cannot_be_followed() {
    let shop = Shop::connected().await;
    shop.aws.inject(|attempt| match attempt.operation {
        "UpdateItem" | "BatchGetItem" => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    let frames = shop.live.say("c1", &json!({ "action": "submit", "id": "1", "event": order_of("O-1") })).await;
    assert_eq!(frames[0]["type"], "accepted");
    assert_eq!(
        (&frames[1]["type"], &frames[1]["id"]),
        (&json!("problem"), &json!("1")),
        "and says that it is not followed"
    );
    assert_eq!(shop.orders.waiting().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_cannot_be_read_is_answered() {
    let shop = Shop::connected().await;
    for (frame, kind) in [
        ("", "bad-request"),
        ("{", "bad-request"),
        ("[1]", "bad-request"),
        (r#"{"action":"dance","id":"1"}"#, "bad-request"),
        (r#"{"action":"follow","id":"1","operations":[]}"#, "bad-request"),
    ] {
        assert!(shop.live.send("c1", frame).await);
        refused(&shop.aws.take_frames("c1"), kind);
    }
    let many = json!({ "action": "follow", "id": "1", "operations": vec!["x"; 51] });
    refused(&shop.live.say("c1", &many).await, "bad-request");
    let large = json!({ "action": "ping", "id": "1", "padding": "x".repeat(32 * 1024) });
    let problem = refused(&shop.live.say("c1", &large).await, "too-large");
    assert!(problem.detail.contains("POST /commands"), "{}", problem.detail);
}

#[tokio::test(start_paused = true)]
async fn one_connection_does_not_take_all() {
    let shop = Shop::connected().await;
    shop.connect("c2", "shop").await;
    let many = json!({ "action": "follow", "id": "1", "operations": vec!["x"; 50] });
    for _ in 0..10 {
        assert_eq!(shop.live.say("c1", &many).await[0]["type"], "operations");
    }
    let frames = shop.live.say("c1", &many).await;
    refused(&frames, "too-many-requests");
    assert_eq!(frames[0]["retryAfter"], 3, "{frames:?}");
    assert_eq!(shop.live.say("c2", &many).await[0]["type"], "operations", "another one goes on");
    tokio::time::advance(Duration::from_secs(3)).await;
    assert_eq!(shop.live.say("c1", &many).await[0]["type"], "operations");
}
