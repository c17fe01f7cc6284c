//! Dead-letter queues, over the real SQS client on an AWS in process.

use std::time::Duration;

use kernel::timestamp::Timestamp;
use messaging::SendError;
use recovery::{DeadLetter, DeadLetters, Depth, Failure, MessageGroup, Returning, send_back};
use testkit::{Aws, Fault, Message};

const HIDDEN_FOR: Duration = Duration::from_mins(2);

fn fifo() -> String {
    Aws::queue_url("letters.fifo")
}

fn standard() -> String {
    Aws::queue_url("letters")
}

/// A message of the group that its body begins with.
fn grouped(body: &str) -> Returning {
    let group = MessageGroup::Ordered(body[..1].to_owned());
    Returning { group, deduplication_id: body.to_owned(), ..plain(body) }
}

fn plain(body: &str) -> Returning {
    Returning { body: body.to_owned(), ..Returning::default() }
}

async fn bury(letters: &DeadLetters, bodies: impl IntoIterator<Item = &str>) {
    letters.bury(bodies.into_iter().map(grouped).collect()).await.expect("sent");
}

fn bodies(letters: &[DeadLetter]) -> Vec<&str> {
    letters.iter().map(|letter| letter.body.as_str()).collect()
}

fn queued(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_is_received_with_all_that_travels_with_it() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), fifo());
    let failure = Failure {
        attempts: 3,
        first_failed_at: Some(Timestamp::from_millis(1_790_000_000_000)),
        redriven_at: Some(Timestamp::from_millis(1_790_000_300_000)),
        error: Some("no answer:\tnone <at> \"all\" & \u{1f4e6}".to_owned()),
    };
    let sent_at: Timestamp = aws.now().into();
    letters.bury(vec![Returning { failure: failure.clone(), ..grouped("a1") }]).await.expect("sent");

    let received = letters.receive(HIDDEN_FOR).await.expect("received");

    let [letter] = &received[..] else { panic!("one, not {received:?}") };
    assert_eq!((letter.body.as_str(), letter.group.ordered(), &letter.failure), ("a1", Some("a"), &failure));
    assert_eq!((&letter.message_id, letter.sent_at), (&aws.messages(letters.url())[0].id, sent_at));
}

#[tokio::test(start_paused = true)]
async fn what_sqs_moved_itself_carries_no_failure() {
    let aws = Aws::new();
    let queue = Aws::queue_url("queue");
    aws.dead_letter_queue(&queue, &standard(), 1);
    aws.sqs().send_message().queue_url(&queue).message_body("m").send().await.expect("sent");
    for _ in 0..2 {
        aws.receive(&queue, 1, Duration::from_secs(1));
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    let received = DeadLetters::new(aws.sqs(), standard()).receive(HIDDEN_FOR).await.expect("received");
    assert_eq!(
        (received[0].body.as_str(), &received[0].group, &received[0].failure),
        ("m", &MessageGroup::None, &Failure::default())
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_received_is_hidden_until_it_is_given_back_or_its_time_is_over() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), fifo());
    bury(&letters, ["a1", "b1", "a2"]).await;
    let receive = async || letters.receive(HIDDEN_FOR).await.expect("received");

    let all = receive().await;
    assert_eq!(bodies(&all), ["a1", "b1", "a2"]);
    assert_eq!(bodies(&receive().await), [] as [&str; 0]);
    letters.give_back(&all).await.expect("given back");
    let again = receive().await;
    assert_eq!(bodies(&again), ["a1", "b1", "a2"]);
    bury(&letters, ["a3", "c1"]).await;
    assert_eq!(bodies(&receive().await), ["c1"], "nothing of a group of which something is hidden");
    tokio::time::advance(HIDDEN_FOR).await;
    assert_eq!(bodies(&receive().await), ["a1", "b1", "a2", "a3", "c1"], "in order per group");
}

