//! `POST /parked/{id}/resubmit` with data: repaired, and then as ever.

use bench::Answer;
use serde_json::{Value, json};

use crate::api::{Api, Queued, bad_order, client, good_order, post, second};

async fn api_with_a_bad_order() -> (Api, Queued, String) {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    (api, queued, id)
}

/// Resubmits with this text as the data.
async fn repair(api: &Api, id: &str, data: &str) -> Answer {
    let body = format!(r#"{{"data":{data},"reason":"a repair"}}"#);
    api.send(post(format!("/parked/{id}/resubmit"), &json!({})).body(body)).await
}

#[tokio::test]
async fn nothing_changes_but_the_data_and_the_revision() {
    let (api, queued, id) = api_with_a_bad_order().await;
    let answer = api.resubmit(&id, json!({ "data": good_order() })).await.accepted().json();
    assert_eq!(answer["operation"], queued.operation(), "its sender goes on following the same");
    let sent = Queued::read(api.only_queued("orders").body, "orders").command;
    let data = sent.event.json().expect("data");
    assert_eq!(serde_json::from_str::<Value>(data).expect("JSON"), good_order());
    assert_eq!((sent.revision, sent.receipt), (1, queued.command.receipt));
    let mut as_before = sent.event.clone().into_builder();
    let before = queued.command.event.clone();
    as_before = as_before.data_json(&bad_order());
    let as_before = as_before.build().expect("an event");
    let expected = before.with_extension("commandrevision", 1).expect("a revision");
    assert_eq!(as_before, expected.with_extension("repairedby", "client:desk").expect("an operator"));
}

#[tokio::test]
async fn the_sender_learns_that_the_data_was_repaired_and_not_by_whom() {
    let (api, queued, id) = api_with_a_bad_order().await;
    api.resubmit(&id, json!({ "data": good_order() })).await.accepted();
    let operation = api.operation(&queued).await;
    assert_eq!((operation.revision, operation.repaired), (1, true));
    assert!(!json!(operation).to_string().contains("desk"), "{operation:#?}");
}

#[tokio::test]
async fn resubmitting_as_it_is_repairs_nothing_and_undoes_no_repair() {
    let (api, queued, id) = api_with_a_bad_order().await;
    api.resubmit(&id, json!({})).await.accepted();
    let operation = api.operation(&queued).await;
    assert_eq!((operation.revision, operation.repaired), (1, false));
    let sent = Queued::read(api.only_queued("orders").body, "orders");
    assert_eq!(sent.command.repaired_by, None);

    // It fails again and is repaired; that fails for a passing reason, and is resubmitted as it is.
    let second = api.parks(&sent).await;
    api.resubmit(&second, json!({ "data": good_order() })).await.accepted();
    let repaired = Queued::read(api.queued("orders").pop().expect("a message").body, "orders");
    let third = api.parks(&repaired).await;
    api.send(post(format!("/parked/{third}/resubmit"), &json!({})).by(client("root"))).await.accepted();
    let again = Queued::read(api.queued("orders").pop().expect("a message").body, "orders").command;
    assert_eq!(again.repaired_by.map(|operator| operator.to_string()).as_deref(), Some("client:desk"));
    let operation = api.operation(&queued).await;
    assert_eq!((operation.revision, operation.repaired), (3, true));
}

#[tokio::test]
async fn the_data_is_sent_letter_for_letter() {
    let (api, _, id) = api_with_a_bad_order().await;
    let data = good_order().to_string().replace("\"quantity\":2", "\"quantity\" :\t2.0");
    repair(&api, &id, &data).await.accepted().json();
    let sent = Queued::read(api.only_queued("orders").body, "orders").command;
    assert_eq!(sent.event.json(), Some(data.as_str()));
}

#[tokio::test]
async fn invalid_data_is_refused_with_every_fault_and_changes_nothing() {
    let (api, _, id) = api_with_a_bad_order().await;
    let before = api.everything();
    let mut data = good_order();
    data["lines"][0]["quantity"] = json!(0);
    data["customer"] = json!("Jane Doe");
    let problem = api.resubmit(&id, json!({ "data": data })).await.refused("invalid-data");
    let mut pointers: Vec<_> = problem.errors.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/customer", "/lines/0/quantity"]);
    assert!(!problem.to_json().contains("Jane Doe"), "values are not repeated: {problem:#?}");
    for data in ["null", "[]", "\"text\"", "0", "true", "{}"] {
        repair(&api, &id, data).await.refused("invalid-data");
    }
    assert_eq!(api.everything(), before);
    assert_eq!(api.detail(&id).await["stage"], "waiting");
    repair(&api, &id, &good_order().to_string()).await.accepted().json();
}

#[tokio::test]
async fn data_with_two_meanings_or_that_no_queue_carries_is_refused() {
    let (api, _, id) = api_with_a_bad_order().await;
    let before = api.everything();
    let order = good_order().to_string();
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    for data in [
        order.replacen('{', r#"{"customer":"C-8","#, 1),
        order.replace("POT-CAST-IRON", "\\ud800"),
        order.replace("POT-CAST-IRON", "\\uffff"),
        order.replace("POT-CAST-IRON", "\u{fffe}"),
        order.replace("450", "1e999"),
        deep,
    ] {
        assert_ne!(data, order);
        let answer = repair(&api, &id, &data).await;
        assert_eq!(answer.refused("malformed-event").attribute.as_deref(), Some("data"), "{data}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_number_that_would_be_read_as_another_is_refused() {
    let (api, _, id) = api_with_a_bad_order().await;
    let before = api.everything();
    let order = good_order().to_string();
    let problem = repair(&api, &id, &order.replacen("450", "1e-400", 1)).await.refused("invalid-data");
    assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lines/0/unitPrice/amount"), "{problem:#?}");
    assert_eq!(api.everything(), before);
}

/// Bytes of a message that ingest takes, and those that a revision and a repair may add.
const LARGEST: usize = 256 * 1024 + 512;

#[tokio::test]
async fn a_repaired_command_takes_what_ingest_takes_and_not_a_byte_more() {
    let padded = |padding: usize| good_order().to_string().replacen('{', &format!("{{{}", " ".repeat(padding)), 1);
    let (api, _, id) = api_with_a_bad_order().await;
    repair(&api, &id, &padded(0)).await.accepted().json();
    let padding = LARGEST - api.only_queued("orders").body.len();
    let (api, _, id) = api_with_a_bad_order().await;
    repair(&api, &id, &padded(padding + 1)).await.refused("too-large");
    repair(&api, &id, &padded(padding)).await.accepted().json();
    assert_eq!(api.only_queued("orders").body.len(), LARGEST);
}

/// It is not read at all: what is so long costs far more as values than as text.
#[tokio::test]
async fn a_repair_of_a_megabyte_is_refused_unread() {
    let (api, _, id) = api_with_a_bad_order().await;
    let before = api.everything();
    let long = format!("[{}1]", "1,".repeat(450_000));
    repair(&api, &id, &long).await.refused("too-large");
    let just_beyond = format!("[{}1]", "1,".repeat(131_072));
    assert_eq!(repair(&api, &id, &just_beyond).await.refused("too-large").attribute.as_deref(), Some("data"));
    assert_eq!(api.everything(), before);
}

/// Orders of one line only.
const AT_MOST_ONE_LINE: &str = r#"{ "properties": { "lines": { "maxItems": 1 } } }"#;

#[tokio::test]
async fn a_repair_keeps_to_what_the_tenant_has_registered() {
    let (api, _, id) = api_with_a_bad_order().await;
    api.register_schema("demo", "urn:demo:small-order", "SubmitOrder", AT_MOST_ONE_LINE);
    api.register_schema("demo", "urn:demo:cancel", "CancelOrder", "false");
    api.register_schema("other", "urn:other:order", "SubmitOrder", "false");
    let before = api.everything();
    let problem = repair(&api, &id, &good_order().to_string()).await.refused("invalid-data");
    assert_eq!(problem.errors[0].pointer.as_deref(), Some("/lines"), "{problem:#?}");
    assert_eq!(api.everything(), before);
    let mut one_line = good_order();
    one_line["lines"].as_array_mut().expect("lines").truncate(1);
    repair(&api, &id, &one_line.to_string()).await.accepted().json();
}

#[tokio::test]
async fn what_the_tenants_schema_has_against_the_data_is_shown_beside_it() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
    assert_eq!(api.detail(&id).await["complaints"], json!([]));
    api.register_schema("demo", "urn:demo:small-order", "SubmitOrder", AT_MOST_ONE_LINE);
    assert_eq!(api.detail(&id).await["complaints"][0]["pointer"], "/lines");
    api.resubmit(&id, json!({})).await.accepted();
}

#[tokio::test]
async fn a_tenants_schema_that_cannot_be_used_lets_no_repair_through_and_says_why() {
    let (api, _, id) = api_with_a_bad_order().await;
    api.register_schema("demo", "urn:demo:broken", "SubmitOrder", r#"{ "items": [true] }"#);
    let problem = repair(&api, &id, &good_order().to_string()).await.refused("internal");
    assert!(problem.detail.contains("urn:demo:broken cannot be used"), "{problem:#?}");
    api.resubmit(&id, json!({})).await.accepted();
}

#[tokio::test]
async fn data_that_makes_the_command_too_large_is_refused() {
    let api = Api::new();
    let event = kernel::cloud_event::CloudEvent::builder("c1", "https://shop.example/desk", "CancelOrder")
        .subject("O-1")
        .dataschema("https://api.example/schemas/orders/CancelOrder/1")
        .data_json(&json!({ "why": "twice" }))
        .build()
        .expect("an event");
    let id = api.parks(&Queued::sealed("demo", event, "orders", second(0))).await;
    let before = api.everything();
    let padded = format!("{{{}}}", " ".repeat(256 * 1024));
    assert_eq!(repair(&api, &id, &padded).await.refused("too-large").attribute.as_deref(), Some("data"));
    assert_eq!(api.everything(), before);
    repair(&api, &id, "{}").await.accepted().json();
}

#[tokio::test]
async fn what_is_no_command_cannot_be_repaired() {
    let api = Api::new();
    let (event, _) = api.parks_event("demo/orders/O-7").await;
    let stranger = api.parks_stranger("orders", "no command").await;
    let before = api.everything();
    let text = |bytes: usize| format!("\"{}\"", "x".repeat(bytes - 2));
    repair(&api, &event, &text(256 * 1024)).await.refused("not-repairable");
    repair(&api, &event, &text(256 * 1024 + 1)).await.refused("too-large");
    for (id, operator) in [(event, "desk"), (stranger, "root")] {
        let request = post(format!("/parked/{id}/resubmit"), &json!({ "data": {} }));
        let problem = api.send(request.by(client(operator))).await.refused("not-repairable");
        assert!(problem.detail.contains("no command"), "{problem:#?}");
    }
    assert_eq!(api.everything(), before);
}

#[tokio::test]
async fn a_command_without_a_schema_here_can_only_go_back_as_it_is() {
    let api = Api::new();
    let event = kernel::cloud_event::CloudEvent::builder("c1", "https://shop.example/desk", "LaunchRocket")
        .subject("O-1")
        .dataschema("https://api.example/schemas/orders/LaunchRocket/1")
        .data_json(&json!({}))
        .build()
        .expect("an event");
    let id = api.parks(&Queued::sealed("demo", event, "orders", second(0))).await;
    api.resubmit(&id, json!({ "data": {} })).await.refused("not-repairable");
    api.resubmit(&id, json!({})).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn every_version_before_a_repair_is_kept() {
    let (api, queued, first) = api_with_a_bad_order().await;
    let mut data = good_order();
    data["customer"] = json!("C-1");
    api.resubmit(&first, json!({ "data": data })).await.accepted();
    let once = Queued::read(api.queued("orders").pop().expect("a message").body, "orders");
    let second = api.parks(&once).await;
    data["customer"] = json!("C-2");
    api.resubmit(&second, json!({ "data": data })).await.accepted();
    for id in [first, second] {
        for (revision, message) in [(0, &queued.body), (1, &once.body)] {
            let before = api.get(format!("/parked/{id}/revisions/{revision}")).await.ok().json();
            assert_eq!(before, json!({ "revision": revision, "message": message }));
        }
    }
    let repaired: Vec<_> = api.queued("orders").iter().map(|message| message.body.contains("C-2")).collect();
    assert_eq!(repaired, [false, true]);
}
