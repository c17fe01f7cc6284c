//! Other systems' events: who may send them, what is taken, and what follows.

use bench::{Answer, Request};
use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER, WebhookId, WebhookSecret, sign};
use serde_json::{Value, json};
use testkit::Fault;

use crate::api::{Api, client, with};

const SUPPLIER: &str = "https://supplier.example/contexts/orders";
const OLD: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NEW: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const OTHERS: &str = "whsec_plJ3nmyCDGBKInavdOK15jsl3hHBHBHB";

/// The tenant `demo` hears a supplier, by a token of its client or by secrets, and a buyer by a secret.
fn api() -> Api {
    let api = Api::new();
    let partners = json!({ "partners": [
        { "name": "supplier", "principals": ["client:supplier"], "types": ["Order*"], "sources": ["https://supplier.example/"],
          "secrets": [NEW, OLD] },
        { "name": "buyer", "types": ["OrderSubmitted"], "sources": ["https://buyer.example/"], "secrets": [OTHERS] },
        { "name": "unheard", "principals": ["client:supplier"], "types": ["*"], "sources": ["https://unheard.example/"] },
    ] });
    api.aws.register(&json!({ "registry_key": "tenant#demo", "entry": "partners", "document": partners.to_string() }));
    api.register_client("supplier", "demo");
    api
}

pub fn shipped() -> Value {
    json!({
        "specversion": "1.0", "id": "acme/orders/O-1/3", "source": SUPPLIER, "type": "OrderShipped", "subject": "O-1",
        "dataschema": "https://supplier.example/schemas/orders/OrderShipped/2", "sequence": "00000000000000000003",
        "correlationid": "cart-7", "data": { "parcel": { "carrier": "DHL", "trackingNumber": "00340" } },
    })
}

async fn send(api: &Api, event: &Value) -> Answer {
    api.send(Request::structured(event).to("/events").by(client("supplier"))).await
}

fn signed_at(time: Timestamp, event: &Value, secrets: &[&str]) -> Request {
    let body = event.to_string();
    let secrets: Vec<_> = secrets.iter().map(|secret| WebhookSecret::parse(secret).expect("a secret")).collect();
    let signature = sign(&secrets, &WebhookId::parse("msg_1").expect("an id"), time, body.as_bytes());
    let request = Request::structured(event).to("/events/demo").without_claims();
    let request = request.header(ID_HEADER, "msg_1").header(TIMESTAMP_HEADER, &time.seconds().to_string());
    request.header(SIGNATURE_HEADER, &signature)
}

