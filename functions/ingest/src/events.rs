//! Domain events of other systems. A context says what it makes of a partner's events; its commands are made
//! here and queued, so that the sender learns at once what cannot be read, and can follow what comes of it.
//!
//! With a token to `POST /events`, as commands; or to `/events/{tenant}` with a signature of Standard Webhooks, by a secret that
//! the tenant has registered for the partner; or by the partner's topic ([`partner_topic`](crate::partner_topic)).

use admission::admit::{check_correlation, data, source, trace_of};
use admission::partners::{Proof, Signed};
use admission::tenants::Tenant;
use admission::{queued, too_large};
use kernel::cloud_event::{CloudEvent, Submission};
use kernel::context::Context;
use kernel::domain_event::{Cause, EventData, extension};
use kernel::ids::{AggregateId, CommandKey, TenantId};
use kernel::message::Encoded;
use kernel::operation::Operation;
use kernel::peers::Heard;
use kernel::principal::{Principal, PrincipalKind};
use kernel::problem::Problem;
use kernel::projection::Happening;
use kernel::receipt::ReceiptKeys;
use kernel::schema_uri::SchemaUri;
use kernel::system_command::{Occasion, SystemCommand};
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::{BadSignature, ID_HEADER, SIGNATURE_HEADER, TIMESTAMP_HEADER};
use lambda::caller::Caller;
use lambda::refusal::{Answer, Refusal};
use lambda::request::{Parameters, header};
use lambda::telemetry::metric;
use lambda::trace::{self, Trace};
use lambda_http::Request;
use messaging::Outgoing;
use messaging::command_queue::MAX_MESSAGE_BYTES;
use schemas::Budget;
use serde_json::Value;

use crate::preferences::prefers_minimal;
use crate::{Ingest, answer, body, mode, read};

/// A command that follows from an event.
type Followed = (Outgoing, Operation);

/// An event's way in.
struct Door<'a> {
    tenant_id: &'a TenantId,
    tenant: &'a Tenant,
    proof: Proof<'a>,
    trace: &'a Trace,
    keys: &'a ReceiptKeys,
    now: Timestamp,
}

impl Ingest {
    /// With a token.
    pub(crate) async fn hear_with_token(&self, request: &Request, now: Timestamp) -> Answer {
        let (caller, tenant) = self.caller(request).await?;
        tracing::Span::current().record("principal", tracing::field::display(&caller.principal));
        self.take_events(request, &caller.tenant, &tenant, Proof::Principal(&caller.principal), now).await
    }

    /// With a signature. Whoever has no secret learns nothing of the tenant, not even whether there is one.
    pub(crate) async fn hear_signed(&self, request: &Request, tenant: &str, now: Timestamp) -> Answer {
        let of = |name| header(request, name).unwrap_or_default();
        let signed = Signed { id: of(ID_HEADER), timestamp: of(TIMESTAMP_HEADER), signatures: of(SIGNATURE_HEADER) };
        let unknown = || Problem::unauthenticated("no secret that is registered for a partner has signed this");
        let id = TenantId::parse(tenant).map_err(|_| unknown())?;
        let tenant = self.intake.tenant(&id).await?.ok_or_else(unknown)?;
        let body: &[u8] = request.body().as_ref();
        let places = tenant.partners.signed(signed, body, now).map_err(|bad| match bad {
            BadSignature::NoMatch => unknown(),
            bad => Problem::unauthenticated(bad.to_string()),
        })?;
        tracing::Span::current().record("tenant", id.as_str());
        self.take_events(request, &id, &tenant, Proof::Signature(&places), now).await
    }

