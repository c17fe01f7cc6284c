//! SQS batches: what was received, and what goes back to the queue or to its dead letters.

use std::collections::HashMap;
use std::error::Error;
use std::pin::Pin;
use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::{chain, chain_in_full, metric};
use messaging::{SendError, SqsClient, Visibility, change_visibility};
use tokio::time::{Instant, timeout, timeout_at};

use crate::back_off::Share;
use crate::dead_letters::DeadLetters;
use crate::failure::Failure;
use crate::returning::{MessageGroup, Returning};

/// A queue message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// To be given back letter for letter.
    pub message_id: String,
    /// SQS's name for this receive of the message.
    pub receipt_handle: String,
    /// To be parked whole.
    pub body: String,
    pub group: MessageGroup,
    /// How often the queue has delivered it, this time included.
    pub receives: u32,
    pub sent_at: Option<Timestamp>,
    /// What travels with it, if it has failed before.
    pub failure: Failure,
}

impl Received {
    pub fn of(message: SqsMessage) -> Self {
        let attribute = |name: &str| message.attributes.get(name);
        let own = |name: &str| message.message_attributes.get(name)?.string_value.as_deref();
        let queue = message.event_source_arn.as_deref().unwrap_or_default();
        Self {
            group: MessageGroup::of(queue, attribute("MessageGroupId").cloned()),
            receives: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
            sent_at: attribute("SentTimestamp").and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis),
            failure: Failure::read(own),
            message_id: message.message_id.unwrap_or_default(),
            receipt_handle: message.receipt_handle.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        }
    }
}

/// The error of what was not finished when the invocation had to be.
pub const OUT_OF_TIME: &str = "the function ran out of time";

/// Why a message was not handled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Why {
    /// For the log, which holds nothing of a payload.
    pub logged: String,
    /// For the person who repairs, and sees the payload anyhow.
    pub in_full: String,
}

impl<E: Error + 'static> From<E> for Why {
    fn from(error: E) -> Self {
        Self { logged: chain(&error), in_full: chain_in_full(&error) }
    }
}

/// Handles one message, while there is time. Why it failed is logged, and given back in full for who repairs it.
pub async fn attempt<E: Into<Why>>(
    message: &Received,
    finish_by: Instant,
    handling: impl Future<Output = Result<(), E>>,
) -> Result<(), String> {
    let Why { logged, in_full } = match timeout_at(finish_by, handling).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => error.into(),
        Err(_) => Why { logged: OUT_OF_TIME.to_owned(), in_full: OUT_OF_TIME.to_owned() },
    };
    tracing::error!(message_id = message.message_id, error = logged, "to be retried");
    Err(in_full)
}

/// Exactly these messages failed. Ids go back as they were received: an unknown or empty one would fail the whole
/// batch.
pub fn failures(message_ids: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let failure = |item_identifier| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = item_identifier;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = message_ids.into_iter().map(failure).collect();
    response
}

/// What becomes of messages that failed: they go back to their queue, to be received again after a while, and after their
/// last receive to its dead letters, with the reason. (SQS would move them there as well, at the next receive, but knows
/// no reason.)
#[derive(Debug, Clone)]
pub struct GivingBack {
    pub sqs: SqsClient,
    /// Where the messages come from.
    pub queue_url: String,
    pub dead_letters: DeadLetters,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
}

/// Less than what an invocation keeps back to give its answer.
const PATIENCE: Duration = Duration::from_secs(1);

impl GivingBack {
    /// `QUEUE` and `DEAD_LETTERS`, the URLs of a queue and of its dead letters, and `MAX_RECEIVES`, as in the queue's
    /// redrive policy.
    pub fn from_environment(environment: &Environment, sqs: SqsClient) -> Result<Self, BadSetting> {
        Ok(Self {
            queue_url: environment.text("QUEUE")?,
            dead_letters: DeadLetters::new(sqs.clone(), environment.text("DEAD_LETTERS")?),
            max_receives: environment.parsed("MAX_RECEIVES")?,
            sqs,
        })
    }

