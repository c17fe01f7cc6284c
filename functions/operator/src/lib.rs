//! The operators' desk: what failed and was set aside waits here for a person, who looks at it, repairs it, sends it
//! back or gives it up.
//!
//! [`ROUTES`] lists what they ask for.
//!
//! An operator sees their own tenant, a platform operator all of them; what belongs to another tenant is as absent as
//! what never was. Whatever is done is done once: of two who act on the same message, one is told who was faster.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod answers;
mod body;
mod dead_letters;
mod detail;
mod discard;
mod done;
mod flow;
mod history;
mod list;
mod outcome;
mod parking;
mod prospect;
mod refusal;
mod resubmit;
mod settings;
mod traces;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use lambda::caller::{Operator, Operators};
use lambda::receipt_keys::ReceiptSecret;
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::trace;
use lambda_http::{Body, Request, Response};
use messaging::SqsClient;
use recovery::DeadLetters;
use schemas::Bundled;
use store::event_store::Streams;
use store::operations::Operations;
use store::parked::Parked;
use store::registry::Registry;
use tracing::field::display;

use ::trace::Tracer;

pub use crate::answers::describe;
pub use crate::flow::Flows;
pub use crate::parking::ParkingId;
use crate::refusal::nothing_here;

/// Serves operators.
pub struct Desk {
    pub operators: Operators,
    /// What tenants have registered for their commands' data.
    pub registry: Registry,
    pub parked: Parked,
    pub operations: Operations,
    pub streams: Streams,
    pub tracer: Tracer,
    /// A receipt can only be told from a forged one by its keys.
    pub receipts: ReceiptSecret,
    pub sqs: SqsClient,
    /// By a queue's name, its URL: where a message goes that is resubmitted. `None`: tenants' own queues, which are not ours.
    pub queues: BTreeMap<String, Option<String>>,
    /// By the same names.
    pub dead_letters: BTreeMap<String, DeadLetters>,
    pub flows: Flows,
    pub bundled: Bundled,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
    /// How long the record of a final outcome is kept.
    pub retention: Duration,
}

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    List,
    Detail,
    History,
    Revision,
    Outcomes,
    Resubmit,
    ResubmitAll,
    Discard,
    DiscardAll,
    DeadLetters,
    Flow,
    Search,
    Trace,
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::get("/parked", Endpoint::List),
    Route::get("/parked/{id}", Endpoint::Detail),
    Route::get("/parked/{id}/history", Endpoint::History),
    Route::get("/parked/{id}/revisions/{revision}", Endpoint::Revision),
    Route::post("/parked/outcomes", Endpoint::Outcomes),
    Route::post("/parked/{id}/resubmit", Endpoint::Resubmit),
    Route::post("/parked/resubmit", Endpoint::ResubmitAll),
    Route::post("/parked/{id}/discard", Endpoint::Discard),
    Route::post("/parked/discard", Endpoint::DiscardAll),
    Route::get("/dead-letters", Endpoint::DeadLetters),
    Route::get("/flow", Endpoint::Flow),
    Route::get("/traces", Endpoint::Search),
    Route::get("/traces/{id}", Endpoint::Trace),
];

impl Desk {
    #[tracing::instrument(name = "operator", skip_all, fields(operator, tenant, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        trace::record(&request);
        self.answer(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let place = Place::find(ROUTES, request, &self.public_url).ok_or_else(nothing_here)?;
        let (id, parameters) = (place.value("id"), &Parameters::of(request));
        let operator = || self.operator(request);
        match place.endpoint(request.method())? {
            Endpoint::List if parameters.have_only(&["atMost"]) => self.groups(&operator().await?, parameters).await,
            Endpoint::List => self.list(&operator().await?, parameters).await,
            Endpoint::Detail => self.detail(&operator().await?, id, parameters).await,
            Endpoint::History => self.history(&operator().await?, id, parameters).await,
            Endpoint::Revision => self.revision(&operator().await?, id, place.value("revision"), parameters).await,
            Endpoint::Outcomes => self.outcomes(&operator().await?, request).await,
            Endpoint::Resubmit => self.resubmit(&operator().await?, id, request, now).await,
            Endpoint::ResubmitAll => self.resubmit_all(&operator().await?, request, now).await,
            Endpoint::Discard => self.discard(&operator().await?, id, request, now).await,
            Endpoint::DiscardAll => self.discard_all(&operator().await?, request, now).await,
            Endpoint::DeadLetters => self.dead_letters(&operator().await?, parameters).await,
            Endpoint::Flow => self.flow(&operator().await?, parameters, now).await,
            Endpoint::Search => self.search(&operator().await?, parameters).await,
            Endpoint::Trace => self.trace(&operator().await?, id, parameters, now).await,
        }
    }

    async fn operator(&self, request: &Request) -> Result<Operator, Refusal> {
        let operator = self.operators.identify(request).await?;
        require(request, &[Scope::Operate])?;
        let span = tracing::Span::current();
        span.record("operator", display(&operator.principal));
        span.record("tenant", operator.tenant.as_ref().map(TenantId::as_str));
        Ok(operator)
    }
}

/// All of them, some side by side; the outcomes in their order.
async fn side_by_side<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    const AT_ONCE: usize = 10;
    iter(futures).buffered(AT_ONCE).collect().await
}
