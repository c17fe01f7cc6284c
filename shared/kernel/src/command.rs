//! An accepted command: the message between ingest and the command handler.

use crate::cloud_event::{CloudEvent, Invalid};
use crate::decider::Envelope;
use crate::domain_event::{Cause, extension};
use crate::ids::{AggregateId, CommandKey, StreamId, TenantId};
use crate::receipt::Receipt;

/// A command as it lies in a queue: the client's CloudEvent with Waybill's extensions, whole.
#[derive(Debug, Clone)]
pub struct Command {
    pub event: CloudEvent,
    pub stream: StreamId,
    pub receipt: Receipt,
    pub principal: String,
    pub correlation: String,
    pub traceparent: Option<String>,
}

/// Who sent a command, as the identity provider names them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub id: String,
    pub kind: PrincipalKind,
}

/// The `authtype` of the CloudEvents authentication context extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrincipalKind {
    User,
    /// A machine client.
    ServiceAccount,
}

impl PrincipalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
        }
    }
}

/// Why a queue message is not a command that ingest sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotACommand {
    #[error("it is not a CloudEvent")]
    Event(#[from] Invalid),
    #[error("its {0} is missing or malformed")]
    Attribute(&'static str),
}

impl Command {
    /// The CloudEvent to queue for what `event` says, accepted under `receipt`.
    ///
    /// Whatever the sender claimed under Waybill's own extension names is overwritten; a `correlationid` of the event's
    /// own stays.
    pub fn seal(
        event: CloudEvent,
        tenant: &TenantId,
        principal: &Principal,
        receipt: &Receipt,
        traceparent: &str,
    ) -> Result<CloudEvent, Invalid> {
        let mut sealed = event
            .with_extension(extension::TENANT, tenant.as_str())?
            .with_extension(extension::OPERATION, receipt.to_string())?
            .with_extension(extension::PRINCIPAL, principal.id.as_str())?
            .with_extension(extension::PRINCIPAL_TYPE, principal.kind.as_str())?;
        if sealed.extension(extension::CORRELATION).is_none() {
            sealed = sealed.with_extension(extension::CORRELATION, receipt.command_key.to_string())?;
        }
        sealed.with_extension(extension::TRACEPARENT, traceparent)
    }

    /// Reads what [`seal`](Self::seal) made, in the queue of `context`.
    pub fn open(message: &[u8], context: &str) -> Result<Self, NotACommand> {
        let event = CloudEvent::from_json(message)?;
        let text =
            |name: &'static str| event.extension(name).map(ToString::to_string).ok_or(NotACommand::Attribute(name));
        let tenant =
            TenantId::parse(&text(extension::TENANT)?).map_err(|_| NotACommand::Attribute(extension::TENANT))?;
        let receipt =
            Receipt::read(&text(extension::OPERATION)?).ok_or(NotACommand::Attribute(extension::OPERATION))?;
        let aggregate = Self::aggregate(&event, receipt.command_key).ok_or(NotACommand::Attribute("subject"))?;
        Ok(Self {
            stream: StreamId { tenant, context: context.to_owned(), aggregate },
            receipt,
            principal: text(extension::PRINCIPAL)?,
            correlation: text(extension::CORRELATION)?,
            traceparent: text(extension::TRACEPARENT).ok(),
            event,
        })
    }

    /// The aggregate a command is for: its subject; without one, a new aggregate named by the command's own key.
    pub fn aggregate(event: &CloudEvent, key: CommandKey) -> Option<AggregateId> {
        AggregateId::parse(&event.subject().map_or_else(|| key.to_string(), str::to_owned)).ok()
    }

    /// The schema version that `dataschema` ends in: `…/{context}/{type}/{version}`.
    pub fn schema_version(&self) -> Option<u32> {
        self.event.dataschema()?.rsplit_once('/')?.1.parse().ok()
    }

    pub fn envelope(&self) -> Envelope {
        Envelope {
            aggregate: self.stream.aggregate.clone(),
            accepted_at: self.receipt.accepted_at,
            principal: self.principal.clone(),
        }
    }

    pub fn cause(&self) -> Cause {
        Cause {
            operation: self.receipt.to_string(),
            correlation: self.correlation.clone(),
            traceparent: self.traceparent.clone(),
        }
    }
}
