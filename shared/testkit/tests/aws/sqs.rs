use std::time::Duration;

use aws_lambda_events::event::sqs::SqsEvent;
use aws_sdk_sqs::error::ProvideErrorMetadata;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::types::{
    ChangeMessageVisibilityBatchRequestEntry, DeleteMessageBatchRequestEntry, MessageAttributeValue,
    MessageSystemAttributeName, QueueAttributeName, SendMessageBatchRequestEntry,
};

use testkit::{Aws, Fault};

fn orders() -> String {
    Aws::queue_url("orders.fifo")
}

fn command(aws: &Aws, group: &str, key: &str) -> SendMessageFluentBuilder {
    let send = aws.sqs().send_message().queue_url(orders()).message_body(format!("body of {key}"));
    send.message_group_id(group).message_deduplication_id(key)
}

fn entry(id: usize, body: &str) -> SendMessageBatchRequestEntry {
    let entry = SendMessageBatchRequestEntry::builder().id(id.to_string()).message_body(body);
    entry.message_group_id("g").message_deduplication_id(id.to_string()).build().expect("a complete entry")
}

fn bodies(aws: &Aws) -> Vec<String> {
    aws.messages(&orders()).into_iter().map(|message| message.body).collect()
}

#[tokio::test(start_paused = true)]
async fn a_duplicate_is_answered_as_its_original_and_not_stored_for_five_minutes() {
    let aws = Aws::new();
    let first = command(&aws, "g", "k").send().await.expect("sent");
    tokio::time::advance(Duration::from_secs(299)).await;
    let duplicate = command(&aws, "g", "k").send().await.expect("answered with success");
    assert_eq!(duplicate.message_id, first.message_id);
    assert_eq!(duplicate.sequence_number, first.sequence_number);
    assert_eq!(bodies(&aws).len(), 1);

    tokio::time::advance(Duration::from_secs(1)).await;
    let again = command(&aws, "g", "k").send().await.expect("sent");
    assert_ne!(again.message_id, first.message_id);
    assert_eq!(bodies(&aws).len(), 2);
}

#[tokio::test]
async fn a_message_keeps_its_group_deduplication_id_and_attributes() {
    let aws = Aws::new();
    let attribute = MessageAttributeValue::builder().data_type("Number").string_value("3").build().expect("complete");
    command(&aws, "t/orders/1", "k").message_attributes("attempt", attribute).send().await.expect("sent");

    let message = &aws.messages(&orders())[0];
    assert_eq!(message.body, "body of k");
    assert_eq!(message.group.as_deref(), Some("t/orders/1"));
    assert_eq!(message.deduplication_id.as_deref(), Some("k"));
    assert_eq!(message.attribute("attempt"), Some("3"));
}

#[tokio::test]
async fn a_fifo_queue_wants_a_group_and_a_deduplication_id() {
    let aws = Aws::new();
    let send = || aws.sqs().send_message().queue_url(orders()).message_body("m");

    let no_group = send().message_deduplication_id("k").send().await.expect_err("no group");
    let no_deduplication_id = send().message_group_id("g").send().await.expect_err("no deduplication id");
    let bad_group = command(&aws, "with space", "k").send().await.expect_err("a character that is not allowed");
    let long_group = command(&aws, &"g".repeat(129), "k").send().await.expect_err("too long");

    assert_eq!(no_group.code(), Some("MissingParameter"));
    for error in [no_deduplication_id, bad_group, long_group] {
        assert_eq!(error.code(), Some("InvalidParameterValue"));
    }
    assert!(aws.messages(&orders()).is_empty());
}

#[tokio::test]
async fn a_message_and_a_batch_have_a_mebibyte_each() {
    let aws = Aws::new();
    let (fits, too_long) = ("x".repeat(1_048_576), "x".repeat(1_048_577));
    let send = |body: &str| command(&aws, "g", "k").message_body(body).send();
    let send_batch = |bodies: [&str; 2]| {
        let entries = bodies.iter().enumerate().map(|(id, body)| entry(id, body)).collect();
        aws.sqs().send_message_batch().queue_url(orders()).set_entries(Some(entries)).send()
    };

    assert_eq!(send(&too_long).await.expect_err("too long").code(), Some("InvalidParameterValue"));
    send(&fits).await.expect("sent");
    let error = send_batch([&fits, "y"]).await.expect_err("too long together");
    assert_eq!(error.code(), Some("AWS.SimpleQueueService.BatchRequestTooLong"));
    send_batch([&fits[1..], "y"]).await.expect("sent");
}

