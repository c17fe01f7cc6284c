//! `POST /redrive`: a run that a platform operator asks for. `GET /dead-letters/{queue}`: a look at what there is.

use std::time::Duration;

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda::routes::{Place, Route};
use lambda::scope::platform_operator;
use lambda::trace;
use lambda_http::http::StatusCode;
use lambda_http::{Body, Request as HttpRequest, Response};
use schemars::SchemaGenerator;
use tokio::time::Instant;

use crate::letters::Letters;
use crate::{Redrive, Report, Request};

/// The API waits for 30 seconds. What is not done by then, the next run on schedule does.
const PATIENCE: Duration = Duration::from_secs(20);

/// What operators ask for.
#[derive(Debug, Clone, Copy)]
pub enum Endpoint {
    Run,
    Letters,
}

/// All that operators ask for.
pub const ROUTES: &[Route<Endpoint>] =
    &[Route::post("/redrive", Endpoint::Run), Route::get("/dead-letters/{queue}", Endpoint::Letters)];

/// Describes all answers but problems, for `openapi.yaml`.
pub fn describe(generator: &mut SchemaGenerator) {
    generator.subschema_for::<Report>();
    generator.subschema_for::<Letters>();
}

impl Redrive {
    #[tracing::instrument(name = "redrive", skip_all, fields(operator, trace_id))]
    pub async fn handle(&self, request: HttpRequest, now: Timestamp, finish_by: Instant) -> Response<Body> {
        trace::record(&request);
        self.answer(&request, now, finish_by).await.unwrap_or_else(Refusal::into_response)
    }

    async fn answer(&self, request: &HttpRequest, now: Timestamp, finish_by: Instant) -> Answer {
        let place = Place::find(ROUTES, request, &self.public_url);
        let place = place.ok_or_else(|| Problem::not_found("nothing is here for this operator"))?;
        match place.endpoint(request.method())? {
            Endpoint::Run => self.run_by_hand(request, now, finish_by).await,
            Endpoint::Letters => self.show(request, place.value("queue"), now).await,
        }
    }

    /// Answers with the [`Letters`] of a queue.
    async fn show(&self, request: &HttpRequest, queue: &str, now: Timestamp) -> Answer {
        self.operator(request).await?;
        Parameters::of(request).expect_only(&[])?;
        let way = self.ways.iter().find(|way| way.name == queue);
        let way = way.ok_or_else(|| Problem::not_found("no queue is called so"))?;
        let letters = self.letters(way, now).await;
        let told = "the dead letters cannot be looked at now; try again";
        Ok(json(StatusCode::OK, &letters.map_err(|error| Refusal::unavailable(told, &error))?))
    }

    /// Answers with the [`Report`] of a run that waits for no back-off.
    async fn run_by_hand(&self, request: &HttpRequest, now: Timestamp, finish_by: Instant) -> Answer {
        let asked = self.asked(request).await?;
        Ok(json(StatusCode::OK, &self.run(&asked, now, finish_by.min(Instant::now() + PATIENCE)).await))
    }

    /// A platform operator: queues are shared by all tenants.
    async fn operator(&self, request: &HttpRequest) -> Result<Operator, Refusal> {
        let why = "queues are shared by all tenants: this is for platform operators";
        platform_operator(&self.operators, request, why).await
    }

    async fn asked(&self, request: &HttpRequest) -> Result<Request, Refusal> {
        self.operator(request).await?;
        let asked: Request = lambda::request::object(request)?;
        if let Some(name) = asked.context.as_ref().filter(|name| self.ways.iter().all(|way| way.name != **name)) {
            let known: Vec<_> = self.ways.iter().map(|way| way.name.as_str()).collect();
            let shown: String = name.chars().take(40).collect();
            let detail = format!("no queue is called {shown}; known: {}", known.join(", "));
            return Err(Problem::bad_request(detail).into());
        }
        tracing::info!(context = asked.context, dry_run = asked.dry_run, "redrive by hand");
        Ok(Request { by_hand: true, ..asked })
    }
}
