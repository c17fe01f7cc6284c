//! `GET /traces/{id}`: what became of a command, and of all that followed from it, with what failed on the way; and
//! `GET /traces?search=…`: which commands somebody may mean.

use std::collections::BTreeSet;

use ::trace::view::{self, Cause, Event, Set, Shown};
use ::trace::{Delivery, Line};
use futures_util::future::try_join_all;
use kernel::ids::{AggregateId, CommandKey, StreamId, TenantId};
use kernel::operation::{Operation, Status};
use kernel::parking::Reason;
use kernel::principal::PrincipalKind;
use kernel::problem::Problem;
use kernel::receipt::{Digest, Receipt};
use kernel::timestamp::Timestamp;
use lambda::caller::Operator;
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda_http::http::StatusCode;
use schemars::JsonSchema;
use serde::Serialize;
use store::operations::OperationRecord;
use store::parked::Stage;
use store::traces::ParkedSummary;
use store::webhooks::progress::Progress;

use crate::Desk;
use crate::list::error_for;
use crate::parking::ParkingId;
use crate::refusal::nothing_here;

/// What became of a command, and of all that followed from it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "OperatorTrace")]
pub(crate) struct Trace {
    tenant: TenantId,
    #[schemars(with = "Receipt")]
    id: String,
    /// What its events, and all that followed, have in common. Absent where nothing tells yet.
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation: Option<String>,
    /// By W3C Trace Context: of the events.
    trace_ids: BTreeSet<String>,
    /// A query for CloudWatch Logs Insights, over the log groups of the functions.
    logs: String,
    #[serde(flatten)]
    effects: Effects,
    /// False if there may be more than is told: the trace is longer than an answer, or something is not on record any more.
    complete: bool,
}

/// What became of a command.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(inline)]
struct Effects {
    /// Absent: nothing is on record of it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Operation>,
    /// When its last attempt failed, while it is retried.
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parked: Option<Parked>,
    /// The stream of its aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// Its own events, in order.
    events: Vec<Event>,
    /// Whether anybody has shown that its events are published: a document, a command that followed, a timer, a webhook.
    /// Absent where it has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<bool>,
    documents: Vec<Shown>,
    timers: Vec<Set>,
    /// The names of timers that it has taken back.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    cancelled: Vec<String>,
    webhooks: Vec<Sending>,
    /// The commands that followed from it.
    caused: Vec<Caused>,
}

/// A command that followed from another.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "OperatorTracedCommand")]
struct Caused {
    #[serde(flatten)]
    cause: Cause,
    #[schemars(with = "Receipt")]
    id: String,
    #[serde(rename = "type")]
    ty: String,
    context: String,
    #[schemars(with = "AggregateId")]
    subject: String,
    #[serde(flatten)]
    effects: Effects,
}

/// Where a command waits for a person, or did.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TraceParked", deny_unknown_fields)]
struct Parked {
    #[schemars(with = "ParkingId")]
    id: String,
    stage: Stage,
    #[schemars(with = "String", length(min = 1))]
    reason: Reason,
    /// What happened, in plain words: for people. Decide by the reason.
    title: &'static str,
    /// The last error with its causes. It may quote data.
    error: String,
    /// How often it was sent back to its queue before it was parked.
    attempts: u32,
    /// How often it was resubmitted by operators.
    revision: u32,
    first_failed_at: Timestamp,
    parked_at: Timestamp,
}

/// How far a webhook is with a command's events.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "TraceWebhook", deny_unknown_fields)]
struct Sending {
    /// The webhook.
    #[schemars(length(min = 1))]
    id: String,
    #[schemars(extend("format" = "uri"))]
    url: String,
    status: SendingStatus,
    /// The last of the command's events that it gets.
    #[schemars(range(min = 1))]
    wanted: u64,
    /// Up to this version of the aggregate, nothing is left to send.
    version: u64,
    /// How often the next event was tried.
    #[serde(skip_serializing_if = "Option::is_none")]
    attempts: Option<u32>,
    /// What became of the last try, in a few words, for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<String>,
    /// No sooner is it tried again.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_try_at: Option<Timestamp>,
}

