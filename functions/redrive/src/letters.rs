//! `GET /dead-letters/{queue}`: what lies in one queue's dead letters, for platform operators.
//!
//! SQS can only be looked at by receiving. This receives once and hides nothing, so that no run misses a letter for it:
//! one that saw none but those whose attempts are used up would park them. The price is that it sees ten letters at most,
//! of a FIFO queue those of its first streams.

use std::time::Duration;

use kernel::command::Header;
use kernel::ids::{AggregateId, TenantId};
use kernel::parking::Reason;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use recovery::Depth;
use schemars::JsonSchema;
use serde::Serialize;

use crate::parking::summary;
use crate::triage::{Letter, State, Triage};
use crate::{Redrive, RunError, WayBack};

/// What lies in one queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeadLettersOfQueue", deny_unknown_fields)]
pub struct Letters {
    pub name: String,
    /// About how many: SQS does not say exactly.
    pub waiting: u64,
    /// Being redriven right now, and not to be seen.
    pub in_flight: u64,
    /// The first few.
    #[schemars(length(max = 10))]
    pub letters: Vec<Seen>,
}

/// A dead letter as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "DeadLetter", deny_unknown_fields)]
pub struct Seen {
    /// The queue's message id.
    pub id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    /// Of the command or the domain event.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub ty: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<AggregateId>")]
    pub subject: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<Receipt>")]
    pub operation: Option<String>,
    /// What the next run will do with it.
    pub next: Next,
    /// The first run after that sends it back. Of one on its way, when it is taken for lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// How often it was sent back and failed again.
    pub attempts: u32,
    /// The last one.
    pub error: String,
    pub first_failed_at: Timestamp,
    /// When it came to the dead letters.
    pub dead_since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum Next {
    /// It is due: it is sent back, a command if its context is up.
    SendBack,
    /// Nothing yet: it is not due, or stands behind one of its stream that is not.
    Wait,
    /// Nothing: a copy of it is on its way.
    OnItsWay,
    /// It is set aside for a person.
    Park,
    /// It is dropped: it has its outcome, or lies there twice.
    Drop,
}

impl From<State> for Next {
    fn from(state: State) -> Self {
        match state {
            State::Due => Self::SendBack,
            State::Waiting => Self::Wait,
            State::OnItsWay => Self::OnItsWay,
            State::Exhausted | State::TooOld => Self::Park,
            State::Settled | State::Repeat => Self::Drop,
        }
    }
}

impl Redrive {
    pub(crate) async fn letters(&self, way: &WayBack, now: Timestamp) -> Result<Letters, RunError> {
        let Depth { visible, in_flight } = way.dead_letters.depth().await?;
        let dead = if visible == 0 { Vec::new() } else { way.dead_letters.receive(Duration::ZERO).await? };
        let triage = Triage { way, operations: &self.operations, pace: self.pace, now, by_hand: false };
        let letters = triage.look(dead).await?;
        let letters = letters.into_iter().map(|letter| Seen::of(way, letter, now)).collect();
        Ok(Letters { name: way.name.clone(), waiting: visible, in_flight, letters })
    }
}

impl Seen {
    fn of(way: &WayBack, letter: Letter, now: Timestamp) -> Self {
        let header = way.context.and_then(|_| Header::read(&letter.dead.body));
        let known = summary(way, &letter, header.as_ref(), Reason::AttemptsUsedUp, now);
        Self {
            id: letter.dead.message_id,
            tenant: known.tenant,
            context: known.context,
            ty: known.message_type,
            subject: known.subject,
            operation: known.operation,
            next: letter.state.into(),
            due_at: letter.due_at,
            attempts: known.attempts,
            error: known.error,
            first_failed_at: known.first_failed_at,
            dead_since: letter.dead.sent_at,
        }
    }
}
