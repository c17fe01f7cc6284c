//! A bounded context as the rest of the house sees it, with its types erased: one value that names its aggregate types,
//! each with its messages, its decider and its read models.

use std::collections::BTreeSet;
use std::marker::PhantomData;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use crate::command::Command;
use crate::counter::Counters;
use crate::decider::{Claim, Claiming, Decider, Decision, Guard, Rejection};
use crate::domain_event::{EventData, RecordedEvent};
use crate::effect::Effect;
use crate::ids::{AggregateId, StreamId, TenantId};
use crate::message::{DecodeError, Encoded, Message, MessageType, raw};
use crate::peers::{Heard, Recipient};
use crate::projection::{Filters, Listing, Projection, Tally};

/// A bounded context: one queue, one handler, and one or more types of aggregate.
pub struct Context {
    /// [Lower-case letters](crate::ids::is_name), for it becomes part of CloudFormation's ids; also the end of its
    /// events' [`source`](crate::domain_event::source).
    pub name: &'static str,
    first: AggregateType,
    others: &'static [AggregateType],
    /// The contexts whose events it hears.
    pub hears: &'static [Heard],
    /// The contexts that it sends commands to.
    pub sends: &'static [Recipient],
    /// Its own counters that others may move.
    pub shares: &'static [Counters],
    /// Others' counters that it moves.
    pub moves: &'static [Counters],
}

/// A type of aggregate: its messages, its rules, and what can be read of it.
pub struct AggregateType {
    /// [Lower-case letters](crate::ids::is_name); of a context's first one, the context's name. Also the collection of its
    /// first read model.
    pub name: &'static str,
    pub commands: &'static [MessageType],
    pub events: &'static [MessageType],
    /// The first one is what a succeeded operation links to.
    pub read_models: &'static [&'static dyn ReadModel],
    restore: fn(Option<&Snapshot>) -> Option<Box<dyn Aggregate>>,
    claims: fn(&[RecordedEvent]) -> Held,
}

/// What an aggregate claims; `None` if its decider does not say.
pub type Held = Result<Option<BTreeSet<Claim>>, DecodeError>;

impl Context {
    /// A context with one type of aggregate, called as the context is.
    pub const fn of<D: Decider>(name: &'static str, read_models: &'static [&'static dyn ReadModel]) -> Self {
        let first = AggregateType::of::<D>(name, read_models);
        Self { name, first, others: &[], hears: &[], sends: &[], shares: &[], moves: &[] }
    }

    /// The same with more types of aggregate.
    #[must_use]
    pub const fn and(self, others: &'static [AggregateType]) -> Self {
        Self { others, ..self }
    }

    /// The same, hearing the events of other contexts.
    #[must_use]
    pub const fn hearing(self, hears: &'static [Heard]) -> Self {
        Self { hears, ..self }
    }

    /// The same, sending commands to other contexts.
    #[must_use]
    pub const fn sending(self, sends: &'static [Recipient]) -> Self {
        Self { sends, ..self }
    }

    /// The same, letting other contexts move these of its counters.
    #[must_use]
    pub const fn sharing(self, shares: &'static [Counters]) -> Self {
        Self { shares, ..self }
    }

    /// The same, moving these counters of other contexts in its own transactions.
    #[must_use]
    pub const fn moving(self, moves: &'static [Counters]) -> Self {
        Self { moves, ..self }
    }

    pub fn aggregate_types(&self) -> impl Iterator<Item = &AggregateType> {
        std::iter::once(&self.first).chain(self.others)
    }

    /// The type of a stream's aggregate; `None` if this build has none of that name.
    pub fn aggregate_type(&self, stream: &StreamId) -> Option<&AggregateType> {
        match &stream.aggregate_type {
            None => Some(&self.first),
            Some(name) => self.others.iter().find(|other| other.name == name),
        }
    }

    /// The aggregate type that a command is for; `None`: the first.
    pub fn aggregate_type_of_command(&self, command: &str) -> Option<&'static str> {
        let takes = |ty: &&AggregateType| ty.commands.iter().any(|known| known.name == command);
        self.others.iter().find(takes).map(|ty| ty.name)
    }

