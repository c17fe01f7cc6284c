//! SQS batches: what was received, and what goes back to the queue or to its dead letters.

use std::time::Duration;

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse, SqsMessage};
use kernel::timestamp::Timestamp;
use messaging::DeadLetters;
use messaging::dead_letters::{Failure, Order, Returning};
use tokio::time::timeout;

use crate::settings::{BadSetting, Environment};
use crate::telemetry::{chain, metric};

/// A queue message as it was received.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Received {
    /// To be given back letter for letter.
    pub message_id: String,
    /// To be parked whole.
    pub body: String,
    /// Its group in a FIFO queue.
    pub group: Option<String>,
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
        Self {
            group: attribute("MessageGroupId").cloned(),
            receives: attribute("ApproximateReceiveCount").and_then(|count| count.parse().ok()).unwrap_or(1),
            sent_at: attribute("SentTimestamp").and_then(|millis| millis.parse().ok()).map(Timestamp::from_millis),
            failure: Failure::read(own),
            message_id: message.message_id.unwrap_or_default(),
            body: message.body.unwrap_or_default(),
        }
    }
}

/// The error of what was not finished when the invocation had to be.
pub const OUT_OF_TIME: &str = "the function ran out of time";

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

/// What becomes of messages that failed: they go back to their queue, and after their last receive to its dead letters,
/// with the reason. (SQS would move them there as well, at the next receive, but knows no reason.)
#[derive(Debug, Clone)]
pub struct GivingBack {
    pub dead_letters: DeadLetters,
    /// The queue's `maxReceiveCount`.
    pub max_receives: u32,
}

/// Less than what an invocation keeps back to give its answer.
const PATIENCE: Duration = Duration::from_secs(1);

impl GivingBack {
    /// `DEAD_LETTERS`, the dead-letter queue's URL, and `MAX_RECEIVES`, as in the queue's redrive policy.
    pub fn from_environment(environment: &Environment, sqs: messaging::SqsClient) -> Result<Self, BadSetting> {
        Ok(Self {
            dead_letters: DeadLetters::new(sqs, environment.text("DEAD_LETTERS")?),
            max_receives: environment.parsed("MAX_RECEIVES")?,
        })
    }

    /// The answer for a batch of which these failed, in order per group, each with its error.
    pub async fn answer(&self, failed: Vec<(Received, String)>, now: Timestamp) -> SqsBatchResponse {
        let (last, more): (Vec<_>, Vec<_>) =
            failed.into_iter().partition(|(message, _)| message.receives >= self.max_receives);
        let mut back: Vec<String> = more.into_iter().map(|(message, _)| message.message_id).collect();
        if !last.is_empty() {
            let (ids, dead): (Vec<_>, Vec<_>) =
                last.into_iter().map(|(message, error)| dead(message, error, now)).unzip();
            let count = dead.len();
            match timeout(PATIENCE, self.dead_letters.bury(dead)).await {
                Ok(Ok(())) => {
                    metrics::counter!(metric::DEAD_LETTERED).increment(count as u64);
                    tracing::error!(count, "dead-lettered");
                }
                // Then SQS moves them.
                Ok(Err(error)) => {
                    tracing::warn!(error = chain(&error), "not sent to the dead letters");
                    back.extend(ids);
                }
                Err(_) => {
                    tracing::warn!("not sent to the dead letters in time");
                    back.extend(ids);
                }
            }
        }
        failures(back)
    }
}

