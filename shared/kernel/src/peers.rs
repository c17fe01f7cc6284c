//! What a context hears of others, and what it sends to them.
//!
//! Contexts do not know each other: each declares what it hears and sends as types of its own, against the schemas that the
//! other has published. The catalog's tests hold the two together.

use crate::domain_event::{EventData, RecordedEvent};
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

/// What is heard of another context or of a partner, with its types erased.
#[derive(Clone, Copy)]
pub struct Heard {
    /// The name of the context or partner that is heard.
    pub of: &'static str,
    /// It is a partner: a system elsewhere. A tenant's registry says which one is meant by the name.
    pub is_partner: bool,
    pub events: &'static [MessageType],
    /// The commands that can follow.
    pub commands: &'static [MessageType],
    hear: fn(&EventData, &Happening) -> Result<Option<Followed>, DecodeError>,
}

impl Heard {
    /// Of another context.
    pub const fn of<H: Hears>(context: &'static str) -> Self {
        let (events, commands) = (H::Event::TYPES, H::Command::TYPES);
        Self { of: context, is_partner: false, events, commands, hear: hear::<H> }
    }

    /// Of a partner.
    pub const fn of_partner<H: Hears>(name: &'static str) -> Self {
        Self { is_partner: true, ..Self::of::<H>(name) }
    }

    /// What follows from an event of another context. Nothing from one that is not heard.
    pub fn hear(&self, event: &RecordedEvent) -> Result<Option<(AggregateId, Encoded)>, DecodeError> {
        let is_heard = !self.is_partner && event.stream.context == self.of && self.event(&event.event.ty).is_some();
        if is_heard { (self.hear)(&event.event, &event.happening()) } else { Ok(None) }
    }

    /// What follows from a partner's event of one of these types.
    pub fn hear_partner(
        &self,
        event: &EventData,
        happening: &Happening,
    ) -> Result<Option<(AggregateId, Encoded)>, DecodeError> {
        (self.hear)(event, happening)
    }

    /// The event of that name, if it is heard.
    pub fn event(&self, name: &str) -> Option<&'static MessageType> {
        self.events.iter().find(|event| event.name == name)
    }
}

fn hear<H: Hears>(event: &EventData, happening: &Happening) -> Result<Option<Followed>, DecodeError> {
    let followed = H::hear(event.decode()?, happening);
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