/// What became of a command's events at a webhook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TraceWebhookStatus")]
enum SendingStatus {
    /// All of them were taken.
    Sent,
    /// They are to be sent.
    Waiting,
    /// The stream's next event was tried and not taken, and is tried again.
    Failing,
    /// The stream's next event was not taken for days. Nothing is sent until an operator says so.
    Held,
    /// The webhook is switched off.
    Off,
}

/// The commands that somebody may mean.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TraceSearch", deny_unknown_fields)]
pub(crate) struct Search {
    /// The newest first.
    found: Vec<Found>,
    /// False if an aggregate has more, which are older.
    complete: bool,
}

/// A command, and what it was for.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TraceFound", deny_unknown_fields)]
struct Found {
    #[schemars(with = "Receipt")]
    id: String,
    /// The command's, where that is known.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    ty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<Status>,
    /// The stream of its aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    stream: Option<String>,
    /// The types of its events, where it was found by them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    events: Vec<String>,
    at: Timestamp,
}

/// How many commits of a stream are looked at.
const COMMITS: i32 = 20;

/// Most bytes of what is searched for: an event's id, with room.
const LONGEST_SEARCH: usize = 256;

impl Desk {
    /// `GET /traces/{id}`, by a receipt or a command's key.
    pub(crate) async fn trace(&self, operator: &Operator, id: &str, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&["tenant"])?;
        let tenant = traced_tenant(operator, parameters)?;
        let receipt = self.receipt(&tenant, id).await?.ok_or_else(nothing_here)?;
        let found = self.tracer.trace(&tenant, receipt, now).await?.ok_or_else(nothing_here)?;
        let facts = Facts::of(&found.root);
        let reader = Reader { operator, now, public_url: &self.public_url };
        let trace = Trace {
            tenant,
            id: receipt.to_string(),
            correlation: facts.correlation.clone(),
            trace_ids: facts.trace_ids.clone(),
            logs: facts.logs(&receipt),
            effects: reader.effects(&found.root),
            complete: found.complete,
        };
        Ok(json(StatusCode::OK, &trace))
    }

    /// `GET /traces?search=…`: a receipt, a command's key (which is a correlation, if its sender has given no other), an
    /// aggregate's id, or the id of a stream or an event.
    pub(crate) async fn search(&self, operator: &Operator, parameters: &Parameters) -> Answer {
        parameters.expect_only(&["search", "tenant"])?;
        let tenant = traced_tenant(operator, parameters)?;
        let text = parameters.text("search").map(str::trim).unwrap_or_default();
        if text.is_empty() || text.len() > LONGEST_SEARCH {
            let detail = format!("say what to search for: search, of 1 to {LONGEST_SEARCH} bytes");
            return Err(Problem::bad_request(detail).into());
        }
        let by_key = self.found(&tenant, text).await?;
        let streams = streams(&tenant, text);
        let commits = try_join_all(streams.iter().map(|stream| self.streams.newest(stream, COMMITS))).await?;
        let complete = commits.iter().all(|commits| commits.last().is_none_or(|last| last.commit_number == 1));
        let mut found: Vec<Found> = Vec::new();
        for commit in commits.into_iter().flatten() {
            for event in commit.events()?.into_iter().rev() {
                let (id, ty) = (event.event.cause.operation, event.event.ty);
                match found.iter_mut().find(|found| found.id == id) {
                    Some(found) => found.events.insert(0, ty),
                    None => found.push(Found {
                        id,
                        ty: None,
                        status: Some(Status::Succeeded),
                        stream: Some(event.stream.to_string()),
                        events: vec![ty],
                        at: event.time,
                    }),
                }
            }
        }
        found.extend(by_key.filter(|by_key| found.iter().all(|found| found.id != by_key.id)));
        found.sort_by_key(|found| std::cmp::Reverse(found.at));
        Ok(json(StatusCode::OK, &Search { found, complete }))
    }

    /// The receipt, if it is genuine and this tenant's, or if there is a record of a command with that key.
    async fn receipt(&self, tenant: &TenantId, text: &str) -> Result<Option<Receipt>, Refusal> {
        if let Some(key) = CommandKey::parse(text) {
            return self.receipt_of_key(tenant, key).await;
        }
        match Receipt::read(text).filter(Receipt::is_of_system) {
            Some(receipt) => Ok(Some(receipt)),
            None => match self.receipts.open(tenant, text).await? {
                Some(receipt) => Ok(Some(receipt)),
                // Its key may have been taken out since. The record still tells that there was such a command.
                None => match Receipt::read(text) {
                    Some(receipt) => self.receipt_of_key(tenant, receipt.command_key).await,
                    None => Ok(None),
                },
            },
        }
    }

    /// As its sender has it, or would get it for sending the same command now: a key names one command of the tenant.
    async fn receipt_of_key(&self, tenant: &TenantId, key: CommandKey) -> Result<Option<Receipt>, Refusal> {
        let record = self.tracer.record(tenant, key).await?;
        let Some((record, digest)) = record.and_then(|record| Digest::parse(&record.digest).map(|it| (record, it)))
        else {
            return Ok(None);
        };
        let accepted_at = record.accepted_at.unwrap_or(record.recorded_at);
        let is_of_system = record.principal.is_some_and(|principal| principal.kind == PrincipalKind::System);
        if is_of_system {
            return Ok(Some(Receipt::of_system(accepted_at, key, digest)));
        }
        Ok(Some(self.receipts.keys().await?.seal(tenant, accepted_at, key, digest)))
    }

    /// The command of a receipt, or of a key.
    async fn found(&self, tenant: &TenantId, text: &str) -> Result<Option<Found>, Refusal> {
        let Some(receipt) = self.receipt(tenant, text).await? else { return Ok(None) };
        let record = self.tracer.record(tenant, receipt.command_key).await?;
        // Anybody may make up a receipt of the installation's own. It says nothing by itself.
        let is_known = record.is_some() || !receipt.is_of_system();
        Ok(is_known.then(|| Found::of(&receipt, record.as_ref())))
    }
}