    async fn take_events(
        &self,
        request: &Request,
        tenant_id: &TenantId,
        tenant: &Tenant,
        proof: Proof<'_>,
        now: Timestamp,
    ) -> Answer {
        Parameters::of(request).expect_only(&[])?;
        let trace = &trace::of(request).unwrap_or_else(Trace::begin);
        tracing::Span::current().record("trace_id", trace::id(&trace.parent));
        self.intake.look(tenant_id, tenant, 1, now)?;
        let keys = &self.intake.receipts.keys().await?;
        let door = Door { tenant_id, tenant, proof, trace, keys, now };
        let mut budget = Budget::for_request();
        let mut admit = |event: CloudEvent| self.follow_from(&event, &door, &mut budget);
        let body = body(request)?;
        let all = match read(request, &body)? {
            Submission::Single(event) => {
                vec![admit(event).map_err(|problem| crate::in_terms_of(mode(request), problem))?]
            }
            Submission::Batch(events) => crate::admit_all(&events, &mut admit)?,
        };
        let operations = self.queue_all(&door, all.into_iter().flatten()).await?;
        let minimal = prefers_minimal(request.headers());
        Ok(match &operations[..] {
            [only] => answer::accepted(only, &self.intake.admission.public_url, minimal),
            all => answer::accepted_all(all, minimal),
        })
    }

    /// Without a request: one event, as JSON.
    pub(crate) async fn take_event(
        &self,
        event: &str,
        caller: &Caller,
        tenant: &Tenant,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let trace = &Trace::begin();
        tracing::Span::current().record("trace_id", trace::id(&trace.parent));
        self.intake.look(&caller.tenant, tenant, 1, now)?;
        if event.len() > MAX_MESSAGE_BYTES {
            return Err(too_large().into());
        }
        let keys = &self.intake.receipts.keys().await?;
        let proof = Proof::Principal(&caller.principal);
        let door = Door { tenant_id: &caller.tenant, tenant, proof, trace, keys, now };
        let event = CloudEvent::from_json(event.as_bytes()).map_err(Problem::from)?;
        let followed = self.follow_from(&event, &door, &mut Budget::for_request())?;
        self.queue_all(&door, followed).await.map(drop)
    }

    /// Queues the commands, as far as the tenant's limits go, and gives their operations.
    async fn queue_all(
        &self,
        door: &Door<'_>,
        commands: impl IntoIterator<Item = Followed>,
    ) -> Result<Vec<Operation>, Refusal> {
        let (outgoing, operations): (Vec<_>, Vec<_>) = commands.into_iter().unzip();
        let groups = outgoing.iter().map(|command: &Outgoing| command.group.as_str());
        self.intake.take(door.tenant_id, door.tenant, groups, door.now)?;
        metrics::counter!(metric::HEARD).increment(operations.len() as u64);
        queued(self.intake.queue.send_all(outgoing).await)?;
        tracing::info!(commands = operations.len(), "heard");
        Ok(operations)
    }

    /// The commands of contexts that hear the event.
    fn follow_from(&self, event: &CloudEvent, door: &Door<'_>, budget: &mut Budget) -> Result<Vec<Followed>, Problem> {
        let ty = event.ty();
        let source = source(event)?;
        let names = door.tenant.partners.names(door.proof, ty, &source);
        if names.is_empty() {
            let detail = format!("no grant lets this sender send the event {ty} from {}", event.source());
            return Err(Problem::not_permitted(detail));
        }
        // A context's name is no absolute URI: so no partner can take the key of what a context of ours has caused.
        if !event.source().contains(':') {
            return Err(Problem::malformed_event("a partner's source is an absolute URI").about("source"));
        }
        let heard: Vec<_> = catalog::heard_of_partners(&names, ty).collect();
        if heard.is_empty() {
            let detail = format!("no context hears {ty} of {}", names.join(", "));
            return Err(Problem::unknown_type(detail).about("type"));
        }
        check_correlation(event)?;
        let data = data(event)?;
        let follows =
            heard.into_iter().map(|(context, heard)| self.follows(context, heard, event, &data, door, budget));
        follows.filter_map(Result::transpose).collect()
    }

