//! Commands that the installation hands in itself: what follows from an event that a context hears, what a commit asks for,
//! what is due, and what tells a sender of a refusal.
//!
//! In its queue such a command is like any other: it is carried out exactly once in effect, in the order of its stream, and
//! comes back from wherever it fails.

use crate::cloud_event::{CloudEvent, Invalid};
use crate::command::{Command, Principal, PrincipalKind};
use crate::context::Context;
use crate::domain_event::{Cause, RecordedEvent, extension};
use crate::effect::{Recorded, RecordedEffect};
use crate::ids::{CommandKey, StreamId};
use crate::message::{DecodeError, Encoded};
use crate::receipt::{Digest, Receipt};
use crate::schema_uri::SchemaUri;
use crate::timestamp::Timestamp;

/// A command that is ready to be queued.
#[derive(Debug, Clone)]
pub struct SystemCommand {
    /// Sealed.
    pub event: CloudEvent,
    pub stream: StreamId,
    pub key: CommandKey,
}

/// Why the installation hands in a command.
#[derive(Debug, Clone)]
pub struct Occasion<'a> {
    /// The context on whose behalf: the principal.
    pub by: &'a str,
    /// The context where the reason lies; with `id`, what tells the occasion from all others of the tenant, for ever.
    pub source: &'a str,
    pub id: String,
    /// When the command counts as accepted: the same however often, and by whomever, it is handed in.
    pub at: Timestamp,
    /// What made the event or the commit happen: correlation and trace go on.
    pub cause: &'a Cause,
    /// The id of the event or operation before.
    pub causation: String,
    /// Who is told if it is refused.
    pub reply_to: Option<&'a StreamId>,
}

/// Where an effect is recorded.
#[derive(Debug, Clone, Copy)]
pub struct EffectPlace<'a> {
    /// The stream of the commit.
    pub stream: &'a StreamId,
    pub commit_number: u64,
    pub committed_at: Timestamp,
    /// Among the effects of the commit, from 0.
    pub place: usize,
}

/// Why a context that hears an event makes no command of it.
#[derive(Debug, thiserror::Error)]
pub enum Unheard {
    #[error("a context that hears it cannot read it")]
    Unreadable(#[from] DecodeError),
    #[error("what follows from it is no valid command")]
    Command(#[from] Invalid),
}

impl SystemCommand {
    /// The command of this context that follows from an event of another, if one does.
    pub fn of_heard(context: &Context, event: &RecordedEvent, public_url: &str) -> Result<Option<Self>, Unheard> {
        for heard in context.hears {
            let Some((aggregate, command)) = heard.hear(event)? else { continue };
            let occasion = Occasion {
                by: context.name,
                source: &event.stream.context,
                id: event.id(),
                at: event.time,
                cause: &event.event.cause,
                causation: event.id(),
                reply_to: None,
            };
            let stream = context.stream_of_command(&command.ty, event.stream.tenant.clone(), aggregate);
            return Ok(Some(Self::new(stream, &command, occasion, public_url)?));
        }
        Ok(None)
    }

    /// The command by which the function `by` tells what came out of an event in the outside world.
    pub fn of_outcome(event: &RecordedEvent, by: &str, outcome: &Encoded, public_url: &str) -> Result<Self, Invalid> {
        let occasion = Occasion {
            by,
            source: &event.stream.context,
            id: outcome_id(event, &outcome.ty),
            at: event.time,
            cause: &event.event.cause,
            causation: event.id(),
            reply_to: None,
        };
        Self::new(event.stream.clone(), outcome, occasion, public_url)
    }

    /// The key that such a command has, if it is of this type.
    pub fn key_of_outcome(event: &RecordedEvent, ty: &str) -> CommandKey {
        let StreamId { tenant, context, .. } = &event.stream;
        CommandKey::of_system(tenant, context, &outcome_id(event, ty), context)
    }

    /// The command that a commit sends, or that its timer hands in. `None`: this effect cancels a timer.
    pub fn of_effect(
        recorded: &RecordedEffect,
        at: EffectPlace<'_>,
        public_url: &str,
    ) -> Option<Result<Self, Invalid>> {
        let RecordedEffect { effect, cause } = recorded;
        let EffectPlace { stream, commit_number, committed_at, place } = at;
        let (to, command, at, reply_to) = match effect {
            Recorded::Send { to, command } => (to, command, committed_at, Some(stream)),
            Recorded::SetTimer { due, command, .. } => (stream, command, *due, None),
            Recorded::CancelTimer { .. } => return None,
        };
        let occasion = Occasion {
            by: &stream.context,
            source: &stream.context,
            id: format!("{stream}/{commit_number}.{place}"),
            at,
            cause,
            causation: cause.operation.clone(),
            reply_to,
        };
        Some(Self::new(to.clone(), command, occasion, public_url))
    }

    /// `stream` is the stream of the aggregate that the command is for. Equal arguments make equal commands.
    pub fn new(stream: StreamId, command: &Encoded, occasion: Occasion<'_>, public_url: &str) -> Result<Self, Invalid> {
        Self::sealed(stream, command, occasion, public_url, Receipt::of_system)
    }

    /// The same under a receipt of the caller's making: of the time at which it is accepted, its key and its digest.
    pub fn sealed(
        stream: StreamId,
        command: &Encoded,
        occasion: Occasion<'_>,
        public_url: &str,
        seal: impl FnOnce(Timestamp, CommandKey, Digest) -> Receipt,
    ) -> Result<Self, Invalid> {
        let Occasion { by, source, id, at, cause, causation, reply_to } = occasion;
        let key = CommandKey::of_system(&stream.tenant, source, &id, &stream.context);
        let schema = SchemaUri { context: &stream.context, name: &command.ty, version: command.schema };
        let mut event = CloudEvent::builder(id, source, &command.ty)
            .subject(stream.aggregate.as_str())
            .time(at.to_string())
            .dataschema(schema.below(public_url))
            .datacontenttype("application/json")
            .extension(extension::CORRELATION, cause.correlation.as_str())
            .data_raw(command.data.clone());
        if let Some(tracestate) = &cause.tracestate {
            event = event.extension(extension::TRACESTATE, tracestate.as_str());
        }
        let event = event.build()?;
        let data = serde_json::from_str(command.data.get()).unwrap_or_default();
        let receipt = seal(at, key, Digest::of(&event, &data));
        let principal = Principal { id: by.to_owned(), kind: PrincipalKind::System };
        let aggregate_type = stream.aggregate_type.as_deref();
        let trace = cause.traceparent.as_deref();
        let mut event = Command::seal(event, &stream.tenant, aggregate_type, &principal, &receipt, trace)?
            .with_extension(extension::CAUSATION, causation)?;
        if let Some(reply_to) = reply_to {
            event = event.with_extension(extension::REPLY_TO, reply_to.to_string())?;
        }
        Ok(Self { event, stream, key })
    }
}

/// The same outcome of the same event is one command, however often it is handed in.
fn outcome_id(event: &RecordedEvent, ty: &str) -> String {
    format!("{}.{ty}", event.id())
}
