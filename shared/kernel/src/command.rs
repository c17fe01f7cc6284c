//! An accepted command: the message between ingest and the command handler.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cloud_event::{CloudEvent, Invalid, Value};
use crate::decider::Metadata;
use crate::domain_event::{Cause, extension};
use crate::expected_version::expected_version;
use crate::ids::{AggregateId, CommandKey, StreamId, TenantId, is_name};
use crate::message::raw;
pub use crate::principal::{Principal, PrincipalKind};
use crate::receipt::Receipt;
use crate::schema_uri::SchemaUri;

/// A command as it lies in a queue: the client's CloudEvent with Waybill's extensions, whole.
#[derive(Debug, Clone)]
pub struct Command {
    pub event: CloudEvent,
    pub stream: StreamId,
    pub receipt: Receipt,
    /// Who sent it.
    pub principal: Principal,
    pub correlation: String,
    pub traceparent: Option<String>,
    /// How often an operator has resubmitted it. Only the newest revision can run.
    pub revision: u32,
    /// The only version of its aggregate that it may change; 0: one that is not there yet.
    pub expected_version: Option<u64>,
    /// The operator who replaced its data, the last one if several did. `None`: the data is as it was sent.
    pub repaired_by: Option<Principal>,
    /// Who is told if it is refused, where another context has sent it.
    pub reply_to: Option<ReplyTo>,
}

/// Who is told of a command that is refused, and what goes on with the message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplyTo {
    /// The aggregate that sent the command.
    pub stream: StreamId,
    pub correlation: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
}

/// What an operator replaces a command's data with.
#[derive(Debug, Clone)]
pub struct Repair<'a> {
    pub data: Box<RawValue>,
    pub by: &'a Principal,
}

/// Why a queue message is not a command that ingest sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACommand {
    #[error("it is not a CloudEvent")]
    Event(#[from] Invalid),
    #[error("its {0} is missing or malformed")]
    Attribute(&'static str),
}

/// What a queued command says of itself before it is read: enough to find its operation and its place in its stream.
///
/// It can be read of a message that is no [`Command`] to this build, as a later release may have queued it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    pub tenant: TenantId,
    pub receipt: Receipt,
    pub ty: String,
    /// The aggregate's type; `None`: its context's first.
    pub aggregate_type: Option<String>,
    /// The aggregate's id.
    pub subject: String,
    /// Who sent it, as far as the message says so.
    pub principal: Option<Principal>,
    pub revision: u32,
    pub repaired_by: Option<Principal>,
    pub reply_to: Option<ReplyTo>,
}

impl Header {
    /// `None` if the message does not say whose command it is, and which.
    pub fn read(message: &str) -> Option<Self> {
        // Each as its text: what is in `data` may be more than a value can hold, and is none of a header's.
        let members: BTreeMap<String, &RawValue> = serde_json::from_str(message).ok()?;
        let text = |name: &str| serde_json::from_str::<String>(members.get(name)?.get()).ok();
        let receipt = Receipt::read(&text(extension::OPERATION)?)?;
        let principal =
            text(extension::PRINCIPAL).map(|id| Principal::recorded(id, text(extension::PRINCIPAL_TYPE).as_deref()));
        Some(Self {
            tenant: TenantId::parse(&text(extension::TENANT)?).ok()?,
            receipt,
            ty: text("type")?,
            aggregate_type: match members.get(extension::AGGREGATE_TYPE).map(|name| name.get()) {
                None | Some("null") => None,
                Some(other) => Some(text(extension::AGGREGATE_TYPE).unwrap_or_else(|| other.to_owned())),
            },
            subject: text("subject").unwrap_or_else(|| receipt.command_key.to_string()),
            reply_to: principal.as_ref().and_then(|principal| reply_to(principal, text)),
            principal,
            repaired_by: text(extension::REPAIRED_BY).map(|operator| Principal::read(&operator)),
            revision: match members.get(extension::REVISION).map(|revision| revision.get()) {
                None | Some("null") => 0,
                Some(revision) => revision.parse::<i32>().ok()?.try_into().ok()?,
            },
        })
    }

