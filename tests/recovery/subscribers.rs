//! Queues of other messages than commands: they have the same way back, without a canary.

use std::time::Duration;

use kernel::cloud_event::CloudEvent;
use kernel::ids::StreamId;
use recovery::{DeadLetter, DeadLetters, Failure, MessageGroup, Returning};
use redrive::{QueueReport, Redrive, Request, WayBack};
use serde_json::{Value, json};
use testkit::{Aws, Fault, TABLES};
use tokio::time::{Instant, advance};

use crate::world::redrive;

struct Subscriber {
    aws: Aws,
    queue: String,
    dead_letters: DeadLetters,
    redrive: Redrive,
}

impl Subscriber {
    fn new() -> Self {
        let aws = Aws::new();
        let queue = Aws::queue_url("read-model-updates");
        let dead_letters = DeadLetters::new(aws.sqs(), Aws::queue_url("read-model-dead-letters"));
        let way = WayBack {
            name: "read_model_updater".to_owned(),
            context: None,
            queue_url: queue.clone(),
            dead_letters: dead_letters.clone(),
        };
        Self { redrive: redrive(&aws, vec![way]), aws, queue, dead_letters }
    }

    async fn bury(&self, body: &str, attempts: u32) {
        let failure = Failure { attempts, error: Some("a gap".to_owned()), ..Failure::default() };
        let buried = Returning { body: body.to_owned(), failure, ..Returning::default() };
        self.dead_letters.bury(vec![buried]).await.expect("buried");
        advance(Duration::from_secs(1)).await;
    }

    async fn run(&self, request: &Request) -> QueueReport {
        let finish_by = Instant::now() + Duration::from_mins(5);
        self.redrive.run(request, self.aws.now().into(), finish_by).await.queues.remove(0)
    }

    fn dead(&self) -> usize {
        self.aws.messages(self.dead_letters.url()).len()
    }
}

fn event() -> String {
    let stream = StreamId::parse("acme/orders/O-1").expect("a stream");
    let event = kernel::domain_event::RecordedEvent {
        stream,
        version: 1,
        time: kernel::timestamp::Timestamp::from_millis(1_790_000_000_000),
        event: serde_json::from_value(json!({
            "type": "OrderSubmitted", "schema": 1, "data": {}, "operation": "o", "correlation": "c",
        }))
        .expect("a stored event"),
    };
    event.to_cloud_event("https://api.example").to_json()
}

#[tokio::test(start_paused = true)]
async fn what_is_due_goes_back_to_its_queue_as_it_was() {
    let subscriber = Subscriber::new();
    for _ in 0..25 {
        subscriber.bury(&event(), 0).await;
    }
    let report = subscriber.run(&Request::default()).await;
    assert_eq!((report.found, report.redriven, report.canary, subscriber.dead()), (25, 25, None, 0), "{report:?}");
    let back = subscriber.aws.messages(&subscriber.queue);
    assert_eq!(back.len(), 25);
    assert_eq!(
        (&back[0].body, back[0].attribute("attempts"), back[0].attribute("error")),
        (&event(), Some("1"), Some("a gap"))
    );
}

