//! Events one by one, with the real client on an AWS in process: each has its own outcome.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use subscriber::{Runner, Subscriber};
use testkit::{Aws, Log, Message, Metrics};
use tokio::time::{Instant, sleep};

const VISIBILITY: Duration = Duration::from_mins(3);
/// What the platform leaves for the work of one invocation.
const TIME: Duration = Duration::from_secs(28);

/// Does as the event's type says.
#[derive(Default)]
struct Sample {
    /// What was handled to its end, in that order.
    done: Mutex<Vec<String>>,
    at_once: AtomicUsize,
    most_at_once: AtomicUsize,
}

#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer(#[source] Refused);

#[derive(Debug, thiserror::Error)]
#[error("it was refused")]
struct Refused;

impl Subscriber for &Sample {
    type Error = NoAnswer;

    async fn handle(&self, event: &RecordedEvent) -> Result<(), NoAnswer> {
        let at_once = self.at_once.fetch_add(1, Ordering::SeqCst) + 1;
        self.most_at_once.fetch_max(at_once, Ordering::SeqCst);
        match event.event.ty.as_str() {
            "Fails" => return Err(NoAnswer(Refused)),
            "Panics" => panic!("over {}", event.version),
            "Hangs" => std::future::pending().await,
            _ => sleep(Duration::from_secs(1)).await,
        }
        self.at_once.fetch_sub(1, Ordering::SeqCst);
        self.done.lock().expect("no test panics here").push(format!("{}/{}", event.stream, event.version));
        Ok(())
    }
}

fn queue() -> String {
    Aws::queue_url("price-list-updates")
}

fn dead_letters() -> String {
    Aws::queue_url("price-list-dead-letters")
}

/// Puts an event into the queue as the topic does.
fn put(aws: &Aws, stream: &str, version: u64, ty: &str) {
    let cause = Cause { operation: "op".to_owned(), correlation: "co".to_owned(), ..Cause::default() };
    let data = kernel::RawValue::from_string("{}".to_owned()).expect("JSON");
    let event = RecordedEvent {
        stream: StreamId::parse(stream).expect("a stream"),
        version,
        time: Timestamp::from_millis(1_790_000_000_000 + version),
        event: EventData { ty: ty.to_owned(), schema: 1, data, cause },
    };
    aws.put(&queue(), Some("acme"), None, &event.to_cloud_event("https://api.example").to_json());
}

/// One round of the queue's event source, for the last time if each message was received fourteen times before.
async fn poll(aws: &Aws, sample: &Sample) -> usize {
    let (queue_url, dead_letters_url) = (queue(), dead_letters());
    let environment =
        Environment::of([("QUEUE", &*queue_url), ("DEAD_LETTERS", &dead_letters_url), ("MAX_RECEIVES", "15")]);
    let runner = Runner::from_environment(sample, &environment, aws.sqs()).expect("settings that do");
    let now = Timestamp::from_millis(1_790_000_060_000);
    aws.poll(&queue(), 100, VISIBILITY, async |event| runner.handle(event, now, Instant::now() + TIME).await).await
}

fn types(messages: &[Message]) -> Vec<String> {
    let ty = |message: &Message| {
        let event: serde_json::Value = serde_json::from_str(&message.body).unwrap_or_default();
        event["type"].as_str().unwrap_or("none").to_owned()
    };
    messages.iter().map(ty).collect()
}

#[tokio::test(start_paused = true)]
async fn each_event_has_its_own_outcome() {
    let (aws, sample) = (Aws::new(), Sample::default());
    for (order, ty) in ["Fails", "Panics", "Hangs", "Happened"].into_iter().enumerate() {
        put(&aws, &format!("acme/orders/O-{order}"), 1, ty);
    }
    aws.put(&queue(), None, None, "{");

    let begin = Instant::now();
    assert_eq!(poll(&aws, &sample).await, 5);

    assert!(begin.elapsed() <= TIME + Duration::from_secs(1), "{:?}", begin.elapsed());
    assert_eq!(*sample.done.lock().expect("whole"), ["acme/orders/O-3/1"]);
    assert_eq!(types(&aws.messages(&queue())), ["Fails", "Panics", "Hangs", "none"]);
    assert!(aws.messages(&dead_letters()).is_empty());
}

