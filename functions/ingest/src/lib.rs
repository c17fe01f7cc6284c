//! Ingest: takes commands in by HTTP and queues them. One AWS call per command, and no state of its own but what
//! [`limits`] counts in memory. Other systems' events come in as well, by HTTP ([`events`]) and by a queue
//! ([`partner_topic`]), and what became of commands that other systems carry out ([`outcome`]).
//!
//! Whoever the caller is ([`lambda::caller`]), what they send is checked in [`admission`] without any I/O; this file
//! does the rest: reading the request, sending the messages, and the answer.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

pub mod admission;
mod answer;
mod events;
mod grants;
pub mod limits;
mod outcome;
mod partner_topic;
mod partners;
mod preconditions;
mod preferences;
mod routes;
pub mod settings;
mod sources;
pub mod tenants;
mod watch;
pub mod webhooks;

use std::borrow::Cow;
use std::sync::Arc;

use kernel::cloud_event::{CloudEvent, HttpError, Mode, Submission, from_http, header_of};
use kernel::ids::TenantId;
use kernel::problem::{Complaint, Problem};
use kernel::timestamp::Timestamp;
use lambda::caller::{Caller, Callers};
use lambda::content::{self, BadContent};
use lambda::receipt_keys::ReceiptSecret;
use lambda::refusal::{Answer, Refusal, registry_problem};
use lambda::request::{Parameters, header};
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::telemetry::metric;
use lambda::trace::{self, Trace};
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use messaging::CommandQueue;
use messaging::command_queue::MAX_MESSAGE_BYTES;
use schemas::Budget;

use crate::admission::{Admission, Admitted, Sender};
pub use crate::answer::describe;
use crate::limits::{Limits, Throttled};
use crate::outcome::Outcomes;
use crate::partner_topic::PartnerTopic;
use crate::preferences::prefers_minimal;
use crate::tenants::{Tenant, Tenants};
use crate::watch::Watch;
use crate::webhooks::Webhooks;

/// Events in one batch. A sender with more sends more batches.
pub const MAX_BATCH: usize = 100;

/// Bytes of a batch, uncompressed: what Lambda takes as one request.
pub const MAX_BATCH_BYTES: usize = 6 * 1024 * 1024;

/// Complaints of a batch that are listed beside the first one of each event.
const MOST_COMPLAINTS: usize = 100;

