//! Opening a connection: a ticket by `POST /connections`, the authorizer's answer to it, and its use.

use kernel::problem::Problem;
use kernel::ticket::{GOOD_FOR, Ticket};
use kernel::timestamp::Timestamp;
use lambda::caller::claims;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::no_body;
use lambda::routes::{Place, Route};
use lambda::scope::{Scope, require};
use lambda::telemetry::{chain, metric};
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request, Response};
use schemars::{JsonSchema, SchemaGenerator};
use serde::Serialize;
use serde_json::{Value, json};
use std::time::Duration;
use store::connections::LONGEST;

use crate::Server;
use crate::event::{Asked, Connection, Holder};

/// What is asked for by HTTP: a ticket.
pub const ROUTES: &[Route<()>] = &[Route::post("/connections", ())];

/// The answer to `POST /connections`.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
struct Opening {
    /// Where to connect to, with the ticket. A secret, for one connection.
    #[schemars(extend("format" = "uri"))]
    url: String,
    /// Until when the ticket is good.
    expires_at: Timestamp,
    /// When the connection ends at the latest.
    until: Timestamp,
}

/// Describes the answer, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Opening>();
}

impl Server {
    /// Answers a request: 201 with a ticket.
    #[tracing::instrument(name = "ticket", skip_all, fields(tenant, trace_id))]
    pub(crate) async fn ticket(&self, request: Request, now: Timestamp) -> Response<Body> {
        trace::record(&request);
        self.new_ticket(&request, now).await.unwrap_or_else(Refusal::into_response)
    }

    async fn new_ticket(&self, request: &Request, now: Timestamp) -> Answer {
        let place = Place::find(ROUTES, request, &self.intake.admission.public_url);
        let place = place.ok_or_else(|| Problem::not_found("tickets are to be had at /connections"))?;
        place.endpoint(request.method())?;
        let caller = self.callers.identify(request).await?;
        tracing::Span::current().record("tenant", caller.tenant.as_str());
        require(request, &[Scope::Submit, Scope::Read])?;
        no_body(request, &[])?;
        let of_caller = format!("{} {}", caller.tenant, caller.principal);
        if let Err(seconds) = self.tickets.take(&of_caller, 1, now) {
            let problem = Problem::too_many_requests("so many connections are not opened at once");
            return Err(problem.to_be_tried_again_after(Duration::from_secs(seconds.into())).into());
        }
        let mut nonce = [0; 16];
        getrandom::fill(&mut nonce)
            .map_err(|error| Refusal::unavailable("no ticket can be made now; try again", &error))?;
        let ticket = Ticket {
            nonce,
            tenant: caller.tenant,
            principal: caller.principal,
            may_submit: Scope::Submit.is_in(request),
            expires_at: now.plus(GOOD_FOR),
            until: until(request, now),
        };
        let sealed = self.intake.receipts.keys().await?.seal_ticket(&ticket, now);
        let opening = Opening {
            url: format!("{}?ticket={sealed}", self.websocket_url),
            expires_at: ticket.expires_at,
            until: ticket.until,
        };
        Ok(json(StatusCode::CREATED, &opening))
    }

    /// Whether a connection may be opened: the authorizer's answer. It looks at the ticket alone.
    pub(crate) async fn authorize(&self, asked: &Asked, now: Timestamp) -> Value {
        // A failure was logged by the cache that holds the keys.
        let ticket = self.intake.receipts.open_ticket(&asked.ticket, now).await.unwrap_or_default();
        let effect = if ticket.is_some() { "Allow" } else { "Deny" };
        let statement = json!({ "Action": "execute-api:Invoke", "Effect": effect, "Resource": asked.method_arn });
        let mut answer = json!({
            "principalId": ticket.as_ref().map_or_else(|| "nobody".to_owned(), |ticket| ticket.principal.to_string()),
            "policyDocument": { "Version": "2012-10-17", "Statement": [statement] },
        });
        if let Some(ticket) = ticket {
            answer["context"] = serde_json::to_value(Holder::from(ticket)).expect("texts are JSON");
        } else {
            metrics::counter!(metric::REFUSED).increment(1);
            tracing::info!("a handshake without a good ticket");
        }
        answer
    }

    /// Uses the ticket up. Gives an HTTP status: the gateway refuses the handshake if it is none of success.
    #[tracing::instrument(name = "connect", skip_all, fields(tenant = %connection.holder.tenant, principal = connection.holder.principal))]
    pub(crate) async fn open(&self, connection: &Connection, now: Timestamp) -> u16 {
        let Holder { ticket, tenant, .. } = &connection.holder;
        if now >= connection.holder.until() {
            return 403;
        }
        let used = self.connections.use_ticket(ticket, &connection.id, connection.holder.expires_at()).await;
        let opened = match used {
            Ok(true) => self.connections.open(tenant, connection.holder.until()).await,
            Ok(false) => {
                tracing::info!("the ticket was used before");
                return 403;
            }
            Err(error) => Err(error),
        };
        match opened {
            Ok(()) => {
                metrics::counter!(metric::CONNECTIONS_OPENED).increment(1);
                tracing::info!("connected");
                200
            }
            Err(error) => {
                tracing::error!(error = chain(&error), "the connection cannot be opened now");
                503
            }
        }
    }
}

/// For a token whose expiry cannot be read.
const UNREADABLE_EXPIRY: Duration = Duration::from_mins(5);

/// When the connection must end: with the token, or when the gateway ends it.
fn until(request: &Request, now: Timestamp) -> Timestamp {
    let longest = now.plus(LONGEST);
    let Some(expiry) = claims(request).and_then(|claims| claims.get("exp").cloned()) else { return longest };
    // A NumericDate, which may have a fraction (RFC 7519, section 2). One that cannot be read has some minutes.
    let seconds = expiry.parse().ok().filter(|seconds| (0.0..1e11).contains(seconds));
    let end = seconds.map(|seconds: f64| Timestamp::from_millis(Duration::from_secs_f64(seconds).as_secs() * 1000));
    end.unwrap_or_else(|| now.plus(UNREADABLE_EXPIRY)).min(longest)
}
