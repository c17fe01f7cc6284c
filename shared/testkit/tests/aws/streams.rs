use std::time::{Duration, UNIX_EPOCH};

use aws_lambda_events::event::dynamodb::Event;
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
