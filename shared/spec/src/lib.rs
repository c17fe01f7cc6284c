//! The specification of a context: given these events, when this command, then those; and the rules that every context
//! keeps to, whatever it decides.
//!
//! For tests only: what does not hold panics.

use std::fs;
use std::path::{Path, PathBuf};

use jsonschema::PatternOptions;
pub use jsonschema::Validator;
use serde_json::{Value, json};

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata};
use kernel::effect::Effect;
use kernel::ids::AggregateId;
use kernel::message::{Message, MessageType};
use kernel::principal::{Principal, PrincipalKind};
use kernel::timestamp::Timestamp;

/// The environment variable that makes [`assert_schemas_match`] write the schema files instead of comparing them.
pub const UPDATE_SCHEMAS: &str = "UPDATE_SCHEMAS";

/// Starts a specification of `D` with the events that have happened.
pub fn given<D: Decider>(events: impl IntoIterator<Item = D::Event>) -> Given<D> {
    Given { state: events.into_iter().fold(D::State::default(), |state, event| D::evolve(state, &event)) }
}

/// The past of an aggregate.
pub struct Given<D: Decider> {
    state: D::State,
}

impl<D: Decider> Given<D> {
    /// Sends `command` to the aggregate `A-1`, accepted [then](NOW) from `somebody`.
    pub fn when(self, command: impl Into<D::Command>) -> Then<D> {
        self.when_at(time(NOW), command)
    }

    /// The same, accepted at that time. A timer's command is accepted when it was due.
    pub fn when_at(self, accepted_at: Timestamp, command: impl Into<D::Command>) -> Then<D> {
        let metadata = Metadata { accepted_at, ..metadata() };
        let outcome = D::decide(&self.state, &command.into(), &metadata).map_err(|rejection| rejection.reason);
        Then { state: self.state, outcome }
    }
}

/// When commands of specifications are accepted, unless they say otherwise.
pub const NOW: &str = "2026-01-01T00:00:00Z";

/// A moment in RFC 3339.
pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

fn metadata() -> Metadata {
    Metadata {
        aggregate: AggregateId::parse("A-1").expect("a valid id"),
        accepted_at: time(NOW),
        principal: Principal { id: "somebody".to_owned(), kind: PrincipalKind::User },
    }
}

/// What came of it.
pub struct Then<D: Decider> {
    state: D::State,
    outcome: Result<Decision<D::Event>, &'static str>,
}

impl<D: Decider> Then<D> {
    /// These events, in this order, happened, and caused nothing elsewhere. Gives the past including them, to go on from.
    pub fn then(self, expected: impl IntoIterator<Item = D::Event>) -> Given<D> {
        self.then_causing(expected, [])
    }

    /// These events happened, and had these effects, each in this order.
    pub fn then_causing(
        self,
        expected: impl IntoIterator<Item = D::Event>,
        effects: impl IntoIterator<Item = Effect>,
    ) -> Given<D> {
        let expected: Vec<_> = expected.into_iter().collect();
        match self.outcome {
            Ok(decision) => {
                assert_eq!(decision.events, expected);
                assert_eq!(decision.effects, effects.into_iter().collect::<Vec<_>>());
                assert!(
                    !decision.events.is_empty() || decision.effects.is_empty(),
                    "effects without an event that remembers them: {:?}",
                    decision.effects
                );
            }
            Err(reason) => panic!("rejected as {reason}; expected {expected:?}"),
        }
        Given { state: expected.iter().fold(self.state, D::evolve) }
    }

    /// The command succeeded and nothing happened: what it asked for was so already.
    pub fn then_nothing(self) -> Given<D> {
        self.then([])
    }

    /// The command was refused for this reason.
    pub fn then_rejected(self, expected: &str) {
        match self.outcome {
            Ok(decision) => panic!("caused {:?}; expected the rejection {expected}", decision.events),
            Err(reason) => assert_eq!(reason, expected),
        }
    }

    /// The decision itself, for what the others do not show: its guards.
    pub fn decision(self) -> Decision<D::Event> {
        self.outcome.unwrap_or_else(|reason| panic!("rejected as {reason}"))
    }
}

