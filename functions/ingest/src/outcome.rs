//! `PUT /operations/{id}/outcome`: what became of a command that went to a queue of the tenant's own, whose consumer lives
//! elsewhere. It is said once, in the words of [`Status`], and whoever follows the operation sees it.
//!
//! The report brings the command as it was queued. So nothing need be stored when a command is accepted: its receipt proves that
//! it was accepted here and what it said.

use std::time::Duration;

use admission::sources::Source;
use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::ids::{CommandKey, OWN};
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::object;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::metric;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;
use store::operations::{OperationRecord, Operations};
use store::parked::{ActError, Parked, ParkedMessage};

use crate::Ingest;

/// Where outcomes are written.
pub struct Outcomes {
    operations: Operations,
    parked: Parked,
    /// For how long a final record is kept.
    retention: Duration,
}

/// What became of a command.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Report {
    status: Final,
    /// The message of the queue, as it was received.
    command: Box<RawValue>,
    /// What the command has changed, if it has succeeded.
    #[serde(default)]
    resource: Option<Elsewhere>,
    /// Why it was rejected, in kebab case: what clients decide by.
    #[serde(default)]
    reason: Option<String>,
    /// Why it was rejected or discarded, for the client's developer or user.
    #[serde(default)]
    detail: Option<String>,
}

/// A status that nothing changes any more.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Final {
    Succeeded,
    Rejected,
    Discarded,
}

/// Something that a pipeline has changed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Elsewhere {
    /// An absolute URL.
    href: String,
    version: u64,
}

/// Most bytes of a reason, of a detail, and of a URL.
const MAX_REASON: usize = 64;
const MAX_TEXT: usize = 1000;

impl Outcomes {
    pub fn from_environment(environment: &Environment, dynamodb: store::Client) -> Result<Self, BadSetting> {
        let (parked, operations) = (environment.text("PARKED_TABLE")?, environment.text("OPERATIONS_TABLE")?);
        Ok(Self {
            parked: Parked::new(dynamodb.clone(), parked, &operations),
            operations: Operations::new(dynamodb, operations),
            retention: environment.retention()?,
        })
    }

    /// Writes the outcome, unless there is one. Gives the record that holds then.
    async fn write(&self, command: &Command, record: OperationRecord, by: &Caller) -> Result<OperationRecord, Refusal> {
        const TRIES: u32 = 3;
        let receipt = &command.receipt;
        for _ in 0..TRIES {
            let stored = self.operations.find(&by.tenant, receipt.command_key).await?;
            match stored {
                Some(stored) if stored.digest != record.digest => {
                    let detail = "another command with this source and id came first, and its outcome stays";
                    return Err(Problem::id_reused(detail).into());
                }
                Some(stored) if stored.outcome.is_final() => {
                    return if says_the_same(&stored, &record) {
                        Ok(stored)
                    } else {
                        Err(Problem::already_reported(format!(
                            "its outcome is {}, and stays so",
                            stored.outcome.as_str()
                        ))
                        .into())
                    };
                }
                Some(stored) if stored.outcome == Status::Parked => {
                    let key = ParkedMessage::key(Some(&by.tenant), OWN);
                    let id = ParkedMessage::id(stored.accepted_at.unwrap_or(receipt.accepted_at), receipt.command_key);
                    let Some(parked) = self.parked.find(&key, &id).await? else {
                        return Err(Problem::not_permitted("an operator decides what becomes of this command").into());
                    };
                    match self.parked.report(&parked, &record, &by.principal).await {
                        Ok(()) => return Ok(record),
                        // An operator, or another report, was faster: look again.
                        Err(ActError::Conflict(_)) => {}
                        Err(ActError::Store(error)) => return Err(error.into()),
                    }
                }
                _ => {
                    if self.operations.put_open(&record).await? {
                        return Ok(record);
                    }
                }
            }
        }
        Err(Problem::unavailable("others are at this operation; report the same again").into())
    }
}

