//! The command handler: takes a batch from a context's command queue, decides, and commits. Exactly once in effect.
//!
//! - [`Delivery`] is a queue message with the command in it
//! - [`group`] handles the commands of one stream, in order, in as few transactions as possible
//! - [`deciding`] decides them on a thread, and keeps a hang to its command; [`verdict`] does so with a panic
//!
//! Every command ends in one of four ways: succeeded, rejected, parked, or given back to the queue to be retried; on
//! its last receive, to the dead letters.

mod deciding;
mod defect;
mod delivery;
mod effects;
mod group;
mod outcome;
mod settings;
mod stranger;
mod verdict;

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt as _, StreamExt as _};
use kernel::context::Context;
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use recovery::batch::{GivingBack, OUT_OF_TIME, Received};
use store::EventStore;
use store::parked::Parked;
use tokio::time::{Instant, timeout_at};

pub use crate::deciding::Deciding;
pub use crate::delivery::Delivery;
use crate::group::Group;

/// Handles the commands of one context.
pub struct CommandHandler {
    pub context: &'static Context,
    pub events: EventStore,
    pub parked: Parked,
    pub giving_back: GivingBack,
    /// How long the record of a final outcome is kept after the command, or a repeat of it, was handled.
    pub retention: Duration,
    pub deciding: Deciding,
}

impl CommandHandler {
    /// Handles one batch of a FIFO queue. What is named in the answer goes back to the queue: whatever could not be
    /// finished by `finish_by` or failed for a passing reason, and all that came after it in its group.
    pub async fn handle(&self, event: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let clock = Clock::start(now);
        let mut strangers = Vec::new();
        let mut groups: Vec<Group> = Vec::new();
        for message in event.records {
            match Delivery::read(Received::of(message), self.context) {
                Ok(delivery) => match groups.iter_mut().find(|group| group.stream == delivery.command.stream) {
                    Some(group) => group.pending.push_back(delivery),
                    None => groups.push(Group::begin(delivery)),
                },
                Err(stranger) => strangers.push(*stranger),
            }
        }
        // Unordered: that polls only the groups that have something new.
        let groups = groups.into_iter().map(|mut group| async move {
            // Deciding keeps its panics to itself; one over what is stored must not reach the other groups either.
            let stop = match timeout_at(finish_by, AssertUnwindSafe(group.run(self, clock)).catch_unwind()).await {
                Ok(Ok(Ok(()))) => return Vec::new(),
                Ok(Ok(Err(stop))) => stop,
                Ok(Err(_)) => "handling the stream panicked".to_owned().into(),
                Err(_) => OUT_OF_TIME.to_owned().into(),
            };
            group.give_back(self.context.name, stop)
        });
        let groups = groups.collect::<FuturesUnordered<_>>().collect::<Vec<_>>();
        let strangers = strangers.into_iter().map(|stranger| self.set_aside(stranger, clock, finish_by));
        let (groups, strangers) = futures_util::future::join(groups, join_all(strangers)).await;
        let failed = groups.into_iter().flatten().chain(strangers.into_iter().flatten()).collect();
        self.giving_back.answer(failed, clock.now()).await
    }
}
