//! An API in which all works, but for what a test says.

use std::time::Duration;

use checks::projection::Document;
use kernel::cloud_event::CloudEvent;
use kernel::ids::AggregateId;
use kernel::operation::{Operation, Resource, Status};
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use lambda::telemetry::chain;
use lambda::web::WebClient;
use lambda_http::http::{Method, Request, Response};
use serde_json::json;
use synthetic_check::{Failure, Passed, Step, SyntheticCheck};
use testkit::{Aws, Log, Metrics, Web};
use tokio::time::Instant;

pub const API: &str = "https://api.example";
pub const TOKEN: &str = "the-token-that-was-granted";
pub const SECRET: &str = "no/body+may see this";
pub const OPERATION: &str = "AQGb1";

pub type Answer = Response<String>;

/// What a test's answer is.
pub enum Instead {
    /// As if all worked.
    Good,
    Other(Answer),
    /// None, ever.
    Silence,
}

/// The deployed platform, as a client sees it.
pub struct Api {
    pub aws: Aws,
    pub web: Web,
}

/// What became of a run.
pub struct Ran {
    pub result: Result<Passed, Failure>,
    /// How long it took.
    pub took: Duration,
    pub metrics: Metrics,
    /// Everything logged, and the failure as `lambda::run` logs it.
    pub logged: String,
}

impl Api {
    pub fn good() -> Self {
        Self::but_for(|_, _| Instead::Good)
    }

    /// `other` sees which step asks, and how often that step has asked by now.
    pub fn but_for(mut other: impl FnMut(Step, usize) -> Instead + Send + 'static) -> Self {
        let aws = Aws::new();
        let secret =
            json!({ "client_id": "checker", "client_secret": SECRET, "token_url": "https://id.example/token" });
        aws.put_secret(&secret_arn(), &secret.to_string());
        let mut asked = [0; 4];
        let mut run = String::new();
        let web = Web::answering(move |request| {
            let step = step(request);
            asked[step as usize] += 1;
            let nth = asked[step as usize];
            if step == Step::Submit {
                let event = CloudEvent::from_json(request.body().as_bytes()).expect("a CloudEvent");
                event.id().clone_into(&mut run);
            }
            match other(step, nth) {
                Instead::Good => Some(good(step, nth, &run)),
                Instead::Other(answer) => Some(answer),
                Instead::Silence => None,
            }
        });
        Self { aws, web }
    }

    pub fn check(&self) -> SyntheticCheck {
        let environment = Environment::of([("PUBLIC_URL", API), ("CHECK_SECRET", &secret_arn())]);
        let web = WebClient::over(self.web.clone());
        SyntheticCheck::from_environment(&environment, self.aws.secrets_manager(), web).expect("settings")
    }

    /// A run at half past nine on 2026-01-15, with a minute to do it.
    pub async fn run(&self) -> Ran {
        let (log, metrics, started) = (Log::default(), Metrics::default(), Instant::now());
        let (logging, counting) = (log.begin(&["synthetic_check", "lambda"]), metrics.begin());
        let result = self.check().run(now(), started + Duration::from_mins(1)).await;
        drop((logging, counting));
        let failure = result.as_ref().err().map(|failure| chain(failure)).unwrap_or_default();
        Ran { result, took: started.elapsed(), metrics, logged: log.text() + &failure }
    }
}

pub fn secret_arn() -> String {
    Aws::secret_arn("check")
}

fn now() -> Timestamp {
    Timestamp::parse("2026-01-15T09:30:00Z").expect("a time")
}

fn step(request: &Request<String>) -> Step {
    let (method, url) = (request.method(), request.uri().to_string());
    match (method, url.strip_prefix(API)) {
        (&Method::POST, None) if url == "https://id.example/token" => Step::Token,
        (&Method::POST, Some("/commands")) => Step::Submit,
        (&Method::GET, Some("/operations/AQGb1")) => Step::Outcome,
        (&Method::GET, Some("/checks/2026-01-15?version=7")) => Step::Read,
        _ => panic!("a client has no business there: {method} {url}"),
    }
}

/// The first two questions for the outcome, and the first one for the document, come too early.
fn good(step: Step, nth: usize, run: &str) -> Answer {
    match (step, nth) {
        (Step::Token, _) => json_of(200, &json!({ "access_token": TOKEN, "token_type": "Bearer", "expires_in": 3600 })),
        (Step::Submit, _) => {
            let mut accepted = json_of(202, &Operation::accepted(OPERATION, now()));
            let location = format!("{API}/operations/{OPERATION}").parse().expect("a header");
            accepted.headers_mut().insert("location", location);
            later(accepted, 1)
        }
        (Step::Outcome, 1) => later(json_of(200, &Operation::accepted(OPERATION, now())), 1),
        (Step::Outcome, 2) => later(ended(Status::Retrying, None), 10),
        (Step::Outcome, _) => ended(Status::Succeeded, None),
        (Step::Read, 1) => later(json_of(404, &Problem::not_yet("in a moment")), 2),
        (Step::Read, _) => json_of(200, &document(7, run)),
    }
}

/// The day's document.
pub fn document(runs: u32, latest_run: &str) -> Document {
    Document {
        id: AggregateId::parse("2026-01-15").expect("an id"),
        month: "2026-01".to_owned(),
        runs,
        latest_run: latest_run.to_owned(),
        latest_at: now(),
        recorded_by: "checker".to_owned(),
    }
}

pub fn ended(status: Status, error: Option<Problem>) -> Answer {
    let href = format!("{API}/checks/2026-01-15?version=7");
    let resource = (status == Status::Succeeded).then_some(Resource { href, version: 7 });
    json_of(200, &Operation { status, resource, error, ..Operation::accepted(OPERATION, now()) })
}

pub fn json_of(status: u16, body: &impl serde::Serialize) -> Answer {
    let body = serde_json::to_string(body).expect("JSON");
    Response::builder().status(status).header("content-type", "application/json").body(body).expect("an answer")
}

pub fn later(mut answer: Answer, seconds: u32) -> Answer {
    answer.headers_mut().insert("retry-after", seconds.into());
    answer
}
