//! Redrive: gives dead letters their way back, on a schedule and by hand.
//!
//! A run works on what lies in the dead-letter queues when it begins. What is due goes back to its queue; what has used
//! up its attempts is parked for a person; what has its outcome already is dropped. A dead letter is deleted only after
//! that has happened, so a crash anywhere repeats something and loses nothing, and the repeats are harmless: a command
//! has one outcome, an event is applied once.
//!
//! - [`triage`](mod@triage) says what is to become of each dead letter
//! - [`run`] does it, for one queue: behind a canary, where commands are handled
//! - [`unsent`] sends what operators resubmitted and what a crash kept from being sent
//! - [`http`] is the operator's way to start a run, and to [look](letters) at what there is

mod http;
mod letters;
mod parking;
mod run;
mod settings;
mod tally;
mod triage;
mod unsent;

use std::time::Duration;

use futures_util::future::join_all;
use kernel::back_off::BackOff;
use kernel::context::Context;
use kernel::timestamp::Timestamp;
use lambda::caller::Operators;
use lambda::telemetry::{chain, metric};
use messaging::SqsClient;
use recovery::DeadLetters;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use store::operations::Operations;
use store::parked::Parked;
use tokio::time::Instant;

pub use crate::http::{Endpoint, ROUTES, describe};
pub use crate::letters::{Letters, Next, Seen};
use crate::run::Run;

/// Redrives dead letters.
pub struct Redrive {
    pub ways: Vec<WayBack>,
    pub sqs: SqsClient,
    pub operations: Operations,
    pub parked: Parked,
    pub operators: Operators,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
    /// How long records are kept of outcomes.
    pub retention: Duration,
    pub pace: Pace,
}

/// A queue and its dead letters.
pub struct WayBack {
    /// A context's name for its command queue, or another queue's name.
    pub name: String,
    /// Whose commands they are; `None` for queues of other messages.
    pub context: Option<&'static Context>,
    /// Where dead letters go back to.
    pub queue_url: String,
    pub dead_letters: DeadLetters,
}

/// How often and how fast.
#[derive(Debug, Clone, Copy)]
pub struct Pace {
    /// How often a message is sent back before it is parked.
    pub most_attempts: u32,
    /// How long a message that was sent back and failed waits before it is sent back again.
    pub back_off: BackOff,
    /// At most so many messages a second go back to one queue.
    pub rate: u32,
}

/// What is to be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Request {
    /// Only this context, or other queue by its name.
    #[serde(default)]
    pub context: Option<String>,
    /// Only say what would happen.
    #[serde(default)]
    pub dry_run: bool,
    /// Somebody asks for it, and so no back-off is waited for.
    #[serde(default)]
    pub by_hand: bool,
}

/// What was done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RedriveReport", deny_unknown_fields)]
pub struct Report {
    pub dry_run: bool,
    pub queues: Vec<QueueReport>,
}

/// What was done with one queue's dead letters; in a dry run, what would be.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RedrivenQueue", deny_unknown_fields)]
pub struct QueueReport {
    pub name: String,
    /// About how many there were when the run began: the sum of the other numbers.
    pub found: u64,
    /// Sent back to their queue, the canaries among them.
    pub redriven: u64,
    /// Due, and only sent or parked once a canary has its outcome.
    pub behind_canary: u64,
    /// Set aside for a person: their attempts are used up.
    pub parked: u64,
    /// Dropped: they had their outcome already, or lay there twice.
    pub settled: u64,
    /// Looked at and left: not due yet, on their way since an earlier run, or behind one that is.
    pub waiting: u64,
    /// Not looked at, for want of time, or because others hold them right now.
    pub unseen: u64,
    /// Of a command queue: whether one of those sent ahead has its outcome.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,
    /// What broke the run off.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// Commands that are sent ahead, to find out whether their context is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Canary {
    /// One has its outcome: the rest may follow.
    Passed,
    /// Nothing is known of any yet: the rest waits.
    OnItsWay,
}

impl Redrive {
    /// One run over all queues, or over the one that is asked for; an unknown name finds none.
    pub async fn run(&self, request: &Request, now: Timestamp, finish_by: Instant) -> Report {
        let asked_for = |way: &&WayBack| request.context.as_ref().is_none_or(|name| *name == way.name);
        let runs = self.ways.iter().filter(asked_for).map(|way| async move {
            let mut run = Run::new(self, way, request, now, finish_by);
            let work = run.work().await;
            // Neither holds the other up.
            let unsent = if request.dry_run { Ok(()) } else { self.send_unsent(way, now).await };
            let error = work.and(unsent).err().map(|error| {
                tracing::error!(queue = way.name, error = chain(&error), "the run broke off");
                "it broke off; the function's log says why".to_owned()
            });
            let report = QueueReport { error, ..run.end().await };
            if !request.dry_run {
                self.tell(way, &report).await;
            }
            report
        });
        Report { dry_run: request.dry_run, queues: join_all(runs).await }
    }

    async fn tell(&self, way: &WayBack, report: &QueueReport) {
        let QueueReport { found, redriven, behind_canary, parked, settled, waiting, unseen, canary, .. } = report;
        if *found > 0 {
            tracing::info!(
                queue = way.name,
                found,
                redriven,
                behind_canary,
                parked,
                settled,
                waiting,
                unseen,
                ?canary,
                "redriven"
            );
        }
        metrics::counter!(metric::REDRIVEN, "Context" => way.name.clone()).increment(*redriven);
        metrics::counter!(metric::PARKED, "Context" => way.name.clone()).increment(*parked);
        match self.parked.count(&way.name).await {
            Ok(count) => {
                #[expect(clippy::cast_precision_loss, reason = "a gauge is a float, and there are fewer than 2^52")]
                metrics::gauge!(metric::PARKED_WAITING, "Context" => way.name.clone()).set(count as f64);
            }
            Err(error) => tracing::warn!(queue = way.name, error = chain(&error), "parked messages not counted"),
        }
    }
}

impl Report {
    /// The queues whose run broke off, if there are any.
    pub fn broken_off(&self) -> Option<String> {
        let broken: Vec<_> =
            self.queues.iter().filter(|queue| queue.error.is_some()).map(|q| q.name.as_str()).collect();
        (!broken.is_empty()).then(|| broken.join(", "))
    }
}

/// Why a run over a queue broke off.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    #[error("a queue did not do it")]
    Queue(#[from] messaging::SendError),
    #[error("the store did not do it")]
    Store(#[from] store::StoreError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_queues_whose_runs_broke_off_are_named() {
        let queue = |name: &str, error: Option<&str>| QueueReport {
            name: name.to_owned(),
            error: error.map(str::to_owned),
            ..QueueReport::default()
        };
        let broken_off = |queues| Report { dry_run: false, queues }.broken_off();
        assert_eq!(broken_off(vec![queue("orders", None)]), None);
        let queues = vec![queue("orders", Some("it")), queue("policies", None), queue("publisher", Some("it"))];
        assert_eq!(broken_off(queues).as_deref(), Some("orders, publisher"));
    }
}
