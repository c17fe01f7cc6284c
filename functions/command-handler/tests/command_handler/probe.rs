//! A context whose decider does to the handler whatever a command says.

use std::collections::BTreeSet;
use std::sync::{Condvar, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use bench::Bench;
use kernel::context::Context;
use kernel::counter::Counter;
use kernel::decider::{Decider, Decision, Guard, Metadata, Rejection};
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command {
        Note(Note) = 1,
        Refuse(Refuse) = 1,
        Panic(Panic) = 1,
        PanicUnless(PanicUnless) = 1,
        Hang(Hang) = 1,
        Swell(Swell) = 1,
        Transfer(Transfer) = 1,
        Rename(Rename) = 1,
    }
}

kernel::messages! {
    /// What a later build understands.
    pub enum LaterCommand {
        Whisper(Note) = 2,
    }
}

kernel::messages! {
    pub enum Event {
        Noted(Noted) = 1,
        Swollen(Swollen) = 1,
        Renamed(Renamed) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Note {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refuse {}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Panic {
    pub message: String,
}

/// Panics unless there are so many notes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PanicUnless {
    pub notes: u32,
}

/// Hangs until the [`Gate`] of that number opens.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Hang {
    pub gate: u32,
}

/// So many events of so many bytes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swell {
    pub events: usize,
    pub bytes: usize,
}

/// From one shared counter to another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transfer {
    pub from: String,
    pub to: String,
    pub amount: i64,
}

/// Gives the name back that it has, and claims another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rename {
    pub to: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Noted {
    pub text: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Swollen {
    pub ballast: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Renamed {
    pub to: String,
}

#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub struct State {
    notes: u32,
    name: Option<String>,
}

pub static CONTEXT: Context = Context::of::<Probe>("probe", &[]);

pub fn bench() -> Bench {
    Bench::of(&CONTEXT)
}
/// A build that reads what others do not know.
pub static LATER: Context = Context::of::<Later>("probe", &[]);
/// A build that cannot stand notes of the past that say `trap`.
pub static BRITTLE: Context = Context::of::<Brittle>("probe", &[]);

struct Probe;

impl Decider for Probe {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, _: &Metadata) -> Result<Decision<Event>, Rejection> {
        Ok(match command {
            Command::Note(Note { text }) => note(text),
            Command::Refuse(_) => return Err(Rejection::new("not-today", "Come back tomorrow")),
            Command::Panic(Panic { message }) => panic!("{message}"),
            Command::PanicUnless(PanicUnless { notes }) => {
                assert_eq!(state.notes, *notes, "notes");
                note("as expected")
            }
            Command::Hang(Hang { gate }) => {
                Gate(*gate).wait();
                note("at last")
            }
            Command::Swell(Swell { events, bytes }) => {
                let event = Event::from(Swollen { ballast: "b".repeat(*bytes) });
                Decision { events: vec![event; *events], ..Decision::nothing() }
            }
            Command::Transfer(Transfer { from, to, amount }) => note("transfer")
                .guarded_by(adjust(from, -amount, (from != "bank").then_some(0)))
                .guarded_by(adjust(to, *amount, None)),
            Command::Rename(Rename { to }) => rename(state, to),
        })
    }

    fn evolve(mut state: State, event: &Event) -> State {
        match event {
            Event::Noted(_) => state.notes += 1,
            Event::Swollen(_) => {}
            Event::Renamed(Renamed { to }) => state.name = Some(to.clone()),
        }
        state
    }
}

fn note(text: &str) -> Decision<Event> {
    Decision::of(Noted { text: text.to_owned() })
}

fn adjust(name: &str, by: i64, at_least: Option<i64>) -> Guard {
    let otherwise = Rejection::new("insufficient", format!("{name} has less"));
    let counter = Counter { context: "probe", name: name.to_owned() };
    Guard::Adjust { counter, by, at_least, otherwise }
}

fn rename(state: &State, to: &str) -> Decision<Event> {
    let otherwise = Rejection::new("name-taken", format!("{to} is another's"));
    let claim = Guard::Claim { name: "name", value: to.to_owned(), otherwise };
    let decision = Decision::of(Renamed { to: to.to_owned() }).guarded_by(claim);
    match &state.name {
        Some(name) => decision.guarded_by(Guard::Release { name: "name", value: name.clone() }),
        None => decision,
    }
}

struct Later;

impl Decider for Later {
    type Command = LaterCommand;
    type Event = Event;
    type State = State;

    fn decide(
        _: &State,
        LaterCommand::Whisper(Note { text }): &LaterCommand,
        _: &Metadata,
    ) -> Result<Decision<Event>, Rejection> {
        Ok(note(text))
    }

    fn evolve(state: State, event: &Event) -> State {
        Probe::evolve(state, event)
    }
}

struct Brittle;

impl Decider for Brittle {
    type Command = Command;
    type Event = Event;
    type State = State;

    const STATE_VERSION: u32 = 2;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        Probe::decide(state, command, metadata)
    }

    fn evolve(state: State, event: &Event) -> State {
        assert!(*event != Event::Noted(Noted { text: "trap".to_owned() }), "trapped");
        Probe::evolve(state, event)
    }
}

/// Where a decision hangs until the test lets it go on. By number, for tests may share a process.
#[derive(Clone, Copy)]
pub struct Gate(pub u32);

#[derive(Default)]
struct Gates {
    reached: BTreeSet<u32>,
    open: BTreeSet<u32>,
}

static GATES: LazyLock<(Mutex<Gates>, Condvar)> = LazyLock::new(Default::default);

impl Gate {
    fn wait(self) {
        let (gates, changed) = &*GATES;
        let mut gates = gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.reached.insert(self.0);
        // A test that failed before it opened the gate must still end.
        let passed = changed.wait_timeout_while(gates, Duration::from_secs(20), |gates| !gates.open.contains(&self.0));
        drop(passed);
    }

    /// Comes back once a decision hangs here.
    pub async fn reached(self) {
        while !GATES.0.lock().unwrap_or_else(PoisonError::into_inner).reached.contains(&self.0) {
            tokio::task::yield_now().await;
        }
    }

    pub fn open(self) {
        GATES.0.lock().unwrap_or_else(PoisonError::into_inner).open.insert(self.0);
        GATES.1.notify_all();
    }
}
