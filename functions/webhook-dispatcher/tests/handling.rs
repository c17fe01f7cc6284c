//! Recorded events, by the runner, on an AWS in process. What endpoints get in the end is in the sender's tests.

use std::time::Duration;

use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use lambda::settings::Environment;
use messaging::webhooks::Look;
use serde_json::Value;
use store::webhooks::{EndpointId, EndpointSettings, PayloadKind, Webhooks};
use subscriber::Runner;
use testkit::{Aws, Fault, TABLES};
use tokio::time::Instant;
use webhook_dispatcher::WebhookDispatcher;

/// Two events of one order of the tenant `demo`, as Lambda hands them over.
const RECORDED: &str = include_str!("../../../events/aws/read-model-updater.json");

const STREAM: &str = "demo/orders/O-1001";

fn queue() -> String {
    Aws::queue_url("webhook-dispatcher-updates")
}

fn woken(aws: &Aws) -> Vec<String> {
    let looks = aws.messages(&Aws::queue_url("webhooks")).into_iter();
    looks.map(|look| serde_json::from_str::<Look>(&look.body).expect("a look").endpoint).collect()
}

/// Puts the recorded events into the queue, the later one first.
fn put(aws: &Aws) {
    let recorded: Value = serde_json::from_str(RECORDED).expect("JSON");
    for record in recorded["Records"].as_array().expect("records").iter().rev() {
        aws.put(&queue(), Some("demo"), None, record["body"].as_str().expect("a body"));
    }
}

/// Handles what is in the queue. Says how much stays there.
async fn handle(aws: &Aws) -> usize {
    let (queue, dead_letters) = (queue(), Aws::queue_url("webhook-dispatcher-dead-letters"));
    let environment = Environment::of([
        ("QUEUE", &*queue),
        ("DEAD_LETTERS", &dead_letters),
        ("MAX_RECEIVES", "15"),
        ("TABLE", TABLES.webhooks),
        ("QUEUES", &Aws::queue_url("")),
    ]);
    let dispatcher = WebhookDispatcher::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("settings");
    let runner = Runner::from_environment(dispatcher, &environment, aws.sqs()).expect("settings that do");
    let finish_by = Instant::now() + Duration::from_secs(28);
    let now = aws.now().into();
    aws.poll(&queue, 10, Duration::from_mins(3), async |event| runner.handle(event, now, finish_by).await).await;
    aws.messages(&queue).len()
}

async fn register(aws: &Aws, tenant: &str, types: &[&str]) -> EndpointId {
    let settings = EndpointSettings {
        url: "https://shop.example/hooks".to_owned(),
        description: None,
        types: types.iter().map(ToString::to_string).collect(),
        contexts: Vec::new(),
        payload: PayloadKind::Full,
        secrets: vec![WebhookSecret::from_random([7; 32])],
        since: Timestamp::from_millis(0),
    };
    let id = EndpointId::draw(TenantId::parse(tenant).expect("a tenant"));
    Webhooks::new(aws.dynamodb(), TABLES.webhooks).create(&id, &settings, aws.now().into()).await.expect("registered");
    id
}

/// Streams and heads of what is noted for an endpoint.
fn noted(aws: &Aws, id: &EndpointId) -> Vec<(String, u64)> {
    let rows = aws.items(TABLES.webhooks).into_iter().filter(|row| row["webhook_key"] == id.to_string());
    rows.map(|row| (row["place"].as_str().expect("a stream").to_owned(), row["head"].as_u64().expect("a head")))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_repeat_changes_nothing() {
    let aws = Aws::new();
    let id = register(&aws, "demo", &[]).await;
    let mut rows = Vec::new();
    for _ in 0..2 {
        put(&aws);
        assert_eq!(handle(&aws).await, 0);
        rows.push(aws.items(TABLES.webhooks));
    }
    assert_eq!(rows[0], rows[1]);
    assert_eq!(noted(&aws, &id), [(STREAM.to_owned(), 2)]);
    assert_eq!(woken(&aws), [id.to_string(), id.to_string()], "once for each batch");
}

#[tokio::test(start_paused = true)]
async fn who_wants_nothing_of_it_is_left_alone() {
    let aws = Aws::new();
    let others = register(&aws, "acme", &[]).await;
    let choosy = register(&aws, "demo", &["PolicyBound"]).await;
    put(&aws);
    assert_eq!(handle(&aws).await, 0);
    assert_eq!((noted(&aws, &others), noted(&aws, &choosy)), (Vec::new(), Vec::new()));
    assert_eq!(woken(&aws), [] as [&str; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_could_not_be_noted_or_told_comes_again() {
    for operation in ["Query", "UpdateItem", "SendMessageBatch"] {
        let aws = Aws::new();
        let id = register(&aws, "demo", &[]).await;
        put(&aws);
        aws.inject(move |attempt| {
            if attempt.operation == operation { Fault::refuse(400, "AccessDeniedException") } else { Fault::None }
        });
        assert_eq!(handle(&aws).await, 2, "{operation}");
        aws.heal();
        tokio::time::advance(Duration::from_mins(1)).await;
        assert_eq!(handle(&aws).await, 0, "{operation}");
        assert_eq!(noted(&aws, &id), [(STREAM.to_owned(), 2)], "{operation}");
        assert!(woken(&aws).contains(&id.to_string()), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_stays_for_whoever_repairs() {
    let aws = Aws::new();
    aws.put(&queue(), None, None, "{");
    assert_eq!(handle(&aws).await, 1);
}
