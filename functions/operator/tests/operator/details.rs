//! `GET /parked/{id}`: one message, with what is known of it.

use std::time::Duration;

use kernel::cloud_event::CloudEvent;
use serde_json::{Value, json};

use crate::api::{Api, PUBLIC_URL, Queued, bad_order, client, get, good_order, second};

#[tokio::test(start_paused = true)]
async fn a_command_is_shown_with_its_data_its_schema_and_what_is_wrong() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    let detail = api.detail(&id).await;
    assert_eq!(detail["message"], queued.body, "as it lay in the queue");
    assert_eq!(detail["data"], bad_order());
    assert_eq!(detail["dataschema"], format!("{PUBLIC_URL}/schemas/orders/SubmitOrder/1"));
    let schema = catalog::schema("orders", "SubmitOrder", 1).expect("a schema");
    assert_eq!(detail["schema"], serde_json::from_str::<Value>(schema).expect("JSON"));
    let complaints = detail["complaints"].as_array().expect("complaints");
    let mut pointers: Vec<_> = complaints.iter().filter_map(|complaint| complaint["pointer"].as_str()).collect();
    pointers.sort_unstable();
    assert_eq!(pointers, ["/customer", "/lines"], "{complaints:#?}");
    assert_eq!((&detail["stage"], &detail["repairable"]), (&json!("waiting"), &json!(true)));
    let parked = json!({ "revision": 0, "at": api.now(), "what": "parked", "reason": "unreadable" });
    assert_eq!((&detail["history"], detail.get("before")), (&json!([parked]), None));
    assert_eq!(
        detail["outcome"],
        json!({ "status": "waiting", "at": api.now(), "error": api.operation(&queued).await.error })
    );
    assert_eq!((&detail["id"], &detail["operation"]), (&json!(id), &json!(queued.operation())));
}

#[tokio::test]
async fn data_that_keeps_to_its_schema_has_no_complaints() {
    let api = Api::new();
    let id = api.parks(&Queued::order("demo", "O-1", &good_order(), second(0))).await;
    assert_eq!(api.detail(&id).await["complaints"], json!([]));
}

#[tokio::test]
async fn data_is_shown_letter_for_letter() {
    let api = Api::new();
    let mut event = CloudEvent::from_json(Queued::order("demo", "O-1", &json!(1), second(0)).body.as_bytes());
    let data = r#"{ "amount": 12345678901234567890123, "ratio": 1.10, "z": 1, "a": 2 }"#;
    let raw = serde_json::value::RawValue::from_string(data.to_owned()).expect("JSON");
    event = event.and_then(|event| event.into_builder().data_raw(raw).build());
    let id = api.parks(&Queued::sealed("demo", event.expect("an event"), "orders", second(0))).await;
    let answer = api.get(format!("/parked/{id}")).await;
    assert!(answer.text.contains(&format!("\"data\":{data}")), "{answer:#?}");
}

#[tokio::test]
async fn a_schema_is_found_under_the_address_that_the_api_had_then() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let body = queued.body.replace(PUBLIC_URL, "https://old.example/base");
    let id = api.parks(&Queued::read(body, "orders")).await;
    let detail = api.detail(&id).await;
    assert_eq!((&detail["repairable"], &detail["schema"]["title"]), (&json!(true), &json!("SubmitOrder")));
}

#[tokio::test]
async fn a_command_of_a_version_that_is_not_known_cannot_be_repaired() {
    let api = Api::new();
    for dataschema in
        ["orders/SubmitOrder/9", "orders/CancelOrder/1", "policies/SubmitOrder/1", "orders/OrderSubmitted/1"]
    {
        let queued = Queued::order("demo", "O-1", &good_order(), second(0));
        let id = dataschema.replace('/', "-");
        let body = queued.body.replace("orders/SubmitOrder/1", dataschema);
        let event = CloudEvent::from_json(body.as_bytes()).expect("an event");
        let event = CloudEvent::builder(id, event.source(), event.ty())
            .subject("O-1")
            .dataschema(event.dataschema().expect("a schema"))
            .data_json(&good_order())
            .build();
        let id = api.parks(&Queued::sealed("demo", event.expect("an event"), "orders", second(0))).await;
        let detail = api.detail(&id).await;
        assert_eq!((&detail["repairable"], &detail["schema"]), (&json!(false), &Value::Null), "{dataschema}");
        assert_eq!(detail["complaints"], json!([]));
        assert_eq!(detail["obstacle"], "this release has no such command, or not this version of it", "{dataschema}");
    }
}

#[tokio::test]
async fn a_domain_event_is_shown_and_cannot_be_repaired() {
    let api = Api::new();
    let (id, body) = api.parks_event("demo/orders/O-7").await;
    let detail = api.detail(&id).await;
    assert_eq!((&detail["message"], &detail["repairable"]), (&json!(body), &json!(false)));
    assert_eq!(detail["data"], json!({ "reason": "Ordered twice" }));
    assert_eq!(detail["schema"]["title"], "OrderCancelled");
    assert_eq!((&detail["context"], &detail["queue"]), (&json!("orders"), &json!("read_model_updater")));
}