    /// The answer for a batch of which these failed, in order per group, each with its error.
    pub async fn answer(&self, failed: Vec<(Received, String)>, now: Timestamp) -> SqsBatchResponse {
        let (last, more): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(message, _)| message.receives >= self.max_receives);
        let more: Vec<Received> = more.into_iter().map(|(message, _)| message).collect();
        let ((), not_buried) = tokio::join!(self.hide(&more), self.bury(last, now));
        failures(more.into_iter().map(|message| message.message_id).chain(not_buried))
    }

    /// Hides these until they are to be received again. Where that fails, the queue's own visibility timeout holds.
    async fn hide(&self, messages: &[Received]) {
        if messages.is_empty() {
            return;
        }
        let hidden = hidden(messages, Share::draw());
        let change = change_visibility(&self.sqs, &self.queue_url, &hidden);
        if let Err(error) = in_time(Box::pin(change)).await {
            tracing::warn!(error, "failed messages wait for the queue's visibility timeout");
        }
    }

    /// Sends these to the dead letters. Gives the ids of those that may not be there; SQS moves them at the next receive.
    async fn bury(&self, messages: Vec<(Received, String)>, now: Timestamp) -> Vec<String> {
        if messages.is_empty() {
            return Vec::new();
        }
        let (ids, dead): (Vec<_>, Vec<_>) =
            messages.into_iter().map(|(message, error)| dead(message, error, now)).unzip();
        let count = dead.len();
        if let Err(error) = in_time(Box::pin(self.dead_letters.bury(dead))).await {
            tracing::warn!(error, "not sent to the dead letters");
            return ids;
        }
        metrics::counter!(metric::DEAD_LETTERED).increment(count as u64);
        tracing::error!(count, "dead-lettered");
        Vec::new()
    }
}

/// A call that must not take the time to answer. It is boxed by the caller: both kinds of calls side by side make a large
/// future.
async fn in_time(call: Pin<Box<impl Future<Output = Result<(), SendError>>>>) -> Result<(), String> {
    match timeout(PATIENCE, call).await {
        Ok(done) => done.map_err(|error| chain(&error)),
        Err(_) => Err(format!("no answer within {PATIENCE:?}")),
    }
}

/// How long each of these stays hidden. A group waits as long as its first message, which was received most often. Before
/// that one the queue would hand out nothing of the group.
fn hidden(messages: &[Received], share: Share) -> Vec<Visibility> {
    let mut waits: HashMap<&str, Duration> = HashMap::new();
    for message in messages {
        let longest = waits.entry(waits_with(message)).or_default();
        *longest = share.of_wait_after(message.receives).max(*longest);
    }
    let visibility = |message: &Received| Visibility {
        receipt_handle: message.receipt_handle.clone(),
        hidden_for: waits[waits_with(message)],
    };
    messages.iter().map(visibility).collect()
}

/// The group that a message waits with, in a FIFO queue; in a standard one, the message itself.
fn waits_with(message: &Received) -> &str {
    message.group.ordered().unwrap_or(&message.message_id)
}

