//! Ingest: takes commands in by HTTP and queues them. One AWS call per command, and no state of its own but what
//! [`limits`] counts in memory. Other systems' events come in as well, by HTTP ([`events`]) and by a queue
//! ([`partner_topic`]), and what became of commands that other systems carry out ([`outcome`]).
//!
//! Whoever the caller is ([`lambda::caller`]), what they send is checked and queued by the crate [`admission`]; this file
//! does the rest: reading the request, and the answer.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod answer;
mod events;
mod outcome;
mod partner_topic;
mod preconditions;
mod preferences;
pub mod settings;
pub mod webhooks;

use std::borrow::Cow;
use std::sync::Arc;

use admission::admit::Sender;
use admission::tenants::Tenant;
use admission::{Intake, MAX_BATCH, too_large};
use kernel::cloud_event::{CloudEvent, HttpError, Mode, Submission, from_http, header_of};
use kernel::problem::{Complaint, Problem};
use kernel::timestamp::Timestamp;
use lambda::caller::{Caller, Callers};
use lambda::content::{self, BadContent};
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, header};
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::trace::{self, Trace};
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use messaging::command_queue::MAX_MESSAGE_BYTES;
use schemas::Budget;

pub use crate::answer::describe;
use crate::outcome::Outcomes;
use crate::partner_topic::PartnerTopic;
use crate::preferences::prefers_minimal;
use crate::webhooks::Webhooks;

/// Bytes of a batch, uncompressed: what Lambda takes as one request.
pub const MAX_BATCH_BYTES: usize = 6 * 1024 * 1024;

/// Complaints of a batch that are listed beside the first one of each event.
const MOST_COMPLAINTS: usize = 100;

/// Takes commands in.
pub struct Ingest {
    pub callers: Callers,
    pub intake: Intake,
    pub webhooks: Webhooks,
    pub outcomes: Outcomes,
    /// `None`: no topic may send.
    pub partner_topic: Option<PartnerTopic>,
}

/// How commands come in.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    /// A webhook's sender asks whether it may deliver.
    Handshake,
    Commands,
    /// Other systems' events, with a token.
    Events,
    /// Other systems' events, with a signature.
    SignedEvents,
    /// What became of a command that went to a queue of the tenant's own.
    Outcome,
}

/// CloudEvents webhooks 1.0.2, section 2.1, have POST; some senders deliver by PUT.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::new(Method::OPTIONS, "/commands", Endpoint::Handshake),
    Route::post("/commands", Endpoint::Commands),
    Route::new(Method::PUT, "/commands", Endpoint::Commands),
    Route::new(Method::OPTIONS, "/events", Endpoint::Handshake),
    Route::post("/events", Endpoint::Events),
    Route::post("/events/{tenant}", Endpoint::SignedEvents),
    Route::new(Method::PUT, "/operations/{id}/outcome", Endpoint::Outcome),
];

impl Ingest {
    /// Answers one request: 202 if everything in it was queued, a problem if nothing may be.
    #[tracing::instrument(name = "ingest", skip_all, fields(tenant, principal, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        self.answer(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let place = Place::find(ROUTES, request, &self.intake.admission.public_url);
        let place = place.ok_or_else(|| Problem::not_found("commands go to /commands, and events to /events"))?;
        match place.endpoint(request.method())? {
            Endpoint::Handshake => Ok(self.webhooks.answer(request, &place.allow())),
            Endpoint::Commands => self.accept(request, now).await,
            Endpoint::Events => self.hear_with_token(request, now).await,
            Endpoint::SignedEvents => self.hear_signed(request, place.value("tenant"), now).await,
            Endpoint::Outcome => self.report(request, place.value("id"), now).await,
        }
    }

    async fn accept(&self, request: &Request, now: Timestamp) -> Answer {
        let (caller, tenant) = self.caller(request).await?;
        tracing::Span::current().record("principal", tracing::field::display(&caller.principal));
        Parameters::of(request).expect_only(&[])?;
        let trace = trace::of(request).unwrap_or_else(Trace::begin);
        tracing::Span::current().record("trace_id", trace::id(&trace.parent));
        // One command at least. The number in a batch is known once the batch is read.
        self.intake.look(&caller.tenant, &tenant, 1, now)?;
        let mut count = 1;
        let sender = Sender { caller: &caller, tenant: &tenant, trace: &trace };
        let answer = self.take_in(request, sender, now, &mut count).await;
        self.intake.charge(&answer, sender, count, now);
        answer
    }

    /// Queues what the request has, from a known caller. `count` is set to how many commands that are.
    async fn take_in(&self, request: &Request, sender: Sender<'_>, now: Timestamp, count: &mut usize) -> Answer {
        let Sender { caller, tenant, .. } = sender;
        let keys = self.intake.receipts.keys().await?;
        let minimal = prefers_minimal(request.headers());
        let body = body(request)?;
        match read(request, &body)? {
            Submission::Single(event) => {
                let in_terms = |refusal: Refusal| in_terms_of(mode(request), refusal.into_problem());
                let event =
                    preconditions::applied(request.headers(), event).map_err(|problem| in_terms(problem.into()))?;
                let operation = self.intake.take_one(event, sender, now).await.map_err(in_terms)?;
                Ok(answer::accepted(&operation, &self.intake.admission.public_url, minimal))
            }
            Submission::Batch(events) => {
                preconditions::none_of_a_batch(request.headers())?;
                *count = events.len();
                self.intake.look(&caller.tenant, tenant, events.len(), now)?;
                let mut budget = Budget::for_request();
                let all =
                    admit_all(&events, |event| self.intake.admission.admit(event, &keys, sender, now, &mut budget))?;
                let operations = self.intake.take_all(all, sender, now).await?;
                Ok(answer::accepted_all(&operations, minimal))
            }
        }
    }

    async fn caller(&self, request: &Request) -> Result<(Caller, Arc<Tenant>), Refusal> {
        let caller = self.callers.identify(request).await?;
        require(request, &[Scope::Submit])?;
        let tenant = self.intake.tenant_of(&caller).await?;
        Ok((caller, tenant))
    }
}

