use std::time::{Duration, UNIX_EPOCH};

use aws_lambda_events::event::dynamodb::Event;
use aws_sdk_dynamodbstreams::error::ProvideErrorMetadata;
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::builders::GetShardIteratorFluentBuilder;
use aws_sdk_dynamodbstreams::types::{OperationType, Record, ShardIteratorType};
use serde_json::Value;
use testkit::{Aws, TABLES};

use crate::dynamodb::{number, text};

async fn commit(aws: &Aws, commit: u64, payload: &str) {
    let put = aws.dynamodb().put_item().table_name(TABLES.events);
    let put = put.item("stream_id", text("s")).item("commit_number", number(commit)).item("payload", text(payload));
    put.send().await.expect("written");
}

fn read(aws: &Aws) -> Event {
    serde_json::from_value(aws.stream_event(TABLES.events)).expect("the event of aws_lambda_events")
}

#[tokio::test]
async fn lambdas_event_has_everything_written_since_the_last_one_in_order() {
    let time = UNIX_EPOCH + Duration::from_secs(1_700_000_000);
    let aws = Aws::starting_at(time);
    commit(&aws, 1, "a").await;
    commit(&aws, 2, "b").await;

    let event = read(&aws);
    assert_eq!(event.records.len(), 2);
    let record = &event.records[0];
    assert_eq!(record.event_name, "INSERT");
    assert_eq!(record.event_source.as_deref(), Some("aws:dynamodb"));
    assert!(record.event_source_arn.as_deref().is_some_and(|arn| arn.contains(":table/events/stream/")));
    assert_eq!(record.change.approximate_creation_date_time.timestamp(), 1_700_000_000);
    let image = serde_json::to_value(&record.change.new_image).expect("JSON");
    assert_eq!(image["payload"]["S"], "a");
    assert!(record.change.sequence_number < event.records[1].change.sequence_number);

    assert!(read(&aws).records.is_empty());
    commit(&aws, 3, "c").await;
    assert_eq!(read(&aws).records.len(), 1);
}

#[tokio::test]
async fn there_are_only_the_images_that_the_template_asks_for() {
    let aws = Aws::new();
    commit(&aws, 1, "a").await;
    commit(&aws, 1, "b").await;

    let records = aws.stream_event(TABLES.events)["Records"].take();

    assert_eq!(records[1]["eventName"], "MODIFY");
    assert_eq!(records[1]["dynamodb"]["StreamViewType"], "NEW_IMAGE");
    assert_eq!(records[1]["dynamodb"]["NewImage"]["payload"]["S"], "b");
    assert!(records[1]["dynamodb"].get("OldImage").is_none());
}

#[tokio::test]
async fn a_write_that_changes_nothing_is_not_streamed() {
    let aws = Aws::new();
    commit(&aws, 1, "a").await;
    commit(&aws, 1, "a").await;

    assert_eq!(read(&aws).records.len(), 1);
}

#[tokio::test]
async fn a_long_stream_is_read_to_its_end() {
    let aws = Aws::new();
    for number in 0..1_001 {
        commit(&aws, number, "a").await;
    }

    assert_eq!(read(&aws).records.len(), 1_001);
}

/// Asks for a place in the stream, by Lambda's on-failure record.
fn iterator(aws: &Aws, failure: &Value) -> GetShardIteratorFluentBuilder {
    let batch = &failure["DDBStreamBatchInfo"];
    let [stream, shard, start] = ["streamArn", "shardId", "startSequenceNumber"].map(|name| text_of(&batch[name]));
    let ask = aws.streams().get_shard_iterator().stream_arn(stream).shard_id(shard);
    ask.shard_iterator_type(ShardIteratorType::AtSequenceNumber).sequence_number(start)
}

fn text_of(value: &Value) -> String {
    value.as_str().expect("text").to_owned()
}

async fn records(aws: &Aws, iterator: Option<&str>) -> (Vec<Record>, Option<String>) {
    let page = aws.streams().get_records().set_shard_iterator(iterator.map(str::to_owned)).send().await;
    let page = page.expect("records");
    (page.records.unwrap_or_default(), page.next_shard_iterator)
}

fn places(records: &[Record]) -> Vec<String> {
    let places = records.iter().filter_map(|record| record.dynamodb()?.sequence_number());
    places.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_streams_api_finds_the_batch_that_lambda_gave_up() {
    let aws = Aws::starting_at(UNIX_EPOCH + Duration::from_secs(1_700_000_000));
    commit(&aws, 1, "a").await;
    let _before = aws.stream_event(TABLES.events);
    commit(&aws, 2, "b").await;
    commit(&aws, 3, "c").await;
    let batch = aws.stream_event(TABLES.events);

    let failure = aws.on_failure_record(&batch);
    let info = &failure["DDBStreamBatchInfo"];
    assert_eq!(info["batchSize"], 2);
    assert_eq!(info["approximateArrivalOfFirstRecord"], "2023-11-14T22:13:20Z");
    let given = |index: usize| batch["Records"][index]["dynamodb"]["SequenceNumber"].clone();
    assert_eq!([&info["startSequenceNumber"], &info["endSequenceNumber"]], [&given(0), &given(1)]);

    let place = iterator(&aws, &failure).send().await.expect("a place");
    let (found, next) = records(&aws, place.shard_iterator()).await;
    assert_eq!(places(&found), [text_of(&given(0)), text_of(&given(1))]);
    assert_eq!(found[0].event_name(), Some(&OperationType::Insert));
    let image = found[0].dynamodb().and_then(|change| change.new_image()).expect("an image");
    assert_eq!(image["payload"].as_s().map(String::as_str), Ok("b"));

    assert!(records(&aws, next.as_deref()).await.0.is_empty());
    commit(&aws, 4, "d").await;
    assert_eq!(records(&aws, next.as_deref()).await.0.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_stream_forgets_after_a_day_and_an_iterator_expires_sooner() {
    let aws = Aws::new();
    commit(&aws, 1, "a").await;
    let failure = aws.on_failure_record(&aws.stream_event(TABLES.events));
    let from_the_start = || {
        let ask = iterator(&aws, &failure).set_sequence_number(None);
        ask.shard_iterator_type(ShardIteratorType::TrimHorizon).send()
    };
    let early = from_the_start().await.expect("a place");
    assert_eq!(records(&aws, early.shard_iterator()).await.0.len(), 1);

    tokio::time::advance(Duration::from_hours(25)).await;
    commit(&aws, 2, "b").await;
    let old = aws.streams().get_records().set_shard_iterator(early.shard_iterator).send().await;
    assert_eq!(old.expect_err("too old").code(), Some("ExpiredIteratorException"));
    let trimmed = iterator(&aws, &failure).send().await.expect_err("forgotten").into_service_error();
    assert!(trimmed.is_trimmed_data_access_exception(), "{trimmed:?}");
    let late = from_the_start().await.expect("a place");
    assert_eq!(records(&aws, late.shard_iterator()).await.0.len(), 1, "what is younger than a day");
}

#[tokio::test]
async fn what_has_no_stream_is_not_found() {
    let aws = Aws::new();
    let ask = aws.streams().get_shard_iterator().shard_id("s").shard_iterator_type(ShardIteratorType::TrimHorizon);
    let error = ask.stream_arn("arn:aws:dynamodb:us-east-1:000000000000:table/guards/stream/x").send().await;
    assert!(error.expect_err("no stream").into_service_error().is_resource_not_found_exception());
}
