use std::ops::RangeInclusive;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use testkit::{Aws, Fault, TABLES};
use tokio::time::Instant;

use crate::{commit, now, published, publisher, retries};

const VISIBILITY: Duration = Duration::from_mins(6);

async fn send(aws: &Aws, body: &Value) {
    let body = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
    aws.sqs().send_message().queue_url(retries()).message_body(body).send().await.expect("sent");
}

/// One batch of up to ten messages.
async fn deliver(aws: &Aws) -> usize {
    let handle = async |event: SqsEvent| {
        let finish_by = Instant::now() + Duration::from_mins(1);
        publisher(aws).handle_retries(event, now(), finish_by).await
    };
    aws.poll(&retries(), 10, VISIBILITY, handle).await
}

async fn deliver_all(aws: &Aws) {
    while deliver(aws).await > 0 {}
}

fn reference(stream: &str, number: u64) -> Value {
    json!({ "stream_id": stream, "commit_number": number })
}

fn left(aws: &Aws) -> Vec<Value> {
    let json = |body: &str| serde_json::from_str(body).unwrap_or_else(|_| json!(body));
    aws.messages(&retries()).iter().map(|message| json(&message.body)).collect()
}

/// The places of all that was published, in the order of those.
fn places(aws: &Aws) -> Vec<(String, u64)> {
    let mut places: Vec<_> = published(aws).iter().map(|event| (event.stream.to_string(), event.version)).collect();
    places.sort();
    places
}

fn place(stream: &str, version: u64) -> (String, u64) {
    (stream.to_owned(), version)
}

#[tokio::test(start_paused = true)]
async fn a_reference_is_published_in_two_calls() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    commit(&aws, "acme/orders/O-1", 2, 2, &[10, 10]).await;
    send(&aws, &reference("acme/orders/O-1", 2)).await;
    aws.forget_calls();

    assert_eq!(deliver(&aws).await, 1);

    assert_eq!(aws.calls().len(), 2, "{}", aws.calls());
    assert_eq!((aws.count("GetItem"), aws.count("PublishBatch")), (1, 1), "{}", aws.calls());
    assert_eq!(places(&aws), [place("acme/orders/O-1", 2), place("acme/orders/O-1", 3)]);
    assert!(left(&aws).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_lambda_gave_up_becomes_references_and_then_events() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-0", 1, 1, &[10]).await;
    let _published_before = aws.stream_event(TABLES.events);
    for number in 1..=12 {
        commit(&aws, "acme/orders/O-1", number, number, &[10]).await;
    }
    let given_up = aws.on_failure_record(&aws.stream_event(TABLES.events));
    commit(&aws, "acme/orders/O-2", 1, 1, &[10]).await;
    send(&aws, &given_up).await;
    aws.forget_calls();

    assert_eq!(deliver(&aws).await, 1);

    let expected: Vec<_> = (1..=12).map(|number| reference("acme/orders/O-1", number)).collect();
    assert_eq!(left(&aws), expected);
    assert!(published(&aws).is_empty(), "each goes its own way");
    let counts = ["GetShardIterator", "GetRecords", "SendMessageBatch"].map(|operation| aws.count(operation));
    assert_eq!(counts, [1, 1, 2], "{}", aws.calls());

    deliver_all(&aws).await;
    assert_eq!(places(&aws), (1..=12).map(|version| place("acme/orders/O-1", version)).collect::<Vec<_>>());
    assert!(left(&aws).is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_failure_travels_on_and_the_attempts_begin_anew() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    let given_up = aws.on_failure_record(&aws.stream_event(TABLES.events));
    let text = |value: &str| {
        let value = aws_sdk_sqs::types::MessageAttributeValue::builder().data_type("String").string_value(value);
        value.build().expect("complete")
    };
    let send = aws.sqs().send_message().queue_url(retries()).message_body(given_up.to_string());
    let send = send.message_attributes("firstfailedat", text("2026-01-15T09:30:00Z"));
    send.message_attributes("attempts", text("7")).send().await.expect("sent");

    deliver(&aws).await;

    let message = &aws.messages(&retries())[0];
    assert!(message.attribute("firstfailedat").is_some_and(|time| time.starts_with("2026-01-15T09:30:00")));
    assert_eq!(message.attribute("attempts"), Some("0"));
}

#[tokio::test(start_paused = true)]
async fn a_long_stretch_of_the_stream_is_taken_in_parts() {
    let aws = Aws::new();
    for number in 1..=1_010 {
        commit(&aws, "acme/orders/O-1", number, number, &[10]).await;
    }
    send(&aws, &aws.on_failure_record(&aws.stream_event(TABLES.events))).await;

    deliver(&aws).await;
    let mut first = left(&aws);
    let rest = first.pop().expect("messages");
    aws.sqs().purge_queue().queue_url(retries()).send().await.expect("purged");
    send(&aws, &rest).await;
    deliver(&aws).await;

    let of = |numbers: RangeInclusive<u64>| -> Vec<_> {
        numbers.map(|number| reference("acme/orders/O-1", number)).collect()
    };
    assert_eq!(first, of(1..=1_000));
    assert_eq!(left(&aws), of(1_000..=1_010), "from the last one on");
}

#[tokio::test(start_paused = true)]
async fn other_kinds_of_records_are_no_commits() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    commit(&aws, "acme/orders/O-1", 1, 1, &[20]).await;
    send(&aws, &aws.on_failure_record(&aws.stream_event(TABLES.events))).await;

    deliver(&aws).await;

    assert_eq!(left(&aws), [reference("acme/orders/O-1", 1)], "once, for the INSERT");
}

