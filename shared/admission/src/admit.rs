//! Admission: everything that is decided about an event before it is queued, without any I/O.

use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::context::Context;
use kernel::domain_event::extension;
use kernel::expected_version::expected_version;
use kernel::ids::{CommandKey, OWN, StreamId};
use kernel::operation::Operation;
use kernel::problem::Problem;
use kernel::receipt::{Digest, ReceiptKeys};
use kernel::timestamp::Timestamp;
use lambda::caller::Caller;
use lambda::trace::{self, Trace};
use messaging::command_queue::MAX_MESSAGE_BYTES;
use messaging::{Outgoing, Queues};
use schemas::{Budget, Bundled, command_data};
use serde_json::Value;
use tracing::Span;

use crate::sources::Source;
use crate::tenants::Tenant;
use crate::too_large;

/// What is the same for every event.
pub struct Admission {
    pub bundled: Bundled,
    pub queues: Queues,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

/// An event that may be queued.
#[derive(Debug, Clone)]
pub struct Admitted {
    pub outgoing: Outgoing,
    pub operation: Operation,
    /// Its context's name; `own` for a queue of the tenant's.
    pub context: &'static str,
    /// The stream, as logs name it.
    stream: String,
    traceparent: String,
}

impl Admitted {
    /// What every log line about it carries.
    pub fn span(&self, caller: &Caller) -> Span {
        tracing::info_span!(
            "command",
            operation = self.operation.id,
            tenant = %caller.tenant,
            principal = %caller.principal,
            context = self.context,
            stream = self.stream,
            trace_id = trace::id(&self.traceparent),
        )
    }
}

/// Who sends a request's events, for whom, and as part of which trace.
#[derive(Clone, Copy)]
pub struct Sender<'a> {
    pub caller: &'a Caller,
    pub tenant: &'a Tenant,
    pub trace: &'a Trace,
}

impl Admission {
    /// Checks grant, route, data and subject, and seals the message. `budget` is what is left of the request's.
    pub fn admit(
        &self,
        event: CloudEvent,
        keys: &ReceiptKeys,
        sender: Sender<'_>,
        now: Timestamp,
        budget: &mut Budget,
    ) -> Result<Admitted, Problem> {
        let Sender { caller: Caller { tenant: tenant_id, principal }, tenant, trace } = sender;
        let source = source(&event)?;
        if !tenant.grants.permit(principal, event.ty(), &source) {
            return Err(Problem::not_permitted(format!(
                "no grant lets {principal} send {} from {}",
                event.ty(),
                event.source()
            )));
        }
        let context = catalog::context_of_command(event.ty());
        if context.and_then(|context| context.command(event.ty())).is_some_and(|command| command.internal) {
            let detail = format!("only the installation itself sends {}", event.ty());
            return Err(Problem::not_permitted(detail).about("type"));
        }
        let own_queue = tenant.routes.own_queue(&source);
        check_correlation(&event)?;
        check_expected(&event)?;
        let data = data(&event)?;
        let digest = Digest::of(&event, &data);
        let (queue_url, mut event) = if let Some(queue) = own_queue {
            (queue.to_owned(), self.checked_by_any_schema(event, &data, context, tenant, budget)?)
        } else {
            let context = context.ok_or_else(|| {
                Problem::unknown_type(format!("no context here takes a command called {}", event.ty())).about("type")
            })?;
            (self.queues.commands(context.name), self.checked_for_context(event, &data, context, tenant, budget)?)
        };
        let command_key = CommandKey::of(tenant_id, event.source(), event.id());
        let aggregate = Command::aggregate(&event, command_key).filter(|id| !id.is_dot_segment()).ok_or_else(|| {
            Problem::invalid_subject(
                "the subject names the aggregate: 1 to 64 letters, digits or any of . _ ~ : @ -, and neither . nor ..",
            )
            .about("subject")
        })?;
        let receipt = keys.seal(tenant_id, now, command_key, digest);
        let mut operation = Operation::accepted(receipt.to_string(), now);
        operation.ty = Some(event.ty().to_owned());
        operation.subject = Some(aggregate.to_string());
        operation.principal = Some(principal.clone());
        let handled_by = context.filter(|_| own_queue.is_none());
        let aggregate_type = handled_by.and_then(|context| context.aggregate_type_of_command(event.ty()));
        let context = handled_by.map_or(OWN, |context| context.name);
        let stream = StreamId {
            tenant: tenant_id.clone(),
            context: context.to_owned(),
            aggregate_type: aggregate_type.map(str::to_owned),
            aggregate,
        };
        let trace = trace_of(&event).unwrap_or_else(|| trace.clone());
        set_state(&mut event, trace.state)?;
        let body = Command::seal(event, tenant_id, aggregate_type, principal, &receipt, Some(&trace.parent))?.to_json();
        if body.len() > MAX_MESSAGE_BYTES {
            return Err(too_large());
        }
        let outgoing =
            Outgoing { queue_url, body, group: stream.message_group(), deduplication_id: command_key.to_string() };
        Ok(Admitted { outgoing, operation, context, stream: stream.pseudonym(), traceparent: trace.parent })
    }