    /// The stream of the aggregate that a command of this context is for.
    pub fn stream_of_command(&self, command: &str, tenant: TenantId, aggregate: AggregateId) -> StreamId {
        let aggregate_type = self.aggregate_type_of_command(command).map(str::to_owned);
        StreamId { tenant, context: self.name.to_owned(), aggregate_type, aggregate }
    }

    /// To whom this context sends commands of this type; `None` if it declares none.
    pub fn recipient(&self, command: &str) -> Option<&'static Recipient> {
        self.sends.iter().find(|recipient| recipient.commands.iter().any(|known| known.name == command))
    }

    /// The stream of an aggregate of one of this context's types.
    pub fn stream(&self, aggregate_type: &AggregateType, tenant: TenantId, aggregate: AggregateId) -> StreamId {
        let aggregate_type = (aggregate_type.name != self.first.name).then(|| aggregate_type.name.to_owned());
        StreamId { tenant, context: self.name.to_owned(), aggregate_type, aggregate }
    }

    pub fn commands(&self) -> impl Iterator<Item = &'static MessageType> {
        self.aggregate_types().flat_map(|ty| ty.commands)
    }

    pub fn events(&self) -> impl Iterator<Item = &'static MessageType> {
        self.aggregate_types().flat_map(|ty| ty.events)
    }

    pub fn read_models(&self) -> impl Iterator<Item = &'static dyn ReadModel> {
        self.aggregate_types().flat_map(|ty| ty.read_models).copied()
    }

    /// The commands that clients may send.
    pub fn commands_of_clients(&self) -> impl Iterator<Item = &'static MessageType> {
        self.commands().filter(|command| !command.internal)
    }

    /// A command type; `None` if it is not a command of this context.
    pub fn command(&self, name: &str) -> Option<&'static MessageType> {
        self.commands().find(|command| command.name == name)
    }

    /// All commands, then all events.
    pub fn messages(&self) -> impl Iterator<Item = &'static MessageType> {
        self.commands().chain(self.events())
    }

    /// The schema of one version of a command or an event; `None` if this build does not read that version.
    pub fn schema(&self, name: &str, version: u32) -> Option<&'static str> {
        let message = self.messages().find(|message| message.name == name)?;
        message.versions.iter().find(|known| known.number == version).map(|known| known.schema)
    }
}

impl AggregateType {
    pub const fn of<D: Decider>(name: &'static str, read_models: &'static [&'static dyn ReadModel]) -> Self {
        Self {
            name,
            commands: D::Command::TYPES,
            events: D::Event::TYPES,
            read_models,
            restore: TypedAggregate::<D>::restore,
            claims: claims::<D>,
        }
    }

    /// An aggregate before its first event.
    pub fn empty(&self) -> Box<dyn Aggregate> {
        (self.restore)(None).expect("the default state needs no snapshot")
    }

    /// An aggregate from a snapshot; `None` if this build cannot use it and must fold the events again.
    pub fn restore(&self, snapshot: &Snapshot) -> Option<Box<dyn Aggregate>> {
        (self.restore)(Some(snapshot))
    }

    /// What an aggregate claims after all of its events; `None` if its decider does not [say](Decider::CLAIMS).
    pub fn claims(&self, events: &[RecordedEvent]) -> Held {
        (self.claims)(events)
    }
}

fn claims<D: Decider>(events: &[RecordedEvent]) -> Held {
    let Some(claims) = D::CLAIMS else { return Ok(None) };
    let mut held = BTreeSet::new();
    for recorded in events {
        for claiming in claims(&recorded.event.decode()?) {
            match claiming {
                Claiming::Taken(claim) => held.insert(claim),
                Claiming::GivenBack(claim) => held.remove(&claim),
            };
        }
    }
    Ok(Some(held))
}

/// An aggregate's state as stored in a commit.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Snapshot {
    /// [`Decider::STATE_VERSION`] of the build that wrote it.
    pub layout: u32,
    pub state: Box<RawValue>,
}

/// One aggregate's state in memory, and what its decider makes of commands.
pub trait Aggregate: Send + Sync {
    /// Decides the command; leaves this state as it is and gives the next one.
    fn decide(&self, command: &Command) -> Result<Decided, Undecided>;

    fn evolve(&mut self, event: &EventData) -> Result<(), DecodeError>;

    fn snapshot(&self) -> Snapshot;
}