fn dead(message: Received, error: String, now: Timestamp) -> (String, Returning) {
    let Received { message_id, body, group, failure, .. } = message;
    let failure = Failure { first_failed_at: failure.first_failed_at.or(Some(now)), error: Some(error), ..failure };
    // A message that is sent there twice, because the answer was lost, is there once.
    let order = group.map(|group| Order { group, deduplication_id: message_id.clone() });
    (message_id, Returning { body, order, failure })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use testkit::{Aws, Fault};

    use super::*;

    fn message(body: &Value) -> Received {
        Received::of(serde_json::from_value(body.clone()).expect("a message"))
    }

    fn received(id: &str, group: Option<&str>, receives: u32) -> Received {
        let mut attributes = json!({ "ApproximateReceiveCount": receives.to_string() });
        if let Some(group) = group {
            attributes["MessageGroupId"] = json!(group);
        }
        message(&json!({ "messageId": id, "body": format!("body of {id}"), "attributes": attributes }))
    }

    fn now() -> Timestamp {
        Timestamp::from_millis(1_790_000_000_000)
    }

    fn letters() -> String {
        Aws::queue_url("letters.fifo")
    }

    fn giving_back(aws: &Aws) -> GivingBack {
        let environment = Environment::of([("DEAD_LETTERS", &letters()), ("MAX_RECEIVES", "5")]);
        GivingBack::from_environment(&environment, aws.sqs()).expect("settings that do")
    }

    /// The ids that are given back of these, each of which failed as `error of` its id.
    async fn answer(aws: &Aws, failed: Vec<Received>) -> Vec<String> {
        let with_error = |message: Received| {
            let error = format!("error of {}", message.message_id);
            (message, error)
        };
        let answer = giving_back(aws).answer(failed.into_iter().map(with_error).collect(), now()).await;
        answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    #[test]
    fn a_message_is_read_with_all_that_travels_with_it() {
        let whole = message(&json!({
            "messageId": "m", "body": "b",
            "attributes": { "MessageGroupId": "g", "ApproximateReceiveCount": "3", "SentTimestamp": "1790000000000" },
            "messageAttributes": {
                "attempts": { "stringValue": "2", "dataType": "String" },
                "firstfailedat": { "stringValue": now().to_string(), "dataType": "String" },
            },
        }));
        let failure = Failure { attempts: 2, first_failed_at: Some(now()), ..Failure::default() };
        let expected = Received {
            message_id: "m".to_owned(),
            body: "b".to_owned(),
            group: Some("g".to_owned()),
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
    async fn what_comes_again_is_given_back_and_the_rest_is_dead_lettered() {
        let aws = Aws::new();
        assert_eq!(answer(&aws, Vec::new()).await, [] as [String; 0]);
        assert_eq!(
            answer(&aws, vec![received("first", Some("g"), 1), received("last but one", None, 4)]).await.len(),
            2
        );
        assert_eq!(aws.calls().len(), 0, "nothing to send");

        let failed = vec![received("a", Some("g"), 5), received("b", Some("g"), 4), received("c", Some("g"), 6)];
        assert_eq!(answer(&aws, failed).await, ["b"]);
        let dead = aws.messages(&letters());
        let errors: Vec<_> = dead.iter().map(|letter| (letter.body.as_str(), letter.attribute("error"))).collect();
        assert_eq!(errors, [("body of a", Some("error of a")), ("body of c", Some("error of c"))]);
        let [attempts, first_failed] = ["attempts", "firstfailedat"].map(|name| dead[0].attribute(name));
        assert_eq!((attempts, first_failed), (Some("0"), Some(now().to_string().as_str())));
    }

    #[tokio::test(start_paused = true)]
    async fn what_cannot_be_dead_lettered_in_time_is_given_back() {
        for fault in [|| Fault::Hang, || Fault::refuse(403, "AccessDenied"), || Fault::FailEntries(vec![0])] {
            let aws = Aws::new();
            aws.inject(move |_| fault());
            let start = tokio::time::Instant::now();
            let failed = vec![received("a", Some("g"), 1), received("b", Some("g"), 5)];
            assert_eq!(answer(&aws, failed).await, ["a", "b"], "{:?}", fault());
            assert!(start.elapsed() <= PATIENCE, "{:?} after {:?}", fault(), start.elapsed());
        }
    }
}
