//! An invocation by the schedule: the jobs that are open, as far as there is time.

use std::sync::Mutex;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::chain;
use messaging::SendError;
use store::StoreError;
use store::jobs::{Job, Lease, Segment};
use tokio::time::{Instant, timeout_at};

use crate::Rebuild;
use crate::gate::{Gate, LEASE, lock};

/// Why a job is left to the next invocation.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("the job, what it walks, or what it writes could not be read or written")]
    Store(#[from] StoreError),
    #[error("events were not sent again")]
    Queue(#[from] SendError),
}

impl Rebuild {
    /// Works on open jobs, the oldest first, one after the other: while somebody else works on one, nothing is begun. One that
    /// fails does not hold up the next.
    pub async fn work(&self, now: Timestamp, finish_by: Instant) -> Result<(), WorkError> {
        let clock = Clock::start(now);
        let mut failed = Ok(());
        for job in self.jobs.open().await? {
            if Instant::now() >= finish_by {
                break;
            }
            // No two take it to the same time.
            let until = clock.now().plus(LEASE + Duration::from_millis(fastrand::u64(..1000)));
            let Some(lease) = self.jobs.take(job.id(), clock.now(), until).await? else { break };
            failed = failed.and(self.work_on(&job, lease, clock, finish_by).await);
        }
        failed
    }

    async fn work_on(&self, job: &Job, lease: Lease, clock: Clock, finish_by: Instant) -> Result<(), WorkError> {
        tracing::info!(job = job.id(), "at work");
        let (gate, lease) = (Gate::of(job, finish_by), Mutex::new(lease));
        let walked = async {
            let known = self.jobs.segments(job.id()).await?;
            let segment = |number| known.get(&number).cloned().unwrap_or_default();
            let walks = join_all((0..job.segments).map(|number| self.walk(job, number, segment(number), &gate))).await;
            walks.into_iter().collect::<Result<Vec<Segment>, WorkError>>()
        };
        let (walked, keeping) = (Box::pin(walked), Box::pin(gate.keep(&self.jobs, job, &lease, clock)));
        let walked = match timeout_at(finish_by, select(walked, keeping)).await {
            Ok(Either::Left((walked, _))) => walked,
            Ok(Either::Right((kept, _))) => kept.map(|()| Vec::new()).map_err(WorkError::from),
            Err(_) => Ok(Vec::new()), // the pages that were begun are done again
        };
        let is_done = walked.as_ref().is_ok_and(|segments| {
            segments.len() == job.segments as usize && segments.iter().all(|segment| segment.done)
        });
        let ended_at = is_done.then(|| clock.now());
        let mine = *lock(&lease);
        let given_back = self.jobs.give_back(job.id(), mine, ended_at).await;
        match &walked {
            Err(error) => tracing::error!(job = job.id(), error = chain(error), "to be continued"),
            Ok(_) if !is_done => tracing::info!(job = job.id(), "to be continued"),
            Ok(segments) => {
                let sum = |name: &str| segments.iter().filter_map(|segment| segment.counts.get(name)).sum::<u64>();
                let (written, sent, failed) = (sum("written"), sum("sent"), sum("failed"));
                tracing::info!(job = job.id(), dry_run = job.task.dry_run(), written, sent, failed, "finished");
            }
        }
        walked?;
        Ok(given_back?)
    }
}