/// Sends `commands` to one aggregate, each of them twice: the second time nothing may happen, for a queue delivers at
/// least once and a person clicks twice. On the way, every message and every state must survive being stored.
pub fn assert_safe_to_repeat<D: Decider>(commands: impl IntoIterator<Item = D::Command>) {
    let mut state = D::State::default();
    for command in commands {
        assert_reads_back(&command);
        let Ok(decision) = D::decide(&state, &command, &metadata()) else { continue };
        for event in &decision.events {
            assert_reads_back(event);
            state = D::evolve(state, event);
        }
        if let Ok(again) = D::decide(&state, &command, &metadata()) {
            let Decision { events, effects, .. } = again;
            assert!(
                events.is_empty() && effects.is_empty(),
                "{command:?}, sent twice, caused {events:?} and {effects:?} the second time"
            );
        }
        let stored = json_of(&state);
        let read = serde_json::from_value(stored.clone()).expect("a state reads back from its snapshot");
        assert_eq!(json_of::<D::State>(&read), stored, "a state reads back from its snapshot as it was");
        state = read;
    }
}

/// The message's JSON reads back as what can be said in the version that is written.
pub fn assert_reads_back<M: Message>(message: &M) {
    let (name, version, json) = (message.message_type().name, written(message), message.clone().into_json());
    let read = M::decode(name, version, json.get()).unwrap_or_else(|error| panic!("{error}: {json}"));
    assert_eq!(read, message.clone().into_written(), "reads back from {json}");
}

/// The version that this build writes the message in.
fn written<M: Message>(message: &M) -> u32 {
    let MessageType { name, written, .. } = message.message_type();
    written.unwrap_or_else(|| panic!("{name} is unwritten in this build: nothing may cause it yet"))
}

fn json_of<T: serde::Serialize>(value: &T) -> Value {
    serde_json::to_value(value).expect("a state serialises to JSON")
}

/// Compares `events/schemas/{context}/{Name}.{version}.json` of each message's newest version with what its Rust type
/// generates; the schemas of older versions stay as they are. A generated schema's `title` is its message's name.
///
/// With [`UPDATE_SCHEMAS`] in the environment it writes the files instead.
pub fn assert_schemas_match(context: &Context, generated: impl IntoIterator<Item = Value>) {
    let update = std::env::var_os(UPDATE_SCHEMAS).is_some();
    let mut missing: Vec<_> = context.messages().map(|message| message.name).collect();
    for schema in generated {
        let title = schema["title"].as_str().expect("a generated schema has its type's name as title");
        let message = context.messages().find(|message| message.name == title);
        let message = message.unwrap_or_else(|| panic!("no message of {} is called {title}", context.name));
        missing.retain(|name| *name != title);
        let version = message.versions[0].number;
        let path = schema_file(context, title, version);
        if update {
            let written = fs::write(&path, format!("{schema:#}\n"));
            written.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        } else {
            let text = fs::read_to_string(&path).unwrap_or_default();
            assert!(
                // As values: which order members are written in depends on the features that serde_json is built with.
                serde_json::from_str::<Value>(&text).is_ok_and(|file| file == schema),
                "{file} is not what the type {title} generates. If version {version} was ever deployed, raise it first. \
                 Then write the file with\n    {UPDATE_SCHEMAS}=1 cargo nextest run -p {context} schema_files",
                file = path.file_name().unwrap_or_default().display(),
                context = context.name,
            );
        }
    }
    assert!(missing.is_empty(), "no schema was generated for {missing:?}");
}

fn schema_file(context: &Context, name: &str, version: u32) -> PathBuf {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").expect("cargo runs the tests");
    let folder = Path::new(&package).join("../../../events/schemas").join(context.name);
    folder.join(format!("{name}.{version}.json"))
}

/// A validator as ingest has it: patterns in linear time, formats asserted, nothing fetched.
pub fn validator(schema: &Value) -> Validator {
    let options = jsonschema::options().with_pattern_options(PatternOptions::regex());
    options.should_validate_formats(true).offline().build(schema).expect("a schema")
}

/// The message's schema accepts it; and whatever else the schema accepts, the type reads: tried with every value that
/// differs from the message in one place.
pub fn assert_agrees_with_schema<M: Message>(message: &M) {
    let version = written(message);
    let schema = message.message_type().versions.iter().find(|known| known.number == version);
    let schema = schema.expect("what is written is read").schema;
    let schema = validator(&serde_json::from_str(schema).expect("the schema is JSON"));
    assert_agrees(message, |value| schema.is_valid(value));
}

fn assert_agrees<M: Message>(message: &M, accepts: impl Fn(&Value) -> bool) {
    let (name, version) = (message.message_type().name, written(message));
    let json = serde_json::from_str(message.clone().into_json().get()).expect("a message is JSON");
    assert!(accepts(&json), "the schema of {name} refuses {json}");
    assert_reads_back(message);
    for other in variations(&json).into_iter().filter(|other| accepts(other)) {
        if let Err(error) = M::decode(name, version, &other.to_string()) {
            panic!("the schema accepts {other}, but {error}: {:?}", std::error::Error::source(&error));
        }
    }
}

