//! `GET /operations/{id}/trace`: what became of a command, and of all that followed from it.
//!
//! Whoever may follow the operation sees the operation. All else is read by the rules of reading: events, documents and
//! timers of an aggregate, and a command for one, by whoever may read the aggregate. A command that may not be read is
//! left out with all that followed from it, so that nobody learns of it by what it has caused.

use ::trace::view::{self, Cause, Event, Set, Shown};
use ::trace::{Document, Line};
use kernel::ids::AggregateId;
use kernel::operation::Operation;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::http::{json, set};
use lambda::refusal::Answer;
use lambda::request::Parameters;
use lambda::scope::Scope;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use lambda_http::http::header::RETRY_AFTER;
use schemars::JsonSchema;
use serde::Serialize;

use crate::grants::{Sight, Sights};
use crate::operations::{Follower, ask_again};
use crate::{Query, nothing_here};

/// What became of a command, and of all that followed from it.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Trace {
    operation: Operation,
    #[serde(flatten)]
    effects: Effects,
    /// False if there may be more than is told: the trace is longer than an answer, or something is not on record any more.
    complete: bool,
    /// True if there is more that this caller may not read.
    withheld: bool,
}

/// What a command made happen.
#[derive(Default, Serialize, JsonSchema)]
#[schemars(inline)]
struct Effects {
    /// The events of its aggregate.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("format" = "uri"))]
    history: Option<String>,
    /// Its own events, in order.
    events: Vec<Event>,
    documents: Vec<Shown>,
    timers: Vec<Set>,
    /// The commands that followed from it.
    caused: Vec<Caused>,
}

/// A command that followed from another.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "TracedCommand")]
struct Caused {
    #[serde(flatten)]
    cause: Cause,
    #[schemars(with = "Receipt")]
    id: String,
    /// Where its operation is.
    #[schemars(extend("format" = "uri"))]
    href: String,
    #[serde(rename = "type")]
    ty: String,
    context: String,
    #[schemars(with = "AggregateId")]
    subject: String,
    /// Absent: nothing is on record of it any more.
    #[serde(skip_serializing_if = "Option::is_none")]
    operation: Option<Operation>,
    #[serde(flatten)]
    effects: Effects,
}

impl Query {
    pub(crate) async fn trace(&self, request: &Request, id: &str, parameters: &Parameters, now: Timestamp) -> Answer {
        let Follower { tenant, caller } = self.follower(request, parameters).await?;
        let receipt = self.receipt(&tenant, id).await?;
        let sights = match caller.as_ref().filter(|_| Scope::Read.is_in(request)) {
            Some(caller) => self.sights(request, caller).await?,
            None => None,
        };
        let trace = self.tracer.trace(&tenant, receipt, now).await?.ok_or_else(nothing_here)?;
        let mut reader = Reader { sights: sights.as_ref(), now, public_url: &self.public_url, withheld: false };
        let operation = trace.root.operation(now, &self.public_url).ok_or_else(nothing_here)?;
        let effects = reader.effects(&trace.root).unwrap_or_default();
        let seconds = ask_again(operation.status);
        let trace = Trace { operation, effects, complete: trace.complete, withheld: reader.withheld };
        let mut answer = json(StatusCode::OK, &trace);
        if let Some(seconds) = seconds {
            set(&mut answer, RETRY_AFTER, seconds);
        }
        Ok(answer)
    }
}

/// Somebody who reads a trace.
struct Reader<'a> {
    /// `None`: they may read nothing.
    sights: Option<&'a Sights<'a>>,
    now: Timestamp,
    public_url: &'a str,
    /// Something was left out.
    withheld: bool,
}

impl Reader<'_> {
    /// Whose a document is must be known, where one may read one's own.
    fn may_read(&self, document: &Document) -> bool {
        match self.sights.and_then(|sights| sights.of(document.collection)) {
            Some(Sight::All) => true,
            Some(own @ Sight::Own(_)) => document.owner.as_deref().is_some_and(|owner| own.includes(owner)),
            None => false,
        }
    }

    /// What a command made happen; `None` if that may not be read.
    fn effects(&mut self, line: &Line) -> Option<Effects> {
        let readable = line.documents.iter().find(|document| self.may_read(document));
        let Some((readable, stream)) = readable.zip(line.stream.as_ref()) else {
            self.withheld |= !line.documents.is_empty() || !line.caused.is_empty();
            return None;
        };
        let history = format!("{}/{}/{}/history", self.public_url, readable.collection, stream.aggregate);
        Some(Effects {
            history: Some(history).filter(|_| !line.events.is_empty()),
            events: view::events(line),
            documents: view::documents(line, |document| self.may_read(document), self.public_url),
            timers: view::timers(line),
            caused: line.caused.iter().filter_map(|caused| self.caused(caused)).collect(),
        })
    }

    fn caused(&mut self, line: &Line) -> Option<Caused> {
        let effects = self.effects(line)?;
        let id = line.receipt?.to_string();
        Some(Caused {
            cause: Cause::of(line.how.as_ref()?),
            href: format!("{}/operations/{id}", self.public_url),
            id,
            ty: line.ty.clone()?,
            context: line.stream.as_ref()?.context.clone(),
            subject: line.stream.as_ref()?.aggregate.to_string(),
            operation: line.operation(self.now, self.public_url),
            effects,
        })
    }
}
