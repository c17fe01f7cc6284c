//! A verification: its parts, page by page.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::join_all;
use kernel::ids::{StreamId, TenantId};
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::metric;
use messaging::SendError;
use store::StoreError;
use store::findings::{Finding, Found, Kind, State};
use store::jobs::{Job, Segment, Task};
use tokio::time::Instant;
use walk::Walk;
use walk::counting::Counting as _;

use crate::Verifier;
use crate::patience::Patience;

/// Between the two looks at what does not fit.
const PAUSE: Duration = Duration::from_secs(2);

/// Of a segment and a kind, so many findings are kept; the rest is counted.
const MOST_OF_A_KIND: u64 = 200;

/// Segments of a verification that the schedule begins.
const SEGMENTS: u32 = 4;

/// Who asks for those.
const SCHEDULE: &str = "schedule";

/// Why a verification is left to the next invocation.
#[derive(Debug, thiserror::Error)]
pub enum WorkError {
    #[error("what is verified could not be read, or what was found not written")]
    Store(#[from] StoreError),
    #[error("what mends it was not sent")]
    Queue(#[from] SendError),
}

/// The parts, in their order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    Streams,
    Operations,
    Parked,
    Claims,
    Timers,
    Collections,
}

const PARTS: [Part; 6] = [Part::Streams, Part::Operations, Part::Parked, Part::Claims, Part::Timers, Part::Collections];

/// What is verified.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scope<'a> {
    pub tenant: Option<&'a TenantId>,
    pub stream: Option<&'a str>,
    pub operation: Option<&'a str>,
}

impl<'a> Scope<'a> {
    fn of(task: &'a Task) -> Self {
        let Task::Verification { tenant, stream, operation, .. } = task else {
            return Self { tenant: None, stream: None, operation: None };
        };
        Self { tenant: tenant.as_ref(), stream: stream.as_deref(), operation: operation.as_deref() }
    }

    fn is_all(&self) -> bool {
        self.tenant.is_none() && self.stream.is_none() && self.operation.is_none()
    }

    /// Whether all that there is of the tenant is in it.
    pub fn has_tenant(&self, tenant: Option<&TenantId>) -> bool {
        self.tenant.is_none_or(|wanted| tenant == Some(wanted))
    }

    /// Whether a verification of this judges such a finding.
    fn judges(&self, finding: &Finding) -> bool {
        if self.stream.is_none() && self.operation.is_none() {
            return self.has_tenant(finding.tenant.as_ref());
        }
        match part_of(finding.kind) {
            Part::Operations => self.operation.is_some() && finding.place.operation.as_deref() == self.operation,
            _ => self.stream.is_some() && finding.stream.as_deref() == self.stream,
        }
    }
}

/// The part that finds such things.
pub(crate) fn part_of(kind: Kind) -> Part {
    match kind {
        Kind::CommitMissing
        | Kind::CommitUnreadable
        | Kind::PublicationLost
        | Kind::DocumentBehind
        | Kind::DocumentBent
        | Kind::DocumentAhead
        | Kind::DocumentUnreadable
        | Kind::EventWithoutOperation
        | Kind::OperationDiffers
        | Kind::ClaimMissing
        | Kind::TimerLost
        | Kind::CommandLost => Part::Streams,
        Kind::OperationWithoutEvents | Kind::RefusalUntold | Kind::ParkedLost | Kind::RetryForgotten => {
            Part::Operations
        }
        Kind::ParkedForgotten | Kind::ResubmissionUnsent => Part::Parked,
        Kind::ClaimWithoutOwner => Part::Claims,
        Kind::TimerOverdue => Part::Timers,
        Kind::DocumentWithoutStream | Kind::TotalOff => Part::Collections,
    }
}

/// One invocation at work.
struct Working<'a> {
    verifier: &'a Verifier,
    clock: Clock,
}

/// Something that a part looks at, and what does not fit of it.
pub(crate) type Judged<S> = Vec<(S, Vec<Found>)>;