impl Ingest {
    /// Answers 200 with the operation, also where the same was reported before.
    pub(crate) async fn report(&self, request: &Request, id: &str, now: Timestamp) -> Answer {
        let (caller, tenant) = self.caller(request).await?;
        let nothing_here = || Problem::not_found("there is no such operation");
        let receipt = self.intake.receipts.open(&caller.tenant, id).await?.ok_or_else(nothing_here)?;
        tracing::Span::current().record("principal", tracing::field::display(&caller.principal));
        let report: Report = object(request)?;
        let command = command_of(&report, &receipt, &caller)?;
        let (ty, source) = (command.event.ty(), command.event.source());
        let place = Source::of(source).map_err(|_| nothing_here())?;
        if !tenant.reports.permit(&caller.principal, ty, &place) {
            let who = &caller.principal;
            let detail = format!("no grant lets {who} report what became of {ty} from {source}");
            return Err(Problem::not_permitted(detail).into());
        }
        if tenant.routes.own_queue(&place).is_none() {
            let detail = format!("what comes from {source} does not go to a queue of the tenant's own");
            return Err(Problem::not_permitted(detail).about("source").into());
        }
        let record = OperationRecord {
            expires_at: Some(now.plus(self.outcomes.retention).seconds()),
            ..report.record(&command, now)?
        };
        let record = self.outcomes.write(&command, record, &caller).await?;
        metrics::counter!(metric::REPORTED).increment(1);
        tracing::info!(operation = id, outcome = record.outcome.as_str(), "reported");
        Ok(json(StatusCode::OK, &record.seen_by(&receipt, &self.intake.admission.public_url)))
    }
}

impl Report {
    fn record(&self, command: &Command, now: Timestamp) -> Result<OperationRecord, Problem> {
        let Self { status, resource, reason, detail, .. } = self;
        let is_detail = |text: &&str| (1..=MAX_TEXT).contains(&text.len());
        let (outcome, problem) = match (status, reason.as_deref(), detail.as_deref().filter(is_detail)) {
            (Final::Succeeded, None, None) if detail.is_none() => (Status::Succeeded, None),
            (Final::Succeeded, ..) => {
                return Err(Problem::bad_request("what has succeeded has neither reason nor detail"));
            }
            _ if resource.is_some() => return Err(Problem::bad_request("only what has succeeded has a resource")),
            (.., None) => return Err(Problem::bad_request(format!("detail says why, in 1 to {MAX_TEXT} bytes"))),
            (Final::Rejected, Some(reason), Some(detail)) if is_reason(reason) => {
                (Status::Rejected, Some(Problem::rejected(OWN, reason, detail)))
            }
            (Final::Rejected, ..) => {
                let detail = format!("reason says why in kebab case, in at most {MAX_REASON} bytes: out-of-stock");
                return Err(Problem::bad_request(detail));
            }
            (Final::Discarded, None, Some(detail)) => (Status::Discarded, Some(Problem::discarded(detail))),
            (Final::Discarded, ..) => {
                return Err(Problem::bad_request("what was discarded has a detail and no reason"));
            }
        };
        if let Some(Elsewhere { href, version }) = resource {
            let is_url = ["https://", "http://"].iter().any(|scheme| href.starts_with(scheme));
            if !is_url || href.len() > MAX_TEXT || fluent_uri::Uri::parse(href.as_str()).is_err() || *version == 0 {
                let detail =
                    format!("a resource has an absolute URL, in at most {MAX_TEXT} bytes, and a version from 1");
                return Err(Problem::bad_request(detail));
            }
        }
        Ok(OperationRecord {
            outcome,
            problem: problem.map(|problem| problem.to_json()),
            resource: resource.as_ref().map(|resource| resource.href.clone()),
            version: resource.as_ref().map(|resource| resource.version),
            ..OperationRecord::of(command, now)
        })
    }
}

/// Whether it is in kebab case, and not too long.
fn is_reason(text: &str) -> bool {
    let is_word =
        |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit());
    text.len() <= MAX_REASON && text.split('-').all(is_word)
}

/// The command that the report brings, if it is the one of this receipt.
fn command_of(report: &Report, receipt: &Receipt, caller: &Caller) -> Result<Command, Problem> {
    let not_it = |why: &str| Problem::bad_request(format!("command is not the message of this operation: {why}"));
    let command = Command::open(report.command.get().as_bytes(), OWN).map_err(|error| not_it(&error.to_string()))?;
    let event: &CloudEvent = &command.event;
    let data: Value = event.json().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let is_it = command.receipt == *receipt
        && command.stream.tenant == caller.tenant
        && CommandKey::of(&caller.tenant, event.source(), event.id()) == receipt.command_key
        && receipt.digest.is_of_sealed(event, &data);
    if is_it { Ok(command) } else { Err(not_it("report it as it was received")) }
}

fn says_the_same(stored: &OperationRecord, record: &OperationRecord) -> bool {
    (stored.outcome, &stored.problem, &stored.resource, stored.version)
        == (record.outcome, &record.problem, &record.resource, record.version)
}