#[tokio::test]
async fn what_is_nothing_of_ours_is_shown_as_it_is() {
    let api = Api::new();
    for body in ["", "no command", "{\"stream_id\":\"demo/orders/O-1\",\"commit_number\":3}", "\u{1F600}<script>"] {
        let id = api.parks_stranger("publisher", body).await;
        let detail = api.send(get(format!("/parked/{id}")).by(client("root"))).await.ok().json();
        assert_eq!(detail["message"], body);
        assert_eq!(
            (&detail["data"], &detail["schema"], &detail["repairable"]),
            (&Value::Null, &Value::Null, &json!(false))
        );
        assert_eq!((detail.get("dataschema"), detail.get("operation"), detail.get("type")), (None, None, None));
    }
}

/// A partner may be an installation like this one, whose tenants are called as ours are.
#[tokio::test]
async fn a_partners_event_says_what_it_is_and_is_for_platform_operators_whatever_tenant_it_names() {
    let api = Api::new();
    let (_, raw) = api.parks_event("demo/orders/O-7").await;
    for body in [raw.clone(), json!({ "Type": "Notification", "Message": raw }).to_string()] {
        let id = api.parks_stranger("partners", &body).await;
        api.get(format!("/parked/{id}")).await.refused("not-found");
        let detail = api.send(get(format!("/parked/{id}")).by(client("root"))).await.ok().json();
        assert_eq!((&detail["message"], &detail["repairable"]), (&json!(body), &json!(false)));
        assert_eq!((&detail["type"], &detail["subject"]), (&json!("OrderCancelled"), &json!("O-7")));
        assert_eq!((detail.get("tenant"), detail.get("context")), (None, None));
        api.send(crate::api::post(format!("/parked/{id}/resubmit"), &json!({})).by(client("root"))).await.accepted();
        let message = api.queued("partners").pop().expect("a message");
        assert_eq!((message.body, message.group), (body, None), "as it came");
    }
}

#[tokio::test]
async fn what_reads_like_a_command_and_was_not_parked_as_one_is_none() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &good_order(), second(0));
    let id = api.parks_stranger("orders", &queued.body).await;
    let detail = api.send(get(format!("/parked/{id}")).by(client("root"))).await.ok().json();
    assert_eq!(detail["repairable"], false);
    let resubmit = crate::api::post(format!("/parked/{id}/resubmit"), &json!({}));
    api.send(resubmit.by(client("root"))).await.accepted();
    let message = api.only_queued("orders");
    assert_eq!(message.body, queued.body, "as it is");
    assert_ne!(message.group.as_deref(), Some("demo/orders/O-1"), "nothing lets it into the stream");
}

#[tokio::test(start_paused = true)]
async fn after_it_was_acted_on_the_id_says_what_became_of_it() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let first = api.parks(&queued).await;
    api.resubmit(&first, json!({ "data": good_order(), "reason": "a typing error" })).await.accepted();
    let detail = api.detail(&first).await;
    assert_eq!(
        (&detail["id"], &detail["stage"], &detail["repairable"]),
        (&json!(first), &json!("resubmitted"), &json!(false))
    );
    assert_eq!(detail["revision"], 1);
    let before = api.get(format!("/parked/{first}/revisions/0")).await.ok().json();
    assert_eq!(before, json!({ "revision": 0, "message": queued.body }));
    for none in ["1", "9", "x", "-1"] {
        api.get(format!("/parked/{first}/revisions/{none}")).await.refused("not-found");
    }
    assert_eq!(detail["data"], good_order());
    assert_eq!(
        detail["history"][1],
        json!({
            "revision": 0, "at": api.now(), "what": "resubmitted", "by": "client:desk", "reason": "a typing error",
            "repaired": true,
        })
    );

    // It fails again, and is parked anew under another id.
    let again = Queued::read(api.only_queued("orders").body, "orders");
    tokio::time::advance(Duration::from_mins(1)).await;
    let second = api.parks_because(&again, "panicked", "so it does").await;
    assert_ne!(first, second);
    let detail = api.detail(&first).await;
    assert_eq!(detail["stage"], "resubmitted");
    assert_eq!(detail["outcome"], json!({ "status": "parked-again", "parked": second }));
    let then = (&detail["reason"], &detail["error"], &detail["parkedAt"]);
    assert_eq!(then, (&json!("unreadable"), &json!("the data cannot be read"), &detail["history"][0]["at"]));
    let detail = api.detail(&second).await;
    assert_eq!(
        (&detail["stage"], &detail["reason"], &detail["repairable"]),
        (&json!("waiting"), &json!("panicked"), &json!(true))
    );
    assert_eq!(detail["history"].as_array().map(Vec::len), Some(3));

    api.discard(&second, "enough").await.ok();
    assert_eq!(api.detail(&first).await["stage"], "resubmitted");
    assert_eq!(api.detail(&second).await["stage"], "discarded");
}

