//! Domain events as they are stored, and as the CloudEvents that subscribers and clients see.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::cloud_event::{CloudEvent, Invalid, Value};
use crate::ids::StreamId;
use crate::message::{DecodeError, Message};
use crate::principal::Principal;
use crate::projection::Happening;
use crate::schema_uri::SchemaUri;
use crate::timestamp::Timestamp;

/// A domain event in a commit: what cannot be told from the stream and the version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct EventData {
    #[serde(rename = "type")]
    pub ty: String,
    /// Which version of the type's schema `data` follows.
    pub schema: u32,
    pub data: Box<RawValue>,
    #[serde(flatten)]
    pub cause: Cause,
}

/// What made an event happen; travels on with it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cause {
    /// The operation of the command that caused it.
    pub operation: String,
    /// What ties everything together that one request of the outside world set off.
    pub correlation: String,
    /// W3C Trace Context.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub traceparent: Option<String>,
    /// What the systems on the way have added to it, at most 512 characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracestate: Option<String>,
    /// Who sent the command. Events of releases before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// How often an operator had resubmitted the command.
    #[serde(default, skip_serializing_if = "crate::is_zero")]
    pub revision: u32,
    /// The operator who replaced the command's data. `None`: it ran as it was sent, resubmitted or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired_by: Option<Principal>,
}

impl EventData {
    /// The event, typed.
    pub fn decode<E: Message>(&self) -> Result<E, DecodeError> {
        E::decode(&self.ty, self.schema, self.data.get())
    }
}

/// An event with its place and time.
#[derive(Debug, Clone)]
pub struct RecordedEvent {
    pub stream: StreamId,
    /// From 1, without gaps.
    pub version: u64,
    /// When it was committed.
    pub time: Timestamp,
    pub event: EventData,
}

/// What a message of SNS carries, 256 KiB, less room for its attributes and a long public URL, which is in it twice.
const MAX_PUBLISHED_BYTES: usize = 254 * 1024;

/// Why an event could never be published.
#[derive(Debug, thiserror::Error)]
pub enum Unpublishable {
    #[error("it makes no valid CloudEvent")]
    Invalid(#[from] Invalid),
    #[error("the address of its schema could not be read by subscribers")]
    Schema,
    #[error("{bytes} bytes are more than the {MAX_PUBLISHED_BYTES} that can be published")]
    TooLarge { bytes: usize },
}

/// The source of a context's events in an installation with this public URL, which has no slash at its end: an absolute URI,
/// as no other installation has it (CloudEvents 1.0.2, "source").
pub fn source(public_url: &str, context: &str) -> String {
    format!("{public_url}/contexts/{context}")
}

/// Names of the extension attributes that mean something to Waybill. Most are set by it, whatever a caller sent.
pub mod extension {
    pub const TENANT: &str = "tenantid";
    pub const OPERATION: &str = "operationid";
    /// Who sent the command: CloudEvents' extension "Auth Context".
    pub const PRINCIPAL: &str = "authid";
    /// `user`, `service_account` or `system`, by the same extension.
    pub const PRINCIPAL_TYPE: &str = "authtype";
    pub const CORRELATION: &str = "correlationid";
    pub const CAUSATION: &str = "causationid";
    pub const SEQUENCE: &str = "sequence";
    pub const TRACEPARENT: &str = "traceparent";
    pub const TRACESTATE: &str = "tracestate";
    /// How often an operator has resubmitted the command; absent, never.
    pub const REVISION: &str = "commandrevision";
    /// The version that a command expects its aggregate to be at. The caller's own: see
    /// [`expected_version`](crate::expected_version).
    pub const EXPECTED_VERSION: &str = "expectedversion";
    /// The type of a command's aggregate; absent, its context's first.
    pub const AGGREGATE_TYPE: &str = "aggregatetype";
    /// The operator who replaced the command's data, as a [`Principal`](crate::principal::Principal)'s text; absent,
    /// nobody did.
    pub const REPAIRED_BY: &str = "repairedby";
    /// The stream that is told if a command is refused; only of commands that a context has sent.
    pub const REPLY_TO: &str = "replyto";
}

impl RecordedEvent {
    /// What tells it from all other events, for ever: the same however often it is published.
    pub fn id(&self) -> String {
        format!("{}/{}", self.stream, self.version)
    }

    /// Where and when it happened, as projections and listeners are told.
    pub fn happening(&self) -> Happening {
        Happening { aggregate: self.stream.aggregate.clone(), version: self.version, time: self.time }
    }

    /// The event as one of these of `context`; `None`: it is another.
    pub fn one_of<E: Message>(&self, context: &str) -> Result<Option<E>, DecodeError> {
        let is_one = self.stream.context == context && E::TYPES.iter().any(|known| known.name == self.event.ty);
        is_one.then(|| self.event.decode()).transpose()
    }

    /// The event as it is published, in an installation with this public URL.
    ///
    /// Panics for an event that is not [publishable](Self::check_publishable), which nobody commits.
    pub fn to_cloud_event(&self, public_url: &str) -> CloudEvent {
        self.build(public_url).expect("only what can be published is committed")
    }

