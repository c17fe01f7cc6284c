//! The API of webhooks: a tenant's operators register endpoints that get the tenant's domain events, and see to them.
//!
//! [`ROUTES`] lists what they ask for. Every path belongs to one tenant, and what is another's is as absent as what never
//! was. A platform operator, who has no tenant, says which: `?tenant=acme`.
//!
//! **The store comes first, then the sender's queue.** The sender's sweep finds what is stored, so a message that could not be
//! sent makes it late, and no more.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod answers;
mod changing;
mod deliveries;
mod form;
mod reading;
mod refusal;
mod registering;
mod resending;
mod secrets;
mod settings;
mod switching;
mod webhook;
mod wish;

use std::time::Duration;

use kernel::ids::TenantId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::{Operator, Operators};
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::telemetry::chain;
use lambda::trace;
use lambda::web::destinations::Destinations;
use lambda_http::http::Method;
use lambda_http::{Body, Request, Response};
use messaging::webhooks::{Look, wake};
use messaging::{Queues, SqsClient};
use store::webhooks::{EndpointId, Webhooks};
use tracing::field::display;

pub use crate::answers::describe;
use crate::refusal::nothing_here;

/// Serves operators who see to webhooks.
pub struct Office {
    operators: Operators,
    webhooks: Webhooks,
    sqs: SqsClient,
    queues: Queues,
    /// Where events may be sent.
    destinations: Destinations,
    /// The API's own address, without a slash at its end.
    public_url: String,
}

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    List,
    Register,
    Detail,
    Change,
    Remove,
    AddSecret,
    RemoveSecret,
    SwitchOff,
    SwitchOn,
    Retry,
    Resend,
    Deliveries,
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] = &[
    Route::get("/webhooks", Endpoint::List),
    Route::post("/webhooks", Endpoint::Register),
    Route::get("/webhooks/{id}", Endpoint::Detail),
    Route::new(Method::PUT, "/webhooks/{id}", Endpoint::Change),
    Route::new(Method::DELETE, "/webhooks/{id}", Endpoint::Remove),
    Route::post("/webhooks/{id}/secrets", Endpoint::AddSecret),
    Route::new(Method::DELETE, "/webhooks/{id}/secrets", Endpoint::RemoveSecret),
    Route::post("/webhooks/{id}/off", Endpoint::SwitchOff),
    Route::post("/webhooks/{id}/on", Endpoint::SwitchOn),
    Route::post("/webhooks/{id}/retry", Endpoint::Retry),
    Route::post("/webhooks/{id}/resend", Endpoint::Resend),
    Route::get("/webhooks/{id}/deliveries", Endpoint::Deliveries),
];

/// The query parameter by which a platform operator says whose webhooks are meant.
const TENANT: &str = "tenant";

/// Who asks, and whose webhooks are meant.
struct Asked {
    operator: Operator,
    tenant: TenantId,
}

impl Office {
    #[tracing::instrument(name = "webhook_api", skip_all, fields(operator, tenant, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        trace::record(&request);
        self.answer(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let place = Place::find(ROUTES, request, &self.public_url).ok_or_else(nothing_here)?;
        let endpoint = place.endpoint(request.method())?;
        let parameters = &Parameters::of(request);
        let asked = &self.asked(request, parameters).await?;
        let id = || EndpointId::read(asked.tenant.clone(), place.value("id")).ok_or_else(nothing_here);
        match endpoint {
            Endpoint::List => self.list(asked, parameters, now).await,
            Endpoint::Register => self.register(asked, request, now).await,
            Endpoint::Detail => self.detail(&id()?, parameters, now).await,
            Endpoint::Change => self.replace(&id()?, request, now).await,
            Endpoint::Remove => self.remove(&id()?, parameters, now).await,
            Endpoint::AddSecret => self.add_secret(&id()?, request).await,
            Endpoint::RemoveSecret => self.remove_secret(&id()?, parameters).await,
            Endpoint::SwitchOff => self.switch_off(asked, &id()?, request, now).await,
            Endpoint::SwitchOn => self.switch_on(&id()?, request, now).await,
            Endpoint::Retry => self.retry(&id()?, request, now).await,
            Endpoint::Resend => self.resend(&id()?, request, now).await,
            Endpoint::Deliveries => self.deliveries(&id()?, parameters).await,
        }
    }

    /// Whose webhooks an operator means. A tenant's operator means their own, and finds nothing elsewhere.
    async fn asked(&self, request: &Request, parameters: &Parameters) -> Result<Asked, Refusal> {
        let operator = self.operators.identify(request).await?;
        require(request, &[Scope::Operate])?;
        let span = tracing::Span::current();
        span.record("operator", display(&operator.principal));
        let named = parameters.text(TENANT);
        let tenant = match (&operator.tenant, named) {
            (Some(own), None) => own.clone(),
            (Some(own), Some(named)) if own.as_str() == named => own.clone(),
            (Some(_), Some(_)) => return Err(nothing_here().into()),
            (None, Some(named)) => {
                TenantId::parse(named).map_err(|bad| Problem::bad_request(format!("{TENANT} must be {}", bad.rule)))?
            }
            (None, None) => {
                return Err(Problem::bad_request(format!("say whose webhooks: ?{TENANT}=…")).into());
            }
        };
        span.record("tenant", display(&tenant));
        Ok(Asked { operator, tenant })
    }

    /// The endpoint, if it is there.
    async fn find(&self, id: &EndpointId) -> Result<store::webhooks::Endpoint, Refusal> {
        let endpoint = self.webhooks.endpoint(id).await?.filter(|endpoint| !endpoint.removed);
        endpoint.ok_or_else(|| nothing_here().into())
    }

    /// Has the sender look at the endpoint. If it is not told, its sweep comes by.
    async fn wake(&self, id: &EndpointId) {
        let look = Look { endpoint: id.to_string(), to_be_sure: false };
        if let Err(error) = wake(&self.sqs, &self.queues, [look], Duration::ZERO).await {
            tracing::warn!(endpoint = id.id, error = chain(&error), "the sender was not told, and looks at it later");
        }
    }
}