/// Whose commands an operator traces. A tenant's operator means their own, and finds nothing elsewhere.
fn traced_tenant(operator: &Operator, parameters: &Parameters) -> Result<TenantId, Refusal> {
    let named = parameters.text("tenant").map(TenantId::parse).transpose().map_err(|_| nothing_here())?;
    let tenant = match (named, &operator.tenant) {
        (Some(named), _) if operator.may_see(Some(&named)) => named,
        (Some(_), _) => return Err(nothing_here().into()),
        (None, Some(own)) => own.clone(),
        (None, None) => {
            return Err(Problem::bad_request("say whose commands: ?tenant=…, for you are of no tenant").into());
        }
    };
    tracing::Span::current().record("tenant", tenant.as_str());
    Ok(tenant)
}

/// The streams that a text may name: one, or those of an aggregate's id in all contexts.
fn streams(tenant: &TenantId, text: &str) -> Vec<StreamId> {
    if text.contains('/') {
        // An event's id is its stream's, and its version.
        let stream = text.rsplit_once('/').filter(|(_, version)| version.bytes().all(|byte| byte.is_ascii_digit()));
        let all = [Some(text), stream.map(|(stream, _)| stream)].into_iter().flatten();
        let parsed = all.filter_map(|text| StreamId::parse(text).ok());
        return parsed.filter(|stream| stream.tenant == *tenant).collect();
    }
    let Ok(aggregate) = AggregateId::parse(text) else { return Vec::new() };
    let contexts = catalog::CONTEXTS.iter();
    let of = |context: &'static kernel::context::Context| {
        let (tenant, aggregate) = (tenant.clone(), aggregate.clone());
        context.aggregate_types().map(move |ty| context.stream(ty, tenant.clone(), aggregate.clone()))
    };
    contexts.flat_map(of).collect()
}

impl Found {
    fn of(receipt: &Receipt, record: Option<&OperationRecord>) -> Self {
        Self {
            id: receipt.to_string(),
            ty: record.map(|record| record.command_type.clone()),
            status: Some(record.map_or(Status::Accepted, |record| record.outcome)),
            stream: record.and_then(OperationRecord::stream).map(|stream| stream.to_string()),
            events: Vec::new(),
            at: record.map_or(receipt.accepted_at, |record| record.recorded_at),
        }
    }
}

/// What the events of a trace have in common.
#[derive(Default)]
struct Facts {
    correlation: Option<String>,
    trace_ids: BTreeSet<String>,
    /// What the operations of each command have in common, by which its log lines are found.
    shared_texts: BTreeSet<String>,
}

impl Facts {
    fn of(root: &Line) -> Self {
        let mut facts = Self::default();
        facts.add(root);
        facts
    }

