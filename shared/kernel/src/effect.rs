//! What a decision causes outside of its own stream: commands for other contexts, and timers.
//!
//! Effects are stored in the commit of the events that go with them, and carried out by whoever reads the commit: at least
//! once, under a key that the commit gives them, so that doing it twice is doing it once. A decision that has effects has an
//! event, too: what is not remembered would be asked for again.

use serde::{Deserialize, Serialize};

use crate::domain_event::Cause;
use crate::ids::{AggregateId, StreamId};
use crate::message::{Encoded, Message};
use crate::timestamp::Timestamp;

/// What a decision causes outside of its own stream.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// This command is handed in for an aggregate of the context that takes it.
    Send { to: AggregateId, command: Encoded },
    /// This command comes to the deciding aggregate itself when the time has come, or later. A timer of the same name is
    /// replaced.
    SetTimer { name: String, due: Timestamp, command: Encoded },
    /// The timer of that name is taken back. It may be too late for that, so the state must know that nothing waits for it.
    CancelTimer { name: String },
}

impl Effect {
    /// See [`Send`](Self::Send). `command` is as the deciding context declares it.
    pub fn send(to: &AggregateId, command: impl Message) -> Self {
        Self::Send { to: to.clone(), command: Encoded::of(command) }
    }

    /// See [`SetTimer`](Self::SetTimer). `command` is one of the deciding context's own; it will have been accepted at `due`.
    pub fn set_timer(name: impl Into<String>, due: Timestamp, command: impl Message) -> Self {
        Self::SetTimer { name: name.into(), due, command: Encoded::of(command) }
    }

    /// See [`CancelTimer`](Self::CancelTimer).
    pub fn cancel_timer(name: impl Into<String>) -> Self {
        Self::CancelTimer { name: name.into() }
    }
}

/// An effect as it is stored in a commit, with what made it happen.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct RecordedEffect {
    pub effect: Recorded,
    pub cause: Cause,
}

/// What is stored of an [`Effect`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Recorded {
    /// `to` is the stream of the aggregate that the command is for.
    Send {
        to: StreamId,
        command: Encoded,
    },
    SetTimer {
        name: String,
        due: Timestamp,
        command: Encoded,
    },
    CancelTimer {
        name: String,
    },
}
