//! The webhook sender: delivers domain events to tenants' endpoints elsewhere, each stream's in order, until they are taken.
//!
//! A message of the queue of webhooks has one endpoint looked at: whatever is due for it is delivered ([`run`]), by one function
//! at a time, which has the endpoint's lease. So an endpoint that is slow or dead takes up one function, and delays no other.
//! A sweep, every minute, sends the messages of endpoints whose next attempt is due, and of those that should have been looked
//! at: a message that was lost is made up for.
//!
//! **At least once.** What an endpoint has taken is noted behind a stream's last event, so a function that dies in between
//! sends some events again, with the same id.

mod answer;
mod patience;
mod request;
mod run;

use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::settings::{BadSetting, Environment, invalid};
use lambda::web::destinations::Destinations;
use lambda::web::{PUBLIC_PATIENCE, WebClient};
use messaging::delayed::MAX_DELAY;
use messaging::webhooks::{Look, wake};
use messaging::{Queues, SendError, SqsClient};
use recovery::batch::{GivingBack, Received, attempt};
use serde::Deserialize;
use serde_json::Value;
use store::StoreError;
use store::event_store::Streams;
use store::lease::Lease;
use store::webhooks::{EndpointId, PARTS, Taken, Webhooks};
use tokio::time::Instant;

use crate::run::Run;

/// Delivers to endpoints.
pub struct WebhookSender {
    webhooks: Webhooks,
    streams: Streams,
    web: WebClient,
    sqs: SqsClient,
    queues: Queues,
    giving_back: GivingBack,
    public_url: String,
}

/// The two kinds of events that the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Incoming {
    /// Endpoints to be looked at.
    Wake(SqsEvent),
    /// The schedule's, whatever it says.
    Sweep(Value),
}

/// Why an endpoint is looked at again.
#[derive(Debug, thiserror::Error)]
pub enum SenderError {
    #[error("it names no endpoint")]
    Unreadable(#[source] serde_json::Error),
    #[error("it names no endpoint")]
    NoEndpoint,
    #[error("the webhooks' rows, or the events, were not read or written")]
    Store(#[from] StoreError),
    #[error("the endpoint is not looked at in time")]
    Queue(#[from] SendError),
}

/// How long an endpoint is somebody's: longer than the function can run.
const LEASE: Duration = Duration::from_secs(90);

/// What of an invocation is kept back when the last request is sent: its answer, and what is noted then.
const RESERVE: Duration = PUBLIC_PATIENCE.saturating_add(Duration::from_secs(5));

/// When an endpoint is looked at again that has got everything: the index may have lagged behind.
const SURE: Duration = Duration::from_mins(1);

/// When an endpoint is looked at for which nothing was left: whatever was missed is found then.
const IDLE: Duration = Duration::from_hours(1);

/// When a sweep sends a message again that had no effect.
const OVERDUE: Duration = Duration::from_mins(5);

/// Endpoints that a sweep wakes at once.
const PAGE: i32 = 100;

impl WebhookSender {
    /// With `WEBHOOKS_TABLE`, `EVENTS_TABLE`, the prefix of the queues, `PUBLIC_URL`, and what [`GivingBack`] needs. Requests
    /// are made by `web`, which must be the kind for strangers' hosts ([`web`]).
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
        web: WebClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            webhooks: Webhooks::new(dynamodb.clone(), environment.text("WEBHOOKS_TABLE")?),
            streams: Streams::new(dynamodb, &environment.text("EVENTS_TABLE")?),
            web,
            queues: Queues::new(environment.text(Queues::VARIABLE)?),
            giving_back: GivingBack::from_environment(environment, sqs.clone())?,
            sqs,
            public_url: environment.public_url()?,
        })
    }

    /// Looks at the endpoints of a batch. What is named in the answer goes back to the queue.
    pub async fn deliver(&self, batch: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let clock = Clock::start(now);
        let mut failed = Vec::new();
        for message in batch.records.into_iter().map(Received::of) {
            let looking = Box::pin(self.look_at(&message.body, clock, finish_by));
            if let Err(error) = attempt(&message, finish_by, looking).await {
                failed.push((message, error));
            }
        }
        self.giving_back.answer(failed, clock.now()).await
    }

