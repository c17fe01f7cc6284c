//! What a context hears of others, and what it sends to them.
//!
//! Contexts do not know each other: each declares what it hears and sends as types of its own, against the schemas that the
//! other has published. The catalog's tests hold the two together.

use crate::domain_event::RecordedEvent;
use crate::ids::AggregateId;
use crate::message::{DecodeError, Encoded, Message, MessageType};
use crate::projection::Happening;

/// A context that listens turns the events of another into commands of its own. Implemented on an empty type, once for each
/// context that it hears.
pub trait Hears: 'static {
    /// The events that it hears, with the members that it needs.
    type Event: Message;
    /// The listening context's own commands.
    type Command: Message;

    /// The command that follows from the event, and the aggregate that it is for. `None`: nothing follows. Pure, for the
    /// same event may come again, and so may an earlier one.
    fn hear(event: Self::Event, happening: &Happening) -> Option<(AggregateId, Self::Command)>;
}

/// A context that sends commands is told what was refused of them. Implemented on an empty type, once for each context that it
/// sends to.
pub trait Sends: 'static {
    /// The commands that it sends.
    type Sent: Message;
    /// The sending context's own commands.
    type Command: Message;

    /// The command by which the sending aggregate hears that one it has sent will not be carried out. `None`: it need not
    /// know. That one was carried out shows by the other context's events.
    fn refused(refusal: Refusal<'_>) -> Option<Self::Command>;
}

/// The end of a command that was not carried out.
#[derive(Debug, Clone, Copy)]
pub struct Refusal<'a> {
    /// The type of the command that was sent.
    pub command: &'a str,
    /// Whom it was sent to.
    pub aggregate: &'a AggregateId,
    /// Why: the reason of the other context's rejection; `discarded`, if an operator has discarded it.
    pub reason: &'a str,
}

/// The reason of a [`Refusal`] by an operator.
pub const DISCARDED: &str = "discarded";

/// The aggregate that an own command is for, and the command.
type Followed = (AggregateId, Encoded);

/// What is heard of another context, with its types erased.
#[derive(Clone, Copy)]
pub struct Heard {
    /// The context that is heard.
    pub context: &'static str,
    pub events: &'static [MessageType],
    /// The commands that can follow.
    pub commands: &'static [MessageType],
    hear: fn(&RecordedEvent, &str) -> Result<Option<Followed>, DecodeError>,
}

impl Heard {
    pub const fn of<H: Hears>(context: &'static str) -> Self {
        Self { context, events: H::Event::TYPES, commands: H::Command::TYPES, hear: hear::<H> }
    }

    /// What follows from an event. Nothing from one that is not heard.
    pub fn hear(&self, event: &RecordedEvent) -> Result<Option<(AggregateId, Encoded)>, DecodeError> {
        (self.hear)(event, self.context)
    }
}

fn hear<H: Hears>(recorded: &RecordedEvent, context: &str) -> Result<Option<Followed>, DecodeError> {
    let Some(event) = recorded.one_of(context)? else { return Ok(None) };
    let followed = H::hear(event, &recorded.happening());
    Ok(followed.map(|(aggregate, command)| (aggregate, Encoded::of(command))))
}

/// Whom commands are sent to, with its types erased.
#[derive(Clone, Copy)]
pub struct Recipient {
    /// The context that takes the commands.
    pub context: &'static str,
    /// The type of its aggregates that they are for; `None`: its first.
    pub aggregate_type: Option<&'static str>,
    pub commands: &'static [MessageType],
    /// Tells the sender.
    pub refused: fn(Refusal<'_>) -> Option<Encoded>,
}

impl Recipient {
    pub const fn of<S: Sends>(context: &'static str) -> Self {
        Self { context, aggregate_type: None, commands: S::Sent::TYPES, refused: refused::<S> }
    }

    /// The same, for aggregates of another type than the context's first.
    #[must_use]
    pub const fn of_type(self, aggregate_type: &'static str) -> Self {
        Self { aggregate_type: Some(aggregate_type), ..self }
    }
}

fn refused<S: Sends>(refusal: Refusal<'_>) -> Option<Encoded> {
    S::refused(refusal).map(Encoded::of)
}