/// Every value that differs from `value` in one place: a member left out or added, or anything replaced.
fn variations(value: &Value) -> Vec<Value> {
    let anything = json!([null, true, -1, 0, 1, 2.0, 0.5, 1e12, 1e13, u64::MAX, "", "x", "EUR", "\u{0}", [], {}]);
    let mut found = anything.as_array().cloned().unwrap_or_default();
    found.push("ä".repeat(5000).into());
    match value {
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                found.extend(variations(item).into_iter().map(|other| {
                    let mut items = items.clone();
                    items[index] = other;
                    Value::Array(items)
                }));
            }
        }
        Value::Object(members) => {
            let mut with = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
                let mut members = members.clone();
                change(&mut members);
                found.push(Value::Object(members));
            };
            with(&|members| drop(members.insert("unknownMember".to_owned(), json!(1))));
            for (name, member) in members {
                with(&|members| drop(members.remove(name)));
                for other in variations(member) {
                    with(&|members| drop(members.insert(name.clone(), other.clone())));
                }
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

#[cfg(test)]
mod tests {
    use serde::{Deserialize, Serialize};

    use super::*;
    use kernel::decider::Rejection;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Add {
        amount: u32,
    }
    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Added {
        amount: u32,
    }
    kernel::messages! {
        pub enum Command { Add(Add) = 1 }
    }
    kernel::messages! {
        pub enum Event { Added(Added) = 1 }
    }

    /// Adds up to `LIMIT`, as often as it is told.
    struct Sum<const LIMIT: u32>;

    impl<const LIMIT: u32> Decider for Sum<LIMIT> {
        type Command = Command;
        type Event = Event;
        type State = u32;

        fn decide(sum: &u32, command: &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
            let Command::Add(Add { amount }) = *command;
            match amount {
                0 => Ok(Decision::nothing()),
                _ if sum.saturating_add(amount) > LIMIT => Err(Rejection::new("too-much", "")),
                _ => Ok(Decision::of(Added { amount })),
            }
        }

        fn evolve(sum: u32, Event::Added(added): &Event) -> u32 {
            sum + added.amount
        }
    }

    #[test]
    fn a_specification_goes_on_from_what_happened() {
        let added = |amount| Event::from(Added { amount });
        given::<Sum<3>>([added(1)]).when(Add { amount: 2 }).then([added(2)]).when(Add { amount: 0 }).then_nothing();
        given::<Sum<3>>([added(1)]).when(Add { amount: 3 }).then_rejected("too-much");
    }

    #[test]
    fn a_command_that_cannot_happen_twice_is_safe_to_repeat() {
        assert_safe_to_repeat::<Sum<3>>([Add { amount: 0 }.into(), Add { amount: 2 }.into(), Add { amount: 9 }.into()]);
    }

    #[test]
    #[should_panic(expected = "sent twice")]
    fn a_command_that_happens_twice_is_found() {
        assert_safe_to_repeat::<Sum<4>>([Add { amount: 2 }.into()]);
    }

    const CONTEXT: Context = Context::of::<Sum<3>>("sums", &[]);

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    pub struct Removed {}
    mod early {
        kernel::messages! {
            pub enum Event { Removed(super::Removed) = 1 unwritten }
        }
    }

    #[test]
    #[should_panic(expected = "Removed is unwritten in this build: nothing may cause it yet")]
    fn an_event_that_is_unwritten_and_caused_is_found() {
        assert_reads_back(&early::Event::from(Removed {}));
    }

    #[test]
    #[should_panic(expected = "the schema accepts null")]
    fn a_schema_that_accepts_more_than_its_type_is_found() {
        assert_agrees(&Command::from(Add { amount: 1 }), |_| true);
    }

    #[test]
    #[should_panic(expected = "the schema of Add refuses")]
    fn a_schema_that_accepts_less_than_its_type_is_found() {
        assert_agrees(&Command::from(Add { amount: 1 }), |_| false);
    }

    #[test]
    #[should_panic(expected = "UPDATE_SCHEMAS=1 cargo nextest run -p sums schema_files")]
    fn a_schema_file_that_is_not_there_is_found() {
        assert_schemas_match(&CONTEXT, [json!({ "title": "Add" })]);
    }

    #[test]
    fn variations_reach_every_place() {
        let found = variations(&json!({ "a": [1, { "b": 2 }] }));
        for expected in
            [json!({}), json!({ "a": [1, {}] }), json!({ "a": [1, { "b": null }] }), json!({ "a": ["x", { "b": 2 }] })]
        {
            assert!(found.contains(&expected), "{expected}");
        }
    }
}