    /// `None` if the subject names no aggregate, or the type no type.
    pub fn stream(&self, context: &str) -> Option<StreamId> {
        let aggregate = AggregateId::parse(&self.subject).ok()?;
        let (tenant, aggregate_type) = (self.tenant.clone(), self.aggregate_type.clone());
        if aggregate_type.as_deref().is_some_and(|name| !is_name(name)) {
            return None;
        }
        Some(StreamId { tenant, context: context.to_owned(), aggregate_type, aggregate })
    }

    /// The message in another revision, each other member letter for letter as it was. `None` if it is no JSON object.
    pub fn revised(message: &str, revision: u32) -> Option<String> {
        let mut members: BTreeMap<String, Box<RawValue>> = serde_json::from_str(message).ok()?;
        members.insert(extension::REVISION.to_owned(), raw(&revision));
        Some(serde_json::to_string(&members).expect("members of JSON are JSON"))
    }
}

impl Command {
    /// The CloudEvent to queue for what `event` says, accepted under `receipt`. `aggregate_type` is `None` for its context's
    /// first.
    ///
    /// Whatever the sender claimed under Waybill's own extension names is overwritten; a `correlationid` of the event's
    /// own stays.
    pub fn seal(
        event: CloudEvent,
        tenant: &TenantId,
        aggregate_type: Option<&str>,
        principal: &Principal,
        receipt: &Receipt,
        traceparent: Option<&str>,
    ) -> Result<CloudEvent, Invalid> {
        let mut sealed = event
            .with_extension(extension::TENANT, tenant.as_str())?
            .with_extension(extension::OPERATION, receipt.to_string())?
            .with_extension(extension::PRINCIPAL, principal.id.as_str())?
            .with_extension(extension::PRINCIPAL_TYPE, principal.kind.as_str())?;
        if sealed.extension(extension::REVISION).is_some() {
            sealed = sealed.with_extension(extension::REVISION, 0)?;
        }
        for name in [extension::REPAIRED_BY, extension::AGGREGATE_TYPE, extension::REPLY_TO] {
            sealed.remove_extension(name);
        }
        if let Some(aggregate_type) = aggregate_type {
            sealed = sealed.with_extension(extension::AGGREGATE_TYPE, aggregate_type)?;
        }
        if sealed.extension(extension::CORRELATION).is_none() {
            sealed = sealed.with_extension(extension::CORRELATION, receipt.command_key.to_string())?;
        }
        match traceparent {
            Some(traceparent) => sealed.with_extension(extension::TRACEPARENT, traceparent),
            None => Ok(sealed),
        }
    }

    /// Reads what [`seal`](Self::seal) made, in the queue of `context`.
    pub fn open(message: &[u8], context: &str) -> Result<Self, NotACommand> {
        let event = CloudEvent::from_json(message)?;
        let optional = |name: &str| event.extension(name).map(ToString::to_string);
        let text = |name: &'static str| optional(name).ok_or(NotACommand::Attribute(name));
        let tenant = event.extension(extension::TENANT).and_then(Value::as_str).map(TenantId::parse);
        let Some(Ok(tenant)) = tenant else { return Err(NotACommand::Attribute(extension::TENANT)) };
        let receipt =
            Receipt::read(&text(extension::OPERATION)?).ok_or(NotACommand::Attribute(extension::OPERATION))?;
        let aggregate = Self::aggregate(&event, receipt.command_key).ok_or(NotACommand::Attribute("subject"))?;
        let principal =
            Principal::recorded(text(extension::PRINCIPAL)?, optional(extension::PRINCIPAL_TYPE).as_deref());
        Ok(Self {
            stream: StreamId {
                tenant,
                context: context.to_owned(),
                aggregate_type: aggregate_type(&event)?,
                aggregate,
            },
            receipt,
            reply_to: reply_to(&principal, optional),
            principal,
            correlation: text(extension::CORRELATION)?,
            traceparent: optional(extension::TRACEPARENT),
            revision: revision(&event)?,
            expected_version: expected_version(&event)
                .map_err(|_| NotACommand::Attribute(extension::EXPECTED_VERSION))?,
            repaired_by: optional(extension::REPAIRED_BY).map(|operator| Principal::read(&operator)),
            event,
        })
    }