#[tokio::test(start_paused = true)]
async fn a_long_history_is_read_part_by_part() {
    let api = Api::new();
    let mut queued = Queued::order("demo", "O-1", &good_order(), second(0));
    let mut ids = Vec::new();
    for nth in 0..50 {
        ids.push(api.parks_because(&queued, "panicked", &format!("error {nth}")).await);
        if nth < 49 {
            api.resubmit(&ids[nth], json!({ "reason": format!("try {nth}") })).await.accepted();
            queued = Queued::read(api.queued("orders").pop().expect("a message").body, "orders");
        }
    }
    let detail = api.detail(&ids[49]).await;
    let mut history = detail["history"].as_array().expect("a history").clone();
    assert!(history.len() < 20, "not all of it: {history:#?}");
    let mut before = detail["before"].clone();
    while let Some(revision) = before.as_u64() {
        let part = api.get(format!("/parked/{}/history?before={revision}", ids[49])).await.ok().json();
        history.splice(..0, part["history"].as_array().expect("a part").clone());
        before = part["before"].clone();
    }
    let told: Vec<_> =
        history.iter().map(|step| (step["revision"].as_u64().expect("a revision"), &step["what"])).collect();
    let each =
        |revision| [(revision, &json!("parked")), (revision, &json!("resubmitted"))].map(|(r, w)| (r, w.clone()));
    let expected: Vec<_> = (0..50).flat_map(each).take(99).collect();
    assert_eq!(told, expected.iter().map(|(revision, what)| (*revision, what)).collect::<Vec<_>>());
    assert_eq!((&history[2]["error"], &history[1]["reason"]), (&json!("error 1"), &json!("try 0")));
    let whole = api.get(format!("/parked/{}/history", ids[49])).await.ok().json();
    assert_eq!(
        whole["history"].as_array().and_then(|part| part.last()),
        history.get(96),
        "what its own item does not say"
    );
    for wrong in ["x", "-1", "4294967296"] {
        api.get(format!("/parked/{}/history?before={wrong}", ids[49])).await.refused("bad-request");
    }

    // Whoever comes late learns who decided on what they saw, however long ago.
    for nth in [0, 7, 47, 48] {
        let told = api.resubmit(&ids[nth], json!({})).await.refused("conflict");
        assert!(told.detail.starts_with("it was resubmitted by client:desk"), "{told:#?}");
        let detail = api.detail(&ids[nth]).await;
        assert_eq!(detail["error"], format!("error {nth}"));
        assert_eq!(detail["outcome"], json!({ "status": "parked-again", "parked": ids[nth + 1] }));
    }
}

#[tokio::test]
async fn what_would_end_the_same_is_told_before_it_is_resubmitted_as_it_is() {
    let api = Api::new();
    let obstacle = async |id: String| {
        api.send(get(format!("/parked/{id}")).by(client("root"))).await.ok().json()["obstacle"].clone()
    };
    let order = |subject: &str, data: &Value| Queued::order("demo", subject, data, second(0));
    let unreadable = api.parks(&order("O-1", &bad_order())).await;
    assert_eq!(obstacle(unreadable.clone()).await, "its data does not match its schema");
    api.resubmit(&unreadable, json!({})).await.accepted();
    assert_eq!(obstacle(unreadable).await, Value::Null, "it does not wait any more");
    let mut of_another_release = order("O-2", &good_order());
    of_another_release.body = of_another_release.body.replacen("\"authid\"", "\"principal\"", 1);
    assert_eq!(obstacle(api.parks(&of_another_release).await).await, "this release finds no command in it");
    assert_eq!(obstacle(api.parks_stranger("orders", "{}").await).await, "this release finds no command in it");

    assert_eq!(obstacle(api.parks(&order("O-3", &good_order())).await).await, Value::Null, "this release reads it");
    let panicked = api.parks_because(&order("O-4", &bad_order()), "panicked", "oh").await;
    assert_eq!(obstacle(panicked).await, Value::Null);
    assert_eq!(obstacle(api.parks_event("demo/orders/O-7").await.0).await, Value::Null);
    assert_eq!(obstacle(api.parks_stranger("publisher", "{}").await).await, Value::Null);
}

#[tokio::test]
async fn an_id_that_was_not_given_out_leads_nowhere() {
    let api = Api::new();
    let queued = Queued::order("demo", "O-1", &bad_order(), second(0));
    let id = api.parks(&queued).await;
    let parking = |revision: u32, key: &str| {
        use base64::Engine as _;
        let text = format!("{revision}#demo#orders#{}#{key}", second(0));
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(text)
    };
    assert_eq!(parking(0, &queued.key()), id);
    let prefix = &queued.key()[..8];
    for wrong in [parking(1, &queued.key()), parking(0, prefix), parking(0, "x"), "x".to_owned(), "%00".to_owned()] {
        api.get(format!("/parked/{wrong}")).await.refused("not-found");
        api.get(format!("/parked/{wrong}/history")).await.refused("not-found");
        api.get(format!("/parked/{wrong}/revisions/0")).await.refused("not-found");
        api.resubmit(&wrong, json!({})).await.refused("not-found");
        api.discard(&wrong, "why not").await.refused("not-found");
    }
    // While the next revision is under way it is not parked in that.
    api.resubmit(&id, json!({})).await.accepted();
    api.get(format!("/parked/{}", parking(1, &queued.key()))).await.refused("not-found");
}
