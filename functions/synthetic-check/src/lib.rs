//! The synthetic check: one command that is sent the whole way, as a client would send it, to see whether it arrives.
//!
//! On a schedule it gets a token, submits `RecordCheck`, follows the operation to its outcome, and reads what has become
//! of it. It knows the public API alone. So whatever keeps clients from their answers keeps this one from its own: then
//! the metric `CheckSucceeded` stays away, and an alarm rings.
//!
//! A run does not try anything twice. The next run comes soon, and one that fails is counted.
//!
//! - [`credentials`] gets the token
//! - [`client`] speaks with the API, and waits as the API says
//! - [`failure`] says which step failed, and why

mod client;
mod credentials;
mod failure;
mod settings;

use std::future::Future;

use kernel::operation::{Resource, Status};
use kernel::timestamp::Timestamp;
use lambda::telemetry::metric;
use lambda::web::WebClient;
use lambda_http::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::time::{Instant, timeout_at};

use crate::client::{Accepted, Client};
pub use crate::credentials::CredentialsSecret;
pub use crate::failure::{Failure, Reason, Step};

/// Runs checks.
pub struct SyntheticCheck {
    /// The API's address as clients reach it, without a slash at its end.
    pub api_url: String,
    pub credentials: CredentialsSecret,
    pub web: WebClient,
}

/// A run that went the whole way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Passed {
    /// The operation that was followed.
    pub operation: String,
    /// How long the whole way took.
    pub milliseconds: u64,
}

/// What a run sends and expects to read again.
struct Run {
    /// 32 hexadecimal digits that no other run has.
    name: String,
    at: Timestamp,
}

/// The members of the read model that are looked at.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    runs: u64,
    latest_run: String,
}

impl SyntheticCheck {
    /// One run, counted by its end.
    pub async fn run(&self, now: Timestamp, finish_by: Instant) -> Result<Passed, Failure> {
        let run = Run { name: format!("{:032x}", fastrand::u128(..)), at: now };
        let started = Instant::now();
        let went = self.whole_way(&run, finish_by).await;
        let took = started.elapsed();
        match went {
            Ok(operation) => {
                metrics::counter!(metric::CHECK_SUCCEEDED).increment(1);
                metrics::histogram!(metric::CHECK_DURATION).record(took.as_secs_f64() * 1000.0);
                Ok(Passed { operation, milliseconds: u64::try_from(took.as_millis()).unwrap_or(u64::MAX) })
            }
            Err(failure) => {
                metrics::counter!(metric::CHECK_FAILED, "Step" => failure.step.name()).increment(1);
                Err(failure)
            }
        }
    }

    /// Gives the id of the operation.
    async fn whole_way(&self, run: &Run, finish_by: Instant) -> Result<String, Failure> {
        let token = step(Step::Token, finish_by, self.credentials.token(&self.web)).await?;
        let client = Client { web: &self.web, api_url: &self.api_url, token };
        let accepted = step(Step::Submit, finish_by, submit(&client, run)).await?;
        let operation = client::last_segment(&accepted.location).to_owned();
        let of_operation = |failure| Failure { operation: Some(operation.clone()), ..failure };
        let resource = step(Step::Outcome, finish_by, outcome(&client, accepted)).await.map_err(of_operation)?;
        step(Step::Read, finish_by, read(&client, &resource, run)).await.map_err(of_operation)?;
        Ok(operation)
    }
}

/// Does one step while there is time.
async fn step<T>(step: Step, finish_by: Instant, work: impl Future<Output = Result<T, Reason>>) -> Result<T, Failure> {
    let result = timeout_at(finish_by, work).await.unwrap_or(Err(Reason::OutOfTime));
    result.map_err(|reason| Failure { step, operation: None, reason })
}

async fn submit(client: &Client<'_>, run: &Run) -> Result<Accepted, Reason> {
    let event = json!({
        "specversion": "1.0",
        "id": run.name,
        "source": "urn:waybill:synthetic-check",
        "type": "RecordCheck",
        // Each day is an aggregate of its own.
        "subject": run.at.to_string().split('T').next(),
        "time": run.at,
        "datacontenttype": "application/json",
        "data": { "run": run.name },
    });
    client.post_command(&event).await
}

/// Follows the operation until it has succeeded; gives what it changed.
async fn outcome(client: &Client<'_>, accepted: Accepted) -> Result<Resource, Reason> {
    let mut pause = accepted.pause;
    loop {
        tokio::time::sleep(pause).await;
        let (operation, next) = client.operation(&accepted.location).await?;
        match operation.status {
            Status::Succeeded => return operation.resource.ok_or(Reason::Unreadable("a resource")),
            Status::Accepted | Status::Retrying => pause = next,
            Status::Rejected | Status::Parked | Status::Discarded => {
                let problem = operation.error.and_then(|problem| failure::code(&problem));
                return Err(Reason::Ended { status: operation.status.as_str(), problem });
            }
        }
    }
}

/// Reads the resource as soon as it is there, and looks whether it says what was recorded.
async fn read(client: &Client<'_>, resource: &Resource, run: &Run) -> Result<(), Reason> {
    let document: Document = loop {
        let answer = client.get(&resource.href).await?;
        match (answer.status(), client::retry_after(&answer)) {
            (StatusCode::OK, _) => break client::parsed(&answer, "the day's document")?,
            (StatusCode::NOT_FOUND, Some(pause)) => tokio::time::sleep(pause).await,
            _ => return Err(Reason::refused(&answer)),
        }
    };
    // Every run is one event. If another one came after this, it is the latest.
    let is_latest = document.runs == resource.version && document.latest_run == run.name;
    if is_latest || document.runs > resource.version { Ok(()) } else { Err(Reason::Different) }
}
