//! Query: every read, from what is stored, synchronous, and within the caller's tenant.
//!
//! | path | answered by |
//! | --- | --- |
//! | `/operations/{id}` | [`operations`] |
//! | `/{collection}`, `/{collection}/{id}`, `/reports/{collection}` | [`documents`] |
//! | `/{collection}/{id}/history` | [`history`] |
//! | `/schemas`, `/schemas/{context}/{type}/{version}` | [`schemas`] |
//! | `/openapi.yaml`, `/health`, without a token | [`open`] |
//!
//! The API sends what it has no other route for here as well, so this is where an unknown path is 404.
//!
//! The scope `waybill/submit` lets follow operations and fetch schemas, `waybill/read` everything; what of the documents is
//! a matter of the tenant's read grants ([`grants`]).
//!
//! What belongs to another tenant is as absent as what never was.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

pub mod cursor;
mod documents;
mod grants;
mod history;
mod open;
mod operations;
mod parameters;
mod schemas;
mod settings;

use kernel::ids::AggregateId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::cache::Cache;
use lambda::caller::{Caller, Callers, Operators};
use lambda::methods::Methods;
use lambda::receipt_keys::ReceiptSecret;
use lambda::request::{Parameters, decode, path};
use lambda::scope::{Scope, require};
use lambda::telemetry::{chain, metric};
use lambda_http::{Body, Request, Response};
use store::StoreError;
use store::event_store::Streams;
use store::operations::Operations;
use store::read_models::ReadModels;
use store::registry::TenantSettings;

/// Answers reads.
pub struct Query {
    pub callers: Callers,
    pub operators: Operators,
    /// Of tenants, by their ids.
    pub settings: Cache<TenantSettings, StoreError>,
    pub receipts: ReceiptSecret,
    pub operations: Operations,
    pub read_models: ReadModels,
    pub streams: Streams,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

/// Why there is no answer but a problem.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoAnswer {
    #[error("a problem of the caller's")]
    Problem(Box<Problem>),
    #[error("the path has other methods")]
    MethodNotAllowed(Methods),
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Problem> for NoAnswer {
    fn from(problem: Problem) -> Self {
        Self::Problem(Box::new(problem))
    }
}

pub(crate) type Answer = Result<Response<Body>, NoAnswer>;

impl Query {
    #[tracing::instrument(name = "query", skip_all, fields(tenant, operation, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        tracing::Span::current().record("trace_id", traceparent.and_then(lambda::trace::id));
        let problem = match self.answer(&request, now).await {
            Ok(answer) => return answer,
            Err(NoAnswer::Problem(problem)) => *problem,
            Err(NoAnswer::MethodNotAllowed(methods)) => {
                metrics::counter!(metric::REFUSED).increment(1);
                return methods.refusal();
            }
            Err(NoAnswer::Store(error)) => {
                tracing::error!(error = chain(&error), "cannot be read");
                match error {
                    StoreError::Unavailable { .. } => Problem::unavailable("this cannot be read now; try again"),
                    StoreError::Corrupt { .. } => Problem::internal("this cannot be read; tell the operator"),
                }
            }
        };
        metrics::counter!(metric::REFUSED).increment(1);
        tracing::info!(problem = %problem.ty, status = problem.status, "refused");
        lambda::http::problem(&problem)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let path = path(request, &self.public_url);
        let segments: Vec<&str> = path.split('/').collect();
        let methods = methods_of(&segments).ok_or_else(nothing_here)?;
        if !methods.include(request.method()) {
            return Err(NoAnswer::MethodNotAllowed(methods));
        }
        let parameters = Parameters::of(request);
        match segments[..] {
            ["openapi.yaml"] => return self.description(&parameters, request),
            ["health"] => return open::health(&parameters),
            _ => {}
        }
        if let ["operations", id] = segments[..] {
            return self.operation(request, id, &parameters, now).await;
        }
        let caller = self.caller(request).await?;
        if let ["schemas", ..] = segments[..] {
            require(request, &[Scope::Submit, Scope::Read])?;
        }
        match segments[..] {
            ["schemas"] => self.schemas(&parameters),
            ["schemas", context, name, version] => schemas::schema(context, name, version, &parameters),
            ["reports", collection] => self.report(&caller, collection, &parameters, request).await,
            [collection] => self.list(&caller, collection, &parameters, request).await,
            [collection, id] => self.document(&caller, collection, &aggregate(id)?, &parameters, request).await,
            [collection, id, "history"] => {
                self.history(&caller, collection, &aggregate(id)?, &parameters, request).await
            }
            _ => Err(nothing_here().into()),
        }
    }

    async fn caller(&self, request: &Request) -> Result<Caller, NoAnswer> {
        let caller = self.callers.identify(request).await.map_err(|unknown| Problem::from(&unknown))?;
        tracing::Span::current().record("tenant", caller.tenant.as_str());
        Ok(caller)
    }
}

/// The methods of a path; `None` where there is no such path.
fn methods_of(segments: &[&str]) -> Option<Methods> {
    match segments {
        ["operations", _] | ["schemas" | "openapi.yaml" | "health"] | ["schemas", _, _, _] => Some(Methods::READ),
        ["reports", collection] | [collection] | [collection, _] | [collection, _, "history"] => {
            catalog::read_model(collection).map(|_| Methods::READ)
        }
        _ => None,
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