/// Takes commands in.
pub struct Ingest {
    pub callers: Callers,
    pub tenants: Tenants,
    pub limits: Limits,
    pub receipts: ReceiptSecret,
    pub admission: Admission,
    pub queue: CommandQueue,
    pub webhooks: Webhooks,
    pub outcomes: Outcomes,
    pub watch: Watch,
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
        let place = Place::find(ROUTES, request, &self.admission.public_url);
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
        self.look(&caller.tenant, &tenant, 1, now)?;
        let mut count = 1;
        let answer =
            self.take_in(request, Sender { caller: &caller, tenant: &tenant, trace: &trace }, now, &mut count).await;
        // A refused request costs as much work as an accepted one.
        if answer.as_ref().is_err_and(|refusal| (400..429).contains(&refusal.status())) {
            self.limits.charge(&caller.tenant, &tenant.limits, count, now);
        }
        answer
    }

    /// Queues what the request has, from a known caller. `count` is set to how many commands that are.
    async fn take_in(&self, request: &Request, sender: Sender<'_>, now: Timestamp, count: &mut usize) -> Answer {
        let Sender { caller, tenant, .. } = sender;
        let keys = self.receipts.keys().await?;
        let mut budget = Budget::for_request();
        let mut admit = |event| self.admission.admit(event, &keys, sender, now, &mut budget);
        let minimal = prefers_minimal(request.headers());
        let body = body(request)?;
        match read(request, &body)? {
            Submission::Single(event) => {
                let admitted =
                    preconditions::applied(request.headers(), event).and_then(&mut admit).and_then(|admitted| {
                        self.take(&caller.tenant, tenant, group_of(std::slice::from_ref(&admitted)), now)
                            .map(|()| admitted)
                    });
                let admitted = admitted.map_err(|problem| in_terms_of(mode(request), problem))?;
                let span = admitted.span(caller);
                let watched = Watch::chosen(&caller.tenant, tenant, std::slice::from_ref(&admitted), now);
                let sent = self.queue.send(admitted.outgoing).await;
                let sent = if sent.is_ok() { self.watch.over(watched).await } else { sent };
                span.in_scope(|| queued(sent).map(|()| accepted(admitted.context)))?;
                Ok(answer::accepted(&admitted.operation, &self.admission.public_url, minimal))
            }
            Submission::Batch(events) => {
                preconditions::none_of_a_batch(request.headers())?;
                *count = events.len();
                self.look(&caller.tenant, tenant, events.len(), now)?;
                let all = admit_all(&events, &mut admit)?;
                self.take(&caller.tenant, tenant, group_of(&all), now)?;
                let spans: Vec<_> = all.iter().map(|admitted| (admitted.span(caller), admitted.context)).collect();
                let watched = Watch::chosen(&caller.tenant, tenant, &all, now);
                let (outgoing, operations): (Vec<_>, Vec<_>) =
                    all.into_iter().map(|admitted| (admitted.outgoing, admitted.operation)).unzip();
                queued(self.queue.send_all(outgoing).await)?;
                queued(self.watch.over(watched).await)?;
                for (span, context) in spans {
                    span.in_scope(|| accepted(context));
                }
                Ok(answer::accepted_all(&operations, minimal))
            }
        }
    }

    /// Refuses so many commands before anything is done for them.
    fn look(&self, id: &TenantId, tenant: &Tenant, count: usize, now: Timestamp) -> Result<(), Problem> {
        self.limits.look(id, &tenant.limits, count, now).map_err(|why| throttled(id, why))
    }

    /// Lets the commands of all these groups through, or none.
    fn take<'a>(
        &self,
        id: &TenantId,
        tenant: &Tenant,
        groups: impl Iterator<Item = &'a str>,
        now: Timestamp,
    ) -> Result<(), Problem> {
        self.limits.take(id, &tenant.limits, groups, now).map_err(|why| throttled(id, why))
    }

    async fn caller(&self, request: &Request) -> Result<(Caller, Arc<Tenant>), Refusal> {
        let caller = self.callers.identify(request).await?;
        require(request, &[Scope::Submit])?;
        self.with_tenant(caller).await
    }

    async fn with_tenant(&self, caller: Caller) -> Result<(Caller, Arc<Tenant>), Refusal> {
        tracing::Span::current().record("tenant", caller.tenant.as_str());
        let tenant = self.tenant(&caller.tenant).await?;
        let tenant = tenant.ok_or_else(|| Problem::not_permitted("the tenant has no settings; ask the operator"))?;
        Ok((caller, tenant))
    }

    /// The tenant, if it is registered.
    async fn tenant(&self, id: &TenantId) -> Result<Option<Arc<Tenant>>, Problem> {
        self.tenants.get(id).await.map_err(|error| registry_problem(&error, "the tenant's settings"))
    }
}

/// Counted by tenant, of which only those that are throttled show.
fn throttled(tenant: &TenantId, why: Throttled) -> Problem {
    if why != Throttled::Paused {
        metrics::counter!(metric::THROTTLED).increment(1);
        metrics::counter!(metric::THROTTLED, "Tenant" => tenant.to_string()).increment(1);
    }
    why.into()
}

fn group_of(all: &[Admitted]) -> impl Iterator<Item = &str> {
    all.iter().map(|admitted| admitted.outgoing.group.as_str())
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

pub(crate) fn too_large() -> Problem {
    Problem::too_large("an event takes at most 256 KiB; put large content elsewhere and send where it is")
}

fn queued(sent: Result<(), messaging::SendError>) -> Result<(), Refusal> {
    let told = "the commands could not all be queued; send the same again, which repeats nothing";
    sent.map_err(|error| Refusal::unavailable(told, &error))
}

fn accepted(context: &'static str) {
    metrics::counter!(metric::ACCEPTED, "Context" => context).increment(1);
    tracing::info!("accepted");
}
