//! What operators ask for: verifications, and what to do with what they have found.

use kernel::ids::{StreamId, TenantId};
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::{json, set};
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, no_body, object};
use lambda::routes::{Place, Route};
use lambda::scope::platform_operator;
use lambda::telemetry::metric;
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::http::header::LOCATION;
use lambda_http::{Body, Request, Response};
use schemars::SchemaGenerator;
use serde::Deserialize;
use store::findings::{Decided, Finding, Kind, State};
use store::jobs::{Job, Segment, Task};
use store::operations::OperationRecord;

use crate::Verifier;
use crate::mend::Done;
use crate::patience::LEAST;
use crate::shown::{FindingList, ShownFinding, ShownVerification, VerificationList, verification};
use crate::told::action;
use crate::verify::WorkError;

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    Begin,
    ListVerifications,
    ShowVerification,
    CancelVerification,
    ListFindings,
    ShowFinding,
    Mend,
    Ignore,
    Reopen,
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::post("/verifications", Endpoint::Begin),
    Route::get("/verifications", Endpoint::ListVerifications),
    Route::get("/verifications/{id}", Endpoint::ShowVerification),
    Route::post("/verifications/{id}/cancel", Endpoint::CancelVerification),
    Route::get("/findings", Endpoint::ListFindings),
    Route::get("/findings/{id}", Endpoint::ShowFinding),
    Route::post("/findings/{id}/mend", Endpoint::Mend),
    Route::post("/findings/{id}/ignore", Endpoint::Ignore),
    Route::post("/findings/{id}/reopen", Endpoint::Reopen),
];

/// Segments of a verification that does not say how many.
const SEGMENTS: u32 = 8;

/// More would not be quicker: they are walked by one function.
const MOST_SEGMENTS: u32 = 64;

/// Verifications that are listed.
const LISTED: usize = 50;

/// Findings that are listed. What is more is of the same few kinds.
const MOST_FINDINGS: usize = 500;

/// Characters of a reason.
const LONGEST_REASON: usize = 500;

/// What is to be verified; what is absent is all.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Verifying {
    #[serde(default)]
    tenant: Option<TenantId>,
    #[serde(default)]
    stream: Option<String>,
    #[serde(default)]
    operation: Option<String>,
    #[serde(default)]
    settled_after: Option<u64>,
    #[serde(default)]
    pace: Option<u32>,
    #[serde(default)]
    segments: Option<u32>,
}

/// Why a finding is left.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ignoring {
    reason: String,
}

/// Describes all answers but problems, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<ShownVerification>();
    generator.subschema_for::<VerificationList>();
    generator.subschema_for::<ShownFinding>();
    generator.subschema_for::<FindingList>();
}