#[tokio::test(start_paused = true)]
async fn depth_and_oldest_hide_nothing() {
    let aws = Aws::new();
    for url in [fifo(), standard()] {
        let letters = DeadLetters::new(aws.sqs(), &url);
        assert_eq!(letters.depth().await.expect("a depth"), Depth::default());
        assert_eq!(letters.oldest().await.expect("an answer"), None);
        let first: Timestamp = aws.now().into();
        for body in ["a1", "b1", "c1"] {
            let message = if url == fifo() { grouped(body) } else { plain(body) };
            letters.bury(vec![message]).await.expect("sent");
            tokio::time::advance(Duration::from_mins(1)).await;
        }
        for _ in 0..2 {
            assert_eq!(letters.oldest().await.expect("an answer"), Some(first));
            assert_eq!(letters.depth().await.expect("a depth"), Depth { visible: 3, in_flight: 0 });
        }
        let received = letters.receive(HIDDEN_FOR).await.expect("received");
        assert_eq!(letters.depth().await.expect("a depth"), Depth { visible: 0, in_flight: 3 });
        assert_eq!(letters.oldest().await.expect("an answer"), None, "what is hidden is not seen");
        letters.delete(&received[..1]).await.expect("deleted");
        assert_eq!(letters.depth().await.expect("a depth"), Depth { visible: 0, in_flight: 2 });
    }
}

#[tokio::test(start_paused = true)]
async fn more_than_ten_are_deleted_and_given_back_in_as_many_calls_as_that_takes() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), standard());
    letters.bury((0..25).map(|number| plain(&number.to_string())).collect()).await.expect("sent");
    assert_eq!(aws.count("SendMessageBatch"), 3);
    let mut received = Vec::new();
    for _ in 0..3 {
        received.extend(letters.receive(HIDDEN_FOR).await.expect("received"));
    }
    assert_eq!(received.len(), 25);
    letters.delete(&received[..12]).await.expect("deleted");
    letters.give_back(&received[12..]).await.expect("given back");
    assert_eq!((aws.count("DeleteMessageBatch"), aws.count("ChangeMessageVisibilityBatch")), (2, 2));
    assert_eq!(letters.depth().await.expect("a depth"), Depth { visible: 13, in_flight: 0 });
    letters.delete(&[]).await.expect("nothing to do");
    letters.give_back(&[]).await.expect("nothing to do");
}

#[tokio::test(start_paused = true)]
async fn entries_that_are_not_deleted_are_tried_again_and_then_told() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), fifo());
    bury(&letters, ["a1", "b1", "c1"]).await;
    let received = letters.receive(HIDDEN_FOR).await.expect("received");
    aws.inject(|attempt| match (attempt.operation, attempt.nth) {
        ("DeleteMessageBatch", 1) => Fault::FailEntries(vec![0, 2]),
        ("DeleteMessageBatch", 2) => Fault::FailEntries(vec![1]),
        _ => Fault::None,
    });
    letters.delete(&received).await.expect("in the end");
    assert_eq!(queued(&aws.messages(&fifo())), [] as [&str; 0]);
    assert_eq!(aws.count("DeleteMessageBatch"), 3);

    aws.heal();
    bury(&letters, ["d1", "e1"]).await;
    let received = letters.receive(HIDDEN_FOR).await.expect("received");
    aws.inject(|_| Fault::FailEntries(vec![0]));
    let refused = letters.delete(&received).await;
    assert!(matches!(refused, Err(SendError::Refused { count: 1, .. })), "{refused:?}");
    assert_eq!(queued(&aws.messages(&fifo())), ["d1"], "the other one is gone");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_back_is_told_and_comes_back_by_itself() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), fifo());
    bury(&letters, ["a1", "b1"]).await;
    let received = letters.receive(HIDDEN_FOR).await.expect("received");
    aws.inject(|_| Fault::FailEntries(vec![0]));
    let refused = letters.give_back(&received).await;
    assert!(matches!(refused, Err(SendError::Refused { count: 1, .. })), "{refused:?}");
    aws.heal();
    assert_eq!(bodies(&letters.receive(HIDDEN_FOR).await.expect("received")), ["b1"]);
    tokio::time::advance(HIDDEN_FOR).await;
    assert_eq!(bodies(&letters.receive(HIDDEN_FOR).await.expect("received")), ["a1", "b1"]);
}

