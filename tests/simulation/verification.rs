//! The verifier: while everything goes on and goes wrong it must find nothing, and at the end, when all that is older than a
//! minute must have arrived, it must find nothing either.

use std::rc::Rc;
use std::time::Duration;

use store::findings::{Finding, Kind, State};
use store::jobs::{Job, Task};
use tokio::time::{Instant, sleep};

use crate::functions::RESERVE;
use crate::invocation::Role;
use crate::releases::Rollout;
use crate::world::World;

/// So many are begun: each reads all that there is.
const MOST: usize = 4;

const TIMEOUT: Duration = Duration::from_mins(15);

/// What is younger may be on its way, when everything has come to rest.
const AT_REST: u64 = 60;

/// Whether this run's verifier can read what is stored, and nothing is wrong on purpose.
pub fn is_wanted(world: &World) -> bool {
    let reads_all = world.plan.rollout.is_none_or(|rollout| rollout == Rollout::Layout);
    world.plan.verified && world.plan.without.is_none() && reads_all
}

/// One verification after the other while clients send commands, spread over the whole run.
pub async fn goes_on(world: Rc<World>) {
    let (mut verifier, mut begun) = (world.verifier(), 0);
    loop {
        sleep(world.pause(Duration::from_mins(5))).await;
        if !world.has_jobs_of("verification") {
            let is_due = world.chaos.journal().of_clients() >= world.plan.commands * begun / MOST;
            if begun == MOST || !is_due {
                continue;
            }
            // One that cannot be asked for is left out.
            let _ = verifier.jobs.add(&job(&world, None)).await;
            begun += 1;
        }
        let it = world.chaos.invocation(Role::Verifier);
        let work = verifier.work(world.now(0), Instant::now() + TIMEOUT - RESERVE);
        if world.chaos.invoke(it, TIMEOUT, work).await.is_err() {
            verifier = world.verifier();
        }
    }
}

fn job(world: &World, settled_after: Option<u64>) -> Job {
    let task = Task::Verification { tenant: None, stream: None, operation: None, settled_after };
    Job::new(task, 3, None, "client:platform", world.now(0))
}

/// Notes what was found meanwhile, and what is found now. Gives how many streams were verified now.
pub async fn finds_nothing(world: &World) -> u64 {
    if !is_wanted(world) {
        return 0;
    }
    let verifier = world.verifier();
    for finding in findings(world).await {
        violation(world, "while it went on", &finding);
    }
    let job = job(world, Some(AT_REST));
    verifier.jobs.add(&job).await.expect("noted");
    while world.has_jobs_of("verification") {
        verifier.work(world.now(0), Instant::now() + TIMEOUT).await.expect("worked");
    }
    for finding in findings(world).await.iter().filter(|finding| finding.seen_by == job.id()) {
        violation(world, "at rest", finding);
    }
    let segments = verifier.jobs.segments(job.id()).await.expect("segments");
    segments.values().filter_map(|segment| segment.counts.get("streams")).sum()
}

async fn findings(world: &World) -> Vec<Finding> {
    let mut findings = Vec::new();
    for kind in Kind::ALL {
        findings.extend(world.verifier().findings.list(kind, &State::ALL, None).await.expect("findings"));
    }
    findings
}

fn violation(world: &World, when: &str, finding: &Finding) {
    let Finding { kind, stream, expected, actual, place, .. } = finding;
    let what = format!("a verification {when} found {kind:?} of {stream:?}: {expected}, but {actual} ({place:?})");
    world.chaos.journal().violation(None, what);
}