impl Verifier {
    /// Begins a verification of everything if it is time, and works on those that are open.
    pub async fn work(&self, now: Timestamp, finish_by: Instant) -> Result<(), WorkError> {
        let begun = self.begin_if_due(now).await;
        let working = Working { verifier: self, clock: Clock::start(now) };
        walk::work(&working, &self.jobs, now, finish_by).await?;
        begun
    }

    /// What must have arrived by now.
    pub(crate) async fn patience(&self, now: Timestamp, settled_after: Option<u64>) -> Result<Patience, StoreError> {
        let kept = format!("records for {} days", self.retention.as_secs() / (24 * 60 * 60));
        let since = self.since("retention", &kept, now).await?;
        Ok(Patience::at(now, settled_after, self.retention, since))
    }

    async fn begin_if_due(&self, now: Timestamp) -> Result<(), WorkError> {
        let Some(every) = self.every else { return Ok(()) };
        let every = u64::try_from(every.as_millis()).unwrap_or(u64::MAX);
        // The same for all invocations of a period, so none begins a second one.
        let due = Timestamp::from_millis(now.millis() / every * every);
        let task = Task::Verification { tenant: None, stream: None, operation: None, settled_after: None };
        let job = Job::named(SCHEDULE, task, SEGMENTS, Some(self.pace), SCHEDULE, due);
        if self.jobs.find(job.id()).await?.is_some() {
            return Ok(());
        }
        if self.jobs.open().await?.iter().any(|job| job.requested_by == SCHEDULE) {
            return Ok(()); // that one takes longer than the time between two
        }
        if self.jobs.add_once(&job).await? {
            tracing::info!(job = job.id(), "a verification is due");
        }
        Ok(())
    }
}

impl Walk for Working<'_> {
    type Error = WorkError;

    fn takes(&self, task: &Task) -> bool {
        matches!(task, Task::Verification { .. })
    }

    /// What is about one thing alone does not wait for what takes long.
    fn comes_first(&self, task: &Task) -> bool {
        let scope = Scope::of(task);
        scope.stream.is_some() || scope.operation.is_some()
    }

    async fn page(&self, job: &Job, number: u32, segment: &mut Segment, most: i32) -> Result<usize, WorkError> {
        let Task::Verification { settled_after, .. } = &job.task else { return Ok(0) };
        let scope = Scope::of(&job.task);
        let patience = self.verifier.patience(self.clock.now(), *settled_after).await?;
        let at = PARTS.get(segment.part as usize).copied();
        let Some(part) = at.filter(|_| scope.stream.is_none() && scope.operation.is_none()) else {
            self.single(scope, patience, job, segment).await?;
            segment.done = true;
            return Ok(1);
        };
        let which = (number, job.segments);
        let (found, items) = match part {
            Part::Streams => self.verifier.streams(scope, patience, which, segment, most).await?,
            Part::Operations => self.verifier.operations(scope, patience, which, segment, most).await?,
            Part::Parked => self.verifier.parked(scope, patience, which, segment, most).await?,
            Part::Claims => self.verifier.claims(scope, which, segment, most).await?,
            Part::Timers => self.verifier.timers(scope, patience, which, segment).await?,
            Part::Collections => self.verifier.collections(scope, which, segment).await?,
        };
        self.note(job, segment, &found).await?;
        if segment.after.is_none() && segment.last_key.is_empty() {
            segment.part += 1;
            segment.done = segment.part as usize == PARTS.len();
        }
        Ok(items)
    }

    /// Closes what is true no more. What was not seen need not be right: it may have aged, or be hidden by something else. So
    /// each is looked at by itself.
    async fn finish(&self, job: &Job) -> Result<(), WorkError> {
        let Verifier { findings, .. } = self.verifier;
        let scope = Scope::of(&job.task);
        let patience = self.verifier.patience(self.clock.now(), None).await?;
        let mut open = 0;
        for kind in Kind::ALL {
            for finding in findings.list(kind, &[State::Open, State::Ignored], None).await? {
                // What was seen after this verification was asked for is another's matter.
                let is_seen = finding.seen_by == job.id() || finding.last_seen > job.requested_at;
                let is_over = !is_seen
                    && scope.judges(&finding)
                    && self.verifier.is_still_true(&finding, patience).await? == Some(false);
                if is_over && findings.close(&finding, self.clock.now()).await? {
                    tracing::info!(finding = finding.id, "true no more");
                } else {
                    open += u32::from(finding.state == State::Open);
                }
            }
        }
        metrics::gauge!(metric::FINDINGS_OPEN).set(f64::from(open));
        if scope.is_all() {
            metrics::counter!(metric::VERIFICATIONS_FINISHED).increment(1);
        }
        Ok(())
    }
}

