//! What runs a subscriber: a function that takes domain events from the topic, by a queue of its own.
//!
//! A subscriber says what it does with an event ([`Subscriber`]), or with all events of a batch at once
//! ([`BatchSubscriber`]). The rest is [`Runner`]'s: reading messages, giving back what failed, metrics and logs.
//!
//! **No order is promised, and each event may come more than once**: topic and queue are standard ones. So handling an event
//! again must change nothing. Whatever a subscriber keeps or sends, it keeps or sends under the event's
//! [id](RecordedEvent::id), or by the version.
//!
//! One that does something in the outside world for a process tells it what came out by [`Outcomes`].

mod one_by_one;
mod outcomes;

use std::collections::BTreeMap;
use std::future::Future;
use std::time::SystemTime;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::cloud_event::CloudEvent;
use kernel::domain_event::RecordedEvent;
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::SqsClient;
use recovery::batch::{GivingBack, Received};
use tokio::time::Instant;

pub use one_by_one::Subscriber;
pub use outcomes::{HandInError, Outcomes};

/// What could not be handled: places in the batch, each with the error that the person who repairs will read.
pub type Failures = BTreeMap<usize, String>;

/// Handles events by the batch. Most subscribers need no more than [`Subscriber`], which is this, event by event.
pub trait BatchSubscriber {
    /// Gives those that are to come again; all others are done. It has answered by `finish_by`: Lambda ends the function
    /// soon after.
    fn handle_batch(&self, events: &[RecordedEvent], finish_by: Instant) -> impl Future<Output = Failures> + Send;
}

/// Runs a subscriber.
pub struct Runner<S> {
    subscriber: S,
    giving_back: GivingBack,
}

impl<S: BatchSubscriber> Runner<S> {
    /// With `QUEUE`, `DEAD_LETTERS` and `MAX_RECEIVES`, as in [`GivingBack::from_environment`].
    pub fn from_environment(subscriber: S, environment: &Environment, sqs: SqsClient) -> Result<Self, BadSetting> {
        Ok(Self { subscriber, giving_back: GivingBack::from_environment(environment, sqs)? })
    }

    /// Handles one batch. What is named in the answer goes back to the queue; what failed on its last receive goes to the
    /// dead letters.
    pub async fn handle(&self, event: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let (mut messages, mut events, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for message in event.records.into_iter().map(Received::of) {
            let Some(event) = read(&message.body) else {
                // Left to the dead-letter queue: dropping it would lose an event that this build cannot read.
                tracing::error!(message_id = message.message_id, "not a domain event");
                metrics::counter!(metric::UNDECODABLE).increment(1);
                failed.push((message, "not a domain event".to_owned()));
                continue;
            };
            messages.push(message);
            events.push(event);
        }
        let mut failures = self.subscriber.handle_batch(&events, finish_by).await;
        for (place, message) in messages.into_iter().enumerate() {
            if let Some(error) = failures.remove(&place) {
                failed.push((message, error));
            }
        }
        self.giving_back.answer(failed, now).await
    }
}

fn read(body: &str) -> Option<RecordedEvent> {
    RecordedEvent::from_cloud_event(&CloudEvent::from_json(body.as_bytes()).ok()?)
}

/// A subscriber's whole `main`, once it is wired: handles batches until the environment is shut down.
pub async fn run<S>(subscriber: S, environment: &Environment, sqs: SqsClient) -> Result<(), lambda_runtime::Error>
where
    S: BatchSubscriber + Sync,
{
    let runner = &Runner::from_environment(subscriber, environment, sqs)?;
    lambda::run::events(|event, finish_by| async move {
        Ok(runner.handle(event, SystemTime::now().into(), finish_by).await)
    })
    .await
}
