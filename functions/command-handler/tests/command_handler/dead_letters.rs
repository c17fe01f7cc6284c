//! What fails on its last receive: to the dead letters, once, in order, and with the reason.

use bench::Bench;
use std::time::Duration;

use aws_sdk_sqs::types::MessageAttributeValue;
use kernel::timestamp::Timestamp;
use recovery::back_off::MAX_RECEIVES;
use serde_json::json;
use testkit::{Attempt, Fault, Message};
use tokio::time::Instant;

use crate::probe::{self, Command, Note};
use crate::support::{ids, of_group};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

/// Streams cannot be loaded.
fn no_loads(attempt: &Attempt<'_>) -> Fault {
    if attempt.operation == "Query" { Fault::refuse(500, "InternalServerError") } else { Fault::None }
}

fn attribute<'a>(letter: &'a Message, name: &str) -> &'a str {
    letter.attribute(name).unwrap_or_else(|| panic!("no {name} in {letter:?}"))
}

fn bodies(messages: &[Message]) -> Vec<&str> {
    messages.iter().map(|message| message.body.as_str()).collect()
}

/// A bench at a queue with a redrive policy, as deployed.
fn bench() -> Bench {
    let bench = probe::bench();
    bench.aws.dead_letter_queue(&bench.queue, &bench.dead_letters, MAX_RECEIVES);
    bench
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_its_last_receive_is_dead_lettered_once_with_the_reason() {
    let bench = bench();
    let receipt = bench.send("A", "1", note()).await;
    let message = bench.waiting().remove(0);
    bench.aws.inject(no_loads);
    bench.deliver_in_vain(MAX_RECEIVES - 1).await;
    assert_eq!((bench.waiting().len(), bench.dead_letters().len()), (1, 0));
    let before: Timestamp = bench.aws.now().into();

    bench.deliver_in_vain(3).await;

    assert!(bench.waiting().is_empty(), "acknowledged");
    let letters = bench.dead_letters();
    let [letter] = &letters[..] else { panic!("one, not {letters:?}") };
    assert_eq!((&letter.body, &letter.group), (&message.body, &message.group));
    assert!(attribute(letter, "error").starts_with("DynamoDB did not answer Query: "), "{letter:?}");
    assert_eq!(attribute(letter, "attempts"), "0");
    let first_failed = Timestamp::parse(attribute(letter, "firstfailedat")).expect("a time");
    assert!(first_failed >= before && first_failed.since(before) < Duration::from_secs(30), "{first_failed}");
    assert_eq!(letter.attribute("redrivenat"), None);
    assert_eq!(bench.outcome(&receipt), "none", "it has no outcome yet");
}

#[tokio::test(start_paused = true)]
async fn a_group_is_dead_lettered_in_order() {
    let bench = bench();
    for number in 0..10 {
        bench.send(["A", "B"][usize::from(number % 3 == 0)], &number.to_string(), note()).await;
    }
    let sent = bench.waiting();
    bench.aws.inject(no_loads);
    bench.deliver_in_vain(MAX_RECEIVES).await;
    let letters = bench.dead_letters();
    assert_eq!(letters.len(), 10);
    for group in ["A", "B"] {
        assert_eq!(bodies(&of_group(&letters, group)), bodies(&of_group(&sent, group)));
    }
    assert_eq!(bench.aws.count("SendMessageBatch"), 6, "as many as the larger group has\n{}", bench.aws.calls());
}

#[tokio::test(start_paused = true)]
async fn what_was_redriven_keeps_its_attempts_and_its_first_failure() {
    let bench = bench();
    let (_, body) = bench.seal(bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" })));
    let travels = [
        ("attempts", "3"),
        ("firstfailedat", "2025-11-24T16:00:00.000Z"),
        ("redrivenat", "2025-11-24T17:00:00.000Z"),
        ("error", "of the first time"),
    ];
    let mut send = bench.aws.sqs().send_message().queue_url(&bench.queue).message_body(body);
    for (name, value) in travels {
        let value = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        send = send.message_attributes(name, value.expect("complete"));
    }
    send.message_group_id("acme/probe/A").message_deduplication_id("d").send().await.expect("queued");
    bench.aws.inject(no_loads);

    bench.deliver_in_vain(MAX_RECEIVES).await;

    let letter = &bench.dead_letters()[0];
    for (name, value) in &travels[..3] {
        assert_eq!(attribute(letter, name), *value);
    }
    assert!(attribute(letter, "error").starts_with("DynamoDB did not answer"), "{letter:?}");
}

#[tokio::test(start_paused = true)]
async fn only_what_cannot_come_back_is_dead_lettered() {
    let bench = bench();
    bench.send("A", "1", note()).await;
    bench.aws.inject(no_loads);
    bench.deliver_in_vain(MAX_RECEIVES - 1).await;
    bench.send("B", "2", note()).await;
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, ids(&of_group(&messages, "B")));
    assert_eq!(bodies(&bench.dead_letters()), bodies(&of_group(&messages, "A")));
}

#[tokio::test(start_paused = true)]
async fn while_the_dead_letters_cannot_be_reached_the_queue_moves_them_itself() {
    for fault in [|| Fault::refuse(500, "InternalError"), || Fault::refuse(403, "AccessDenied"), || Fault::LoseRequest]
    {
        let bench = bench();
        bench.send("A", "1", note()).await;
        bench.aws.inject(move |attempt| match attempt.operation {
            "SendMessageBatch" => fault(),
            _ => no_loads(attempt),
        });
        bench.deliver_in_vain(MAX_RECEIVES).await;
        assert_eq!((bench.waiting().len(), bench.dead_letters().len()), (1, 0), "given back: {:?}", fault());
        bench.deliver_in_vain(1).await;
        assert_eq!((bench.waiting().len(), bench.dead_letters().len()), (0, 1), "{:?}", fault());
        assert_eq!(bench.dead_letters()[0].attribute("error"), None, "then without a reason");
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_lost_and_an_entry_that_is_refused_are_sent_again_and_are_there_once() {
    for fault in [|| Fault::LoseAnswer, || Fault::FailEntries(vec![0])] {
        let bench = bench();
        for (aggregate, id) in [("A", "1"), ("B", "2"), ("A", "3")] {
            bench.send(aggregate, id, note()).await;
        }
        let sent = bench.waiting();
        let mut first = true;
        bench.aws.inject(move |attempt| match attempt.operation {
            "SendMessageBatch" if std::mem::take(&mut first) => fault(),
            _ => no_loads(attempt),
        });
        bench.deliver_in_vain(MAX_RECEIVES).await;
        let letters = bench.dead_letters();
        assert_eq!((bench.waiting().len(), letters.len()), (0, 3), "{:?}", fault());
        assert_eq!(bodies(&of_group(&letters, "A")), bodies(&of_group(&sent, "A")));
    }
}

#[tokio::test(start_paused = true)]
async fn burying_that_hangs_does_not_take_the_time_to_answer() {
    let bench = bench();
    bench.send("A", "1", note()).await;
    bench.send("B", "2", note()).await;
    bench.aws.inject(no_loads);
    bench.deliver_in_vain(MAX_RECEIVES - 1).await;
    bench.aws.inject(|attempt| match attempt.operation {
        "SendMessageBatch" | "Query" => Fault::Hang,
        _ => Fault::None,
    });
    let messages = bench.receive();
    let (start, time) = (Instant::now(), Duration::from_secs(3));

    let given_back = bench.handle_within(&messages, time).await;

    assert_eq!(given_back, ids(&messages));
    let most = time + Duration::from_millis(1_100);
    assert!(start.elapsed() < most, "less than what is kept back for the answer: {:?}", start.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_command_too_large_to_be_parked_is_dead_lettered() {
    let bench = bench();
    let data = json!({ "text": "x".repeat(420_000) });
    bench.send_event(bench.event("1", "Whisper", 2).subject("A").data_json(&data)).await;
    bench.deliver_in_vain(MAX_RECEIVES).await;
    assert_eq!(attribute(&bench.dead_letters()[0], "error"), "it is too large to be parked");
    assert!(bench.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stranger_too_large_to_be_parked_is_dead_lettered_and_holds_up_nobody() {
    let bench = bench();
    let stranger = "x".repeat(500_000);
    bench.send_raw("acme/probe/A", "d-1", &stranger).await;
    bench.deliver_in_vain(MAX_RECEIVES - 1).await;
    assert_eq!(bench.waiting().len(), 1);
    let receipt = bench.send("B", "1", note()).await;

    bench.deliver_in_vain(1).await;

    assert!(bench.waiting().is_empty());
    assert_eq!(bench.outcome(&receipt), "succeeded");
    assert_eq!(bench.parked().len(), 0);
    let letters = bench.dead_letters();
    assert!(letters.len() == 1 && letters[0].body == stranger, "whole");
    let error = attribute(&letters[0], "error");
    assert!(error.starts_with("it is not a CloudEvent") && error.contains("could not be parked"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn what_runs_out_of_time_for_good_says_so() {
    let bench = bench();
    bench.send("A", "1", note()).await;
    bench.aws.inject(|attempt| if attempt.operation == "Query" { Fault::Hang } else { Fault::None });
    for _ in 0..MAX_RECEIVES {
        let messages = bench.receive();
        let given_back = bench.handle_within(&messages, Duration::from_secs(2)).await;
        bench.acknowledge(&messages, &given_back);
        bench.wait_for_visibility().await;
    }
    assert_eq!(attribute(&bench.dead_letters()[0], "error"), "the function ran out of time");
}