    /// A queued command as an operator resubmits it: the same, but for its revision and, where it is repaired, its
    /// data, which then says by whom. As it is, it goes on saying who repaired it before.
    pub fn revised(event: CloudEvent, revision: u32, repair: Option<Repair<'_>>) -> Result<CloudEvent, Invalid> {
        let event = match repair {
            Some(Repair { data, by }) => {
                event.into_builder().data_raw(data).extension(extension::REPAIRED_BY, by.to_string()).build()?
            }
            None => event,
        };
        event.with_extension(extension::REVISION, i32::try_from(revision).unwrap_or(i32::MAX))
    }

    /// The aggregate a command is for: its subject; without one, a new aggregate named by the command's own key.
    pub fn aggregate(event: &CloudEvent, key: CommandKey) -> Option<AggregateId> {
        AggregateId::parse(&event.subject().map_or_else(|| key.to_string(), str::to_owned)).ok()
    }

    /// What the queue knows a repeat by: the command's key, its revision, and how often that was sent back.
    pub fn deduplication_id(key: CommandKey, revision: u32, attempts: u32) -> String {
        if revision == 0 && attempts == 0 { key.to_string() } else { format!("{key}.{revision}.{attempts}") }
    }

    pub fn header(&self) -> Header {
        Header {
            tenant: self.stream.tenant.clone(),
            receipt: self.receipt,
            ty: self.event.ty().to_owned(),
            aggregate_type: self.stream.aggregate_type.clone(),
            subject: self.stream.aggregate.to_string(),
            principal: Some(self.principal.clone()),
            revision: self.revision,
            repaired_by: self.repaired_by.clone(),
            reply_to: self.reply_to.clone(),
        }
    }

    /// The schema version that `dataschema` names.
    pub fn schema_version(&self) -> Option<u32> {
        Some(SchemaUri::read(self.event.dataschema()?)?.version)
    }

    pub fn metadata(&self) -> Metadata {
        Metadata {
            aggregate: self.stream.aggregate.clone(),
            accepted_at: self.receipt.accepted_at,
            principal: self.principal.clone(),
        }
    }

    fn tracestate(&self) -> Option<String> {
        let state = self.event.extension(extension::TRACESTATE)?.to_string();
        (self.traceparent.is_some() && state.len() <= MAX_TRACESTATE).then_some(state)
    }

    pub fn cause(&self) -> Cause {
        Cause {
            operation: self.receipt.to_string(),
            correlation: self.correlation.clone(),
            traceparent: self.traceparent.clone(),
            principal: Some(self.principal.clone()),
            revision: self.revision,
            repaired_by: self.repaired_by.clone(),
            tracestate: self.tracestate(),
        }
    }
}

/// Most characters of a `tracestate` that go into every event. Ingest lets no more through; it once let anything.
pub const MAX_TRACESTATE: usize = 512;

/// The type of a command's aggregate, where it says so.
fn aggregate_type(event: &CloudEvent) -> Result<Option<String>, NotACommand> {
    match event.extension(extension::AGGREGATE_TYPE) {
        None => Ok(None),
        Some(Value::String(name)) if is_name(name) => Ok(Some(name.clone())),
        Some(_) => Err(NotACommand::Attribute(extension::AGGREGATE_TYPE)),
    }
}

/// Who is told of a refusal. Nobody where a client has sent the command, whatever it claims.
fn reply_to(principal: &Principal, text: impl Fn(&str) -> Option<String>) -> Option<ReplyTo> {
    if principal.kind != PrincipalKind::System {
        return None;
    }
    Some(ReplyTo {
        stream: StreamId::parse(&text(extension::REPLY_TO)?).ok()?,
        correlation: text(extension::CORRELATION)?,
        traceparent: text(extension::TRACEPARENT),
    })
}

