use kernel::cloud_event::CloudEvent;
use kernel::ids::StreamId;
use serde_json::{Value, json};
use testkit::{Aws, Fault};

use crate::{commit, now, published, publisher};

async fn publish(aws: &Aws, batch: &Value) -> Result<(), publisher::PublishError> {
    let batch = serde_json::from_value(batch.clone()).expect("a stream's batch");
    publisher(aws).handle_stream(batch, now()).await
}

#[tokio::test(start_paused = true)]
async fn what_is_committed_is_published_in_one_call() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10, 10]).await;
    commit(&aws, "acme/orders/O-2", 1, 1, &[10]).await;
    publish(&aws, &aws.stream_event("events")).await.expect("published");

    assert_eq!(aws.count("PublishBatch"), 1, "{}", aws.calls());
    let all = published(&aws);
    let places: Vec<_> = all.iter().map(|event| (event.stream.to_string(), event.version)).collect();
    assert_eq!(
        places,
        [("acme/orders/O-1".to_owned(), 1), ("acme/orders/O-1".to_owned(), 2), ("acme/orders/O-2".to_owned(), 1)]
    );
    let first = &aws.published(&Aws::topic_arn("events"))[0];
    for (name, value) in [("type", "OrderCancelled"), ("context", "orders"), ("tenant", "acme")] {
        assert_eq!(first.attribute(name), Some(value), "{name}");
    }
    let event = CloudEvent::from_json(first.body.as_bytes()).expect("a CloudEvent");
    assert_eq!(event.dataschema(), Some("https://api.example/schemas/orders/OrderCancelled/1"));
    assert_eq!(event.extension("sequence").map(ToString::to_string), Some(format!("{:020}", 1)));
    assert_eq!(all[0].stream, StreamId::parse("acme/orders/O-1").expect("a stream"));
}

/// SQS's fair queues go by it: a flood of one tenant holds up no other's events.
#[tokio::test(start_paused = true)]
async fn an_event_reaches_its_subscribers_in_the_group_of_its_tenant() {
    let (aws, queue) = (Aws::new(), Aws::queue_url("read-model-updates"));
    aws.subscribe(&Aws::topic_arn("events"), &queue, None);
    commit(&aws, "acme/orders/O-1", 1, 1, &[10, 10]).await;
    commit(&aws, "globex/orders/O-1", 1, 1, &[10]).await;
    publish(&aws, &aws.stream_event("events")).await.expect("published");

    assert_eq!(aws.count("PublishBatch"), 1, "{}", aws.calls());
    let groups: Vec<_> = aws.messages(&queue).into_iter().map(|message| message.group).collect();
    assert_eq!(groups, ["acme", "acme", "globex"].map(|tenant| Some(tenant.to_owned())));
}

#[tokio::test(start_paused = true)]
async fn large_events_are_spread_over_calls() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[100_000, 100_000, 100_000]).await;
    publish(&aws, &aws.stream_event("events")).await.expect("published");
    assert_eq!(aws.count("PublishBatch"), 2, "{}", aws.calls());
    assert_eq!(published(&aws).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn refused_entries_are_tried_again_alone() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10, 10, 10]).await;
    aws.inject(|attempt| if attempt.nth == 1 { Fault::FailEntries(vec![1]) } else { Fault::None });
    publish(&aws, &aws.stream_event("events")).await.expect("published");
    let mut versions: Vec<_> = published(&aws).iter().map(|event| event.version).collect();
    versions.sort_unstable();
    assert_eq!(versions, [1, 2, 3], "each once");
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_cannot_be_published_has_failed_and_comes_back_whole() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10, 10]).await;
    let batch = aws.stream_event("events");
    aws.inject(|_| Fault::FailEntries(vec![0]));
    assert!(publish(&aws, &batch).await.is_err());
    aws.inject(|_| Fault::refuse(500, "InternalError"));
    assert!(publish(&aws, &batch).await.is_err());
    aws.heal();
    publish(&aws, &batch).await.expect("published");
    assert!(published(&aws).iter().any(|event| event.version == 1));
}

#[tokio::test(start_paused = true)]
async fn records_that_are_no_new_commits_say_nothing() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    let mut batch = aws.stream_event("events");
    batch["Records"][0]["eventName"] = json!("REMOVE");
    publish(&aws, &batch).await.expect("nothing to do");
    assert!(published(&aws).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_read_fails_the_batch_rather_than_being_dropped() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    let mut batch = aws.stream_event("events");
    batch["Records"][0]["dynamodb"]["NewImage"]["events"] = json!({ "S": "[{]" });
    assert!(publish(&aws, &batch).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn the_log_names_a_stream_by_its_hash_and_not_by_an_id_that_may_be_an_address() {
    let (aws, log) = (Aws::new(), testkit::Log::default());
    let stream = "acme/orders/jane@doe.example";
    commit(&aws, stream, 1, 1, &[10]).await;
    let batch = aws.stream_event("events");
    let guard = log.begin(&["publisher", "kernel", "lambda", "messaging", "store"]);
    publish(&aws, &batch).await.expect("published");
    aws.inject(|_| Fault::refuse(500, "InternalError"));
    assert!(publish(&aws, &batch).await.is_err());
    drop(guard);
    assert!(!log.text().contains("jane"), "{}", log.text());
    let line = log.lines().into_iter().find(|line| line["message"] == "published").expect("a line");
    assert_eq!(line["span"]["stream"], json!(StreamId::parse(stream).expect("a stream").pseudonym()));
}