    fn add(&mut self, line: &Line) {
        self.shared_texts.extend(line.receipt.as_ref().map(Receipt::shared_text));
        for event in &line.events {
            let cause = &event.event.cause;
            self.correlation.get_or_insert_with(|| cause.correlation.clone());
            self.trace_ids.extend(cause.traceparent.as_deref().and_then(lambda::trace::id).map(str::to_owned));
        }
        line.caused.iter().for_each(|caused| self.add(caused));
    }

    /// Lines of the commands and their repeats, and what else was logged under the trace.
    fn logs(mut self, receipt: &Receipt) -> String {
        self.shared_texts.insert(receipt.shared_text());
        let commands = self.shared_texts.into_iter().collect::<Vec<_>>().join("|");
        let by_trace: Vec<_> = self.trace_ids.iter().map(|id| format!(" or span.trace_id = \"{id}\"")).collect();
        let by_trace = by_trace.concat();
        format!(
            "fields @timestamp, @log, level, message, error, span.stream, span.operation\n\
             | filter span.operation like /{commands}/ or operation like /{commands}/{by_trace}\n\
             | sort @timestamp asc\n\
             | limit 1000"
        )
    }
}

/// An operator who reads a trace.
struct Reader<'a> {
    operator: &'a Operator,
    now: Timestamp,
    public_url: &'a str,
}

impl Reader<'_> {
    fn effects(&self, line: &Line) -> Effects {
        Effects {
            operation: line.operation(self.now, self.public_url),
            failed_at: line.own_record().and_then(|record| record.failed_at),
            parked: line.parked.as_ref().map(|parked| self.parked(parked)),
            stream: line.stream.as_ref().map(ToString::to_string),
            events: view::events(line),
            published: (!line.events.is_empty()).then(|| line.is_seen()),
            documents: view::documents(line, |_| true, self.public_url),
            timers: view::timers(line),
            cancelled: line.cancelled.clone(),
            webhooks: line.deliveries.iter().map(Sending::of).collect(),
            caused: line.caused.iter().filter_map(|caused| self.caused(caused)).collect(),
        }
    }

    fn caused(&self, line: &Line) -> Option<Caused> {
        Some(Caused {
            cause: Cause::of(line.how.as_ref()?),
            id: line.receipt?.to_string(),
            ty: line.ty.clone()?,
            context: line.stream.as_ref()?.context.clone(),
            subject: line.stream.as_ref()?.aggregate.to_string(),
            effects: self.effects(line),
        })
    }

    fn parked(&self, ParkedSummary { summary, stage }: &ParkedSummary) -> Parked {
        let mut id = ParkingId::of(summary);
        // On its way again, it is in its next revision, and was parked in the one before.
        id.revision -= u32::from(*stage == Stage::Resubmitted && id.revision > 0);
        Parked {
            id: id.to_string(),
            stage: *stage,
            reason: summary.reason.clone(),
            title: summary.reason.title(),
            error: error_for(self.operator, &summary.reason, &summary.error).to_owned(),
            attempts: summary.attempts,
            revision: summary.revision,
            first_failed_at: summary.first_failed_at,
            parked_at: summary.parked_at,
        }
    }
}

impl Sending {
    fn of(Delivery { endpoint, version: wanted, progress }: &Delivery) -> Self {
        let done = progress.as_ref().and_then(|progress| progress.done).map_or(0, |done| done.version);
        let failing = progress.as_ref().and_then(|progress| progress.failing.as_ref()).filter(|_| done < *wanted);
        let status = match failing {
            _ if done >= *wanted => SendingStatus::Sent,
            _ if endpoint.off.is_some() => SendingStatus::Off,
            Some(failing) if failing.held => SendingStatus::Held,
            Some(_) => SendingStatus::Failing,
            None => SendingStatus::Waiting,
        };
        let due = |progress: &Progress| progress.due.filter(|_| matches!(status, SendingStatus::Failing));
        Self {
            id: endpoint.id.id.clone(),
            url: endpoint.settings.url.clone(),
            status,
            wanted: *wanted,
            version: done,
            attempts: failing.map(|failing| failing.attempts),
            answer: failing.map(|failing| failing.answer.clone()),
            next_try_at: progress.as_ref().and_then(due),
        }
    }
}