/// What a command caused.
pub struct Decided {
    pub events: Vec<EventData>,
    pub guards: Vec<Guard>,
    pub effects: Vec<Effect>,
    /// The aggregate after `events`.
    pub next: Box<dyn Aggregate>,
}

/// Why a command caused nothing.
#[derive(Debug, thiserror::Error)]
pub enum Undecided {
    #[error(transparent)]
    Rejected(#[from] Rejection),
    /// This build cannot read the command, so nothing can be said of it.
    #[error(transparent)]
    Unreadable(#[from] DecodeError),
}

struct TypedAggregate<D: Decider> {
    state: D::State,
    decider: PhantomData<fn() -> D>,
}

impl<D: Decider> TypedAggregate<D> {
    fn with(state: D::State) -> Box<dyn Aggregate> {
        Box::new(Self { state, decider: PhantomData })
    }

    fn restore(snapshot: Option<&Snapshot>) -> Option<Box<dyn Aggregate>> {
        let Some(snapshot) = snapshot else { return Some(Self::with(D::State::default())) };
        if snapshot.layout != D::STATE_VERSION {
            return None;
        }
        serde_json::from_str(snapshot.state.get()).ok().map(Self::with)
    }
}

impl<D: Decider> Aggregate for TypedAggregate<D> {
    fn decide(&self, command: &Command) -> Result<Decided, Undecided> {
        let name = command.event.ty();
        let version = command.schema_version().ok_or_else(|| DecodeError::UnknownType(name.to_owned()))?;
        let typed = D::Command::decode(name, version, command.event.json().unwrap_or("null"))?;
        let Decision { events, guards, effects } = D::decide(&self.state, &typed, &command.metadata())?;
        let cause = command.cause();
        let mut next = self.state.clone();
        let stored = |event: D::Event| {
            let Encoded { ty, schema, data } = Encoded::of(event.clone());
            // What a load will make of the stored event, and nothing more.
            next = D::evolve(std::mem::take(&mut next), &event.into_written());
            EventData { ty, schema, data, cause: cause.clone() }
        };
        let events = events.into_iter().map(stored).collect();
        Ok(Decided { events, guards, effects, next: Self::with(next) })
    }

    fn evolve(&mut self, event: &EventData) -> Result<(), DecodeError> {
        let typed = event.decode()?;
        self.state = D::evolve(std::mem::take(&mut self.state), &typed);
        Ok(())
    }

    fn snapshot(&self) -> Snapshot {
        Snapshot { layout: D::STATE_VERSION, state: raw(&self.state) }
    }
}

/// A [`Projection`] with its types erased.
pub trait ReadModel: Send + Sync {
    fn collection(&self) -> &'static str;

    fn filters(&self) -> Filters;

    /// See [`Projection::LAYOUT`].
    fn layout(&self) -> u32;

    /// Whether events of this type change documents; see [`Projection::PARTIAL`].
    fn hears(&self, _event: &str) -> bool {
        true
    }

    /// See [`Projection::STATES`].
    fn states(&self) -> &'static [&'static str] {
        &[]
    }

    /// Folds `events`, in order, onto `document` (JSON; `None` before the first event). Without events: the document as
    /// it is.
    fn project(&self, document: Option<&str>, events: &[RecordedEvent]) -> Result<Projected, ProjectError>;
}

/// A document after some events.
#[derive(Debug, Clone)]
pub struct Projected {
    /// JSON.
    pub document: String,
    pub listing: Listing,
    pub tallies: Vec<Tally>,
}

/// Why a document could not be brought forward.
#[derive(Debug, thiserror::Error)]
pub enum ProjectError {
    #[error("no events and no document: nothing to show")]
    Nothing,
    #[error("the stored document does not fit its type")]
    Document(#[source] serde_json::Error),
    #[error("an event cannot be read")]
    Event(#[from] DecodeError),
}

impl<P: Projection> ReadModel for P {
    fn collection(&self) -> &'static str {
        P::COLLECTION
    }

    fn filters(&self) -> Filters {
        P::FILTERS
    }

    fn layout(&self) -> u32 {
        P::LAYOUT
    }

    fn hears(&self, event: &str) -> bool {
        !P::PARTIAL || P::Event::TYPES.iter().any(|known| known.name == event)
    }

    fn states(&self) -> &'static [&'static str] {
        P::STATES
    }

