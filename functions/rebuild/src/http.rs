//! `POST /rebuild` and `POST /replay`: a platform operator asks for one. `/rebuilds` and `/replays` show what became of them.

use futures_util::future::try_join_all;
use kernel::context::{Context, ReadModel};
use kernel::ids::{StreamId, TenantId};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::{json, set};
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, no_body, object};
use lambda::routes::{Place, Route};
use lambda::scope::platform_operator;
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use messaging::queues::SUBSCRIBERS;
use schemars::SchemaGenerator;
use serde::{Deserialize, Serialize};
use store::jobs::{Job, Segment, Task};

use crate::Rebuild;
use crate::shown::{self, RebuildList, ReplayList, ShownRebuild, ShownReplay};

/// What is asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Rebuild,
    Replay,
}

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    Begin(Kind),
    List(Kind),
    Show(Kind),
    Cancel(Kind),
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::post("/rebuild", Endpoint::Begin(Kind::Rebuild)),
    Route::get("/rebuilds", Endpoint::List(Kind::Rebuild)),
    Route::get("/rebuilds/{id}", Endpoint::Show(Kind::Rebuild)),
    Route::post("/rebuilds/{id}/cancel", Endpoint::Cancel(Kind::Rebuild)),
    Route::post("/replay", Endpoint::Begin(Kind::Replay)),
    Route::get("/replays", Endpoint::List(Kind::Replay)),
    Route::get("/replays/{id}", Endpoint::Show(Kind::Replay)),
    Route::post("/replays/{id}/cancel", Endpoint::Cancel(Kind::Replay)),
];

/// Segments of a job that does not say how many.
const SEGMENTS: u32 = 8;

/// More would not be quicker: they are walked by one function.
const MOST_SEGMENTS: u32 = 64;

/// Events a second of a replay that does not say how many: beside what happens meanwhile, most subscribers carry this.
const REPLAY_PACE: u32 = 100;

/// Jobs that are listed.
const LISTED: usize = 50;

/// What is to be rebuilt; what is absent is all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rebuilding {
    #[serde(default)]
    collection: Option<String>,
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    stream: Option<StreamId>,
    /// The totals of the tenant's collection, and nothing else.
    #[serde(default)]
    totals: bool,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    pace: Option<u32>,
    #[serde(default)]
    segments: Option<u32>,
}

/// What is to be sent again, and to whom.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Replaying {
    subscriber: String,
    context: String,
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    types: Vec<String>,
    #[serde(default)]
    from: Option<Timestamp>,
    #[serde(default)]
    to: Option<Timestamp>,
    #[serde(default)]
    dry_run: bool,
    #[serde(default)]
    pace: Option<u32>,
    #[serde(default)]
    segments: Option<u32>,
}

/// Describes all answers but problems, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<ShownRebuild>();
    generator.subschema_for::<RebuildList>();
    generator.subschema_for::<ShownReplay>();
    generator.subschema_for::<ReplayList>();
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
            Endpoint::Begin(kind) => self.begin(kind, &operator, request, now).await,
            Endpoint::List(kind) => {
                Parameters::of(request).expect_only(&[])?;
                self.list(kind).await
            }
            Endpoint::Show(kind) => {
                Parameters::of(request).expect_only(&[])?;
                self.show(kind, id).await
            }
            Endpoint::Cancel(kind) => {
                no_body(request, &[])?;
                self.find(kind, id).await?;
                if self.jobs.cancel(id, &operator.principal.to_string(), now).await? {
                    tracing::info!(job = id, "cancelled");
                }
                // Cancelled twice is cancelled; what has ended shows that it has.
                self.show(kind, id).await
            }
        }
    }

    /// A platform operator: what is walked belongs to all tenants.
    async fn operator(&self, request: &Request) -> Result<Operator, Refusal> {
        let why = "this reads what belongs to all tenants: it is for platform operators";
        platform_operator(&self.operators, request, why).await
    }

    async fn begin(&self, kind: Kind, operator: &Operator, request: &Request, now: Timestamp) -> Answer {
        let (task, pace, segments) = match kind {
            Kind::Rebuild => rebuilding(object(request)?)?,
            Kind::Replay => replaying(object(request)?)?,
        };
        if pace == Some(0) {
            return Err(Problem::bad_request("pace is at least 1 event a second").into());
        }
        let segments = segments.unwrap_or(SEGMENTS);
        if !(1..=MOST_SEGMENTS).contains(&segments) {
            return Err(Problem::bad_request(format!("segments is from 1 to {MOST_SEGMENTS}")).into());
        }
        let job = Job::new(task, segments, pace, &operator.principal.to_string(), now);
        self.jobs.add(&job).await?;
        tracing::info!(job = job.id(), dry_run = job.task.dry_run(), segments, "asked for");
        let location = format!("{}/{}/{}", self.public_url, kind.path(), job.id());
        let mut answer = answer(StatusCode::ACCEPTED, kind, job, &[])?;
        set(&mut answer, LOCATION, &location);
        Ok(answer)
    }

    async fn list(&self, kind: Kind) -> Answer {
        let of_tasks = kind.tasks().iter().map(|task| self.jobs.newest(task, LISTED));
        let mut jobs = try_join_all(of_tasks).await?.concat();
        jobs.sort_by(|a, b| b.id().cmp(a.id()));
        let jobs = jobs.into_iter().take(LISTED);
        Ok(match kind {
            Kind::Rebuild => {
                let items = jobs.filter_map(|job| shown::rebuild(job, None)).collect();
                json(StatusCode::OK, &RebuildList { items })
            }
            Kind::Replay => {
                let items = jobs.filter_map(|job| shown::replay(job, None)).collect();
                json(StatusCode::OK, &ReplayList { items })
            }
        })
    }

    async fn show(&self, kind: Kind, id: &str) -> Answer {
        let job = self.find(kind, id).await?;
        let segments: Vec<Segment> = self.jobs.segments(id).await?.into_values().collect();
        answer(StatusCode::OK, kind, job, &segments)
    }

    async fn find(&self, kind: Kind, id: &str) -> Result<Job, Refusal> {
        let job = self.jobs.find(id).await?.filter(|job| Some(kind) == Kind::of(&job.task));
        Ok(job.ok_or_else(nothing_here)?)
    }
}

