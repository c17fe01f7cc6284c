//! An invocation by the schedule: the jobs that are open, as far as there is time.

use futures_util::future::{Either, join_all, select};
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::chain;
use store::jobs::{Job, Jobs, Segment};
use store::lease::Lease;
use tokio::time::{Instant, timeout_at};

use crate::Walk;
use crate::gate::{Gate, LEASE};

/// Works on open jobs, the oldest first, one after the other: while somebody else works on one, nothing is begun. One that
/// fails does not hold up the next.
pub async fn work<W: Walk>(walk: &W, jobs: &Jobs, now: Timestamp, finish_by: Instant) -> Result<(), W::Error> {
    let clock = Clock::start(now);
    let mut failed = Ok(());
    let mut open: Vec<Job> = jobs.open().await?.into_iter().filter(|job| walk.takes(&job.task)).collect();
    open.sort_by_key(|job| !walk.comes_first(&job.task));
    for job in open {
        if Instant::now() >= finish_by {
            break;
        }
        let Some(lease) = jobs.take(job.id(), clock.now(), clock.now().plus(LEASE)).await? else { break };
        failed = failed.and(work_on(walk, jobs, &job, lease, clock, finish_by).await);
    }
    failed
}

async fn work_on<W: Walk>(
    walk: &W,
    jobs: &Jobs,
    job: &Job,
    lease: Lease,
    clock: Clock,
    finish_by: Instant,
) -> Result<(), W::Error> {
    tracing::info!(job = job.id(), "at work");
    let gate = Gate::of(job, finish_by);
    let walked = async {
        let known = jobs.segments(job.id()).await?;
        let segment = |number| known.get(&number).cloned().unwrap_or_default();
        let walks = (0..job.segments).map(|number| through(walk, jobs, job, number, segment(number), &gate));
        let segments = join_all(walks).await.into_iter().collect::<Result<Vec<Segment>, W::Error>>()?;
        let is_done = segments.iter().all(|segment| segment.done);
        if is_done {
            walk.finish(job).await?;
        }
        Ok((is_done, segments))
    };
    let (walked, keeping) = (Box::pin(walked), Box::pin(gate.keep(jobs, job, lease, clock)));
    let walked = match timeout_at(finish_by, select(walked, keeping)).await {
        Ok(Either::Left((walked, _))) => walked,
        Ok(Either::Right((kept, _))) => kept.map(|()| (false, Vec::new())).map_err(W::Error::from),
        Err(_) => Ok((false, Vec::new())), // the pages that were begun are done again
    };
    let ended_at = matches!(walked, Ok((true, _))).then(|| clock.now());
    let given_back = jobs.give_back(job.id(), lease, ended_at).await;
    match &walked {
        Err(error) => tracing::error!(job = job.id(), error = chain(error), "to be continued"),
        Ok((false, _)) => tracing::info!(job = job.id(), "to be continued"),
        Ok((true, segments)) => {
            let sum = |name: &str| segments.iter().filter_map(|segment| segment.counts.get(name)).sum::<u64>();
            let (written, sent, failed) = (sum("written"), sum("sent"), sum("failed"));
            tracing::info!(job = job.id(), dry_run = job.task.dry_run(), written, sent, failed, "finished");
        }
    }
    walked?;
    Ok(given_back?)
}

/// Walks a segment as far as it may, and gives how far that was.
async fn through<W: Walk>(
    walk: &W,
    jobs: &Jobs,
    job: &Job,
    number: u32,
    mut segment: Segment,
    gate: &Gate,
) -> Result<Segment, W::Error> {
    while !segment.done && gate.pass().await {
        let taken = walk.page(job, number, &mut segment, gate.page()).await?;
        if !jobs.note(job, number, &segment).await? {
            break; // somebody else walks it
        }
        segment.step += 1;
        gate.took(taken);
        if !walk.goes_on(&job.task) {
            break;
        }
    }
    Ok(segment)
}
