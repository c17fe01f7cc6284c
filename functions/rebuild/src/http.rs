//! `POST /rebuild`: a platform operator asks for one. `/rebuilds` shows what became of them.

use kernel::ids::TenantId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::{json, set};
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, object};
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use schemars::{JsonSchema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use store::jobs::{Failure, Job, Segment, Task};
use tracing::Span;
use tracing::field::display;

use crate::Rebuild;
use crate::counting::Counting as _;

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    Begin,
    List,
    Show,
    Cancel,
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::post("/rebuild", Endpoint::Begin),
    Route::get("/rebuilds", Endpoint::List),
    Route::get("/rebuilds/{id}", Endpoint::Show),
    Route::post("/rebuilds/{id}/cancel", Endpoint::Cancel),
];

/// Segments of a rebuild that does not say how many.
const SEGMENTS: u32 = 8;

/// More would not be quicker: they are walked by one function.
const MOST_SEGMENTS: u32 = 64;

/// Rebuilds that are listed.
const LISTED: i32 = 50;

/// What is to be rebuilt.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Asked {
    /// This collection alone.
    #[serde(default)]
    collection: Option<String>,
    /// This tenant alone. All streams are read for it, too.
    #[serde(default)]
    tenant: Option<TenantId>,
    /// Only say what would be written.
    #[serde(default)]
    dry_run: bool,
    /// Events a second at most.
    #[serde(default)]
    pace: Option<u32>,
    /// In so many segments side by side.
    #[serde(default)]
    segments: Option<u32>,
}

/// How far a rebuild is.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "Rebuild", deny_unknown_fields)]
struct Shown {
    id: String,
    state: State,
    /// This collection alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    collection: Option<String>,
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
    /// Absent in lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    progress: Option<Progress>,
}

/// Whether a rebuild is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "RebuildState")]
enum State {
    /// it begins within a minute
    Waiting,
    /// it has begun
    Running,
    /// somebody has ended it
    Cancelled,
    /// all is seen to
    Finished,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "RebuildProgress", deny_unknown_fields)]
struct Progress {
    segments: u32,
    segments_done: u32,
    streams: u64,
    events: u64,
    /// Documents that were what their events make of them.
    right: u64,
    /// Documents that were not, and are now; in a dry run, would be.
    written: u64,
    /// Documents, and streams, that this release cannot make anything of.
    failed: u64,
    /// Some of them.
    failures: Vec<Failure>,
}

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "RebuildList", deny_unknown_fields)]
struct List {
    /// The newest first.
    items: Vec<Shown>,
}

/// Describes all answers but problems, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Shown>();
    generator.subschema_for::<List>();
}

impl Rebuild {
    #[tracing::instrument(name = "rebuild", skip_all, fields(operator, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        trace::record(&request);
        self.answer(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let place = Place::find(ROUTES, request, &self.public_url).ok_or_else(nothing_here)?;
        let id = place.value("id");
        let endpoint = place.endpoint(request.method())?;
        let operator = self.operator(request).await?;
        match endpoint {
            Endpoint::Begin => self.begin(&operator, request, now).await,
            Endpoint::List => {
                Parameters::of(request).expect_only(&[])?;
                let items = self.jobs.newest(LISTED).await?.into_iter().map(|job| shown(job, now, None)).collect();
                Ok(json(StatusCode::OK, &List { items }))
            }
            Endpoint::Show => {
                Parameters::of(request).expect_only(&[])?;
                self.show(id, now).await
            }
            Endpoint::Cancel => {
                let Nothing {} = object(request)?;
                if self.jobs.cancel(id, &operator.principal.to_string(), now).await? {
                    tracing::info!(job = id, "cancelled");
                }
                // Cancelled twice is cancelled; what has ended shows that it has.
                self.show(id, now).await
            }
        }
    }

    /// A platform operator: a rebuild reads what belongs to all tenants.
    async fn operator(&self, request: &Request) -> Result<Operator, Refusal> {
        let operator = self.operators.identify(request).await?;
        require(request, &[Scope::Operate])?;
        Span::current().record("operator", display(&operator.principal));
        if operator.tenant.is_some() {
            let detail = "a rebuild reads what belongs to all tenants: this is for platform operators";
            return Err(Problem::not_permitted(detail).into());
        }
        Ok(operator)
    }

    async fn begin(&self, operator: &Operator, request: &Request, now: Timestamp) -> Answer {
        let Asked { collection, tenant, dry_run, pace, segments } = object(request)?;
        if let Some(name) = collection.as_ref().filter(|name| catalog::collections().all(|known| known != **name)) {
            let shown: String = name.chars().take(40).collect();
            let known = catalog::collections().collect::<Vec<_>>().join(", ");
            return Err(Problem::bad_request(format!("no collection is called {shown}; known: {known}")).into());
        }
        if pace == Some(0) {
            return Err(Problem::bad_request("pace is at least 1 event a second; leave it out for no limit").into());
        }
        let segments = segments.unwrap_or(SEGMENTS);
        if !(1..=MOST_SEGMENTS).contains(&segments) {
            return Err(Problem::bad_request(format!("segments is from 1 to {MOST_SEGMENTS}")).into());
        }
        let task = Task::Rebuild { collection, tenant, dry_run };
        let job = Job::new(task, segments, pace, &operator.principal.to_string(), now);
        self.jobs.add(&job).await?;
        tracing::info!(job = job.id(), dry_run, segments, "asked for");
        let location = format!("{}/rebuilds/{}", self.public_url, job.id());
        let mut answer = json(StatusCode::ACCEPTED, &shown(job, now, Some(Vec::new())));
        set(&mut answer, LOCATION, &location);
        Ok(answer)
    }

    async fn show(&self, id: &str, now: Timestamp) -> Answer {
        let job = self.jobs.find(id).await?.ok_or_else(nothing_here)?;
        let segments = self.jobs.segments(id).await?.into_values().collect();
        Ok(json(StatusCode::OK, &shown(job, now, Some(segments))))
    }
}

/// A body without members.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Nothing {}

fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this operator")
}

fn shown(job: Job, now: Timestamp, segments: Option<Vec<Segment>>) -> Shown {
    let begun = job.lease_until.is_some_and(|until| until > now.millis())
        || segments.as_ref().is_some_and(|segments| !segments.is_empty());
    let state = match (&job.cancelled_by, job.ended_at) {
        (Some(_), _) => State::Cancelled,
        (None, Some(_)) => State::Finished,
        (None, None) if begun => State::Running,
        (None, None) => State::Waiting,
    };
    let progress = segments.map(|segments| {
        let sum = |name: &str| segments.iter().map(|segment| segment.count(name)).sum();
        Progress {
            segments: job.segments,
            segments_done: segments.iter().map(|segment| u32::from(segment.done)).sum(),
            streams: sum("streams"),
            events: sum("events"),
            right: sum("right"),
            written: sum("written"),
            failed: sum("failed"),
            failures: segments.iter().flat_map(|segment| segment.failures.clone()).collect(),
        }
    });
    let id = job.id().to_owned();
    let Task::Rebuild { collection, tenant, dry_run } = job.task;
    Shown {
        id,
        state,
        collection,
        tenant,
        dry_run,
        pace: job.pace,
        requested_by: job.requested_by,
        requested_at: job.requested_at,
        cancelled_by: job.cancelled_by,
        ended_at: job.ended_at,
        progress,
    }
}