/// A command's revision, 0 where it does not say.
fn revision(event: &CloudEvent) -> Result<u32, NotACommand> {
    match event.extension(extension::REVISION) {
        None => Ok(0),
        Some(Value::Integer(revision)) => {
            u32::try_from(*revision).map_err(|_| NotACommand::Attribute(extension::REVISION))
        }
        Some(_) => Err(NotACommand::Attribute(extension::REVISION)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::receipt::{Digest, ReceiptKeys};
    use crate::timestamp::Timestamp;

    fn event() -> crate::cloud_event::Builder {
        CloudEvent::builder("c-1", "/shop", "Note").subject("N-1").data_raw(data("{ \"text\":  \"n\" }"))
    }

    fn data(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_owned()).expect("JSON")
    }

    fn repair<'a>(json: &str, by: &'a Principal) -> Repair<'a> {
        Repair { data: data(json), by }
    }

    fn sealed(event: crate::cloud_event::Builder) -> CloudEvent {
        sealed_for(None, event)
    }

    fn sealed_for(aggregate_type: Option<&str>, event: crate::cloud_event::Builder) -> CloudEvent {
        let event = event.build().expect("a CloudEvent");
        let tenant = TenantId::parse("acme").expect("a tenant");
        let key = CommandKey::of(&tenant, event.source(), event.id());
        let keys = ReceiptKeys::parse(&"k".repeat(32)).expect("keys");
        let digest = Digest::of(&event, &serde_json::Value::Null);
        let receipt = keys.seal(&tenant, Timestamp::from_millis(1_790_000_000_000), key, digest);
        let principal = Principal { id: "shop".to_owned(), kind: PrincipalKind::ServiceAccount };
        Command::seal(event, &tenant, aggregate_type, &principal, &receipt, Some("00-0-0-01")).expect("a command")
    }

    #[test]
    fn a_trace_goes_on_into_what_the_command_causes() {
        let with = |state: &str| open(&sealed(event().extension("tracestate", state))).cause();
        assert_eq!(with("rojo=1").tracestate.as_deref(), Some("rojo=1"));
        assert_eq!(with(&"x".repeat(513)).tracestate, None, "as it may be queued since before there was a bound");
        assert_eq!(open(&sealed(event())).cause().tracestate, None);
    }

    fn open(event: &CloudEvent) -> Command {
        Command::open(event.to_json().as_bytes(), "probe").expect("a command")
    }

    #[test]
    fn a_revision_of_the_clients_own_is_overwritten() {
        assert_eq!(sealed(event()).extension(extension::REVISION), None);
        assert_eq!(open(&sealed(event())).revision, 0);
        let claims = [Value::Integer(7), Value::Integer(-1), Value::String("7".to_owned()), Value::Boolean(true)];
        for claim in claims {
            let sealed = sealed(event().extension(extension::REVISION, claim.clone()));
            assert_eq!(open(&sealed).revision, 0, "{claim:?}");
        }
    }

    #[test]
    fn whatever_the_client_claims_of_who_acts_is_overwritten() {
        let claims = [extension::PRINCIPAL, extension::PRINCIPAL_TYPE, extension::REPAIRED_BY];
        let sealed = sealed(claims.iter().fold(event(), |event, name| event.extension(*name, "system")));
        let command = open(&sealed);
        let principal = Principal { id: "shop".to_owned(), kind: PrincipalKind::ServiceAccount };
        assert_eq!((&command.principal, &command.repaired_by), (&principal, &None));
        assert_eq!(command.cause().principal, Some(principal));
        assert_eq!(Header::read(&sealed.to_json()).expect("a header").repaired_by, None);
    }

    #[test]
    fn a_command_is_for_the_type_of_aggregate_that_it_was_sealed_for_whatever_the_client_claims() {
        for (aggregate_type, expected) in [(None, "acme/probe/N-1"), (Some("notes"), "acme/probe/notes/N-1")] {
            let sealed = sealed_for(aggregate_type, event().extension(extension::AGGREGATE_TYPE, "claims"));
            let command = open(&sealed);
            assert_eq!(command.stream.to_string(), expected);
            assert_eq!(Header::read(&sealed.to_json()), Some(command.header()));
            assert_eq!(command.header().stream("probe"), Some(command.stream));
        }
        for wrong in [Value::String("No/Name".to_owned()), Value::String(String::new()), Value::Integer(7)] {
            let event = sealed(event()).with_extension(extension::AGGREGATE_TYPE, wrong.clone()).expect("a CloudEvent");
            let refused = Command::open(event.to_json().as_bytes(), "probe").map(|command| command.stream);
            assert_eq!(refused, Err(NotACommand::Attribute(extension::AGGREGATE_TYPE)), "{wrong:?}");
            let header = Header::read(&event.to_json()).expect("a header");
            assert_eq!(header.aggregate_type, Some(wrong.to_string()), "not taken for the first type");
            assert_eq!(header.stream("probe"), None);
        }
    }

    #[test]
    fn a_command_that_names_no_kind_of_principal_is_read() {
        let mut event = sealed(event());
        event.remove_extension(extension::PRINCIPAL_TYPE);
        assert_eq!(open(&event).principal.kind, PrincipalKind::Unknown);
        let later = event.with_extension(extension::PRINCIPAL_TYPE, "api_key").expect("a CloudEvent");
        assert_eq!(open(&later).principal, Principal { id: "shop".to_owned(), kind: PrincipalKind::Unknown });
    }

    #[test]
    fn a_repair_is_told_from_a_resubmission_and_names_the_last_who_repaired() {
        let [ann, bob] = ["ann", "bob"].map(|id| Principal { id: id.to_owned(), kind: PrincipalKind::User });
        let resubmitted = Command::revised(sealed(event()), 1, None).expect("a command");
        assert_eq!((open(&resubmitted).revision, open(&resubmitted).repaired_by), (1, None));
        let repaired = Command::revised(resubmitted, 2, Some(repair("1", &ann))).expect("a command");
        assert_eq!(open(&repaired).repaired_by, Some(ann.clone()));
        let again = Command::revised(repaired, 3, None).expect("a command");
        assert_eq!((open(&again).revision, open(&again).repaired_by), (3, Some(ann)), "its data is still the repaired");
        let by_another = Command::revised(again, 4, Some(repair("2", &bob))).expect("a command");
        let cause = open(&by_another).cause();
        assert_eq!((cause.revision, cause.repaired_by), (4, Some(bob)));
    }

    #[test]
    fn a_revised_command_is_the_same_but_for_its_revision_and_its_data() {
        let original = sealed(event().extension("correlationid", "checkout-7"));
        let ann = Principal { id: "ann".to_owned(), kind: PrincipalKind::User };
        let repaired = Command::revised(original.clone(), 1, Some(repair("[ 1.0 ]", &ann))).expect("a command");
        let again = Command::revised(repaired.clone(), 2, None).expect("a command");
        assert_eq!((repaired.json(), again.json()), (Some("[ 1.0 ]"), Some("[ 1.0 ]")), "byte for byte");
        for (revised, revision) in [(&repaired, 1), (&again, 2)] {
            let (before, after) = (open(&original), open(revised));
            assert_eq!((after.revision, after.receipt, &after.stream), (revision, before.receipt, &before.stream));
            let back = Command::revised(revised.clone(), 0, Some(repair(original.json().expect("data"), &ann)));
            let mut back = back.expect("a command");
            back.remove_extension(extension::REVISION);
            back.remove_extension(extension::REPAIRED_BY);
            assert_eq!(back.to_json(), original.to_json(), "all else stays");
        }
    }

    #[test]
    fn a_revision_that_is_no_count_makes_no_command() {
        for wrong in [Value::Integer(-1), Value::String("1".to_owned()), Value::Boolean(true)] {
            let event = sealed(event()).with_extension(extension::REVISION, wrong.clone()).expect("a CloudEvent");
            let refused = Command::open(event.to_json().as_bytes(), "probe").map(|command| command.revision);
            assert_eq!(refused, Err(NotACommand::Attribute(extension::REVISION)), "{wrong:?}");
        }
    }

    #[test]
    fn a_header_says_what_the_command_does() {
        let again = Command::revised(sealed(event()), 3, None).expect("a command");
        for event in [sealed(event()), sealed(CloudEvent::builder("c-2", "/shop", "Note").data_raw(data("1"))), again] {
            let (header, command) = (Header::read(&event.to_json()).expect("a header"), open(&event));
            assert_eq!(header.stream("probe").as_ref(), Some(&command.stream));
            assert_eq!(header, command.header());
        }
    }

    #[test]
    fn a_message_is_a_command_of_what_its_header_says_or_of_nothing() {
        let message = sealed(event()).to_json();
        for member in [r#""commandrevision":null"#, r#""commandrevision":-0"#, r#""commandrevision":7"#] {
            let strange = message.replacen('{', &format!("{{{member},"), 1);
            let command = Command::open(strange.as_bytes(), "probe").expect("a command");
            assert_eq!(Header::read(&strange), Some(command.header()), "{member}");
        }
        for data in [r#"["\ud800"]"#, "1e999", &format!("{}1{}", "[".repeat(200), "]".repeat(200))] {
            let strange = message.replacen(r#"{ "text":  "n" }"#, data, 1);
            let receipt = Header::read(&strange).expect("a header").receipt;
            assert_eq!(receipt, open(&sealed(event())).receipt, "{data}");
            if let Ok(command) = Command::open(strange.as_bytes(), "probe") {
                assert_eq!(Header::read(&strange), Some(command.header()), "{data}");
            }
        }
        let of_a_number = message.replacen(r#""tenantid":"acme""#, r#""tenantid":7"#, 1);
        assert_eq!(Header::read(&of_a_number), None);
        let refused = Command::open(of_a_number.as_bytes(), "probe").map(|command| command.stream);
        assert_eq!(refused, Err(NotACommand::Attribute(extension::TENANT)));
    }

    #[test]
    fn a_header_is_read_of_what_is_no_command() {
        let message = sealed(event()).to_json();
        for (from, to) in
            [(r#""specversion":"1.0""#, r#""specversion":"2.0""#), ("authid", "principal"), ("N-1", "N/1")]
        {
            let strange = message.replacen(from, to, 1);
            assert!(Command::open(strange.as_bytes(), "probe").is_err(), "{strange}");
            assert_eq!(Header::read(&strange).expect("a header").receipt, open(&sealed(event())).receipt);
        }
        for (from, to) in
            [("tenantid", "tenant"), ("operationid", "id2"), (r#""type""#, r#""kind""#), ("acme", "No Tenant")]
        {
            assert_eq!(Header::read(&message.replacen(from, to, 1)), None, "{from}");
        }
        for revision in [r#""1""#, "-1", "true"] {
            let message = message.replacen('{', &format!(r#"{{"commandrevision":{revision},"#), 1);
            assert_eq!(Header::read(&message), None, "{revision}");
        }
    }

    #[test]
    fn a_message_is_revised_whatever_else_it_says() {
        let strange = sealed(event()).to_json().replacen("authid", "principal", 1);
        let revised = Header::revised(&strange, 4).expect("an object");
        assert_eq!(Header::read(&revised).expect("a header").revision, 4);
        assert!(revised.contains("{ \"text\":  \"n\" }"), "letter for letter: {revised}");
        assert_eq!(
            open(&CloudEvent::from_json(revised.replacen("principal", "authid", 1).as_bytes()).expect("an event"))
                .revision,
            4
        );
        assert_eq!(Header::revised("[]", 1), None);
    }

    #[test]
    fn each_way_of_coming_again_has_a_deduplication_id_of_its_own() {
        let key = open(&sealed(event())).receipt.command_key;
        let id = |revision, attempts| Command::deduplication_id(key, revision, attempts);
        assert_eq!(id(0, 0), key.to_string(), "as ingest has it");
        let mut ids: Vec<_> = [(0, 0), (0, 1), (1, 0), (1, 1), (0, 11), (1, 11), (11, 1)].map(|(r, a)| id(r, a)).into();
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 7);
        let longest = id(u32::MAX, u32::MAX);
        assert!(longest.len() <= 128 && longest.bytes().all(|byte| byte.is_ascii_graphic()), "{longest}");
    }
}
