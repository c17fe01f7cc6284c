use super::*;

#[tokio::test(start_paused = true)]
async fn a_ticket_opens_one_connection() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(token("shop")).await;
    assert!(shop.live.connect("c1", &ticket).await);
    assert!(!shop.live.connect("c2", &ticket).await, "a second time");
    let again = shop.live.ticket(token("shop")).await;
    assert!(shop.live.connect("c2", &again).await);
}

#[tokio::test(start_paused = true)]
async fn a_ticket_is_good_for_a_minute() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(token("shop")).await;
    tokio::time::advance(Duration::from_secs(61)).await;
    assert!(!shop.live.connect("c1", &ticket).await);
}

#[tokio::test(start_paused = true)]
async fn a_handshake_without_a_good_ticket_is_refused() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(token("shop")).await;
    let other = if ticket.ends_with('A') { "B" } else { "A" };
    let altered = format!("{}{other}", &ticket[..ticket.len() - 1]);
    for wrong in ["", "abc", &altered, &"A".repeat(120)] {
        assert!(!shop.live.connect("c1", wrong).await, "{wrong}");
    }
    assert!(shop.live.connect("c1", &ticket).await, "the ticket itself is still good");
}

#[tokio::test(start_paused = true)]
async fn who_may_neither_submit_nor_read_gets_no_ticket() {
    let shop = Shop::new();
    for (claims, status) in [
        (token("nobody-knows-me"), 403),
        (client("shop", "waybill/operate"), 403),
        (client("shop", ""), 403),
        (client("shop", "waybill/read"), 201),
        (client("shop", "waybill/submit"), 201),
    ] {
        let answer = shop.live.ask_for_a_ticket(claims.clone()).await;
        assert_eq!(answer["statusCode"], status, "{claims}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_connection_ends_with_its_token() {
    let shop = Shop::new();
    let now = kernel::timestamp::Timestamp::from(shop.aws.now());
    let mut claims = token("shop");
    claims["exp"] = json!((now.seconds() + 600).to_string());
    let ticket = shop.live.ticket(claims).await;
    assert!(shop.live.connect("c1", &ticket).await);
    let ping = json!({ "action": "ping", "id": "p" });
    assert_eq!(shop.live.say("c1", &ping).await, [json!({ "type": "pong", "id": "p" })]);
    let receipt = shop.submit("c1", "O-1").await;
    tokio::time::advance(Duration::from_secs(601)).await;
    shop.handle().await;
    assert_eq!(shop.aws.take_frames("c1"), [] as [Value; 0], "nothing of {receipt} is told over it any more");
    shop.live.say("c1", &ping).await;
    assert!(!shop.aws.is_connected("c1"), "it is closed");
}

#[tokio::test(start_paused = true)]
async fn a_token_that_ends_when_nobody_knows_opens_a_short_connection() {
    let shop = Shop::new();
    let now = kernel::timestamp::Timestamp::from(shop.aws.now());
    let whole = now.seconds();
    for (expiry, seconds) in [
        (format!("{}.7", whole + 600), 600),
        (format!("{}", whole + 600), 600),
        ("soon".to_owned(), 300),
        ("-1".to_owned(), 300),
        ("9e99".to_owned(), 300),
        (format!("{}", whole + 600_000), 7200),
    ] {
        let mut claims = token("shop");
        claims["exp"] = json!(expiry);
        let answer = shop.live.ask_for_a_ticket(claims).await;
        let body: Value = serde_json::from_str(answer["body"].as_str().expect("text")).expect("JSON");
        let until = kernel::timestamp::Timestamp::parse(body["until"].as_str().expect("a time")).expect("a time");
        assert_eq!(until.seconds() - whole, seconds, "{expiry}");
        tokio::time::advance(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_ticket_whose_use_is_not_answered_still_opens_its_connection() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(token("shop")).await;
    shop.aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("PutItem", 1) => Fault::LoseAnswer,
        _ => Fault::None,
    });
    assert!(shop.live.connect("c1", &ticket).await, "the SDK has tried again");
}

#[tokio::test(start_paused = true)]
async fn nobody_fetches_tickets_without_end() {
    let shop = Shop::new();
    for _ in 0..30 {
        assert_eq!(shop.live.ask_for_a_ticket(token("shop")).await["statusCode"], 201);
    }
    let answer = shop.live.ask_for_a_ticket(token("shop")).await;
    assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(429), &json!("1")));
    assert_eq!(shop.live.ask_for_a_ticket(token("spy")).await["statusCode"], 201, "each by itself");
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(shop.live.ask_for_a_ticket(token("shop")).await["statusCode"], 201);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_not_open_before_that_is_noted() {
    let shop = Shop::new();
    let ticket = shop.live.ticket(token("shop")).await;
    shop.aws.inject(|attempt| match attempt.operation {
        "UpdateItem" => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    assert!(!shop.live.connect("c1", &ticket).await, "else nothing would be pushed over it");
    shop.aws.heal();
    let again = shop.live.ticket(token("shop")).await;
    assert!(shop.live.connect("c1", &again).await);
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_expires() {
    let shop = Shop::connected().await;
    let receipt = shop.queue("O-1").await;
    shop.follow("c1", &[&receipt]).await;
    let items = shop.aws.items(TABLES.connections);
    assert_eq!(items.len(), 3, "{items:?}");
    let now = kernel::timestamp::Timestamp::from(shop.aws.now()).seconds();
    for item in items {
        let expires_at = item["expires_at"].as_u64().unwrap_or_else(|| panic!("never: {item}"));
        assert!((now..now + 3 * 60 * 60).contains(&expires_at), "{item}");
    }
}
