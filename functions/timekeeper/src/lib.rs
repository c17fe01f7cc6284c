//! The timekeeper: hands in the commands of timers that are due.
//!
//! Messages of the queue of timers say which; each is looked up, for it may be cancelled by now. A sweep, every minute, sends
//! the messages of timers that are due soon, and again those of timers that should have been handed in.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::SqsClient;
use recovery::batch::{GivingBack, Received, attempt};
use serde::Deserialize;
use serde_json::Value;
use timers::{TimerError, Timers};
use tokio::time::Instant;

/// Hands in what is due.
pub struct Timekeeper {
    timers: Timers,
    giving_back: GivingBack,
}

/// The two kinds of events that the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Incoming {
    /// Messages of the queue of timers.
    Due(SqsEvent),
    /// The schedule's, whatever it says.
    Sweep(Value),
}

impl Timekeeper {
    /// With what [`Timers`] and [`GivingBack`] need.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            timers: Timers::from_environment(environment, dynamodb, sqs.clone())?,
            giving_back: GivingBack::from_environment(environment, sqs)?,
        })
    }

    /// Hands in the commands of a batch of timers. What is named in the answer goes back to the queue.
    pub async fn hand_in(&self, batch: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let mut failed = Vec::new();
        for message in batch.records.into_iter().map(Received::of) {
            if let Err(error) = attempt(&message, finish_by, self.hand_in_one(&message)).await {
                failed.push((message, error));
            }
        }
        self.giving_back.answer(failed, now).await
    }

    async fn hand_in_one(&self, message: &Received) -> Result<(), HandInError> {
        let timer = serde_json::from_str(&message.body).map_err(HandInError::Unreadable)?;
        let was_due = self.timers.hand_in(&timer).await?;
        metrics::counter!(metric::TIMERS_DUE).increment(was_due.into());
        Ok(())
    }

    /// Sends the messages of all timers that are due soon or overdue.
    pub async fn sweep(&self, now: Timestamp, finish_by: Instant) -> Result<(), TimerError> {
        let swept = self.timers.sweep(now, finish_by).await?;
        metrics::counter!(metric::TIMERS_OVERDUE).increment(swept.overdue);
        if swept.sent > 0 {
            tracing::info!(sent = swept.sent, overdue = swept.overdue, "timers swept");
        }
        Ok(())
    }
}

/// Why a message goes back to its queue.
#[derive(Debug, thiserror::Error)]
enum HandInError {
    #[error("it names no timer")]
    Unreadable(#[source] serde_json::Error),
    #[error(transparent)]
    Timer(#[from] TimerError),
}
