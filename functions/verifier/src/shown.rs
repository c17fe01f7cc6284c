//! Verifications and findings as operators see them.

use std::collections::BTreeMap;

use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use store::findings::{Decided, Finding, Kind, State};
use store::jobs::{Failure, Job, Progress, Segment, Task};
use walk::counting;

use crate::told::{Action, action, means};

/// A verification, and how far it is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Verification", deny_unknown_fields)]
pub(crate) struct ShownVerification {
    id: String,
    state: Progress,
    /// This tenant alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    /// This stream alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// And this operation, by its tenant and the key of its command.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<String>,
    /// Seconds after which everything must have arrived. Absent: after the slowest lawful way.
    #[serde(skip_serializing_if = "Option::is_none")]
    settled_after: Option<u64>,
    /// Items a second, at most.
    #[serde(skip_serializing_if = "Option::is_none")]
    pace: Option<u32>,
    /// `schedule`, or an operator.
    requested_by: String,
    requested_at: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    cancelled_by: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<Timestamp>,
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<VerificationProgress>,
}

/// How far a verification is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct VerificationProgress {
    segments: u32,
    segments_done: u32,
    streams: u64,
    commits: u64,
    events: u64,
    operations: u64,
    documents: u64,
    /// What does not fit.
    found: u64,
    /// The same, by kind. Of each kind, 200 for each segment are kept as findings.
    kinds: BTreeMap<String, u64>,
    /// Collections whose totals were moved all the time, so that they could not be counted.
    unjudged: u64,
    /// Streams of which this release does not know what their aggregates are.
    unknown: u64,
    /// Records, and messages, that cannot be read.
    failed: u64,
    /// Some of them.
    failures: Vec<Failure>,
}

/// Part of a list of verifications.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct VerificationList {
    /// The newest first.
    pub items: Vec<ShownVerification>,
}

/// Something that does not fit.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Finding", deny_unknown_fields)]
pub(crate) struct ShownFinding {
    /// The same in every verification.
    id: String,
    kind: Kind,
    state: State,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<String>,
    /// The commit that it begins with.
    #[serde(skip_serializing_if = "Option::is_none")]
    commit: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    command_type: Option<String>,
    /// One sentence.
    means: &'static str,
    /// What there would have to be.
    expected: String,
    /// What there is.
    actual: String,
    action: Action,
    /// Whether `POST /findings/{id}/mend` does it; otherwise somebody does.
    mendable: bool,
    links: FindingLinks,
    first_seen: Timestamp,
    last_seen: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    closed_at: Option<Timestamp>,
    /// Who leaves it, and why.
    #[serde(skip_serializing_if = "Option::is_none")]
    ignored: Option<Decided>,
    /// Who has asked for its action last. It closes with the next verification that finds it mended.
    #[serde(skip_serializing_if = "Option::is_none")]
    mended: Option<Decided>,
}

/// Where to look.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct FindingLinks {
    /// The trace of the command.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri"))]
    trace: Option<String>,
    /// The events of the aggregate, for its tenant's principals.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri"))]
    history: Option<String>,
    /// The verification that has last seen it.
    #[schemars(extend("format" = "uri"))]
    verification: String,
}

/// Part of a list of findings.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(deny_unknown_fields)]
pub(crate) struct FindingList {
    /// The newest first, 500 at most.
    pub items: Vec<ShownFinding>,
    /// How many there are.
    pub total: usize,
}

/// Of a verification; `None`: it is something else.
pub(crate) fn verification(job: Job, segments: Option<&[Segment]>) -> Option<ShownVerification> {
    let Task::Verification { tenant, stream, operation, settled_after } = job.task.clone() else { return None };
    let progress = segments.map(|segments| {
        let sum = |name| counting::sum(segments, name);
        let kinds = Kind::ALL.into_iter().map(|kind| (kind.as_str().to_owned(), sum(kind.as_str())));
        VerificationProgress {
            segments: job.segments,
            segments_done: counting::done(segments),
            streams: sum("streams"),
            commits: sum("commits"),
            events: sum("events"),
            operations: sum("operations"),
            documents: sum("documents"),
            found: sum("found"),
            kinds: kinds.filter(|(_, count)| *count > 0).collect(),
            unjudged: sum("unjudged"),
            unknown: sum("unknown"),
            failed: sum("failed"),
            failures: counting::failures(segments),
        }
    });
    Some(ShownVerification {
        id: job.id().to_owned(),
        state: job.progress(),
        tenant,
        stream,
        operation,
        settled_after,
        pace: job.pace,
        requested_by: job.requested_by,
        requested_at: job.requested_at,
        cancelled_by: job.cancelled_by,
        ended_at: job.ended_at,
        progress,
    })
}

impl ShownFinding {
    pub fn of(finding: Finding, public_url: &str) -> Self {
        let (means, action) = (means(finding.kind), action(&finding));
        let trace = finding.place.receipt.as_ref().zip(finding.tenant.as_ref());
        let trace = trace.map(|(receipt, tenant)| format!("{public_url}/traces/{receipt}?tenant={tenant}"));
        let verification = format!("{public_url}/verifications/{}", finding.seen_by);
        Self {
            means,
            action,
            mendable: action.is_done_here() && finding.state != State::Closed,
            links: FindingLinks { trace, history: history(&finding, public_url), verification },
            id: finding.id,
            kind: finding.kind,
            state: finding.state,
            tenant: finding.tenant,
            stream: finding.stream,
            collection: finding.place.collection,
            commit: finding.place.commit.map(|commit| commit.commit_number),
            command_type: finding.place.command_type,
            expected: finding.expected,
            actual: finding.actual,
            first_seen: finding.first_seen,
            last_seen: finding.last_seen,
            closed_at: finding.closed_at,
            ignored: finding.ignored,
            mended: finding.mended,
        }
    }
}

/// Of the stream's own first read model.
fn history(finding: &Finding, public_url: &str) -> Option<String> {
    let stream = crate::verify::stream_of(finding.stream.as_deref()?)?;
    let ty = catalog::context(&stream.context)?.aggregate_type(&stream)?;
    let collection = ty.read_models.first()?.collection();
    Some(format!("{public_url}/{collection}/{}/history", stream.aggregate))
}