/// The group of a standard queue is the tenant, and gives no order: nothing waits for others of its tenant.
#[tokio::test(start_paused = true)]
async fn a_tenants_letters_keep_their_group_and_wait_for_no_other() {
    let subscriber = Subscriber::new();
    // As often as the first one was sent back, it waits for the second look.
    for (tenant, attempts) in [("acme", 3), ("acme", 0), ("globex", 0), ("acme", 0)] {
        let failure = Failure { attempts, ..Failure::default() };
        let group = MessageGroup::Fair(tenant.to_owned());
        let buried = Returning { body: event(), group, failure, ..Returning::default() };
        subscriber.dead_letters.bury(vec![buried]).await.expect("buried");
    }
    advance(Duration::from_secs(1)).await;
    let report = subscriber.run(&Request::default()).await;
    assert_eq!((report.redriven, report.waiting, subscriber.dead()), (3, 1, 1), "{report:?}");
    let back = subscriber.aws.messages(&subscriber.queue);
    let groups: Vec<_> = back.iter().map(|message| message.group.as_deref()).collect();
    assert_eq!(groups, [Some("acme"), Some("globex"), Some("acme")]);
    assert!(back.iter().all(|message| message.deduplication_id.is_none()), "{back:?}");
    assert_eq!(subscriber.aws.count("SendMessageBatch"), 4 + 1, "four were buried, and all were sent back by one call");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_used_up_its_attempts_is_parked_with_what_is_known_of_it() {
    let subscriber = Subscriber::new();
    subscriber.bury(&event(), 10).await;
    subscriber.bury(r#"{"stream_id":"acme/orders/O-2","commit_number":3}"#, 10).await;
    subscriber.bury("nothing that can be read", 10).await;
    let report = subscriber.run(&Request::default()).await;
    assert_eq!((report.parked, subscriber.dead()), (3, 0), "{report:?}");
    let parked = subscriber.aws.items(TABLES.parked);
    let about = |entry: &Value| (entry["parked_key"].clone(), entry["subject"].clone(), entry["message_type"].clone());
    let mut about: Vec<_> = parked.iter().map(about).collect();
    about.sort_by_key(|(key, subject, _)| format!("{key}{subject}"));
    assert_eq!(about[0], (json!("#read_model_updater"), Value::Null, Value::Null));
    assert_eq!(about[1], (json!("acme#read_model_updater"), json!("O-1"), json!("OrderSubmitted")));
    assert_eq!(about[2], (json!("acme#read_model_updater"), json!("O-2"), Value::Null));
    assert!(parked.iter().all(|entry| entry["operation"].is_null() && entry["waiting"] == "read_model_updater"));
    assert!(CloudEvent::from_json(event().as_bytes()).is_ok(), "what was parked is an event");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_dies_between_parking_and_deleting_parks_once() {
    let subscriber = Subscriber::new();
    subscriber.bury(&event(), 10).await;
    subscriber.aws.inject(|attempt| match attempt.operation {
        "DeleteMessageBatch" => Fault::refuse(500, "InternalError"),
        _ => Fault::None,
    });
    let broken = subscriber.run(&Request::default()).await;
    assert!(broken.error.is_some(), "{broken:?}");
    assert_eq!(subscriber.dead(), 1);
    subscriber.aws.heal();
    advance(Duration::from_mins(6)).await;
    assert_eq!(subscriber.run(&Request::default()).await.parked, 1);
    let parked = subscriber.aws.items(TABLES.parked);
    assert_eq!((parked.len(), subscriber.dead()), (1, 0));
    assert_eq!(parked[0]["history"].as_array().map(Vec::len), Some(1), "it stays as it was");
}

#[tokio::test(start_paused = true)]
async fn if_the_queue_does_not_take_it_the_dead_letter_stays() {
    let subscriber = Subscriber::new();
    subscriber.bury(&event(), 0).await;
    subscriber.aws.inject(|attempt| match attempt.operation {
        "SendMessageBatch" => Fault::FailEntries(vec![0]),
        _ => Fault::None,
    });
    let report = subscriber.run(&Request::default()).await;
    assert!(report.error.is_some() && report.redriven == 0, "{report:?}");
    assert_eq!((subscriber.dead(), subscriber.aws.messages(&subscriber.queue).len()), (1, 0));
}

#[tokio::test(start_paused = true)]
async fn only_the_queue_that_is_asked_for_is_looked_at() {
    let subscriber = Subscriber::new();
    subscriber.bury(&event(), 0).await;
    let other = Request { context: Some("orders".to_owned()), ..Request::default() };
    let finish_by = Instant::now() + Duration::from_mins(5);
    let report = subscriber.redrive.run(&other, subscriber.aws.now().into(), finish_by).await;
    assert_eq!((report.queues.len(), subscriber.dead()), (0, 1));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_given_back_comes_back_by_itself() {
    let subscriber = Subscriber::new();
    subscriber.bury(&event(), 5).await;
    subscriber.aws.inject(|attempt| match attempt.operation {
        "ChangeMessageVisibilityBatch" => Fault::refuse(500, "InternalError"),
        _ => Fault::None,
    });
    assert_eq!(subscriber.run(&Request::default()).await.waiting, 1);
    subscriber.aws.heal();
    advance(Duration::from_mins(6)).await;
    let letters: Vec<DeadLetter> = subscriber.dead_letters.receive(Duration::ZERO).await.expect("received");
    assert_eq!(letters.len(), 1);
}