fn mode(request: &Request) -> Mode {
    Mode::of(header(request, "content-type").unwrap_or_default())
}

/// In binary mode a problem names the header that the attribute came in.
fn in_terms_of(mode: Mode, problem: Problem) -> Problem {
    match (mode, &problem.attribute) {
        (Mode::Binary, Some(attribute)) => {
            let header = header_of(attribute);
            problem.about(header)
        }
        _ => problem,
    }
}

/// The body, uncompressed, if it is of a size that is taken.
fn body(request: &Request) -> Result<Cow<'_, [u8]>, Problem> {
    let is_batch = mode(request) == Mode::Batch;
    let most = if is_batch { MAX_BATCH_BYTES } else { MAX_MESSAGE_BYTES };
    content::decoded(request, most).map_err(|bad| match bad {
        BadContent::TooLarge(_) if !is_batch => too_large(),
        bad => bad.into_problem(Problem::malformed_event),
    })
}

fn read<'a>(request: &Request, body: &'a [u8]) -> Result<Submission<'a>, Problem> {
    let headers = request.headers().iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    from_http(headers, body, MAX_BATCH).map_err(|error| match error {
        HttpError::UnsupportedMediaType { .. } => {
            Problem::unsupported_media_type(error.to_string()).about("content-type")
        }
        HttpError::TooManyEvents { .. } => Problem::too_large(error.to_string()),
        HttpError::Malformed(invalid) => invalid.into(),
    })
}

/// All of them, or the complaints of each that cannot be taken. Sizes come first: nothing is read where one is too large.
pub fn admit_all<T>(
    events: &[&str],
    mut admit: impl FnMut(CloudEvent) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let within = |event: &&str| if event.len() > MAX_MESSAGE_BYTES { Err(too_large()) } else { Ok(()) };
    all_of(events, within)?;
    // One after the other, so that only the messages to be queued stay in memory.
    all_of(events, |event| CloudEvent::from_json(event.as_bytes()).map_err(Problem::from).and_then(&mut admit))
}

/// The results of all events, or the complaints about those that failed.
fn all_of<T>(events: &[&str], mut each: impl FnMut(&&str) -> Result<T, Problem>) -> Result<Vec<T>, Problem> {
    let mut all = Vec::new();
    let mut complaints = Vec::new();
    let mut at_fault = 0;
    for (index, event) in events.iter().enumerate() {
        match each(event) {
            Ok(done) => all.push(done),
            // The batch is not to blame.
            Err(problem) if problem.status >= 500 => return Err(problem),
            Err(problem) => {
                at_fault += 1;
                let listed = if complaints.len() < MOST_COMPLAINTS { usize::MAX } else { 1 };
                complaints.extend(complaints_at(index, problem).into_iter().take(listed));
            }
        }
    }
    if complaints.is_empty() {
        return Ok(all);
    }
    let detail = format!("{at_fault} of its events cannot be taken, so none was queued");
    Err(Problem::invalid_batch(detail).listing(complaints))
}

/// An event's problem as complaints of its batch: all that it lists, or itself.
fn complaints_at(index: usize, mut problem: Problem) -> Vec<Complaint> {
    let listed = std::mem::take(&mut problem.errors);
    if listed.is_empty() {
        return vec![problem.at_index(index)];
    }
    let placed = |complaint: Complaint| Complaint {
        index: Some(index),
        ty: Some(problem.ty.clone()),
        attribute: problem.attribute.clone(),
        ..complaint
    };
    listed.into_iter().map(placed).collect()
}