#[tokio::test(start_paused = true)]
async fn what_fails_on_its_last_receive_is_dead_lettered_with_its_error_and_its_tenant() {
    let (aws, sample) = (Aws::new(), Sample::default());
    for (order, ty) in ["Fails", "Panics", "Hangs"].into_iter().enumerate() {
        put(&aws, &format!("acme/orders/O-{order}"), 1, ty);
    }
    aws.put(&queue(), None, None, "{");
    (0..14).for_each(|_| drop(aws.receive(&queue(), 100, Duration::ZERO)));

    poll(&aws, &sample).await;

    assert!(aws.messages(&queue()).is_empty());
    let dead = aws.messages(&dead_letters());
    let mut errors: Vec<_> =
        dead.iter().map(|dead| (dead.attribute("error").unwrap_or_default(), dead.group.as_deref())).collect();
    errors.sort_unstable();
    let expected = [
        ("no answer: it was refused", Some("acme")),
        ("not a domain event", None),
        ("the function ran out of time", Some("acme")),
        ("the subscriber panicked", Some("acme")),
    ];
    assert_eq!(errors, expected);
}

#[tokio::test(start_paused = true)]
async fn streams_are_handled_side_by_side_up_to_a_bound_and_each_in_the_order_of_its_versions() {
    let (aws, sample) = (Aws::new(), Sample::default());
    for version in [2, 1] {
        for order in 0..25 {
            put(&aws, &format!("acme/orders/O-{order}"), version, "Happened");
        }
    }
    let begin = Instant::now();
    assert_eq!(poll(&aws, &sample).await, 50);

    assert!(aws.messages(&queue()).is_empty());
    assert_eq!(sample.most_at_once.load(Ordering::SeqCst), 10);
    assert_eq!(begin.elapsed().as_secs(), 6, "25 streams of two seconds each, ten at a time");
    let done = sample.done.lock().expect("whole");
    for order in 0..25 {
        let of_one: Vec<_> =
            done.iter().filter(|event| event.starts_with(&format!("acme/orders/O-{order}/"))).collect();
        assert_eq!(of_one, [&format!("acme/orders/O-{order}/1"), &format!("acme/orders/O-{order}/2")]);
    }
}

#[tokio::test(start_paused = true)]
async fn what_there_is_no_time_for_is_not_begun() {
    let (aws, sample) = (Aws::new(), Sample::default());
    put(&aws, "acme/orders/O-1", 1, "Hangs");
    put(&aws, "acme/orders/O-1", 2, "Happened");
    poll(&aws, &sample).await;
    assert_eq!(types(&aws.messages(&queue())), ["Hangs", "Happened"]);
    assert_eq!(sample.at_once.load(Ordering::SeqCst), 1, "the first was begun, and the second was not");
}

#[tokio::test(start_paused = true)]
async fn what_became_of_each_event_is_counted_and_logged_with_its_span() {
    let (aws, sample, metrics, log) = (Aws::new(), Sample::default(), Metrics::default(), Log::default());
    put(&aws, "acme/orders/jane@doe.example", 1, "Happened");
    put(&aws, "acme/orders/jane@doe.example", 2, "Fails");
    aws.put(&queue(), None, None, "{");
    let guards = (metrics.begin(), log.begin(&["subscriber", "recovery"]));
    poll(&aws, &sample).await;
    drop(guards);

    let counted = metrics.counters();
    let count = |name: &str| counted.get(name).copied().unwrap_or_default();
    assert_eq!(count("Undecodable"), 1, "{counted:?}");
    assert!(!log.text().contains("jane@doe"), "{}", log.text());
    let stream = StreamId::parse("acme/orders/jane@doe.example").expect("a stream").pseudonym();
    for (message, version) in [("handled", 1), ("to be retried", 2)] {
        let lines = log.lines();
        let line = lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{}", log.text()));
        assert_eq!(
            (line["span"]["stream"].as_str(), line["span"]["version"].as_u64(), line["span"]["tenant"].as_str()),
            (Some(&*stream), Some(version), Some("acme")),
            "{line:#}"
        );
    }
}