    async fn look_at(&self, message: &str, clock: Clock, finish_by: Instant) -> Result<(), SenderError> {
        let Look { endpoint, to_be_sure } = serde_json::from_str(message).map_err(SenderError::Unreadable)?;
        let id = EndpointId::parse(&endpoint).ok_or(SenderError::NoEndpoint)?;
        let time = finish_by.saturating_duration_since(Instant::now());
        let stop_by = finish_by - RESERVE.min(time / 2);
        let (endpoint, lease) = match self.webhooks.take(&id, clock.now(), clock.now().plus(LEASE)).await? {
            Taken::Yes(endpoint, lease) => (*endpoint, lease),
            // So that the sweep does not come each time.
            Taken::Waits(until) => {
                let at = until.unwrap_or(clock.now().plus(IDLE));
                return Ok(self.webhooks.put_off(&id, until, at).await?);
            }
            Taken::Told | Taken::None => return Ok(()),
        };
        let done = if endpoint.removed {
            self.delete(&id, lease, clock, stop_by).await
        } else {
            let run = Run::new(self, endpoint, clock, stop_by, to_be_sure);
            self.deliver_to(run, lease).await
        };
        if done.is_err() {
            // The message comes again, and should not find the lease taken. If this fails as well, the lease ends.
            let _ = self.webhooks.let_go(&id, lease, clock.now().plus(SURE)).await;
        }
        done
    }

    async fn deliver_to(&self, mut run: Run<'_>, lease: Lease) -> Result<(), SenderError> {
        let id = run.endpoint.id.clone();
        loop {
            let next = run.deliver().await?;
            let (left, again_in) = run.left(next);
            if self.webhooks.give_back(&id, lease, &left).await? {
                return match again_in {
                    Some(delay) if delay <= MAX_DELAY => Ok(self.wake(&id, delay).await?),
                    _ => Ok(()),
                };
            }
            // Somebody came meanwhile; and perhaps because the settings are other ones now.
            let Some(endpoint) = self.webhooks.endpoint(&id).await? else { return Ok(()) };
            if run.is_out_of_time() || endpoint.removed {
                self.webhooks.let_go(&id, lease, run.now()).await?;
                return Ok(self.wake(&id, Duration::ZERO).await?);
            }
            run.go_on_with(endpoint);
        }
    }

    /// Deletes an endpoint, when nothing is left of what it has got: the dispatcher may have noted something just now.
    async fn delete(&self, id: &EndpointId, lease: Lease, clock: Clock, stop_by: Instant) -> Result<(), SenderError> {
        if !self.webhooks.forget_some(id).await? {
            return Ok(self.webhooks.delete(id).await?);
        }
        while self.webhooks.forget_some(id).await? && Instant::now() < stop_by {}
        Ok(self.webhooks.let_go(id, lease, clock.now().plus(SURE)).await?)
    }

    /// Has all endpoints looked at that must be by now.
    pub async fn sweep(&self, now: Timestamp, finish_by: Instant) -> Result<(), SenderError> {
        for part in 0..PARTS {
            let mut next = None;
            loop {
                let (endpoints, rest) = self.webhooks.to_look_at(part, now, PAGE, next).await?;
                let looks = endpoints.iter().map(|id| Look { endpoint: id.to_string(), to_be_sure: true });
                wake(&self.sqs, &self.queues, looks, Duration::ZERO).await?;
                // After the messages: what is not sent is looked at again.
                for id in &endpoints {
                    self.webhooks.look_again(id, now, now.plus(OVERDUE)).await?;
                }
                next = rest;
                // The next sweep does what there is no time for.
                if Instant::now() >= finish_by {
                    return Ok(());
                }
                if next.is_none() {
                    break;
                }
            }
        }
        Ok(())
    }

    async fn wake(&self, id: &EndpointId, delay: Duration) -> Result<(), SendError> {
        wake(&self.sqs, &self.queues, [Look { endpoint: id.to_string(), to_be_sure: false }], delay).await
    }
}

/// What sends to strangers' hosts: to public addresses, and to the origins that `WEBHOOK_DESTINATIONS` adds.
pub fn web(environment: &Environment) -> Result<WebClient, BadSetting> {
    const NAME: &str = "WEBHOOK_DESTINATIONS";
    let added = environment.optional(NAME).unwrap_or_default();
    let destinations: Destinations = added.parse().map_err(|error| invalid(NAME, error))?;
    Ok(WebClient::public(destinations))
}