    /// Whether subscribers could ever get it. What cannot be published must not be committed: it would be tried again
    /// and again, and hold up what was committed behind it.
    pub fn check_publishable(&self) -> Result<(), Unpublishable> {
        let event = self.build("https://api")?;
        if event.dataschema().and_then(SchemaUri::read) != Some(self.schema()) {
            return Err(Unpublishable::Schema);
        }
        // Written only where that is in doubt.
        if event.most_json_bytes() <= MAX_PUBLISHED_BYTES {
            return Ok(());
        }
        let bytes = event.to_json().len();
        if bytes > MAX_PUBLISHED_BYTES { Err(Unpublishable::TooLarge { bytes }) } else { Ok(()) }
    }

    fn schema(&self) -> SchemaUri<'_> {
        SchemaUri { context: &self.stream.context, name: &self.event.ty, version: self.event.schema }
    }

    fn build(&self, public_url: &str) -> Result<CloudEvent, Invalid> {
        let StreamId { tenant, context, aggregate, .. } = &self.stream;
        let EventData { ty, data, cause, .. } = &self.event;
        let mut event = CloudEvent::builder(self.id(), source(public_url, context), ty)
            .subject(aggregate.as_str())
            .time(self.time.to_string())
            .dataschema(self.schema().below(public_url))
            .datacontenttype("application/json")
            .extension(extension::TENANT, tenant.as_str())
            .extension(extension::CORRELATION, cause.correlation.as_str())
            .extension(extension::CAUSATION, cause.operation.as_str())
            // Zero-padded, for the sequence extension orders as text.
            .extension(extension::SEQUENCE, format!("{:020}", self.version))
            .data_raw(data.clone());
        if let Some(traceparent) = &cause.traceparent {
            event = event.extension(extension::TRACEPARENT, traceparent.as_str());
        }
        if let Some(tracestate) = &cause.tracestate {
            event = event.extension(extension::TRACESTATE, tracestate.as_str());
        }
        if let Some(principal) = &cause.principal {
            event = event
                .extension(extension::PRINCIPAL, principal.id.as_str())
                .extension(extension::PRINCIPAL_TYPE, principal.kind.as_str());
        }
        if cause.revision > 0 {
            event = event.extension(extension::REVISION, i32::try_from(cause.revision).unwrap_or(i32::MAX));
        }
        if let Some(operator) = &cause.repaired_by {
            event = event.extension(extension::REPAIRED_BY, operator.to_string());
        }
        event.build()
    }

