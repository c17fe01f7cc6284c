use std::time::Duration;

use aws_sdk_sqs::types::{MessageAttributeValue, MessageSystemAttributeName};
use testkit::{Aws, Message};

fn orders() -> String {
    Aws::queue_url("orders.fifo")
}

fn order_letters() -> String {
    Aws::queue_url("order-letters.fifo")
}

async fn send(aws: &Aws, queue_url: &str, group: &str, key: &str) {
    let attribute = MessageAttributeValue::builder().data_type("String").string_value("v").build().expect("complete");
    let send = aws.sqs().send_message().queue_url(queue_url).message_body(key).message_attributes("name", attribute);
    let send = if queue_url.contains(".fifo") {
        send.message_group_id(group).message_deduplication_id(key)
    } else {
        send.message_group_id(group)
    };
    send.send().await.expect("sent");
}

/// Receives what there is, and lets its time pass.
async fn receive_in_vain(aws: &Aws, queue_url: &str) -> Vec<String> {
    let received = bodies(&aws.receive(queue_url, 10, Duration::from_secs(30)));
    tokio::time::advance(Duration::from_secs(30)).await;
    received
}

fn bodies(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.body.clone()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_was_received_too_often_is_moved_by_the_next_receive() {
    let aws = Aws::new();
    aws.dead_letter_queue(&orders(), &order_letters(), 2);
    send(&aws, &orders(), "g", "k").await;
    let original = aws.messages(&orders()).remove(0);

    for _ in 0..2 {
        assert_eq!(receive_in_vain(&aws, &orders()).await, ["k"]);
    }
    assert!(aws.messages(&order_letters()).is_empty(), "nobody has tried a third time");
    assert!(receive_in_vain(&aws, &orders()).await.is_empty());
    assert!(aws.messages(&orders()).is_empty());

    let letter = aws.messages(&order_letters()).remove(0);
    assert_eq!((&letter.id, &letter.body, &letter.attributes), (&original.id, &original.body, &original.attributes));
    assert_eq!((&letter.group, &letter.deduplication_id), (&original.group, &original.deduplication_id));
    assert_eq!(letter.receive_count, 2);
    assert_eq!(letter.sent, original.sent + Duration::from_mins(1), "a FIFO queue counts it as sent when it was moved");
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_can_be_received_deleted_and_names_the_queue_it_comes_from() {
    let aws = Aws::new();
    let (queue, letters) = (Aws::queue_url("updates"), Aws::queue_url("update-letters"));
    aws.dead_letter_queue(&queue, &letters, 1);
    send(&aws, &queue, "g", "k").await;
    let sent = aws.messages(&queue)[0].sent;
    receive_in_vain(&aws, &queue).await;
    receive_in_vain(&aws, &queue).await;

    let ask = aws.sqs().receive_message().queue_url(&letters);
    let received = ask.message_system_attribute_names(MessageSystemAttributeName::All).send().await.expect("received");
    let system = received.messages()[0].attributes().expect("system attributes");
    assert_eq!(system[&MessageSystemAttributeName::DeadLetterQueueSourceArn], Aws::queue_arn(&queue));
    assert_eq!(aws.messages(&letters)[0].sent, sent, "a standard queue keeps the time");

    let handle = received.messages()[0].receipt_handle().expect("a handle");
    aws.sqs().delete_message().queue_url(&letters).receipt_handle(handle).send().await.expect("deleted");
    assert!(aws.messages(&letters).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_dead_head_frees_its_group_in_order() {
    let aws = Aws::new();
    aws.dead_letter_queue(&orders(), &order_letters(), 1);
    for key in ["a1", "a2", "a3"] {
        send(&aws, &orders(), "a", key).await;
    }
    let head = aws.receive(&orders(), 1, Duration::from_secs(30));
    assert_eq!(bodies(&head), ["a1"]);
    tokio::time::advance(Duration::from_secs(30)).await;

    assert_eq!(receive_in_vain(&aws, &orders()).await, ["a2", "a3"]);
    assert!(receive_in_vain(&aws, &orders()).await.is_empty());
    assert_eq!(bodies(&aws.messages(&order_letters())), ["a1", "a2", "a3"]);
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_no_duplicate_of_one_sent_to_its_queue() {
    let aws = Aws::new();
    aws.dead_letter_queue(&orders(), &order_letters(), 1);
    send(&aws, &order_letters(), "g", "k").await;
    send(&aws, &orders(), "g", "k").await;
    receive_in_vain(&aws, &orders()).await;
    receive_in_vain(&aws, &orders()).await;

    assert_eq!(bodies(&aws.messages(&order_letters())), ["k", "k"]);
}
