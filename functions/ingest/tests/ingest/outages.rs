//! While AWS fails: ingest keeps accepting as long as a queue takes messages, and says so when none does.

use bench::{Answer, Request};
use std::time::Duration;

use serde_json::json;
use testkit::{Fault, Service};

use crate::api::{Api, client, submit_order, with};

fn order(id: &str) -> Request {
    Request::structured(&with(submit_order(), &json!({ "id": id, "subject": id })))
}

fn down(api: &Api, service: Service) {
    api.aws.inject(
        move |attempt| if attempt.service == service { Fault::refuse(500, "InternalFailure") } else { Fault::None },
    );
}

#[track_caller]
fn assert_unavailable(answer: Answer) {
    assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
    let problem = answer.refused("unavailable");
    let text = problem.to_json();
    for word in ["injected", "DynamoDB", "SQS", "Query", "SendMessage", "InternalFailure", "dispatch"] {
        assert!(!text.contains(word), "{word} is nobody's business: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_warm_environment_keeps_accepting_while_every_database_is_down() {
    let api = Api::new();
    api.warm_up().await;
    down(&api, Service::DynamoDb);
    for hour in 0..24 {
        api.send(order(&format!("hour{hour}"))).await.accepted();
        tokio::time::advance(Duration::from_hours(1)).await;
    }
    assert_eq!(api.queued("orders").len(), 24);
    assert_unavailable(api.send(order("x").by(client("never-seen-before"))).await);
}

#[tokio::test(start_paused = true)]
async fn a_cold_environment_cannot_know_its_callers_and_says_when_to_come_back() {
    let api = Api::new();
    down(&api, Service::DynamoDb);
    assert_unavailable(api.send(order("early")).await);
    api.assert_nothing_queued();
    api.aws.heal();
    api.send(order("early")).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn a_warm_environment_keeps_accepting_while_secrets_manager_is_down_and_a_cold_one_waits_for_it() {
    let api = Api::new();
    api.warm_up().await;
    down(&api, Service::SecretsManager);
    for hour in 0..24 {
        api.send(order(&format!("hour{hour}"))).await.accepted();
        tokio::time::advance(Duration::from_hours(1)).await;
    }
    let api = api.restarted();
    assert_unavailable(api.send(order("early")).await);
    assert_eq!(api.queued("orders").len(), 24);
    api.aws.heal();
    api.send(order("early")).await.accepted();
}

#[tokio::test(start_paused = true)]
async fn while_the_queue_is_down_nothing_is_promised_and_the_same_request_later_is_the_same_command() {
    let api = Api::new();
    api.warm_up().await;
    down(&api, Service::Sqs);
    assert_unavailable(api.send(order("patience")).await);
    assert!(api.queued("orders").is_empty());
    api.aws.heal();

    let first = api.send(order("patience")).await.accepted();
    tokio::time::advance(Duration::from_secs(30)).await;
    let second = api.send(order("patience")).await.accepted();
    let [first, second] =
        [first, second].map(|answer| kernel::receipt::Receipt::read(&answer.operation()).expect("a receipt"));
    assert_eq!(first.command_key, second.command_key, "both lead to one record");
    assert_eq!(api.queued("orders").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_answer_lost_on_its_way_does_not_queue_a_command_twice() {
    let api = Api::new();
    api.warm_up().await;
    let mut lost = false;
    api.aws.inject(move |attempt| match attempt.operation {
        "SendMessage" if !std::mem::replace(&mut lost, true) => Fault::LoseAnswer,
        _ => Fault::None,
    });
    api.send(order("once")).await.accepted();
    assert_eq!(api.aws.count("SendMessage"), 2, "{}", api.aws.calls());
    assert_eq!(api.queued("orders").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_throttled_or_hanging_queue_is_asked_again() {
    for fault in [Fault::Throttle, Fault::LoseRequest, Fault::Hang] {
        let api = Api::new();
        api.warm_up().await;
        let mut first = Some(fault.clone());
        api.aws.inject(move |attempt| match attempt.operation {
            "SendMessage" => first.take().unwrap_or(Fault::None),
            _ => Fault::None,
        });
        api.send(order("again")).await.accepted();
        assert_eq!(api.queued("orders").len(), 1, "{fault:?}\n{}", api.aws.calls());
    }
}

fn batch(count: usize) -> Request {
    let event =
        |index: usize| with(submit_order(), &json!({ "id": format!("b{index}"), "subject": format!("B-{index}") }));
    Request::batch(&(0..count).map(event).collect::<Vec<_>>())
}

#[tokio::test(start_paused = true)]
async fn entries_that_a_batch_call_refused_are_sent_again_and_only_they() {
    let api = Api::new();
    api.warm_up().await;
    let mut calls = 0;
    api.aws.inject(move |attempt| {
        calls += usize::from(attempt.operation == "SendMessageBatch");
        match calls {
            1 => Fault::FailEntries(vec![2, 5]),
            2 => Fault::FailEntries(vec![0]),
            _ => Fault::None,
        }
    });
    api.send(batch(8)).await.accepted();
    assert_eq!(api.aws.count("SendMessageBatch"), 3, "{}", api.aws.calls());
    let mut groups: Vec<_> = api.queued("orders").into_iter().filter_map(|message| message.group).collect();
    groups.sort_unstable();
    assert_eq!(groups, (0..8).map(|index| format!("demo/orders/B-{index}")).collect::<Vec<_>>());
}

#[tokio::test(start_paused = true)]
async fn a_batch_that_was_queued_in_part_is_not_accepted_and_sending_it_again_repeats_nothing() {
    let api = Api::new();
    api.warm_up().await;
    api.aws.inject(|attempt| match attempt.operation {
        "SendMessageBatch" => Fault::FailEntries(vec![0]),
        _ => Fault::None,
    });
    assert_unavailable(api.send(batch(3)).await);
    assert_eq!(api.queued("orders").len(), 2);
    assert_eq!(api.aws.count("SendMessageBatch"), 4, "it was tried a bounded number of times\n{}", api.aws.calls());
    api.aws.heal();
    api.send(batch(3)).await.accepted();
    assert_eq!(api.queued("orders").len(), 3);
}
