use aws_sdk_sns::error::ProvideErrorMetadata;
use aws_sdk_sns::operation::publish_batch::builders::PublishBatchFluentBuilder;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use testkit::{Aws, Fault};

const LIMIT: usize = 262_144;

fn entry(id: usize, body: &str) -> PublishBatchRequestEntry {
    PublishBatchRequestEntry::builder().id(id.to_string()).message(body).build().expect("a complete entry")
}

fn batch(aws: &Aws, entries: Vec<PublishBatchRequestEntry>) -> PublishBatchFluentBuilder {
    aws.sns().publish_batch().topic_arn(Aws::topic_arn("events")).set_publish_batch_request_entries(Some(entries))
}

#[tokio::test]
async fn a_notification_keeps_its_body_and_attributes_whatever_characters_they_have() {
    let aws = Aws::new();
    let body = r#"{"a": "<é> & +%20", "b": "c=d"}"#;
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("a&b").build().expect("complete");
    let one = PublishBatchRequestEntry::builder().id("0").message(body).message_attributes("type", attribute.clone());
    let entries = vec![one.build().expect("a complete entry"), entry(1, "second")];

    let answer = batch(&aws, entries).send().await.expect("published");
    let publish = aws.sns().publish().topic_arn(Aws::topic_arn("events")).message("third");
    publish.message_attributes("type", attribute).send().await.expect("published");

    assert_eq!(answer.successful().len(), 2);
    let published = aws.published(&Aws::topic_arn("events"));
    assert_eq!(published[0].body, body);
    assert_eq!(published[0].attribute("type"), Some("a&b"));
    assert_eq!(published[1].body, "second");
    assert_eq!(published[2].attribute("type"), Some("a&b"));
}

#[tokio::test]
async fn a_batch_has_up_to_ten_entries_with_distinct_ids() {
    let aws = Aws::new();
    let send = |ids: Vec<usize>| batch(&aws, ids.into_iter().map(|id| entry(id, "m")).collect()).send();

    let eleven = send((0..11).collect()).await.expect_err("eleven").into_service_error();
    let repeated = send(vec![1, 1]).await.expect_err("repeated").into_service_error();
    let none = send(vec![]).await.expect_err("empty").into_service_error();
    send((0..10).collect()).await.expect("published");

    assert!(eleven.is_too_many_entries_in_batch_request_exception(), "{eleven:?}");
    assert!(repeated.is_batch_entry_ids_not_distinct_exception(), "{repeated:?}");
    assert!(none.is_empty_batch_request_exception(), "{none:?}");
    assert_eq!(aws.published(&Aws::topic_arn("events")).len(), 10);
}

#[tokio::test]
async fn a_whole_batch_has_as_many_bytes_as_one_message_attributes_included() {
    let aws = Aws::new();
    let half = "x".repeat(LIMIT / 2);
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v").build().expect("complete");
    let with_attribute = PublishBatchRequestEntry::builder().id("1").message(&half).message_attributes("a", attribute);

    batch(&aws, vec![entry(0, &half), entry(1, &half)]).send().await.expect("published");
    let entries = vec![entry(0, &half), with_attribute.build().expect("a complete entry")];
    let error = batch(&aws, entries).send().await.expect_err("too long together").into_service_error();
    let publish = aws.sns().publish().topic_arn(Aws::topic_arn("events")).message("x".repeat(LIMIT + 1));
    let too_long = publish.send().await.expect_err("too long");

    assert!(error.is_batch_request_too_long_exception(), "{error:?}");
    assert_eq!(too_long.code(), Some("InvalidParameter"));
}

#[tokio::test]
async fn a_batch_can_fail_in_part() {
    let aws = Aws::new();
    aws.inject(|_| Fault::FailEntries(vec![0]));

    let answer = batch(&aws, vec![entry(0, "a"), entry(1, "b")]).send().await.expect("the call succeeds");

    assert_eq!(answer.failed()[0].id(), "0");
    assert_eq!(answer.successful()[0].id(), Some("1"));
    assert_eq!(aws.published(&Aws::topic_arn("events"))[0].body, "b");
}