    /// What follows from the event for one context.
    fn follows(
        &self,
        context: &'static Context,
        heard: &Heard,
        event: &CloudEvent,
        data: &Value,
        door: &Door<'_>,
        budget: &mut Budget,
    ) -> Result<Option<Followed>, Problem> {
        let Door { tenant_id, tenant, trace, now, .. } = door;
        let ty = event.ty();
        let named = event.dataschema().and_then(SchemaUri::read).filter(|schema| schema.name == ty);
        let version = named.map(|schema| schema.version);
        // One that is the tenant's own narrows what the context takes, as with commands.
        let own = event.dataschema().filter(|_| version.is_none());
        let (schema_version, schema) = self.intake.admission.bundled.of_event(heard, ty, version).ok_or_else(|| {
            Problem::unknown_schema(format!("no context reads {ty} by such a schema")).about("dataschema")
        })?;
        schema.check(data, budget)?;
        match own {
            Some(uri) => tenant.schemas.named(uri, ty)?.check(data, budget)?,
            None => tenant.schemas.check_by_all(ty, data, budget)?,
        }
        let aggregate = event.subject().and_then(|subject| AggregateId::parse(subject).ok());
        let aggregate = aggregate.filter(|id| !id.is_dot_segment()).ok_or_else(|| {
            let detail = "the subject names what the event is about: 1 to 64 letters, digits or any of . _ ~ : @ -";
            Problem::invalid_subject(detail).about("subject")
        })?;
        let text = |name| event.extension(name).map(ToString::to_string);
        let happening = Happening {
            aggregate,
            version: text(extension::SEQUENCE).and_then(|sequence| sequence.parse().ok()).unwrap_or_default(),
            time: event.time().and_then(Timestamp::parse).unwrap_or(*now),
        };
        let key = CommandKey::of(tenant_id, event.source(), event.id());
        let trace = trace_of(event).unwrap_or_else(|| (*trace).clone());
        let cause = Cause {
            correlation: text(extension::CORRELATION).unwrap_or_else(|| key.to_string()),
            traceparent: Some(trace.parent),
            tracestate: trace.state,
            ..Cause::default()
        };
        let json = event.json().unwrap_or_default().to_owned();
        let recorded = EventData {
            ty: ty.to_owned(),
            schema: schema_version,
            data: serde_json::value::RawValue::from_string(json)
                .map_err(|_| Problem::invalid_data("an event's data is JSON").about("data"))?,
            cause,
        };
        // The schema takes more than the type does where it cannot say it all.
        let unreadable =
            |_| Problem::invalid_data("the context that hears the event cannot read its data").about("data");
        let Some((aggregate, command)) = heard.hear_partner(&recorded, &happening).map_err(unreadable)? else {
            return Ok(None);
        };
        self.command(context, (aggregate, command), event, &recorded.cause, door).map(Some)
    }

    fn command(
        &self,
        context: &'static Context,
        (aggregate, command): (AggregateId, Encoded),
        event: &CloudEvent,
        cause: &Cause,
        door: &Door<'_>,
    ) -> Result<Followed, Problem> {
        let Door { tenant_id, keys, now, .. } = door;
        let occasion = Occasion {
            by: context.name,
            source: event.source(),
            id: event.id().to_owned(),
            at: *now,
            cause,
            causation: format!("{} {}", event.source(), event.id()),
            reply_to: None,
        };
        let stream = context.stream_of_command(&command.ty, (*tenant_id).clone(), aggregate);
        let seal = |at, key, digest| keys.seal(tenant_id, at, key, digest);
        let command = SystemCommand::sealed(stream, &command, occasion, &self.intake.admission.public_url, seal)?;
        let outgoing = Outgoing::of(&command, &self.intake.admission.queues);
        if outgoing.body.len() > MAX_MESSAGE_BYTES {
            return Err(too_large());
        }
        let SystemCommand { event, stream, .. } = &command;
        let id = event.extension(extension::OPERATION).map(ToString::to_string).unwrap_or_default();
        let mut operation = Operation::accepted(id, *now);
        operation.ty = Some(event.ty().to_owned());
        operation.subject = Some(stream.aggregate.to_string());
        operation.principal = Some(Principal { id: context.name.to_owned(), kind: PrincipalKind::System });
        Ok((outgoing, operation))
    }
}
