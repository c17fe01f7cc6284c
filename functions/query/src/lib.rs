//! Query: every read, from what is stored, synchronous, and within the caller's tenant.
//!
//! [`ROUTES`] lists them. The API sends what it has no other route for here as well, so this is where an unknown path is
//! 404.
//!
//! The scope `waybill/submit` lets follow operations and fetch schemas, `waybill/read` everything; what of the documents is
//! a matter of the tenant's read grants ([`grants`]).
//!
//! What belongs to another tenant is as absent as what never was.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod answers;
pub mod cursor;
mod documents;
mod grants;
mod history;
mod open;
mod operations;
mod overviews;
mod parameters;
mod schemas;
mod settings;
mod shown;
mod traces;

use catalog::Owned;
use kernel::ids::AggregateId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::cache::Cache;
use lambda::caller::{Caller, Callers, Operators};
use lambda::receipt_keys::ReceiptSecret;
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, decode};
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::trace;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use store::StoreError;
use store::event_store::Streams;
use store::operations::Operations;
use store::read_models::ReadModels;
use store::registry::TenantSettings;

use ::trace::Tracer;

pub use crate::answers::describe;

/// Answers reads.
pub struct Query {
    pub callers: Callers,
    pub operators: Operators,
    /// Of tenants, by their ids.
    pub settings: Cache<TenantSettings, StoreError>,
    pub receipts: ReceiptSecret,
    pub operations: Operations,
    pub tracer: Tracer,
    pub read_models: ReadModels,
    pub streams: Streams,
    /// The read model of a collection, of this release: [`catalog::read_model`].
    pub read_model: fn(&str) -> Option<Owned>,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

/// What is read.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    Operation,
    Trace,
    List,
    Document,
    History,
    Report,
    Schemas,
    Schema,
    Description,
    Health,
}

/// All that is read. The description and the health need no token.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::get("/operations/{id}", Endpoint::Operation),
    Route::get("/operations/{id}/trace", Endpoint::Trace),
    Route::get("/{collection}", Endpoint::List),
    Route::get("/{collection}/{id}", Endpoint::Document),
    Route::get("/{collection}/{id}/history", Endpoint::History),
    Route::get("/reports/{collection}", Endpoint::Report),
    Route::get("/schemas", Endpoint::Schemas),
    Route::get("/schemas/{context}/{type}/{version}", Endpoint::Schema),
    Route::get("/openapi.yaml", Endpoint::Description),
    Route::get("/health", Endpoint::Health),
];

impl Query {
    #[tracing::instrument(name = "query", skip_all, fields(tenant, operation, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        trace::record(&request);
        self.answer(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        if request.method() == Method::OPTIONS {
            // A browser's question before another origin's page may call. The gateway adds its answer, if there are such origins.
            return Ok(open::nothing());
        }
        let place = Place::find(ROUTES, request, &self.public_url).ok_or_else(nothing_here)?;
        let (collection, id) = (place.value("collection"), place.value("id"));
        let overview = catalog::overview(collection);
        // A path that begins with no known collection is unknown, whatever its method.
        if !collection.is_empty() && overview.is_none() && (self.read_model)(collection).is_none() {
            return Err(nothing_here().into());
        }
        let parameters = Parameters::of(request);
        let caller = || self.caller(request);
        match place.endpoint(request.method())? {
            Endpoint::Document if let Some(overview) = overview => {
                self.overview(&caller().await?, overview, &aggregate(id)?, &parameters, request).await
            }
            Endpoint::Description => self.description(&parameters, request),
            Endpoint::Health => open::health(&parameters),
            Endpoint::Operation => self.operation(request, id, &parameters, now).await,
            Endpoint::Trace => self.trace(request, id, &parameters, now).await,
            Endpoint::Schemas => {
                self.reader_of_schemas(request).await?;
                self.schemas(&parameters)
            }
            Endpoint::Schema => {
                self.reader_of_schemas(request).await?;
                schemas::schema(place.value("context"), place.value("type"), place.value("version"), &parameters)
            }
            Endpoint::Report => self.report(&caller().await?, collection, &parameters, request).await,
            Endpoint::List => self.list(&caller().await?, collection, &parameters, request).await,
            Endpoint::Document => {
                self.document(&caller().await?, collection, &aggregate(id)?, &parameters, request).await
            }
            Endpoint::History => {
                self.history(&caller().await?, collection, &aggregate(id)?, &parameters, request).await
            }
        }
    }

    async fn caller(&self, request: &Request) -> Result<Caller, Refusal> {
        let caller = self.callers.identify(request).await?;
        tracing::Span::current().record("tenant", caller.tenant.as_str());
        Ok(caller)
    }

    async fn reader_of_schemas(&self, request: &Request) -> Result<(), Refusal> {
        self.caller(request).await?;
        Ok(require(request, &[Scope::Submit, Scope::Read])?)
    }
}

/// An id that could not be one belongs to nothing.
fn aggregate(id: &str) -> Result<AggregateId, Problem> {
    let decoded = decode(id);
    AggregateId::parse(&decoded).map_err(|_| nothing_here())
}

pub(crate) fn nothing_here() -> Problem {
    Problem::not_found("nothing is here for this caller")
}