#[tokio::test(start_paused = true)]
async fn an_outage_is_an_error_of_its_operation() {
    let aws = Aws::new();
    let letters = DeadLetters::new(aws.sqs(), fifo());
    bury(&letters, ["a1"]).await;
    let received = letters.receive(HIDDEN_FOR).await.expect("received");
    aws.inject(|_| Fault::refuse(500, "InternalError"));
    let errors = [
        letters.depth().await.map(|_| ()),
        letters.receive(HIDDEN_FOR).await.map(|_| ()),
        letters.oldest().await.map(|_| ()),
        letters.delete(&received).await,
        letters.give_back(&received).await,
        letters.bury(vec![grouped("b1")]).await,
    ];
    for error in errors {
        assert!(matches!(error, Err(SendError::Unavailable { .. })), "{error:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn messages_go_back_in_order_per_group_whatever_is_refused_on_the_way() {
    let aws = Aws::new();
    let queue = Aws::queue_url("queue.fifo");
    aws.inject(|attempt| match attempt.nth % 3 {
        0 => Fault::FailEntries(vec![0]),
        1 => Fault::LoseAnswer,
        _ => Fault::None,
    });
    let sent = ["a1", "a2", "b1", "c1", "a3", "c2", "b2", "a4"];
    send_back(&aws.sqs(), &queue, sent.map(grouped).into()).await.expect("sent");
    let found = aws.messages(&queue);
    assert_eq!(found.len(), sent.len(), "each once");
    for group in ["a", "b", "c"] {
        let of = |bodies: &[&'static str]| bodies.iter().filter(|body| body.starts_with(group)).copied().collect();
        let expected: Vec<&str> = of(&sent);
        let in_queue: Vec<_> = queued(&found).into_iter().filter(|body| body.starts_with(group)).collect();
        assert_eq!(in_queue, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn no_call_holds_two_messages_of_a_group() {
    let aws = Aws::new();
    let queue = Aws::queue_url("queue.fifo");
    let one_group: Vec<_> = (0..4).map(|number| grouped(&format!("a{number}"))).collect();
    send_back(&aws.sqs(), &queue, one_group).await.expect("sent");
    assert_eq!(aws.count("SendMessageBatch"), 4);
    aws.forget_calls();
    let many_groups: Vec<_> = ('b'..='u').map(|group| grouped(&group.to_string())).collect();
    send_back(&aws.sqs(), &queue, many_groups).await.expect("sent");
    assert_eq!(aws.count("SendMessageBatch"), 2, "twenty groups");
    aws.forget_calls();
    let heavy: Vec<_> = ["v", "w", "x"].map(|group| grouped(&group.repeat(500_000))).map(short_deduplication).into();
    send_back(&aws.sqs(), &queue, heavy).await.expect("sent");
    assert_eq!(aws.count("SendMessageBatch"), 2, "two of half a megabyte fit");
    aws.forget_calls();
    send_back(&aws.sqs(), &queue, Vec::new()).await.expect("nothing to do");
    assert_eq!(aws.calls().len(), 0);
}

fn short_deduplication(mut message: Returning) -> Returning {
    message.deduplication_id.truncate(1);
    message
}

#[tokio::test(start_paused = true)]
async fn entries_that_stay_refused_are_told() {
    let aws = Aws::new();
    aws.inject(|_| Fault::FailEntries(vec![0]));
    let refused = send_back(&aws.sqs(), &standard(), vec![plain("1"), plain("2")]).await;
    assert!(matches!(refused, Err(SendError::Refused { count: 1, .. })), "{refused:?}");
    assert_eq!(queued(&aws.messages(&standard())), ["2"]);
}
