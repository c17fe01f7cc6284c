//! `POST /redrive`: a run that a platform operator asks for.

use std::time::Duration;

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::http::{json, problem};
use lambda::scope::{Scope, require};
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request as HttpRequest, Response};
use tokio::time::Instant;

use crate::{Redrive, Request};

/// The API waits for 30 seconds. What is not done by then, the next run on schedule does.
const PATIENCE: Duration = Duration::from_secs(20);

impl Redrive {
    /// Answers with the [`Report`](crate::Report) of a run that waits for no back-off.
    pub async fn answer(&self, request: HttpRequest, now: Timestamp, finish_by: Instant) -> Response<Body> {
        let asked = match self.asked(&request).await {
            Ok(asked) => asked,
            Err(refusal) => return problem(&refusal),
        };
        let report = self.run(&asked, now, finish_by.min(Instant::now() + PATIENCE)).await;
        let body = serde_json::to_string(&report).expect("a report has string keys");
        json(StatusCode::OK, "application/json", body)
    }

    async fn asked(&self, request: &HttpRequest) -> Result<Request, Problem> {
        let operator = self.operators.identify(request).await.map_err(|unknown| Problem::from(&unknown))?;
        require(request, &[Scope::Operate])?;
        if operator.tenant.is_some() {
            return Err(Problem::not_permitted("queues are shared by all tenants: this is for platform operators"));
        }
        let asked: Request = lambda::request::object(request)?;
        if let Some(name) = asked.context.as_ref().filter(|name| self.routes.iter().all(|route| route.name != **name)) {
            let known: Vec<_> = self.routes.iter().map(|route| route.name.as_str()).collect();
            let shown: String = name.chars().take(40).collect();
            return Err(Problem::bad_request(format!("no queue is called {shown}; known: {}", known.join(", "))));
        }
        tracing::info!(
            operator = operator.principal.id,
            context = asked.context,
            dry_run = asked.dry_run,
            "redrive by hand"
        );
        Ok(Request { by_hand: true, ..asked })
    }
}
