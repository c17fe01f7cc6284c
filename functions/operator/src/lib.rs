//! The operators' desk: what failed and was set aside waits here for a person, who looks at it, repairs it, sends it
//! back or gives it up.
//!
//! | request | answered by |
//! | --- | --- |
//! | `GET /parked` | [`list`]: in groups, or message by message |
//! | `GET /parked/{id}` | [`detail`] |
//! | `GET /parked/{id}/history`, `GET /parked/{id}/revisions/{revision}` | [`history`] |
//! | `POST /parked/outcomes` | [`outcome`] |
//! | `POST /parked/{id}/resubmit`, `POST /parked/resubmit` | [`resubmit`] |
//! | `POST /parked/{id}/discard`, `POST /parked/discard` | [`discard`] |
//! | `GET /dead-letters` | [`dead_letters`] |
//! | `GET /console` and its parts | [`console`]; the only ones that anybody may ask for |
//!
//! An operator sees their own tenant, a platform operator all of them; what belongs to another tenant is as absent as
//! what never was. Whatever is done is done once: of two who act on the same message, one is told who was faster.

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod body;
mod console;
mod dead_letters;
mod detail;
mod discard;
mod done;
mod history;
mod list;
mod outcome;
mod parking;
mod prospect;
mod refusal;
mod resubmit;
mod settings;

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use lambda::caller::{Operator, Operators};
use lambda::methods::Methods;
use lambda::request::{Parameters, path};
use lambda::scope::{Scope, require};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use messaging::SqsClient;
use recovery::DeadLetters;
use schemas::Bundled;
use serde::Serialize;
use store::operations::Operations;
use store::parked::Parked;
use store::registry::Registry;
use tracing::field::display;

pub use crate::console::SignIn;
pub use crate::parking::ParkingId;
use crate::refusal::{NoAnswer, nothing_here};

/// Serves operators.
pub struct Desk {
    pub operators: Operators,
    /// What tenants have registered for their commands' data.
    pub registry: Registry,
    pub parked: Parked,
    pub operations: Operations,
    pub sqs: SqsClient,
    /// By a queue's name, its URL: where a message goes that is resubmitted.
    pub queues: BTreeMap<String, String>,
    /// By the same names.
    pub dead_letters: BTreeMap<String, DeadLetters>,
    pub bundled: Bundled,
    /// How the console signs people in; `None`: it cannot.
    pub sign_in: Option<SignIn>,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
    /// How long the record of a final outcome is kept.
    pub retention: Duration,
}

pub(crate) type Answer = Result<Response<Body>, NoAnswer>;

impl Desk {
    #[tracing::instrument(name = "operator", skip_all, fields(operator, tenant, trace_id))]
    pub async fn handle(&self, request: Request, now: Timestamp) -> Response<Body> {
        let traceparent = request.headers().get("traceparent").and_then(|value| value.to_str().ok());
        tracing::Span::current().record("trace_id", traceparent.and_then(lambda::trace::id));
        self.answer(&request, now).await.unwrap_or_else(NoAnswer::into_response)
    }

    async fn answer(&self, request: &Request, now: Timestamp) -> Answer {
        let path = path(request, &self.public_url);
        let segments: Vec<&str> = path.split('/').collect();
        let methods = methods_of(&segments).ok_or_else(nothing_here)?;
        if !methods.include(request.method()) {
            return Err(NoAnswer::MethodNotAllowed(methods));
        }
        if let ["console", parts @ ..] = &segments[..] {
            return self.console(parts, request);
        }
        let operator = self.operator(request).await?;
        let parameters = Parameters::of(request);
        match segments[..] {
            ["parked"] if parameters.have_only(&["atMost"]) => self.groups(&operator, &parameters).await,
            ["parked"] => self.list(&operator, &parameters).await,
            ["dead-letters"] => self.dead_letters(&operator, &parameters).await,
            ["parked", "resubmit"] => self.resubmit_all(&operator, request, now).await,
            ["parked", "discard"] => self.discard_all(&operator, request, now).await,
            ["parked", "outcomes"] => self.outcomes(&operator, request).await,
            ["parked", id] => self.detail(&operator, id, &parameters).await,
            ["parked", id, "history"] => self.history(&operator, id, &parameters).await,
            ["parked", id, "revisions", revision] => self.revision(&operator, id, revision, &parameters).await,
            ["parked", id, "resubmit"] => self.resubmit(&operator, id, request, now).await,
            ["parked", id, "discard"] => self.discard(&operator, id, request, now).await,
            _ => Err(nothing_here().into()),
        }
    }

    async fn operator(&self, request: &Request) -> Result<Operator, NoAnswer> {
        let operator = self.operators.identify(request).await?;
        require(request, &[Scope::Operate])?;
        let span = tracing::Span::current();
        span.record("operator", display(&operator.principal));
        span.record("tenant", operator.tenant.as_ref().map(TenantId::as_str));
        Ok(operator)
    }
}

/// The methods of a path; `None` where there is no such path.
fn methods_of(segments: &[&str]) -> Option<Methods> {
    match segments {
        ["parked", "resubmit" | "discard" | "outcomes"] | ["parked", _, "resubmit" | "discard"] => Some(Methods::ACT),
        ["parked" | "dead-letters"]
        | ["parked", _]
        | ["parked", _, "history"]
        | ["parked", _, "revisions", _]
        | ["console", ..] => Some(Methods::READ),
        _ => None,
    }
}

/// All of them, some side by side; the outcomes in their order.
async fn side_by_side<F: Future>(futures: Vec<F>) -> Vec<F::Output> {
    const AT_ONCE: usize = 10;
    iter(futures).buffered(AT_ONCE).collect().await
}

fn json(status: StatusCode, body: &impl Serialize) -> Response<Body> {
    let body = serde_json::to_string(body).expect("answers have string keys");
    lambda::http::json(status, "application/json", body)
}