#[tokio::test]
async fn a_batch_has_up_to_ten_entries_with_distinct_ids() {
    let aws = Aws::new();
    let send = |ids: Vec<usize>| {
        let entries = ids.into_iter().map(|id| entry(id, "m")).collect();
        aws.sqs().send_message_batch().queue_url(orders()).set_entries(Some(entries)).send()
    };

    let eleven = send((0..11).collect()).await.expect_err("eleven").into_service_error();
    let repeated = send(vec![1, 1]).await.expect_err("repeated").into_service_error();
    let none = send(vec![]).await.expect_err("empty").into_service_error();
    let ten = send((0..10).collect()).await.expect("sent");

    assert!(eleven.is_too_many_entries_in_batch_request(), "{eleven:?}");
    assert!(repeated.is_batch_entry_ids_not_distinct(), "{repeated:?}");
    assert!(none.is_empty_batch_request(), "{none:?}");
    assert_eq!(ten.successful().len(), 10);
    assert_eq!(aws.messages(&orders()).len(), 10);
}

#[tokio::test]
async fn a_batch_can_fail_in_part() {
    let aws = Aws::new();
    aws.inject(|_| Fault::FailEntries(vec![1]));

    let send = aws.sqs().send_message_batch().queue_url(orders()).entries(entry(0, "a")).entries(entry(1, "b"));
    let answer = send.send().await.expect("the call succeeds");

    assert_eq!(answer.successful()[0].id(), "0");
    assert_eq!(answer.failed()[0].id(), "1");
    assert!(!answer.failed()[0].sender_fault());
    assert_eq!(bodies(&aws), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_group_waits_for_its_message_in_flight_and_others_do_not() {
    let aws = Aws::new();
    for (group, key) in [("a", "a1"), ("b", "b1"), ("a", "a2")] {
        command(&aws, group, key).send().await.expect("sent");
    }
    let receive = || aws.sqs().receive_message().queue_url(orders()).visibility_timeout(30);

    let first = receive().send().await.expect("received").messages.expect("a message").remove(0);
    assert_eq!(first.body(), Some("body of a1"));
    let others = receive().max_number_of_messages(10).send().await.expect("received");
    let others: Vec<_> = others.messages().iter().filter_map(|message| message.body()).collect();
    assert_eq!(others, ["body of b1"]);

    let handle = first.receipt_handle().expect("a handle");
    aws.sqs().delete_message().queue_url(orders()).receipt_handle(handle).send().await.expect("deleted");
    let next =
        receive().message_system_attribute_names(MessageSystemAttributeName::All).send().await.expect("received");
    let next = &next.messages()[0];
    assert_eq!(next.body(), Some("body of a2"));
    let attributes = next.attributes().expect("system attributes");
    assert_eq!(attributes[&MessageSystemAttributeName::MessageGroupId], "a");
    assert_eq!(attributes[&MessageSystemAttributeName::ApproximateReceiveCount], "1");
}

#[tokio::test(start_paused = true)]
async fn what_is_not_deleted_in_time_comes_back_and_its_old_receipt_is_worthless() {
    let aws = Aws::new();
    command(&aws, "g", "k").send().await.expect("sent");
    let receive = || aws.receive(&orders(), 10, Duration::from_secs(30));

    let first = receive().remove(0);
    assert!(receive().is_empty());
    tokio::time::advance(Duration::from_secs(30)).await;
    let second = receive().remove(0);

    assert_eq!(second.receive_count, 2);
    assert!(!aws.delete(&first));
    assert!(aws.delete(&second));
    assert!(aws.messages(&orders()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_wait_for_messages_ends_when_one_is_sent() {
    let aws = Aws::new();
    let start = tokio::time::Instant::now();
    let receive = aws.sqs().receive_message().queue_url(orders()).wait_time_seconds(20).send();
    let send = async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        command(&aws, "g", "k").send().await
    };

    let (answer, outcome) = tokio::join!(receive, send);

    outcome.expect("sent");
    assert_eq!(answer.expect("received").messages().len(), 1);
    assert!(start.elapsed() < Duration::from_secs(4));
}

#[tokio::test]
async fn lambdas_event_has_what_a_fifo_consumer_needs() {
    let aws = Aws::new();
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("t").build().expect("complete");
    command(&aws, "g", "k").message_attributes("type", attribute).send().await.expect("sent");

    let event = Aws::sqs_event(&aws.receive(&orders(), 10, Duration::from_secs(30)));

    let event: SqsEvent = serde_json::from_value(event).expect("the event of aws_lambda_events");
    let record = &event.records[0];
    assert_eq!(record.body.as_deref(), Some("body of k"));
    assert_eq!(record.attributes["MessageGroupId"], "g");
    assert_eq!(record.attributes["MessageDeduplicationId"], "k");
    assert_eq!(record.attributes["ApproximateReceiveCount"], "1");
    assert_eq!(record.attributes["SequenceNumber"].len(), 20);
    assert_eq!(record.message_attributes["type"].string_value.as_deref(), Some("t"));
    assert_eq!(record.event_source_arn.as_deref(), Some("arn:aws:sqs:us-east-1:000000000000:orders.fifo"));
}

#[tokio::test]
async fn a_queue_says_how_many_messages_wait_and_how_many_are_in_flight() {
    let aws = Aws::new();
    for key in ["1", "2", "3"] {
        command(&aws, "g", key).send().await.expect("sent");
    }
    let received = aws.receive(&orders(), 2, Duration::from_secs(30));

    let ask = aws.sqs().get_queue_attributes().queue_url(orders()).attribute_names(QueueAttributeName::All);
    let attributes = ask.send().await.expect("answered").attributes.expect("attributes");
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessages], "1");
    assert_eq!(attributes[&QueueAttributeName::ApproximateNumberOfMessagesNotVisible], "2");

    let entries = received.iter().enumerate().map(|(id, message)| {
        let entry = DeleteMessageBatchRequestEntry::builder().id(id.to_string());
        entry.set_receipt_handle(message.receipt_handle.clone()).build().expect("a complete entry")
    });
    let delete = aws.sqs().delete_message_batch().queue_url(orders()).set_entries(Some(entries.collect()));
    assert_eq!(delete.send().await.expect("answered").successful().len(), 2);
    assert_eq!(bodies(&aws), ["body of 3"]);
}

#[tokio::test(start_paused = true)]
async fn a_received_message_has_all_its_attributes_if_asked_and_can_be_given_back_with_others() {
    let aws = Aws::new();
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("3").build().expect("complete");
    command(&aws, "a", "1").message_attributes("attempts", attribute).send().await.expect("sent");
    command(&aws, "b", "2").send().await.expect("sent");
    let receive = || {
        let ask = aws.sqs().receive_message().queue_url(orders()).max_number_of_messages(10).visibility_timeout(30);
        ask.message_system_attribute_names(MessageSystemAttributeName::All).message_attribute_names("All").send()
    };

    let received = receive().await.expect("received").messages.expect("messages");
    let attributes = received[0].message_attributes().expect("message attributes");
    assert_eq!(attributes["attempts"].string_value(), Some("3"));
    let system = received[0].attributes().expect("system attributes");
    assert_eq!(system[&MessageSystemAttributeName::MessageDeduplicationId], "1");
    assert!(system.contains_key(&MessageSystemAttributeName::SentTimestamp), "{system:?}");

    let entries = received.iter().enumerate().map(|(id, message)| {
        let entry = ChangeMessageVisibilityBatchRequestEntry::builder().id(id.to_string()).visibility_timeout(0);
        entry.set_receipt_handle(message.receipt_handle.clone()).build().expect("a complete entry")
    });
    let give_back =
        aws.sqs().change_message_visibility_batch().queue_url(orders()).set_entries(Some(entries.collect()));
    assert_eq!(give_back.send().await.expect("answered").successful().len(), 2);
    assert_eq!(receive().await.expect("received").messages().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_group_is_received_in_order_when_the_last_of_it_is_visible_again() {
    let aws = Aws::new();
    for key in ["1", "2", "3"] {
        command(&aws, "g", key).send().await.expect("sent");
    }
    let receive = || aws.receive(&orders(), 10, Duration::from_secs(30));
    let received = receive();
    for (message, seconds) in received.iter().zip([4, 8, 0]) {
        let change = aws.sqs().change_message_visibility().queue_url(orders()).visibility_timeout(seconds);
        change.set_receipt_handle(message.receipt_handle.clone()).send().await.expect("changed");
    }
    tokio::time::advance(Duration::from_secs(7)).await;
    assert!(receive().is_empty(), "the second one is in flight");
    tokio::time::advance(Duration::from_secs(1)).await;
    let again: Vec<_> = receive().into_iter().map(|message| message.body).collect();
    assert_eq!(again, ["body of 1", "body of 2", "body of 3"]);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_hidden_for_more_than_twelve_hours_or_by_an_old_receipt() {
    let aws = Aws::new();
    command(&aws, "g", "k").send().await.expect("sent");
    let first = aws.receive(&orders(), 10, Duration::ZERO).remove(0);
    let second = aws.receive(&orders(), 10, Duration::from_secs(30)).remove(0);
    for (message, seconds, allowed) in [(&second, 43_200, true), (&second, 43_201, false), (&first, 1, false)] {
        let change = aws.sqs().change_message_visibility().queue_url(orders()).visibility_timeout(seconds);
        let answer = change.set_receipt_handle(message.receipt_handle.clone()).send().await;
        assert_eq!(answer.is_ok(), allowed, "{seconds} s: {answer:?}");
    }
}
