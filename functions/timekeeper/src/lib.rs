//! The timekeeper: hands in the commands of timers that are due.
//!
//! Messages of the queue of timers say which; each is looked up, for it may be cancelled by now. A sweep, every minute, sends
//! the messages of timers that are due soon, and again those of timers that should have been handed in.
//!
//! It also watches over commands of tenants' own queues, whose outcome is to be reported: such a watch is a timer as well, which
//! hands in nothing.

mod unreported;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::command::Header;
use kernel::ids::OWN;
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use messaging::SqsClient;
use recovery::batch::{GivingBack, Received, attempt};
use serde::Deserialize;
use serde_json::Value;
use store::parked::Parked;
use store::timers::TimerId;
use timers::{TimerError, Timers, Watched};
use tokio::time::Instant;

/// Hands in what is due.
pub struct Timekeeper {
    timers: Timers,
    parked: Parked,
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
    /// With `PARKED_TABLE`, `OPERATIONS_TABLE`, and what [`Timers`] and [`GivingBack`] need.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let (parked, operations) = (environment.text("PARKED_TABLE")?, environment.text("OPERATIONS_TABLE")?);
        Ok(Self {
            parked: Parked::new(dynamodb.clone(), parked, operations),
            timers: Timers::from_environment(environment, dynamodb, sqs.clone())?,
            giving_back: GivingBack::from_environment(environment, sqs)?,
        })
    }

    /// Hands in the commands of a batch of timers. What is named in the answer goes back to the queue.
    pub async fn hand_in(&self, batch: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let mut failed = Vec::new();
        for message in batch.records.into_iter().map(Received::of) {
            if let Err(error) = attempt(&message, finish_by, self.hand_in_one(&message, now)).await {
                failed.push((message, error));
            }
        }
        self.giving_back.answer(failed, now).await
    }

    async fn hand_in_one(&self, message: &Received, now: Timestamp) -> Result<(), HandInError> {
        let timer = match serde_json::from_str(&message.body).map_err(HandInError::Unreadable)? {
            Message::Watch(watched) => return Ok(self.timers.watch_over(watched, now).await?),
            Message::Due(timer) => timer,
        };
        let Some(command) = self.timers.due(&timer).await? else { return Ok(()) };
        if command.context == OWN {
            let header = Header::read(&command.body).ok_or(HandInError::NoCommand)?;
            // In a box: it is rare, and would make every other message's future larger.
            Box::pin(unreported::park(&self.parked, header, command.body, now)).await.map_err(TimerError::Store)?;
        } else {
            self.timers.hand_in(command).await?;
            metrics::counter!(metric::TIMERS_DUE).increment(1);
        }
        Ok(self.timers.is_over(&timer).await?)
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

/// A message of the queue of timers.
#[derive(Deserialize)]
#[serde(untagged)]
enum Message {
    Due(TimerId),
    Watch(Watched),
}

/// Why a message goes back to its queue.
#[derive(Debug, thiserror::Error)]
enum HandInError {
    #[error("it names no timer")]
    Unreadable(#[source] serde_json::Error),
    #[error("what is watched over says not whose command it is")]
    NoCommand,
    #[error(transparent)]
    Timer(#[from] TimerError),
}
