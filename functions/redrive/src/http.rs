//! `POST /redrive`: a run that a platform operator asks for. `GET /dead-letters/{queue}`: a look at what there is.

use std::time::Duration;

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::{json, problem};
use lambda::methods::Methods;
use lambda::request::Parameters;
use lambda::scope::{Scope, require};
use lambda::telemetry::chain;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request as HttpRequest, RequestExt as _, Response};
use tokio::time::Instant;

use crate::{Redrive, Request};

/// The API waits for 30 seconds. What is not done by then, the next run on schedule does.
const PATIENCE: Duration = Duration::from_secs(20);

impl Redrive {
    pub async fn answer(&self, request: HttpRequest, now: Timestamp, finish_by: Instant) -> Response<Body> {
        let looked_at = !request.raw_http_path().trim_end_matches('/').ends_with("/redrive");
        let methods = if looked_at { Methods::READ } else { Methods::ACT };
        if !methods.include(request.method()) {
            return methods.refusal();
        }
        if looked_at {
            return self.show(&request, now).await.unwrap_or_else(|refusal| problem(&refusal));
        }
        self.run_by_hand(request, now, finish_by).await
    }

    /// Answers with the [`Letters`](crate::Letters) of a queue.
    async fn show(&self, request: &HttpRequest, now: Timestamp) -> Result<Response<Body>, Problem> {
        self.operator(request).await?;
        Parameters::of(request).expect_only(&[])?;
        let name = request.raw_http_path().rsplit('/').next().unwrap_or_default();
        let route = self.routes.iter().find(|route| route.name == name);
        let route = route.ok_or_else(|| Problem::not_found("no queue is called so"))?;
        let letters = self.letters(route, now).await.map_err(|error| {
            tracing::error!(queue = route.name, error = chain(&error), "the dead letters cannot be looked at");
            Problem::unavailable("the dead letters cannot be looked at now; try again")
        })?;
        let body = serde_json::to_string(&letters).expect("letters have string keys");
        Ok(json(StatusCode::OK, "application/json", body))
    }

    /// Answers with the [`Report`](crate::Report) of a run that waits for no back-off.
    async fn run_by_hand(&self, request: HttpRequest, now: Timestamp, finish_by: Instant) -> Response<Body> {
        let asked = match self.asked(&request).await {
            Ok(asked) => asked,
            Err(refusal) => return problem(&refusal),
        };
        let report = self.run(&asked, now, finish_by.min(Instant::now() + PATIENCE)).await;
        let body = serde_json::to_string(&report).expect("a report has string keys");
        json(StatusCode::OK, "application/json", body)
    }

    /// A platform operator: queues are shared by all tenants.
    async fn operator(&self, request: &HttpRequest) -> Result<Operator, Problem> {
        let operator = self.operators.identify(request).await.map_err(|unknown| Problem::from(&unknown))?;
        require(request, &[Scope::Operate])?;
        if operator.tenant.is_some() {
            return Err(Problem::not_permitted("queues are shared by all tenants: this is for platform operators"));
        }
        Ok(operator)
    }

    async fn asked(&self, request: &HttpRequest) -> Result<Request, Problem> {
        let operator = self.operator(request).await?;
        let asked: Request = lambda::request::object(request)?;
        if let Some(name) = asked.context.as_ref().filter(|name| self.routes.iter().all(|route| route.name != **name)) {
            let known: Vec<_> = self.routes.iter().map(|route| route.name.as_str()).collect();
            let shown: String = name.chars().take(40).collect();
            return Err(Problem::bad_request(format!("no queue is called {shown}; known: {}", known.join(", "))));
        }
        tracing::info!(
            operator = %operator.principal,
            context = asked.context,
            dry_run = asked.dry_run,
            "redrive by hand"
        );
        Ok(Request { by_hand: true, ..asked })
    }
}