impl Verifier {
    #[tracing::instrument(name = "verifier", skip_all, fields(operator, trace_id))]
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
            Endpoint::ListVerifications => {
                Parameters::of(request).expect_only(&[])?;
                let jobs = self.jobs.newest("verification", LISTED).await?.into_iter();
                let items = jobs.filter_map(|job| verification(job, None)).collect();
                Ok(json(StatusCode::OK, &VerificationList { items }))
            }
            Endpoint::ShowVerification => {
                Parameters::of(request).expect_only(&[])?;
                self.show(StatusCode::OK, id).await
            }
            Endpoint::CancelVerification => {
                no_body(request, &[])?;
                self.verification(id).await?;
                if self.jobs.cancel(id, &operator.principal.to_string(), now).await? {
                    tracing::info!(job = id, "cancelled");
                }
                // Cancelled twice is cancelled; what has ended shows that it has.
                self.show(StatusCode::OK, id).await
            }
            Endpoint::ListFindings => self.list(request).await,
            Endpoint::ShowFinding => {
                Parameters::of(request).expect_only(&[])?;
                let finding = self.finding(id).await?;
                Ok(self.shown(StatusCode::OK, finding))
            }
            Endpoint::Mend => {
                no_body(request, &[])?;
                self.mend_one(id, &operator, now).await
            }
            Endpoint::Ignore => {
                let Ignoring { reason } = object(request)?;
                if reason.trim().is_empty() || reason.chars().count() > LONGEST_REASON {
                    return Err(Problem::bad_request(format!("reason has 1 to {LONGEST_REASON} characters")).into());
                }
                let by = operator.principal.to_string();
                let decided = Decided { by, at: now, reason: Some(reason) };
                self.decide(id, Some(&decided)).await
            }
            Endpoint::Reopen => {
                no_body(request, &[])?;
                self.decide(id, None).await
            }
        }
    }

    /// A platform operator: what is verified belongs to all tenants.
    async fn operator(&self, request: &Request) -> Result<Operator, Refusal> {
        let why = "this reads what belongs to all tenants: it is for platform operators";
        platform_operator(&self.operators, request, why).await
    }

    async fn begin(&self, operator: &Operator, request: &Request, now: Timestamp) -> Answer {
        let Verifying { tenant, stream, operation, settled_after, pace, segments } = object(request)?;
        if pace == Some(0) {
            return Err(Problem::bad_request("pace is at least 1 item a second").into());
        }
        if settled_after.is_some_and(|seconds| seconds < LEAST) {
            let why = format!("settledAfter is at least {LEAST} seconds: what is younger may be on its way");
            return Err(Problem::bad_request(why).into());
        }
        let is_one = stream.is_some() || operation.is_some();
        let segments = if is_one { 1 } else { segments.unwrap_or(SEGMENTS) };
        if !(1..=MOST_SEGMENTS).contains(&segments) {
            return Err(Problem::bad_request(format!("segments is from 1 to {MOST_SEGMENTS}")).into());
        }
        let task = match (stream, operation) {
            (None, None) => Task::Verification { tenant, stream: None, operation: None, settled_after },
            (Some(_), Some(_)) => {
                return Err(Problem::bad_request("either a stream or an operation, not both").into());
            }
            (Some(stream), None) => {
                let known = StreamId::parse(&stream).map_err(|error| Problem::bad_request(error.to_string()))?;
                if tenant.is_some_and(|tenant| tenant != known.tenant) {
                    return Err(Problem::bad_request("the stream is another tenant's").into());
                }
                Task::Verification { tenant: None, stream: Some(stream), operation: None, settled_after }
            }
            (None, Some(operation)) => {
                let Some(tenant) = tenant else {
                    return Err(Problem::bad_request("an operation is verified with its tenant").into());
                };
                let (stream, operation) = self.of_operation(&tenant, &operation).await?;
                Task::Verification { tenant: None, stream, operation: Some(operation), settled_after }
            }
        };
        let job = Job::new(task, segments, pace, &operator.principal.to_string(), now);
        self.jobs.add(&job).await?;
        tracing::info!(job = job.id(), segments, "asked for");
        let location = format!("{}/verifications/{}", self.public_url, job.id());
        let shown = verification(job, Some(&[])).ok_or_else(nothing_here)?;
        let mut answer = json(StatusCode::ACCEPTED, &shown);
        set(&mut answer, LOCATION, &location);
        Ok(answer)
    }

    /// The stream that an operation has changed, and the key of its record.
    async fn of_operation(&self, tenant: &TenantId, operation: &str) -> Result<(Option<String>, String), Refusal> {
        let receipt = Receipt::read(operation).ok_or_else(|| Problem::bad_request("no operation has this id"))?;
        let key = OperationRecord::key(tenant, receipt.command_key);
        let record = self.operations.look_up(&key).await?;
        let stream = record.and_then(|record| record.stream());
        Ok((stream.map(|stream| stream.to_string()), key))
    }

    async fn show(&self, status: StatusCode, id: &str) -> Answer {
        let job = self.verification(id).await?;
        let segments: Vec<Segment> = self.jobs.segments(id).await?.into_values().collect();
        Ok(json(status, &verification(job, Some(&segments)).ok_or_else(nothing_here)?))
    }

    async fn verification(&self, id: &str) -> Result<Job, Refusal> {
        let job = self.jobs.find(id).await?.filter(|job| matches!(job.task, Task::Verification { .. }));
        Ok(job.ok_or_else(nothing_here)?)
    }

    /// Findings by kind, tenant, stream and state; those that are open, if no state is asked for. The newest first.
    async fn list(&self, request: &Request) -> Answer {
        let parameters = Parameters::of(request);
        parameters.expect_only(&["kind", "tenant", "stream", "state"])?;
        let kinds = match parameters.one_of("kind", &Kind::ALL.map(Kind::as_str))? {
            Some(kind) => Kind::parse(kind).into_iter().collect(),
            None => Kind::ALL.to_vec(),
        };
        let state = parameters.one_of("state", &State::ALL.map(State::as_str))?;
        let states: Vec<State> =
            State::ALL.into_iter().filter(|known| known.as_str() == state.unwrap_or(State::Open.as_str())).collect();
        let tenant = parameters.text("tenant").map(TenantId::parse).transpose();
        let tenant = tenant.map_err(|error| Problem::bad_request(error.to_string()))?;
        let mut findings = Vec::new();
        for kind in kinds {
            findings.extend(self.findings.list(kind, &states, tenant.as_ref()).await?);
        }
        if let Some(stream) = parameters.text("stream") {
            findings.retain(|finding| finding.stream.as_deref() == Some(stream));
        }
        let total = findings.len();
        findings.sort_by(|one, other| other.first_seen.cmp(&one.first_seen).then_with(|| one.id.cmp(&other.id)));
        findings.truncate(MOST_FINDINGS);
        let items = findings.into_iter().map(|finding| ShownFinding::of(finding, &self.public_url)).collect();
        Ok(json(StatusCode::OK, &FindingList { items, total }))
    }

    async fn mend_one(&self, id: &str, operator: &Operator, now: Timestamp) -> Answer {
        let finding = self.finding(id).await?;
        let action = action(&finding);
        if !action.is_done_here() {
            return Err(Problem::not_mended(action.by_hand()).into());
        }
        if finding.state == State::Closed {
            return Err(Problem::not_mended("the finding is true no more, so there is nothing to mend").into());
        }
        let patience = self.patience(now, None).await?;
        // What was mended otherwise, or has changed, must not be done on what was known then.
        if finding.kind != Kind::TotalOff && self.is_still_true(&finding, patience).await? == Some(false) {
            return Err(Problem::not_mended("the finding is true no more: verify again, and it closes").into());
        }
        let by = operator.principal.to_string();
        let done = self.mend(&finding, &by, now).await.map_err(|error| match error {
            WorkError::Store(error) => Refusal::from(error),
            WorkError::Queue(error) => Refusal::unavailable("what mends it could not be sent; ask again", &error),
        })?;
        if let Done::Nothing(why) = done {
            return Err(Problem::not_mended(format!("{why}; verify again")).into());
        }
        metrics::counter!(metric::FINDINGS_MENDED).increment(1);
        tracing::info!(finding = id, operator = by, "mended");
        self.findings.mended(&finding, &Decided { by, at: now, reason: None }).await?;
        let finding = self.finding(id).await?;
        Ok(self.shown(StatusCode::ACCEPTED, finding))
    }

    async fn decide(&self, id: &str, decided: Option<&Decided>) -> Answer {
        let finding = self.finding(id).await?;
        if !self.findings.ignore(&finding, decided).await? {
            return Err(Problem::not_mended("the finding is true no more").into());
        }
        tracing::info!(finding = id, is_ignored = decided.is_some(), "decided");
        let finding = self.finding(id).await?;
        Ok(self.shown(StatusCode::OK, finding))
    }

    async fn finding(&self, id: &str) -> Result<Finding, Refusal> {
        Ok(self.findings.find(id).await?.ok_or_else(nothing_here)?)
    }

    fn shown(&self, status: StatusCode, finding: Finding) -> Response<Body> {
        json(status, &ShownFinding::of(finding, &self.public_url))
    }
}

fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this operator")
}
