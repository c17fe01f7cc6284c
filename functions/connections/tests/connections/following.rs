use super::*;

fn succeeded(receipt: &str) -> (String, String) {
    (receipt.to_owned(), "succeeded".to_owned())
}

#[tokio::test(start_paused = true)]
async fn what_has_ended_is_told_at_once_and_what_has_not_when_it_ends() {
    let shop = Shop::connected().await;
    let first = shop.queue("O-1").await;
    shop.handle().await;
    let second = shop.queue("O-2").await;
    let frames = shop.follow("c1", &[&first, &second]).await;
    assert_eq!(frames[0]["id"], "f");
    assert_eq!(told(&frames), [succeeded(&first), (second.clone(), "accepted".to_owned())]);
    shop.handle().await;
    assert_eq!(told(&shop.aws.take_frames("c1")), [succeeded(&second)]);
}

#[tokio::test(start_paused = true)]
async fn nobody_follows_what_is_anothers() {
    let shop = Shop::connected().await;
    shop.connect("c2", "spy").await;
    let receipt = shop.submit("c1", "O-1").await;
    let frames = shop.follow("c2", &[&receipt, "made-up"]).await;
    assert_eq!(frames, [json!({ "type": "operations", "id": "f", "operations": [], "unknown": [receipt, "made-up"] })]);
    shop.handle().await;
    assert_eq!(shop.aws.take_frames("c2"), [] as [Value; 0]);
    assert_eq!(told(&shop.aws.take_frames("c1")), [succeeded(&receipt)]);
    assert_eq!(told(&shop.follow("c2", &[&receipt]).await), [], "nor when it has ended");
}

#[tokio::test(start_paused = true)]
async fn who_follows_no_more_is_told_no_more() {
    let shop = Shop::connected().await;
    shop.connect("c2", "shop").await;
    let receipt = shop.submit("c1", "O-1").await;
    shop.follow("c2", &[&receipt]).await;
    let unfollow = json!({ "action": "unfollow", "id": "u", "operations": [receipt, "made-up"] });
    assert_eq!(shop.live.say("c1", &unfollow).await, [json!({ "type": "unfollowed", "id": "u" })]);
    shop.handle().await;
    assert_eq!(shop.aws.take_frames("c1"), [] as [Value; 0]);
    assert_eq!(told(&shop.aws.take_frames("c2")), [succeeded(&receipt)], "who still does is");
}

#[tokio::test(start_paused = true)]
async fn receipts_of_one_command_are_told_each_by_itself() {
    let shop = Shop::connected().await;
    let first = shop.submit("c1", "O-1").await;
    tokio::time::advance(Duration::from_secs(5)).await;
    let repeat = shop.submit("c1", "O-1").await;
    let mut other = order_of("O-1");
    other["data"]["customer"] = json!("C-2");
    let frames = shop.live.say("c1", &json!({ "action": "submit", "id": "s", "event": other })).await;
    let reused = text(&frames[0]["operation"]["id"]);
    shop.handle().await;
    let mut all = told(&shop.aws.take_frames("c1"));
    all.sort();
    let mut expected = vec![succeeded(&first), succeeded(&repeat), (reused, "rejected".to_owned())];
    expected.sort();
    assert_eq!(all, expected);
}

