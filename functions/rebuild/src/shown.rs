//! Jobs as operators see them.

use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use store::jobs::{Failure, Job, Progress, Segment, Task};
use walk::counting::{done, failures, sum};

/// A rebuild, and how far it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Rebuild")]
pub(crate) struct ShownRebuild {
    #[serde(flatten)]
    job: ShownJob,
    /// This collection alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<String>,
    /// This stream alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Whether the collection's totals are counted anew, and no documents made.
    totals: bool,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<RebuildProgress>,
}

/// A replay, and how far it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Replay")]
pub(crate) struct ShownReplay {
    #[serde(flatten)]
    job: ShownJob,
    /// Who gets the events.
    subscriber: String,
    /// Whose events they are.
    context: String,
    /// Events of these types; none: of all.
    types: Vec<String>,
    /// Events that were committed then or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    /// Events that were committed before.
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Timestamp>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<ReplayProgress>,
}

/// What rebuilds and replays have alike.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct ShownJob {
    id: String,
    state: Progress,
    /// This tenant alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    dry_run: bool,
    /// Events a second, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<u32>,
    requested_by: String,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
}

/// How far a rebuild is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct RebuildProgress {
    segments: u32,
    segments_done: u32,
    streams: u64,
    events: u64,
    /// Documents that were what their events make of them.
    right: u64,
    /// Documents that were not, and are now; in a dry run, would be.
    written: u64,
    /// Totals that were not the sum over all documents, and are now.
    totals: u64,
    /// Documents, and streams, that this release cannot make anything of; totals that cannot be counted.
    failed: u64,
    /// Some of them.
    failures: Vec<Failure>,
}

/// How far a replay is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ReplayProgress {
    segments: u32,
    segments_done: u32,
    /// Streams of the context.
    streams: u64,
    /// Events that were sent; in a dry run, would be.
    sent: u64,
    /// Streams that cannot be read.
    failed: u64,
    /// Some of them.
    failures: Vec<Failure>,
}

/// Part of a list of rebuilds.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct RebuildList {
    /// The newest first.
    pub items: Vec<ShownRebuild>,
}

/// Part of a list of replays.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct ReplayList {
    /// The newest first.
    pub items: Vec<ShownReplay>,
}

/// Of a rebuild; `None`: it is something else.
pub(crate) fn rebuild(job: Job, segments: Option<&[Segment]>) -> Option<ShownRebuild> {
    let (collection, tenant, stream, totals) = match job.task.clone() {
        Task::Rebuild { collection, tenant, stream, .. } => (collection, tenant, stream, false),
        Task::Recount { tenant, collection } => (Some(collection), Some(tenant), None, true),
        _ => return None,
    };
    let progress = segments.map(|segments| RebuildProgress {
        segments: job.segments,
        segments_done: done(segments),
        streams: sum(segments, "streams"),
        events: sum(segments, "events"),
        right: sum(segments, "right"),
        written: sum(segments, "written"),
        totals: sum(segments, "totals"),
        failed: sum(segments, "failed"),
        failures: failures(segments),
    });
    Some(ShownRebuild { job: shown(job, tenant), collection, stream, totals, progress })
}

/// Of a replay; `None`: it is something else.
pub(crate) fn replay(job: Job, segments: Option<&[Segment]>) -> Option<ShownReplay> {
    let Task::Replay { subscriber, context, tenant, types, from, to, .. } = job.task.clone() else { return None };
    let progress = segments.map(|segments| ReplayProgress {
        segments: job.segments,
        segments_done: done(segments),
        streams: sum(segments, "streams"),
        sent: sum(segments, "sent"),
        failed: sum(segments, "failed"),
        failures: failures(segments),
    });
    Some(ShownReplay { job: shown(job, tenant), subscriber, context, types, from, to, progress })
}

fn shown(job: Job, tenant: Option<TenantId>) -> ShownJob {
    ShownJob {
        id: job.id().to_owned(),
        state: job.progress(),
        tenant,
        dry_run: job.task.dry_run(),
        pace: job.pace,
        requested_by: job.requested_by,
        requested_at: job.requested_at,
        cancelled_by: job.cancelled_by,
        ended_at: job.ended_at,
    }
}