#[tokio::test(start_paused = true)]
async fn a_bad_message_fails_alone_and_ends_in_the_dead_letters() {
    let aws = Aws::new();
    let dead_letters = Aws::queue_url("publisher-dead-letters");
    aws.dead_letter_queue(&retries(), &dead_letters, 3);
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    commit(&aws, "acme/orders/O-2", 1, 1, &[10]).await;
    let mut elsewhere = aws.on_failure_record(&aws.stream_event(TABLES.events));
    elsewhere["DDBStreamBatchInfo"]["shardId"] = json!("another shard");
    let bad =
        [json!("not even JSON"), json!({ "stream_id": "acme/orders/O-1" }), reference("acme/orders/O-1", 2), elsewhere];
    send(&aws, &reference("acme/orders/O-1", 1)).await;
    for body in &bad {
        send(&aws, body).await;
    }
    send(&aws, &reference("acme/orders/O-2", 1)).await;

    deliver(&aws).await;

    assert_eq!(places(&aws), [place("acme/orders/O-1", 1), place("acme/orders/O-2", 1)]);
    assert_eq!(left(&aws), bad);
    for _ in 0..3 {
        tokio::time::advance(VISIBILITY).await;
        deliver(&aws).await;
    }
    assert!(left(&aws).is_empty());
    assert_eq!(aws.messages(&dead_letters).len(), bad.len());
    assert_eq!(places(&aws).len(), 2, "nothing more");
}

#[tokio::test(start_paused = true)]
async fn positions_that_the_stream_has_forgotten_fail() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    let given_up = aws.on_failure_record(&aws.stream_event(TABLES.events));
    tokio::time::advance(Duration::from_hours(25)).await;
    send(&aws, &given_up).await;

    deliver(&aws).await;

    assert_eq!(left(&aws), [given_up], "dropping it would lose events");
}

#[tokio::test(start_paused = true)]
async fn repeats_publish_the_same_events_again_and_lose_nothing() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    let given_up = aws.on_failure_record(&aws.stream_event(TABLES.events));
    for body in [&given_up, &given_up, &reference("acme/orders/O-1", 1)] {
        send(&aws, body).await;
    }

    deliver_all(&aws).await;

    assert!(left(&aws).is_empty());
    assert_eq!(places(&aws), [(); 3].map(|()| place("acme/orders/O-1", 1)));
}

#[tokio::test(start_paused = true)]
async fn whatever_call_fails_the_message_stays() {
    for operation in ["GetItem", "PublishBatch", "GetShardIterator", "GetRecords", "SendMessageBatch"] {
        let aws = Aws::new();
        commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
        let given_up = aws.on_failure_record(&aws.stream_event(TABLES.events));
        send(&aws, &given_up).await;
        send(&aws, &reference("acme/orders/O-1", 1)).await;
        aws.inject(
            move |attempt| {
                if attempt.operation == operation { Fault::refuse(500, "InternalError") } else { Fault::None }
            },
        );
        deliver(&aws).await;
        assert!(left(&aws).len() > usize::from(operation == "GetItem"), "{operation}");

        aws.heal();
        tokio::time::advance(VISIBILITY).await;
        deliver_all(&aws).await;
        assert!(left(&aws).is_empty(), "{operation}");
        assert_eq!(places(&aws).last(), Some(&place("acme/orders/O-1", 1)), "{operation}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_comes_back() {
    let aws = Aws::new();
    commit(&aws, "acme/orders/O-1", 1, 1, &[10]).await;
    commit(&aws, "acme/orders/O-2", 1, 1, &[10]).await;
    send(&aws, &reference("acme/orders/O-1", 1)).await;
    send(&aws, &reference("acme/orders/O-2", 1)).await;
    aws.inject(|attempt| if attempt.nth == 2 { Fault::Delay(Duration::from_secs(4)) } else { Fault::None });

    let handle = async |event: SqsEvent| {
        publisher(&aws).handle_retries(event, now(), Instant::now() + Duration::from_secs(3)).await
    };
    aws.poll(&retries(), 10, VISIBILITY, handle).await;

    assert_eq!(left(&aws), [reference("acme/orders/O-2", 1)]);
    assert_eq!(places(&aws), [place("acme/orders/O-1", 1)]);
}