    /// For a context of this build: its schema must accept the data, and so must what the tenant has registered for the
    /// type: the schema that the event names, or, where it names none of those, each of them. They narrow what the context
    /// takes and never widen it.
    fn checked_for_context(
        &self,
        mut event: CloudEvent,
        data: &Value,
        context: &Context,
        tenant: &Tenant,
        budget: &mut Budget,
    ) -> Result<CloudEvent, Problem> {
        let version = event.dataschema().and_then(|uri| self.bundled.version_in(uri, context, event.ty()));
        let own = event.dataschema().filter(|_| version.is_none());
        let own = own.map(|uri| tenant.schemas.named(uri, event.ty())).transpose()?;
        let (version, schema) = self.bundled.of_command(event.ty(), version).ok_or_else(|| unknown_schema(&event))?;
        schema.check(data, budget)?;
        match own {
            Some(named) => named.check(data, budget)?,
            None => tenant.schemas.check_by_all(event.ty(), data, budget)?,
        }
        let uri = self.bundled.uri(context, event.ty(), version);
        event.set_dataschema(uri)?;
        Ok(event)
    }

    /// For a queue of the tenant's own: any schema does, but there must be one.
    fn checked_by_any_schema(
        &self,
        mut event: CloudEvent,
        data: &Value,
        context: Option<&'static Context>,
        tenant: &Tenant,
        budget: &mut Budget,
    ) -> Result<CloudEvent, Problem> {
        if let Some(context) = context {
            let named = event.dataschema();
            if named.is_none_or(|uri| self.bundled.version_in(uri, context, event.ty()).is_some()) {
                return self.checked_for_context(event, data, context, tenant, budget);
            }
        }
        let (uri, schema) = match event.dataschema() {
            Some(uri) => (uri.to_owned(), tenant.schemas.named(uri, event.ty())?),
            None => tenant.schemas.only_one_for(event.ty())?,
        };
        schema.check(data, budget)?;
        event.set_dataschema(uri)?;
        Ok(event)
    }
}

/// Where the event comes from, as grants and routes compare it.
pub fn source(event: &CloudEvent) -> Result<Source, Problem> {
    Source::of(event.source())
        .map_err(|why| Problem::not_permitted(format!("no grant covers this source, for {why}")).about("source"))
}

/// A command's data, which is JSON.
pub fn data(event: &CloudEvent) -> Result<Value, Problem> {
    match (event.json(), event.data()) {
        (Some(json), _) => command_data(json),
        (None, Some(_)) => Err(Problem::unsupported_media_type("a command's data is JSON").about("datacontenttype")),
        (None, None) => Err(Problem::invalid_data("a command has data; this one has none").about("data")),
    }
}

/// Most characters of a `correlationid`: it goes into every event that follows.
const MAX_CORRELATION: usize = 128;

pub fn check_correlation(event: &CloudEvent) -> Result<(), Problem> {
    match event.extension(extension::CORRELATION) {
        Some(id) if id.to_string().len() > MAX_CORRELATION => {
            let detail = format!("correlationid must not be longer than {MAX_CORRELATION} bytes");
            Err(Problem::malformed_event(detail).about(extension::CORRELATION))
        }
        _ => Ok(()),
    }
}

/// The event's own trace, if it is one. The state belongs to it, and to no other.
pub fn trace_of(event: &CloudEvent) -> Option<Trace> {
    let text = |name| event.extension(name)?.as_str();
    Trace::read(text(extension::TRACEPARENT), text(extension::TRACESTATE))
}

fn set_state(event: &mut CloudEvent, state: Option<String>) -> Result<(), Problem> {
    event.remove_extension(extension::TRACESTATE);
    if let Some(state) = state {
        event.set_extension(extension::TRACESTATE, state)?;
    }
    Ok(())
}

fn unknown_schema(event: &CloudEvent) -> Problem {
    Problem::unknown_schema(format!("{} has no such schema here", event.ty())).about("dataschema")
}

/// Refuses an expected version without a subject. Only an aggregate that is named can have a version.
fn check_expected(event: &CloudEvent) -> Result<(), Problem> {
    let expected = expected_version(event)
        .map_err(|wrong| Problem::malformed_event(wrong.to_string()).about(extension::EXPECTED_VERSION))?;
    if event.subject().is_none() && expected.is_some_and(|version| version > 0) {
        let detail = "a command that expects a version names the aggregate in its subject";
        return Err(Problem::invalid_subject(detail).about("subject"));
    }
    Ok(())
}
