//! What is known of a message that is set aside for a person.

use kernel::cloud_event::CloudEvent;
use kernel::command::Header;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{AggregateId, StreamId};
use kernel::parking::Reason;
use kernel::timestamp::Timestamp;
use messaging::Notification;
use messaging::queues::PARTNERS;
use serde::Deserialize;
use store::parked::{ParkedMessage, Summary};

use crate::failure::Failure;

/// Why a message is set aside, and what came before.
#[derive(Debug, Clone)]
pub struct Cause {
    pub reason: Reason,
    /// The whole chain of errors, for the person who repairs.
    pub error: String,
    /// How often the message was sent back to its queue.
    pub attempts: u32,
    pub first_failed_at: Timestamp,
    pub parked_at: Timestamp,
}

impl Cause {
    /// Of a message that fails now, with what travels with it from before.
    pub fn of(reason: Reason, error: String, failure: &Failure, now: Timestamp) -> Self {
        let first_failed_at = failure.first_failed_at.unwrap_or(now);
        Self { reason, error, attempts: failure.attempts, first_failed_at, parked_at: now }
    }
}

/// A command of this context.
pub fn of_command(context: &str, header: &Header, cause: Cause) -> Summary {
    Summary {
        parked_key: ParkedMessage::key(Some(&header.tenant), context),
        id: ParkedMessage::id(header.receipt.accepted_at, header.receipt.command_key),
        tenant: Some(header.tenant.clone()),
        context: Some(context.to_owned()),
        message_type: Some(header.ty.clone()),
        subject: Some(header.subject.clone()),
        operation: Some(header.receipt.to_string()),
        revision: header.revision,
        ..of_anything(context, cause)
    }
}

/// What lies in a context's command queue and is no command. `arrived`: when, and under which message id.
pub fn of_stranger(context: &str, arrived: (Timestamp, &str), cause: Cause) -> Summary {
    Summary {
        id: ParkedMessage::id(arrived.0, arrived.1),
        context: Some(context.to_owned()),
        ..of_anything(context, cause)
    }
}

/// What lies in another queue: a domain event, the place of a commit, or what cannot be read at all.
pub fn of_message(queue: &str, arrived: (Timestamp, &str), body: &str, cause: Cause) -> Summary {
    if queue == PARTNERS {
        return of_partner(arrived, body, cause);
    }
    let (stream, message_type) = about(body);
    Summary {
        parked_key: ParkedMessage::key(stream.as_ref().map(|stream| &stream.tenant), queue),
        id: ParkedMessage::id(arrived.0, arrived.1),
        tenant: stream.as_ref().map(|stream| stream.tenant.clone()),
        context: stream.as_ref().map(|stream| stream.context.clone()),
        message_type,
        subject: stream.map(|stream| stream.aggregate.to_string()),
        ..of_anything(queue, cause)
    }
}

/// What a partner has sent. It is for platform operators: a tenant that it may name is of its sender's choosing.
fn of_partner(arrived: (Timestamp, &str), body: &str, cause: Cause) -> Summary {
    let event = match Notification::of(body) {
        Notification::Message(event) => CloudEvent::from_json(event.as_bytes()).ok(),
        Notification::Confirmation => None,
    };
    let subject = event.as_ref().and_then(|event| AggregateId::parse(event.subject()?).ok());
    Summary {
        id: ParkedMessage::id(arrived.0, arrived.1),
        message_type: event.map(|event| event.ty().to_owned()),
        subject: subject.map(|subject| subject.to_string()),
        ..of_anything(PARTNERS, cause)
    }
}

fn of_anything(queue: &str, cause: Cause) -> Summary {
    let Cause { reason, error, attempts, first_failed_at, parked_at } = cause;
    Summary {
        parked_key: ParkedMessage::key(None, queue),
        id: String::new(),
        queue: queue.to_owned(),
        tenant: None,
        context: None,
        message_type: None,
        subject: None,
        operation: None,
        reason,
        error,
        revision: 0,
        attempts,
        first_failed_at,
        first_parked_at: parked_at,
        parked_at,
    }
}

/// The stream that a message is about, and the type of event that it is.
fn about(body: &str) -> (Option<StreamId>, Option<String>) {
    /// What the publisher's queue holds.
    #[derive(Deserialize)]
    struct Commit {
        stream_id: String,
    }
    let event = CloudEvent::from_json(body.as_bytes()).ok();
    if let Some(event) = event.as_ref().and_then(RecordedEvent::from_cloud_event) {
        return (Some(event.stream), Some(event.event.ty));
    }
    let commit = serde_json::from_str::<Commit>(body).ok();
    let stream = commit.and_then(|commit| StreamId::parse(&commit.stream_id).ok());
    (stream, event.map(|event| event.ty().to_owned()))
}