    /// Reads back what [`to_cloud_event`](Self::to_cloud_event) made; `None` for an event that is not one of ours.
    ///
    /// The context is the stream's: releases before gave its bare name as the source.
    pub fn from_cloud_event(event: &CloudEvent) -> Option<Self> {
        let (stream, version) = event.id().rsplit_once('/')?;
        let stream = StreamId::parse(stream).ok()?;
        let text = |name| event.extension(name).map(ToString::to_string);
        let is_its_own = |schema: &SchemaUri<'_>| (schema.context, schema.name) == (&*stream.context, event.ty());
        let schema = SchemaUri::read(event.dataschema()?).filter(is_its_own)?.version;
        Some(Self {
            stream,
            version: version.parse().ok()?,
            time: Timestamp::parse(event.time()?)?,
            event: EventData {
                ty: event.ty().to_owned(),
                schema,
                data: RawValue::from_string(event.json()?.to_owned()).ok()?,
                cause: Cause {
                    operation: text(extension::CAUSATION)?,
                    correlation: text(extension::CORRELATION)?,
                    traceparent: text(extension::TRACEPARENT),
                    tracestate: text(extension::TRACESTATE),
                    principal: text(extension::PRINCIPAL)
                        .map(|id| Principal::recorded(id, text(extension::PRINCIPAL_TYPE).as_deref())),
                    revision: match event.extension(extension::REVISION) {
                        Some(Value::Integer(revision)) => u32::try_from(*revision).unwrap_or_default(),
                        _ => 0,
                    },
                    repaired_by: text(extension::REPAIRED_BY).map(|operator| Principal::read(&operator)),
                },
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::principal::PrincipalKind;

    fn recorded(cause: Cause) -> RecordedEvent {
        RecordedEvent {
            stream: StreamId::parse("acme/orders/O-1").expect("a stream"),
            version: 7,
            time: Timestamp::from_millis(1_764_000_000_123),
            event: EventData {
                ty: "OrderCancelled".into(),
                schema: 1,
                data: RawValue::from_string(r#"{"reason" : "late"}"#.into()).expect("JSON"),
                cause,
            },
        }
    }

    fn cause() -> Cause {
        Cause {
            operation: "op".into(),
            correlation: "co".into(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            tracestate: Some("rojo=00f067aa0ba902b7".into()),
            principal: Some(Principal { id: "1d2d88f8".into(), kind: PrincipalKind::User }),
            revision: 2,
            repaired_by: Some(Principal { id: "desk".into(), kind: PrincipalKind::ServiceAccount }),
        }
    }

    #[test]
    fn an_event_reads_back_from_what_was_published() {
        let recorded = recorded(cause());
        let published = recorded.to_cloud_event("https://api.example");
        assert_eq!((published.id(), published.source()), ("acme/orders/O-1/7", "https://api.example/contexts/orders"));
        assert_eq!(published.dataschema(), Some("https://api.example/schemas/orders/OrderCancelled/1"));
        let parsed = CloudEvent::from_json(published.to_json().as_bytes()).expect("a CloudEvent");
        let back = RecordedEvent::from_cloud_event(&parsed).expect("one of ours");
        assert_eq!(back.event.data.get(), recorded.event.data.get());
        assert_eq!((back.stream, back.version, back.time), (recorded.stream, recorded.version, recorded.time));
        assert_eq!(back.event.cause, recorded.event.cause);
    }

    #[test]
    fn an_event_whose_type_breaks_its_schemas_address_cannot_be_published() {
        assert!(recorded(cause()).check_publishable().is_ok());
        for ty in ["Order/Cancelled", "/schemas/orders/OrderCancelled/1", "a/schemas/b"] {
            let mut event = recorded(cause());
            ty.clone_into(&mut event.event.ty);
            assert!(matches!(event.check_publishable(), Err(Unpublishable::Schema)), "{ty}");
        }
    }

    #[test]
    fn a_published_event_says_who_sent_its_command_and_who_repaired_it() {
        let published = recorded(cause()).to_cloud_event("https://api.example");
        let text = |name| published.extension(name).map(ToString::to_string);
        assert_eq!((text("authid").as_deref(), text("authtype").as_deref()), (Some("1d2d88f8"), Some("user")));
        assert_eq!(published.extension("commandrevision"), Some(&Value::Integer(2)));
        assert_eq!(text("repairedby").as_deref(), Some("client:desk"));

        let resubmitted = recorded(Cause { repaired_by: None, ..cause() }).to_cloud_event("https://api.example");
        assert_eq!(resubmitted.extension("commandrevision"), Some(&Value::Integer(2)));
        assert_eq!(resubmitted.extension("repairedby"), None, "it ran as it was sent");
    }

    #[test]
    fn an_event_of_a_release_before_is_read_and_published_without_what_it_does_not_say() {
        let before = r#"{"type":"OrderCancelled","schema":1,"data":{},"operation":"op","correlation":"co"}"#;
        let stored: EventData = serde_json::from_str(before).expect("an event");
        let old =
            Cause { traceparent: None, tracestate: None, principal: None, revision: 0, repaired_by: None, ..cause() };
        assert_eq!(stored.cause, old);
        assert_eq!(serde_json::to_string(&stored).expect("JSON"), before, "nothing is added");
        let published = recorded(old.clone()).to_cloud_event("https://api.example");
        for name in ["authid", "authtype", "commandrevision", "repairedby"] {
            assert_eq!(published.extension(name), None, "{name}");
        }
        assert_eq!(RecordedEvent::from_cloud_event(&published).expect("one of ours").event.cause, old);
    }

    #[test]
    fn an_event_that_a_release_before_has_published_is_read() {
        let published = recorded(cause()).to_cloud_event("https://api.example");
        let before = published.to_json().replace("https://api.example/contexts/orders", "orders");
        let before = CloudEvent::from_json(before.as_bytes()).expect("a CloudEvent");
        assert_eq!(before.source(), "orders");
        let read = RecordedEvent::from_cloud_event(&before).expect("one of ours");
        assert_eq!((read.id(), read.stream.context.as_str()), ("acme/orders/O-1/7".to_owned(), "orders"));
    }

    #[test]
    fn an_event_of_a_later_release_is_read_whatever_else_it_says() {
        let later = r#"{"type":"OrderCancelled","schema":1,"data":{},"operation":"op","correlation":"co","weather":"fine",
            "principal":{"id":"k-1","type":"api_key","issuer":"x"},"revision":1}"#;
        let stored: EventData = serde_json::from_str(later).expect("an event");
        let principal = Principal { id: "k-1".into(), kind: PrincipalKind::Unknown };
        assert_eq!((stored.cause.principal, stored.cause.revision), (Some(principal), 1));
    }

    #[test]
    fn an_event_whose_schema_is_another_types_is_none_of_ours() {
        let published = recorded(cause()).to_cloud_event("https://api.example");
        for schema in ["orders/OrderShipped/1", "returns/OrderCancelled/1"] {
            let schema = format!("https://api.example/schemas/{schema}");
            let other = published.clone().into_builder().dataschema(schema).build();
            assert!(RecordedEvent::from_cloud_event(&other.expect("a CloudEvent")).is_none());
        }
    }

    #[test]
    fn an_event_that_was_stored_without_what_came_later_can_be_read() {
        let stored = r#"{"type":"OrderCancelled","schema":1,"data":{},"operation":"op","correlation":"co"}"#;
        let event: EventData = serde_json::from_str(stored).expect("a stored event");
        assert_eq!((&event.cause.traceparent, &event.cause.tracestate), (&None, &None));
        let again: serde_json::Value = serde_json::to_value(&event).expect("JSON");
        assert!(again.get("tracestate").is_none(), "{again}");
    }
}