impl Working<'_> {
    /// One stream, and one operation.
    async fn single(
        &self,
        scope: Scope<'_>,
        patience: Patience,
        job: &Job,
        segment: &mut Segment,
    ) -> Result<(), WorkError> {
        if let Some(stream) = scope.stream {
            let found = self.verifier.one_stream(stream, patience, segment).await?;
            self.note(job, segment, &found).await?;
        }
        if let Some(operation) = scope.operation {
            let found = self.verifier.one_operation(operation, patience, segment).await?;
            self.note(job, segment, &found).await?;
        }
        Ok(())
    }

    async fn note(&self, job: &Job, segment: &mut Segment, found: &[Found]) -> Result<(), StoreError> {
        for found in found {
            segment.add("found", 1);
            segment.add(found.kind.as_str(), 1);
            if segment.count(found.kind.as_str()) > MOST_OF_A_KIND {
                continue;
            }
            if self.verifier.findings.note(found, job.id(), self.clock.now()).await? {
                metrics::counter!(metric::FINDINGS_NEW).increment(1);
                tracing::warn!(finding = found.id(), kind = found.kind.as_str(), job = job.id(), "does not fit");
            }
        }
        Ok(())
    }
}

impl Verifier {
    /// What is found at two looks, with a pause between, of those that did not fit at the first one.
    pub(crate) async fn twice<S, F>(&self, first: Judged<S>, again: impl Fn(S) -> F) -> Result<Vec<Found>, StoreError>
    where
        F: Future<Output = Result<Vec<Found>, StoreError>>,
    {
        let suspected: Vec<_> = first.into_iter().filter(|(_, found)| !found.is_empty()).collect();
        if suspected.is_empty() {
            return Ok(Vec::new());
        }
        tokio::time::sleep(PAUSE).await;
        let mut confirmed = Vec::new();
        let mut suspected = suspected.into_iter().peekable();
        while suspected.peek().is_some() {
            let some: Vec<_> = suspected.by_ref().take(AT_A_TIME).collect();
            let looks = some.into_iter().map(|(subject, before)| {
                let look = again(subject);
                async move {
                    let before: BTreeMap<String, String> =
                        before.into_iter().map(|found| (found.id(), found.actual)).collect();
                    let now = look.await?;
                    // What moves meanwhile is on its way.
                    let stays = |found: &Found| before.get(&found.id()) == Some(&found.actual);
                    Ok::<_, StoreError>(now.into_iter().filter(stays).collect::<Vec<_>>())
                }
            });
            for found in join_all(looks).await {
                confirmed.extend(found?);
            }
        }
        Ok(confirmed)
    }
}

/// Second looks at the same time.
const AT_A_TIME: usize = 16;

/// The stream of that name, `tenant/context/id`.
pub(crate) fn stream_of(text: &str) -> Option<StreamId> {
    StreamId::parse(text).ok()
}

/// Texts in one line, the first few of them.
pub(crate) fn listed(texts: impl IntoIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let all: BTreeSet<String> = texts.into_iter().collect();
    let shown: Vec<_> = all.iter().take(SHOWN).map(String::as_str).collect();
    let more = if all.len() > SHOWN { format!(" and {} more", all.len() - SHOWN) } else { String::new() };
    format!("{}{more}", shown.join(", "))
}