impl Kind {
    fn of(task: &Task) -> Option<Self> {
        match task {
            Task::Rebuild { .. } | Task::Recount { .. } => Some(Self::Rebuild),
            Task::Replay { .. } => Some(Self::Replay),
            Task::Verification { .. } => None,
        }
    }

    /// As its tasks are called in the store.
    fn tasks(self) -> &'static [&'static str] {
        match self {
            Self::Rebuild => &["rebuild", "recount"],
            Self::Replay => &["replay"],
        }
    }

    fn path(self) -> &'static str {
        match self {
            Self::Rebuild => "rebuilds",
            Self::Replay => "replays",
        }
    }
}

fn answer(status: StatusCode, kind: Kind, job: Job, segments: &[Segment]) -> Answer {
    fn of<T: Serialize>(status: StatusCode, shown: Option<T>) -> Answer {
        Ok(json(status, &shown.ok_or_else(nothing_here)?))
    }
    match kind {
        Kind::Rebuild => of(status, shown::rebuild(job, Some(segments))),
        Kind::Replay => of(status, shown::replay(job, Some(segments))),
    }
}

/// A task, its pace, and in how many segments it is done.
type Wish = (Task, Option<u32>, Option<u32>);

fn rebuilding(asked: Rebuilding) -> Result<Wish, Problem> {
    let Rebuilding { collection, tenant, stream, totals, dry_run, pace, segments } = asked;
    if totals {
        let is_all = stream.is_none() && !dry_run && pace.is_none() && segments.is_none();
        let (Some(collection), Some(tenant), true) = (collection, tenant, is_all) else {
            return Err(Problem::bad_request("totals goes with tenant and collection, and with nothing else"));
        };
        known(
            "collection with totals",
            &collection,
            catalog::CONTEXTS.iter().flat_map(Context::read_models).map(ReadModel::collection),
        )?;
        return Ok((Task::Recount { tenant, collection }, None, Some(1)));
    }
    if let Some(name) = &collection {
        known("collection", name, catalog::collections())?;
    }
    if stream.is_some() && tenant.is_some() {
        return Err(Problem::bad_request("a stream has its tenant in its name: give stream or tenant"));
    }
    let segments = if stream.is_some() { Some(1) } else { segments };
    let stream = stream.map(String::from);
    Ok((Task::Rebuild { collection, tenant, stream, dry_run }, pace, segments))
}

fn replaying(asked: Replaying) -> Result<Wish, Problem> {
    let Replaying { subscriber, context, tenant, types, from, to, dry_run, pace, segments } = asked;
    known("subscriber", &subscriber, SUBSCRIBERS.iter().map(|subscriber| subscriber.name))?;
    known("context", &context, catalog::CONTEXTS.iter().map(|context| context.name))?;
    for ty in &types {
        let of_context = catalog::context(&context).into_iter().flat_map(Context::events);
        known("event of this context", ty, of_context.map(|event| event.name))?;
    }
    if from.zip(to).is_some_and(|(from, to)| from >= to) {
        return Err(Problem::bad_request("from is before to"));
    }
    let task = Task::Replay { subscriber, context, tenant, types, from, to, dry_run };
    Ok((task, Some(pace.unwrap_or(REPLAY_PACE)), segments))
}

fn known<'a>(what: &str, name: &str, all: impl Iterator<Item = &'a str>) -> Result<(), Problem> {
    let all: Vec<_> = all.collect();
    if all.contains(&name) {
        return Ok(());
    }
    let shown: String = name.chars().take(40).collect();
    Err(Problem::bad_request(format!("no {what} is called {shown}; known: {}", all.join(", "))))
}

fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this operator")
}