#[tokio::test(start_paused = true)]
async fn a_parked_operation_is_told_and_followed_to_its_end() {
    let shop = Shop::connected().await;
    let receipt = shop.submit("c1", "O-1").await;
    // Of a type that this build cannot read.
    let body = shop.orders.waiting()[0].body.replace("SubmitOrder/1\"", "SubmitOrder/99\"");
    shop.aws.remove(&shop.orders.queue, |_| true);
    shop.orders.send_raw("g", "d", &body).await;
    shop.handle().await;
    assert_eq!(told(&shop.aws.take_frames("c1")), [(receipt.clone(), "parked".to_owned())]);
    // An operator gives it up: what the record says then.
    let key = shop.aws.items(TABLES.operations)[0].clone();
    let mut given_up = key;
    given_up["outcome"] = json!("discarded");
    shop.aws.insert(TABLES.operations, &given_up);
    assert!(shop.live.push().await);
    assert_eq!(told(&shop.aws.take_frames("c1")), [(receipt, "discarded".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn what_ended_during_a_cut_is_told_on_following_again() {
    let shop = Shop::connected().await;
    let receipt = shop.submit("c1", "O-1").await;
    shop.live.cut("c1");
    shop.handle().await;
    shop.connect("c2", "shop").await;
    assert_eq!(told(&shop.follow("c2", &[&receipt]).await), [succeeded(&receipt)]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_is_gone_is_forgotten() {
    let shop = Shop::connected().await;
    shop.submit("c1", "O-1").await;
    shop.live.cut("c1");
    shop.handle().await;
    assert_eq!(shop.aws.count("PostToConnection"), 2, "the answer, and one in vain");
    let followed: Vec<Value> =
        shop.aws.items(TABLES.connections).into_iter().filter(|item| !item["followers"].is_null()).collect();
    assert_eq!(followed, [] as [Value; 0]);
}

#[tokio::test(start_paused = true)]
async fn push_costs_one_read_a_batch_where_nobody_is_connected() {
    let shop = Shop::new();
    for number in 0..10 {
        let event = shop.orders.event(&format!("id-{number}"), "SubmitOrder", 1).subject(format!("O-{number}"));
        shop.orders.send_event(event.data_json(&order_of("O")["data"])).await;
    }
    shop.orders.deliver().await;
    shop.aws.forget_calls();
    assert!(shop.live.push().await);
    let calls = shop.aws.calls();
    assert_eq!((calls.len(), shop.aws.count("BatchGetItem")), (1, 1), "{calls}");
}

#[tokio::test(start_paused = true)]
async fn who_was_told_is_not_told_again_when_the_batch_comes_again() {
    let shop = Shop::connected().await;
    shop.connect("c2", "shop").await;
    let first = shop.submit("c1", "O-1").await;
    let second = shop.submit("c2", "O-2").await;
    shop.orders.deliver().await;
    shop.aws.inject(|attempt| match attempt.operation {
        "PostToConnection" if attempt.body.contains("O-2") => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    assert!(!shop.live.push().await, "one is left");
    assert_eq!(told(&shop.aws.take_frames("c1")), [succeeded(&first)]);
    shop.aws.heal();
    assert!(shop.live.push().await);
    assert_eq!(shop.aws.take_frames("c1"), [] as [Value; 0]);
    assert_eq!(told(&shop.aws.take_frames("c2")), [succeeded(&second)]);
}

/// Whatever call fails, and however: following again, the client is told.
#[tokio::test(start_paused = true)]
async fn no_outcome_is_missed_whichever_call_fails() {
    for (point, fault) in (1..=12).flat_map(|point| {
        [Fault::refuse(400, "AccessDeniedException"), Fault::Hang, Fault::HangAfter, Fault::LoseAnswer]
            .map(|fault| (point, fault))
    }) {
        let shop = Shop::connected().await;
        let mut left = point;
        let injected = fault.clone();
        shop.aws.inject(move |_| {
            left -= 1;
            if left == 0 { injected.clone() } else { Fault::None }
        });
        let frame = json!({ "action": "submit", "id": "1", "event": order_of("O-1") }).to_string();
        shop.live.send("c1", &frame).await;
        let mut frames = shop.aws.take_frames("c1");
        shop.orders.deliver_in_vain(2).await;
        for _ in 0..3 {
            shop.live.push().await;
        }
        frames.extend(shop.aws.take_frames("c1"));
        // What the client does that hears nothing: the same again.
        shop.aws.heal();
        frames.extend(shop.live.say("c1", &json!({ "action": "submit", "id": "2", "event": order_of("O-1") })).await);
        shop.orders.deliver_in_vain(1).await;
        assert!(shop.live.push().await);
        frames.extend(shop.aws.take_frames("c1"));
        let accepted = frames.iter().rfind(|frame| frame["type"] == "accepted").expect("accepted");
        let receipt = text(&accepted["operation"]["id"]);
        assert!(told(&frames).contains(&succeeded(&receipt)), "{fault:?} at call {point}: {frames:#?}");
        assert_eq!(shop.orders.commit_count("O-1"), 1);
    }
}

/// The outcome may be stored, and push may have it, at any moment before, between and after the calls of `follow`.
#[tokio::test(start_paused = true)]
async fn no_outcome_is_missed_whenever_it_comes() {
    let (mut answered, mut pushed) = (0, 0);
    let shop = Shop::connected().await;
    for seed in 0..400 {
        let receipt = shop.queue(&format!("O-{seed}")).await;
        // Some calls take long, so that others come between any two.
        shop.aws.calls_take(Duration::from_millis(1), Duration::from_millis(40), seed);
        let pause = Duration::from_millis(seed % 80);
        let receipts = [receipt.as_str()];
        let following = shop.follow("c1", &receipts);
        let ending = async {
            tokio::time::sleep(pause).await;
            shop.aws.insert(TABLES.operations, &shop.ended(&receipt));
            shop.live.push().await
        };
        let (mut frames, is_told) = tokio::join!(following, ending);
        assert!(is_told);
        answered += usize::from(told_by(&frames, Some("f"), &receipt));
        frames.extend(shop.aws.take_frames("c1"));
        pushed += usize::from(told_by(&frames, None, &receipt));
        assert!(told(&frames).contains(&succeeded(&receipt)), "seed {seed}: {frames:?}");
        tokio::time::advance(Duration::from_secs(10)).await;
    }
    assert!(answered > 0 && pushed > 0, "{answered} answered, {pushed} pushed");
}

/// Whether a frame with this id tells that it has succeeded.
fn told_by(frames: &[Value], id: Option<&str>, receipt: &str) -> bool {
    let of_id: Vec<Value> = frames.iter().filter(|frame| frame["id"].as_str() == id).cloned().collect();
    told(&of_id).contains(&succeeded(receipt))
}

#[tokio::test(start_paused = true)]
async fn for_one_more_who_follows_the_one_goes_whose_connection_ends_first() {
    let shop = Shop::connected().await;
    let receipt = shop.queue("O-1").await;
    for number in 0..101 {
        let id = format!("n{number}");
        let ticket = shop.live.ticket(token("shop")).await;
        assert!(shop.live.connect(&id, &ticket).await);
        assert_eq!(shop.follow(&id, &[&receipt]).await[0]["type"], "operations");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    shop.handle().await;
    let told: Vec<usize> =
        (0..101).filter(|number| !told(&shop.aws.take_frames(&format!("n{number}"))).is_empty()).collect();
    assert_eq!(told, (1..101).collect::<Vec<_>>(), "the first one is not told; it will follow again");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_read_holds_up_nobody() {
    let shop = Shop::connected().await;
    shop.connect("c2", "shop").await;
    shop.submit("c1", "O-1").await;
    let second = shop.submit("c2", "O-2").await;
    shop.orders.deliver().await;
    shop.aws.inject(|attempt| match attempt.operation {
        "PostToConnection" if attempt.body.contains("O-1") => Fault::refuse(429, "LimitExceededException"),
        _ => Fault::None,
    });
    assert!(shop.live.push().await, "the batch is done");
    assert_eq!(told(&shop.aws.take_frames("c2")), [succeeded(&second)]);
}