    fn project(&self, document: Option<&str>, events: &[RecordedEvent]) -> Result<Projected, ProjectError> {
        let mut document: Option<P::Document> =
            document.map(serde_json::from_str).transpose().map_err(ProjectError::Document)?;
        for recorded in events.iter().filter(|recorded| self.hears(&recorded.event.ty)) {
            let event = recorded.event.decode()?;
            document = P::project(document, &event, &recorded.happening());
        }
        let document = document.ok_or(ProjectError::Nothing)?;
        let listing = P::listing(&document);
        let known = P::STATES.is_empty() || P::STATES.contains(&listing.state.as_str());
        debug_assert!(known, "{} is in the state {}, which is not among its STATES", P::COLLECTION, listing.state);
        Ok(Projected { document: raw(&document).get().to_owned(), listing, tallies: P::tallies(&document) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cloud_event::CloudEvent;
    use crate::command::{Principal, PrincipalKind};
    use crate::decider::Metadata;
    use crate::ids::{CommandKey, TenantId};
    use crate::receipt::{Digest, ReceiptKeys};
    use crate::timestamp::Timestamp;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Climb {
        metres: u32,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Climbed {
        metres: u32,
    }
    #[derive(Serialize, Deserialize)]
    pub struct ClimbedInFeet {
        feet: u32,
    }
    impl From<ClimbedInFeet> for Climbed {
        fn from(old: ClimbedInFeet) -> Self {
            Self { metres: old.feet * 3 / 10 }
        }
    }
    impl From<Climbed> for ClimbedInFeet {
        fn from(new: Climbed) -> Self {
            Self { feet: new.metres * 10 / 3 }
        }
    }
    crate::messages! {
        pub enum Command { Climb(Climb) = 1 }
    }
    crate::messages! {
        pub enum Event { Climbed(Climbed) = 2 unwritten <- 1: ClimbedInFeet }
    }

    /// Adds up what was climbed, in metres.
    struct Mountaineer;

    impl Decider for Mountaineer {
        type Command = Command;
        type Event = Event;
        type State = u32;

        fn decide(_: &u32, Command::Climb(climb): &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
            Ok(Decision::of(Climbed { metres: climb.metres }))
        }

        fn evolve(sum: u32, Event::Climbed(climbed): &Event) -> u32 {
            sum + climbed.metres
        }
    }

    fn climb(json: &str) -> crate::command::Command {
        let data = RawValue::from_string(json.to_owned()).expect("JSON");
        let event = CloudEvent::builder("c-1", "/huts", "Climb").subject("M-1").data_raw(data);
        let event = event.dataschema("https://api.example/schemas/climbs/Climb/1").build().expect("a CloudEvent");
        let tenant = TenantId::parse("acme").expect("a tenant");
        let key = CommandKey::of(&tenant, event.source(), event.id());
        let keys = ReceiptKeys::parse(&"k".repeat(32)).expect("keys");
        let digest = Digest::of(&event, &serde_json::Value::Null);
        let receipt = keys.seal(&tenant, Timestamp::from_millis(1_790_000_000_000), key, digest);
        let principal = Principal { id: "hut".to_owned(), kind: PrincipalKind::ServiceAccount };
        let sealed = crate::command::Command::seal(event, &tenant, None, &principal, &receipt, Some("00-0-0-01"));
        crate::command::Command::open(sealed.expect("a command").to_json().as_bytes(), "climbs").expect("a command")
    }

    #[test]
    fn what_follows_a_decision_is_what_its_stored_events_say() {
        let context = Context::of::<Mountaineer>("climbs", &[]);
        let climbs = context.aggregate_types().next().expect("at least one");
        let Decided { events, next, .. } = climbs.empty().decide(&climb(r#"{"metres":31}"#)).expect("a decision");
        let [event] = &events[..] else { panic!("one event") };
        assert_eq!((event.schema, event.data.get()), (1, r#"{"feet":103}"#), "converted once");
        let mut loaded = climbs.empty();
        loaded.evolve(event).expect("this build reads it");
        assert_eq!(next.snapshot().state.get(), "30", "feet lose a metre");
        assert_eq!(next.snapshot().state.get(), loaded.snapshot().state.get());
    }
}