#[tokio::test]
async fn an_event_becomes_the_command_that_a_context_makes_of_it() {
    let api = api();
    let answer = send(&api, &shipped()).await.accepted();
    let operation = answer.operation();
    assert_eq!(answer.header("location"), format!("{}/operations/{operation}", crate::api::PUBLIC_URL));
    let (message, event) = api.only_command("orders");
    let command = Command::open(message.body.as_bytes(), "orders").expect("a command");
    assert_eq!((event.ty(), event.source(), event.id()), ("ShipOrder", SUPPLIER, "acme/orders/O-1/3"));
    assert_eq!(event.json(), Some(r#"{"carrier":"DHL","trackingNumber":"00340"}"#));
    assert_eq!((command.stream.to_string().as_str(), command.correlation.as_str()), ("demo/orders/O-1", "cart-7"));
    assert_eq!(command.receipt.to_string(), operation);
    assert_eq!(command.principal.to_string(), "system:orders");
    assert_eq!(answer.json()["type"], "ShipOrder");
}

#[tokio::test]
async fn the_same_event_is_one_command_however_often_it_comes() {
    let api = api();
    let first = send(&api, &shipped()).await.accepted();
    let again = api.send(signed_at(api.now(), &shipped(), &[OLD])).await.accepted();
    let receipts = [first, again].map(|answer| kernel::receipt::Receipt::read(&answer.operation()).expect("a receipt"));
    assert_eq!(receipts[0].command_key, receipts[1].command_key);
    assert_eq!(api.queued("orders").len(), 1, "the queue knows it as well");
}

#[tokio::test]
async fn a_version_that_the_context_reads_is_read_and_the_current_one_where_none_is_named() {
    for (schema, data) in [
        (json!("https://supplier.example/schemas/orders/OrderShipped/1"), json!({ "trackingNumber": "00340" })),
        (json!("urn:any/schemas/elsewhere/OrderShipped/2"), json!({ "parcel": { "trackingNumber": "00340" } })),
        (Value::Null, json!({ "parcel": { "trackingNumber": "00340" }, "more": "is passed over" })),
    ] {
        let api = api();
        send(&api, &with(shipped(), &json!({ "dataschema": schema, "data": data }))).await.accepted();
        assert_eq!(api.only_command("orders").1.json(), Some(r#"{"trackingNumber":"00340"}"#));
    }
}

#[tokio::test]
async fn what_cannot_be_taken_is_refused_with_the_reason() {
    let api = api();
    for (changes, kind, attribute) in [
        (json!({ "source": "https://elsewhere.example/" }), "not-permitted", None),
        (json!({ "source": "https://supplier.example@evil.example/" }), "not-permitted", Some("source")),
        (json!({ "type": "Shipped" }), "not-permitted", None),
        (json!({ "type": "OrderLost" }), "unknown-type", Some("type")),
        (json!({ "source": "https://unheard.example/" }), "unknown-type", Some("type")),
        (json!({ "source": "https://buyer.example/", "type": "OrderSubmitted" }), "not-permitted", None),
        (
            json!({ "dataschema": "https://supplier.example/schemas/orders/OrderShipped/9" }),
            "unknown-schema",
            Some("dataschema"),
        ),
        (json!({ "dataschema": "urn:other" }), "unknown-schema", Some("dataschema")),
        (json!({ "data": { "parcel": {} } }), "invalid-data", Some("data")),
        (json!({ "data": null }), "invalid-data", Some("data")),
        (json!({ "subject": null }), "invalid-subject", Some("subject")),
        (json!({ "subject": ".." }), "invalid-subject", Some("subject")),
        (json!({ "subject": "a/b" }), "invalid-subject", Some("subject")),
        (json!({ "id": "" }), "malformed-event", Some("id")),
        (json!({ "correlationid": "x".repeat(129) }), "malformed-event", Some("correlationid")),
    ] {
        let problem = send(&api, &with(shipped(), &changes)).await.refused(kind);
        assert_eq!(problem.attribute.as_deref(), attribute, "{changes}: {problem:?}");
    }
    api.assert_nothing_queued();
}

/// What a context has caused by itself is known by the context's bare name.
#[tokio::test]
async fn no_partner_can_take_the_place_of_a_context() {
    let api = Api::new();
    let partners = json!({ "partners": [
        { "name": "supplier", "principals": ["*"], "types": ["*"], "sources": ["payments", "/x"] }] });
    api.aws.register(&json!({ "registry_key": "tenant#demo", "entry": "partners", "document": partners.to_string() }));
    for source in ["payments", "/x"] {
        let event = with(shipped(), &json!({ "source": source }));
        let problem = api.send(Request::structured(&event).to("/events")).await.refused("malformed-event");
        assert_eq!(problem.attribute.as_deref(), Some("source"));
    }
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_grant_for_commands_is_none_for_events_nor_the_other_way_round() {
    let api = api();
    api.send(Request::structured(&shipped()).to("/events")).await.refused("not-permitted");
    let command = with(crate::api::submit_order(), &json!({ "source": SUPPLIER }));
    api.send(Request::structured(&command).by(client("supplier"))).await.refused("not-permitted");
    api.send(Request::structured(&shipped()).to("/events").without_claims()).await.refused("unauthenticated");
    api.assert_nothing_queued();
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let api = api();
    let batch = |events: &[Value]| Request::batch(events).to("/events").by(client("supplier"));
    let second = with(shipped(), &json!({ "id": "acme/orders/O-2/3", "subject": "O-2" }));
    let broken = with(second.clone(), &json!({ "data": {} }));
    let problem = api.send(batch(&[shipped(), broken])).await.refused("invalid-batch");
    assert_eq!(problem.errors[0].index, Some(1));
    api.assert_nothing_queued();
    let answer = api.send(batch(&[shipped(), second])).await.accepted();
    assert_eq!(answer.json()["operations"].as_array().map(Vec::len), Some(2));
    assert_eq!(api.queued("orders").len(), 2);
}

#[tokio::test]
async fn a_signature_by_any_secret_of_the_partner_stands_for_a_token() {
    for secrets in [&[OLD][..], &[NEW], &[NEW, OLD], &[OTHERS, OLD]] {
        let api = api();
        api.send(signed_at(api.now(), &shipped(), secrets)).await.accepted();
        api.only_command("orders");
    }
}

#[tokio::test]
async fn a_secret_is_for_its_own_partner_alone() {
    let api = api();
    api.send(signed_at(api.now(), &shipped(), &[OTHERS])).await.refused("not-permitted");
    let bought = with(
        shipped(),
        &json!({ "source": "https://buyer.example/contexts/orders", "type": "OrderSubmitted", "dataschema": null,
            "data": { "customer": "C-1", "total": { "amount": 450, "currency": "EUR" }, "placedAt": "2026-01-15T09:30:00Z",
                "lines": [{ "sku": "TEA", "quantity": 1, "unitPrice": { "amount": 450, "currency": "EUR" } }] } }),
    );
    api.send(signed_at(api.now(), &bought, &[OLD])).await.refused("not-permitted");
    api.send(signed_at(api.now(), &bought, &[OTHERS])).await.accepted();
    let (_, command) = api.only_command("orders");
    assert_eq!(command.ty(), "SubmitOrder");
    assert!(command.json().is_some_and(|data| data.contains(r#""onAccount":true"#)), "{command:?}");
}

#[tokio::test(start_paused = true)]
async fn without_a_good_signature_nothing_is_taken_and_nothing_is_told() {
    let api = api();
    let now = api.now();
    let strange = "whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    let flipped = |mut request: Request| {
        request.body[10] ^= 1;
        request
    };
    let without = |mut request: Request, name: &str| {
        request.headers.retain(|(header, _)| header != name);
        request
    };
    let good = || signed_at(now, &shipped(), &[OLD]);
    let elsewhere = |tenant: &str| good().to(format!("/events/{tenant}"));
    for request in [
        signed_at(now, &shipped(), &[strange]),
        signed_at(now, &shipped(), &[]),
        flipped(good()),
        without(good(), ID_HEADER),
        without(good(), TIMESTAMP_HEADER),
        without(good(), SIGNATURE_HEADER),
        without(good(), ID_HEADER).header(ID_HEADER, "msg_2"),
        without(good(), TIMESTAMP_HEADER).header(TIMESTAMP_HEADER, &(now.seconds() + 1).to_string()),
        signed_at(Timestamp::from_millis(now.millis() - 301_000), &shipped(), &[OLD]),
        signed_at(Timestamp::from_millis(now.millis() + 301_000), &shipped(), &[OLD]),
        elsewhere("neighbour"),
        elsewhere("nobody"),
        elsewhere("no%20tenant"),
    ] {
        api.send(request).await.refused("unauthenticated");
    }
    let unknown = api.send(elsewhere("nobody")).await.refused("unauthenticated");
    let wrong = api.send(signed_at(now, &shipped(), &[strange])).await.refused("unauthenticated");
    assert_eq!(unknown, wrong, "whether there is such a tenant is not told");
    api.assert_nothing_queued();
    api.send(good()).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_queued_is_sent_again() {
    let api = api();
    api.aws.inject(|attempt| {
        if attempt.operation.starts_with("SendMessage") {
            Fault::refuse(500, "ServiceUnavailable")
        } else {
            Fault::None
        }
    });
    send(&api, &shipped()).await.refused("unavailable");
    api.aws.heal();
    send(&api, &shipped()).await.accepted();
    api.only_command("orders");
}

#[tokio::test]
async fn the_sealed_command_is_a_cloud_event_as_any_other() {
    let api = api();
    let binary = Request::binary(&shipped()).to("/events").by(client("supplier"));
    api.send(binary).await.accepted();
    let (message, _) = api.only_command("orders");
    let event = CloudEvent::from_json(message.body.as_bytes()).expect("a CloudEvent");
    assert_eq!(event.dataschema(), Some("https://api.example/schemas/orders/ShipOrder/1"));
    assert_eq!(event.extension("causationid").map(ToString::to_string), Some(format!("{SUPPLIER} acme/orders/O-1/3")));
    assert!(event.extension("traceparent").is_some());
    assert_eq!((message.group.as_deref(), message.queue_url), (Some("demo/orders/O-1"), crate::api::queue("orders")));
}