fn dead(message: Received, error: String, now: Timestamp) -> (String, Returning) {
    let Received { message_id, body, group, failure, .. } = message;
    let failure = Failure { first_failed_at: failure.first_failed_at.or(Some(now)), error: Some(error), ..failure };
    // A message that is sent there twice, because the answer was lost, is there once.
    (message_id.clone(), Returning { body, group, deduplication_id: message_id, failure })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::{Aws, Fault};
    use tokio::time::advance;

    use super::*;

    const VISIBILITY: Duration = Duration::from_mins(3);

    fn message(body: &Value) -> Received {
        Received::of(serde_json::from_value(body.clone()).expect("a message"))
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn commands() -> String {
        Aws::queue_url("commands.fifo")
    }

    fn letters() -> String {
        Aws::queue_url("letters.fifo")
    }

    fn put(aws: &Aws, group: &str, name: &str) {
        aws.put(&commands(), Some(group), Some(name), name);
    }

    /// What there is, by the names of the messages, as Lambda hands it over.
    fn receive(aws: &Aws) -> Vec<Received> {
        let messages = aws.receive(&commands(), 10, VISIBILITY);
        let event = Aws::sqs_event(&messages);
        event["Records"].as_array().expect("records").iter().map(message).collect()
    }

    /// Receives what there is so many times, without hiding it.
    fn look(aws: &Aws, times: u32) {
        for _ in 0..times {
            aws.receive(&commands(), 10, Duration::ZERO);
        }
    }

    fn names(received: &[Received]) -> Vec<&str> {
        received.iter().map(|message| message.body.as_str()).collect()
    }

    fn giving_back(aws: &Aws) -> GivingBack {
        let environment =
            Environment::of([("QUEUE", &commands()), ("DEAD_LETTERS", &letters()), ("MAX_RECEIVES", "15")]);
        GivingBack::from_environment(&environment, aws.sqs()).expect("settings that do")
    }

    /// The names of the messages given back; each of these fails with `error of <name>`.
    async fn answer(aws: &Aws, failed: &[Received]) -> Vec<String> {
        let with_error = |message: &Received| (message.clone(), format!("error of {}", message.body));
        let answer = giving_back(aws).answer(failed.iter().map(with_error).collect(), now()).await;
        let name = |id: String| failed.iter().find(|message| message.message_id == id).expect("known").body.clone();
        answer.batch_item_failures.into_iter().map(|failure| name(failure.item_identifier)).collect()
    }

    /// What can be received within this time, first seen to the second.
    async fn seconds_until_received(aws: &Aws) -> (u64, Vec<Received>) {
        for second in 0..=VISIBILITY.as_secs() {
            let received = receive(aws);
            if !received.is_empty() {
                return (second, received);
            }
            advance(Duration::from_secs(1)).await;
        }
        panic!("nothing came back");
    }

    #[test]
    fn a_message_is_read_with_all_that_travels_with_it() {
        let whole = message(&json!({
            "messageId": "m", "receiptHandle": "h", "body": "b",
            "eventSourceARN": "arn:aws:sqs:eu-central-1:123456789012:commands.fifo",
            "attributes": { "MessageGroupId": "g", "ApproximateReceiveCount": "3", "SentTimestamp": "1790000000000" },
            "messageAttributes": {
                "attempts": { "stringValue": "2", "dataType": "String" },
                "firstfailedat": { "stringValue": now().to_string(), "dataType": "String" },
            },
        }));
        let failure = Failure { attempts: 2, first_failed_at: Some(now()), ..Failure::default() };
        let expected = Received {
            message_id: "m".to_owned(),
            receipt_handle: "h".to_owned(),
            body: "b".to_owned(),
            group: MessageGroup::Ordered("g".to_owned()),
            receives: 3,
            sent_at: Some(now()),
            failure,
        };
        assert_eq!(whole, expected);

        let odd = message(&json!({
            "attributes": { "ApproximateReceiveCount": "many", "SentTimestamp": "then" },
            "messageAttributes": { "attempts": { "dataType": "Binary" } },
        }));
        assert_eq!((odd.receives, odd.sent_at, odd.failure), (1, None, Failure::default()));
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_comes_again_after_a_wait_that_grows_with_its_receives() {
        for (receives, least, most) in [(1, 1, 1), (2, 2, 2), (4, 4, 5), (9, 4, 5), (12, 45, 60), (14, 135, 180)] {
            let aws = Aws::new();
            put(&aws, "g", "a");
            look(&aws, receives - 1);
            assert_eq!(answer(&aws, &receive(&aws)).await, ["a"]);
            let (seconds, again) = seconds_until_received(&aws).await;
            assert!((least..=most).contains(&seconds), "{seconds} s after {receives} receives");
            assert_eq!(again[0].receives, receives + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_whole_batch_is_hidden_by_one_call_and_only_where_something_failed() {
        let aws = Aws::new();
        assert_eq!(answer(&aws, &[]).await, [] as [&str; 0]);
        assert_eq!(aws.calls().len(), 0, "nothing failed");
        for nth in 0..10 {
            put(&aws, &format!("g{}", nth % 3), &nth.to_string());
        }
        let failed = receive(&aws);
        assert_eq!(answer(&aws, &failed).await, names(&failed));
        assert_eq!((aws.calls().len(), aws.count("ChangeMessageVisibilityBatch")), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_group_waits_for_its_first_message_keeps_its_order_and_holds_up_no_other() {
        let aws = Aws::new();
        put(&aws, "g", "a");
        look(&aws, 3);
        for (group, name) in [("g", "b"), ("other", "c"), ("g", "d")] {
            put(&aws, group, name);
        }
        let failed = receive(&aws);
        assert_eq!(names(&failed), ["a", "b", "c", "d"]);
        answer(&aws, &failed).await;

        let (soon, others) = seconds_until_received(&aws).await;
        assert_eq!((soon, names(&others)), (1, vec!["c"]));
        let (later, group) = seconds_until_received(&aws).await;
        assert!((3..=4).contains(&later), "{later} s more");
        assert_eq!(names(&group), ["a", "b", "d"]);
    }

    /// The group of a standard queue is a tenant and gives no order, unlike that of a FIFO queue.
    #[tokio::test(start_paused = true)]
    async fn in_a_standard_queue_each_message_waits_alone_and_keeps_its_group_when_it_dies() {
        let (aws, updates, letters) = (Aws::new(), Aws::queue_url("updates"), Aws::queue_url("letters"));
        let put = |name: &str| aws.put(&updates, Some("acme"), None, name);
        let receive = || {
            let event = Aws::sqs_event(&aws.receive(&updates, 10, VISIBILITY));
            event["Records"].as_array().expect("records").iter().map(message).collect::<Vec<_>>()
        };
        put("old");
        (0..14).for_each(|_| drop(aws.receive(&updates, 10, Duration::ZERO)));
        put("slow");
        (0..8).for_each(|_| drop(aws.receive(&updates, 10, Duration::ZERO)));
        put("quick");
        let environment = Environment::of([("QUEUE", &updates), ("DEAD_LETTERS", &letters), ("MAX_RECEIVES", "15")]);
        let giving_back = GivingBack::from_environment(&environment, aws.sqs()).expect("settings that do");
        let failed = receive().into_iter().map(|message| (message, "no".to_owned()));
        assert_eq!(giving_back.answer(failed.collect(), now()).await.batch_item_failures.len(), 2);

        let dead = aws.messages(&letters);
        let told: Vec<_> =
            dead.iter().map(|dead| (&*dead.body, dead.group.as_deref(), &dead.deduplication_id)).collect();
        assert_eq!(told, [("old", Some("acme"), &None)]);
        advance(Duration::from_secs(1)).await;
        assert_eq!(names(&receive()), ["quick"], "which failed once, and waits for no other of its tenant");
        advance(Duration::from_secs(4)).await;
        assert_eq!(names(&receive()), ["slow"]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_failed_on_its_last_receive_is_dead_lettered_and_the_others_are_hidden() {
        let aws = Aws::new();
        put(&aws, "g", "a");
        look(&aws, 13);
        put(&aws, "g", "b");
        look(&aws, 1);
        put(&aws, "h", "c");
        let failed = receive(&aws);
        assert_eq!(failed.iter().map(|message| message.receives).collect::<Vec<_>>(), [15, 2, 1]);

        assert_eq!(answer(&aws, &failed).await, ["b", "c"]);

        let dead = aws.messages(&letters());
        let errors: Vec<_> = dead.iter().map(|letter| (letter.body.as_str(), letter.attribute("error"))).collect();
        assert_eq!(errors, [("a", Some("error of a"))]);
        let [attempts, first_failed] = ["attempts", "firstfailedat"].map(|name| dead[0].attribute(name));
        assert_eq!((attempts, first_failed), (Some("0"), Some(now().to_string().as_str())));
        assert_eq!((aws.count("SendMessageBatch"), aws.count("ChangeMessageVisibilityBatch")), (1, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_dead_lettered_or_hidden_in_time_is_given_back() {
        for fault in [|| Fault::Hang, || Fault::refuse(403, "AccessDenied"), || Fault::FailEntries(vec![0])] {
            let aws = Aws::new();
            put(&aws, "g", "a");
            look(&aws, 14);
            put(&aws, "h", "b");
            aws.inject(move |_| fault());
            let start = Instant::now();
            let mut given_back = answer(&aws, &receive(&aws)).await;
            given_back.sort();
            assert_eq!(given_back, ["a", "b"], "{:?}", fault());
            assert!(start.elapsed() <= PATIENCE, "{:?} after {:?}", fault(), start.elapsed());
            let (seconds, _) = seconds_until_received(&aws).await;
            assert!(seconds >= VISIBILITY.as_secs() - 1, "the queue's own timeout holds: {seconds} s");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn where_some_are_not_hidden_their_group_waits_in_order_and_the_others_go_on() {
        let aws = Aws::new();
        for (group, name) in [("g", "a"), ("h", "c"), ("g", "b")] {
            put(&aws, group, name);
        }
        aws.inject(|_| Fault::FailEntries(vec![0]));
        assert_eq!(answer(&aws, &receive(&aws)).await, ["a", "c", "b"]);
        let (soon, others) = seconds_until_received(&aws).await;
        assert_eq!((soon, names(&others)), (1, vec!["c"]));
        let (later, group) = seconds_until_received(&aws).await;
        assert_eq!((soon + later, names(&group)), (VISIBILITY.as_secs(), vec!["a", "b"]));
    }
}
