//! Events of a partner's topic, by the queue that is subscribed to it: what is heard, and what goes back.

use std::time::Duration;

use bench::Request;
use bench::platform::{dead_partner_events, partner_events};
use recovery::back_off::MAX_RECEIVES;
use serde_json::{Value, json};
use testkit::{Aws, Fault, Log, Service};
use tokio::time::{Instant, advance};

use crate::api::{Api, client, queue, with};
use crate::events::shipped;

const TOPIC: &str = "arn:aws:sns:eu-central-1:999999999999:supplier-events";

/// Six times the function's timeout.
const VISIBILITY: Duration = Duration::from_mins(1);

/// The topic is a supplier's, for the tenant `demo`.
fn api() -> Api {
    let api = unregistered();
    api.register_client(TOPIC, "demo");
    api
}

/// The same, but for the topic's own entry.
fn unregistered() -> Api {
    let api = Api::with_partner_topic(TOPIC);
    partners(&api, "demo");
    api.aws.subscribe(TOPIC, &partner_events(), None);
    api
}

fn partners(api: &Api, tenant: &str) {
    let principal = format!("client:{TOPIC}");
    let partners = json!({ "partners": [{ "name": "supplier", "principals": [principal, "client:supplier"],
        "types": ["Order*"], "sources": ["https://supplier.example/"] }] });
    let key = format!("tenant#{tenant}");
    api.aws.register(&json!({ "registry_key": key, "entry": "partners", "document": partners.to_string() }));
}

async fn publish(api: &Api, event: &Value) {
    api.aws.sns().publish().topic_arn(TOPIC).message(event.to_string()).send().await.expect("published");
}

fn put(api: &Api, body: &str) {
    api.aws.put(&partner_events(), None, None, body);
}

/// Hands a batch over as Lambda does. Says how many messages there were.
async fn hear(api: &Api) -> usize {
    let finish_by = Instant::now() + Duration::from_secs(8);
    let hear = async |batch| api.ingest.hear(batch, api.now(), finish_by).await;
    api.aws.poll(&partner_events(), 10, VISIBILITY, hear).await
}

/// Hands over what there is until nothing comes any more, and gives the errors of what is dead, in order.
async fn hear_to_the_end(api: &Api) -> Vec<String> {
    let mut handed = 0;
    while !api.aws.messages(&partner_events()).is_empty() {
        handed += hear(api).await;
        advance(Duration::from_secs(1)).await;
    }
    let dead = api.aws.messages(&dead_partner_events());
    assert!(handed >= dead.len() * usize::try_from(MAX_RECEIVES).expect("few"), "each was tried {MAX_RECEIVES} times");
    dead.iter().map(|letter| letter.attribute("error").expect("an error").to_owned()).collect()
}

