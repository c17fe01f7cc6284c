//! What both clients and operators are answered of a command in a trace.

use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;

use crate::line::{Document, How, Line};

/// What a command follows from.
#[derive(Debug, Clone, Serialize, JsonSchema)]
#[schemars(rename = "TraceCause")]
pub struct Cause {
    cause: Kind,
    /// The version of the event, among those of the command before.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    event: Option<u64>,
    /// The timer's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    timer: Option<String>,
}

/// In which way it follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "TraceCauseKind")]
enum Kind {
    /// The command before has sent it.
    Sent,
    /// Its context has heard the event.
    Heard,
    /// The event asked for something in the outside world, and the command tells what came out.
    Outcome,
    /// The timer was due.
    Timer,
    /// It tells who has sent the command before that it was refused.
    Refusal,
}

/// An event, without its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TraceEvent", deny_unknown_fields)]
pub struct Event {
    #[serde(rename = "type")]
    ty: String,
    /// Of the aggregate, after it.
    #[schemars(range(min = 1))]
    version: u64,
    /// When it was committed.
    time: Timestamp,
}

/// How far a read model is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TraceDocument", deny_unknown_fields)]
pub struct Shown {
    collection: &'static str,
    #[schemars(extend("format" = "uri"))]
    href: String,
    /// Absent: there is no document.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    version: Option<u64>,
    /// Whether it shows what the command has changed. Absent where that has changed nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

/// A timer that a command has set.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "TraceTimer", deny_unknown_fields)]
pub struct Set {
    name: String,
    /// When its command is handed in.
    due: Timestamp,
    /// Of its command.
    #[serde(rename = "type")]
    ty: String,
    status: TimerStatus,
}

/// What became of a timer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "TraceTimerStatus")]
pub enum TimerStatus {
    /// Its command is handed in when it is due.
    Waiting,
    /// Its command is among those that followed.
    HandedIn,
    /// It was taken back or set anew, or its command is on its way just now.
    Gone,
}

impl Cause {
    pub fn of(how: &How) -> Self {
        let (cause, event, timer) = match how {
            How::Sent => (Kind::Sent, None, None),
            How::Heard { version } => (Kind::Heard, Some(*version), None),
            How::Outcome { version } => (Kind::Outcome, Some(*version), None),
            How::Timer { name } => (Kind::Timer, None, Some(name.clone())),
            How::Refusal => (Kind::Refusal, None, None),
        };
        Self { cause, event, timer }
    }
}

/// The events of a command.
pub fn events(line: &Line) -> Vec<Event> {
    let event = |event: &kernel::domain_event::RecordedEvent| Event {
        ty: event.event.ty.clone(),
        version: event.version,
        time: event.time,
    };
    line.events.iter().map(event).collect()
}

/// The documents of a command's aggregate, those that may be read.
pub fn documents(line: &Line, may_read: impl Fn(&Document) -> bool, public_url: &str) -> Vec<Shown> {
    let Some(stream) = &line.stream else { return Vec::new() };
    let made = line.version();
    let shown = |document: &Document| Shown {
        collection: document.collection,
        href: format!("{public_url}/{}/{}", document.collection, stream.aggregate),
        version: document.version,
        reached: made.map(|made| document.version.is_some_and(|version| version >= made)),
    };
    line.documents.iter().filter(|document| may_read(document)).map(shown).collect()
}

/// The timers that a command has set.
pub fn timers(line: &Line) -> Vec<Set> {
    let status = |key, waits| match waits {
        true => TimerStatus::Waiting,
        false if line.caused.iter().any(|caused| caused.key == key) => TimerStatus::HandedIn,
        false => TimerStatus::Gone,
    };
    let set = |timer: &crate::line::Timer| Set {
        name: timer.name.clone(),
        due: timer.due,
        ty: timer.ty.clone(),
        status: status(timer.key, timer.waits),
    };
    line.timers.iter().map(set).collect()
}