#[track_caller]
fn assert_waits(api: &Api) {
    assert_eq!(api.aws.messages(&partner_events()).len(), 1, "it waits in its queue");
    assert_eq!(api.aws.messages(&dead_partner_events()).len(), 0);
    assert!(api.queued("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_becomes_the_command_that_a_context_makes_of_it_in_an_envelope_and_without() {
    for enveloped in [false, true] {
        let api = api();
        if enveloped {
            let message = shipped().to_string();
            put(&api, &json!({ "Type": "Notification", "TopicArn": TOPIC, "Message": message }).to_string());
        } else {
            publish(&api, &shipped()).await;
        }
        assert_eq!(hear(&api).await, 1);
        let (message, command) = api.only_command("orders");
        assert_eq!((command.ty(), command.id()), ("ShipOrder", "acme/orders/O-1/3"));
        assert_eq!(command.json(), Some(r#"{"carrier":"DHL","trackingNumber":"00340"}"#));
        assert_eq!((message.group.as_deref(), message.queue_url), (Some("demo/orders/O-1"), queue("orders")));
        assert!(api.aws.messages(&partner_events()).is_empty(), "it is done");
    }
}

#[tokio::test(start_paused = true)]
async fn the_same_event_is_one_command_by_whatever_way_it_comes() {
    let api = api();
    api.register_client("supplier", "demo");
    publish(&api, &shipped()).await;
    publish(&api, &shipped()).await;
    hear(&api).await;
    let (by_topic, _) = api.only_command("orders");
    advance(Duration::from_hours(1)).await;
    api.send(Request::structured(&shipped()).to("/events").by(client("supplier"))).await.accepted();
    let messages = api.queued("orders");
    assert_eq!(messages.len(), 2, "the queue forgets after five minutes; the handler does not");
    assert_eq!(messages[1].deduplication_id, by_topic.deduplication_id);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_taken_is_tried_again_and_is_dead_in_the_end_with_the_reason() {
    let changed = |changes: Value| with(shipped(), &changes).to_string();
    let too_large = changed(json!({ "data": { "parcel": { "trackingNumber": "x".repeat(256 * 1024) } } }));
    let batch = json!([shipped()]).to_string();
    let question =
        json!({ "Type": "SubscriptionConfirmation", "Message": "You have chosen", "SubscribeURL": "https://sns" });
    for (body, reason) in [
        (changed(json!({ "source": "https://elsewhere.example/" })), "no grant lets this sender send the event"),
        (changed(json!({ "type": "OrderLost" })), "no context hears OrderLost of supplier"),
        (changed(json!({ "data": { "parcel": {} } })), "The data"),
        (changed(json!({ "subject": null })), "the subject names what the event is about"),
        (changed(json!({ "id": "" })), "The event is not a valid CloudEvent"),
        (batch, "The event is not a valid CloudEvent"),
        ("no JSON".to_owned(), "The event is not a valid CloudEvent"),
        (too_large, "at most 256 KiB"),
        (question.to_string(), "SNS asks to confirm a subscription"),
    ] {
        let api = api();
        put(&api, &body);
        let errors = hear_to_the_end(&api).await;
        assert!(matches!(&errors[..], [error] if error.contains(reason)), "{reason}: {errors:?}");
        assert_eq!(api.aws.messages(&dead_partner_events())[0].body, body, "as it came");
        assert!(api.queued("orders").is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_refused_holds_up_no_other() {
    let api = api();
    publish(&api, &with(shipped(), &json!({ "data": {} }))).await;
    publish(&api, &with(shipped(), &json!({ "id": "acme/orders/O-2/3", "subject": "O-2" }))).await;
    assert_eq!(hear(&api).await, 2);
    assert_eq!(api.only_command("orders").0.group.as_deref(), Some("demo/orders/O-2"));
    assert_eq!(api.aws.messages(&partner_events()).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn while_something_behind_is_down_an_event_waits() {
    for service in [Service::DynamoDb, Service::SecretsManager, Service::Sqs] {
        let api = api();
        publish(&api, &shipped()).await;
        api.aws.inject(
            move |attempt| {
                if attempt.service == service { Fault::refuse(500, "InternalFailure") } else { Fault::None }
            },
        );
        hear(&api).await;
        assert_waits(&api);
        api.aws.heal();
        advance(VISIBILITY).await;
        assert_eq!(hear_to_the_end(&api).await, [""; 0]);
        api.only_command("orders");
    }
}

#[tokio::test(start_paused = true)]
async fn a_topic_that_is_registered_with_no_tenant_is_heard_by_none_until_it_is() {
    let api = unregistered();
    publish(&api, &shipped()).await;
    hear(&api).await;
    assert_waits(&api);
    api.register_client(TOPIC, "demo");
    advance(Duration::from_mins(2)).await;
    assert_eq!(hear_to_the_end(&api).await, [""; 0]);
    assert_eq!(api.only_command("orders").0.group.as_deref(), Some("demo/orders/O-1"));

    let api = unregistered();
    publish(&api, &shipped()).await;
    let errors = hear_to_the_end(&api).await;
    assert!(matches!(&errors[..], [error] if error.contains("the topic is registered with no tenant")), "{errors:?}");
}

#[tokio::test(start_paused = true)]
async fn what_another_tenant_grants_a_topic_counts_for_nothing() {
    let api = Api::with_partner_topic(TOPIC);
    api.register_client(TOPIC, "demo");
    api.register_tenant("neighbour", &json!({}));
    partners(&api, "neighbour");
    put(&api, &with(shipped(), &json!({ "tenantid": "neighbour" })).to_string());
    let errors = hear_to_the_end(&api).await;
    assert!(matches!(&errors[..], [error] if error.contains("no grant lets this sender")), "{errors:?}");
    assert!(api.queued("orders").is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_paused_tenants_events_wait_until_it_is_not() {
    let api = api();
    let pause = |paused: bool| {
        let limits = json!({ "paused": paused }).to_string();
        api.aws.register(&json!({ "registry_key": "tenant#demo", "entry": "limits", "document": limits }));
    };
    pause(true);
    publish(&api, &shipped()).await;
    hear(&api).await;
    assert_waits(&api);
    pause(false);
    advance(Duration::from_mins(10)).await;
    assert_eq!(hear_to_the_end(&api).await, [""; 0]);
    api.only_command("orders");
}

#[tokio::test(start_paused = true)]
async fn without_a_topic_nothing_is_heard() {
    let api = Api::new();
    put(&api, &shipped().to_string());
    assert_eq!(hear(&api).await, 1);
    assert_waits(&api);
}

#[tokio::test(start_paused = true)]
async fn the_log_has_the_kind_of_what_was_refused_and_nothing_of_what_was_sent() {
    const SECRET: &str = "Jane.Doe-4111111111111111";
    let (api, log) = (api(), Log::default());
    let guard = log.begin(&["ingest", "kernel", "lambda", "messaging", "recovery", "store"]);
    for changes in [
        json!({ "source": format!("https://{SECRET}/") }),
        json!({ "type": format!("Order{SECRET}") }),
        json!({ "subject": SECRET, "data": { SECRET: SECRET } }),
        json!({ "id": SECRET, "subject": SECRET }),
    ] {
        publish(&api, &with(shipped(), &changes)).await;
    }
    put(&api, SECRET);
    assert_eq!(hear(&api).await, 5);
    drop(guard);
    assert!(!log.text().contains(SECRET), "{}", log.text());
    let lines = log.lines();
    let errors: Vec<_> =
        lines.iter().filter(|line| line["message"] == "to be retried").map(|line| &line["error"]).collect();
    let kinds = ["not-permitted", "unknown-type", "invalid-data", "malformed-event"];
    assert_eq!(json!(errors), json!(kinds.map(|kind| format!("urn:waybill:problem:{kind}"))));
    let heard = lines.iter().find(|line| line["message"] == "heard").unwrap_or_else(|| panic!("{lines:#?}"));
    assert_eq!(
        (&heard["span"]["tenant"], &heard["span"]["principal"]),
        (&json!("demo"), &json!(format!("client:{TOPIC}")))
    );
}

#[tokio::test(start_paused = true)]
async fn what_lambda_hands_over_is_answered_message_by_message() {
    let api = api();
    put(&api, "no JSON");
    publish(&api, &shipped()).await;
    let received = api.aws.receive(&partner_events(), 10, VISIBILITY);
    let event = serde_json::from_value(Aws::sqs_event(&received)).expect("an event");
    let answer = api.ingest.hear(event, api.now(), Instant::now() + Duration::from_secs(8)).await;
    let answer = serde_json::to_value(answer).expect("JSON");
    assert_eq!(answer, json!({ "batchItemFailures": [{ "itemIdentifier": received[0].id }] }));
}
