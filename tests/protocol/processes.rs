//! How contexts hear each other, send and wait, as a model: one process that hears an event, sends a command, and waits for
//! what becomes of it or for a timer, which a client may put off. Every interleaving, with repeats, lost messages and deaths
//! at each step, within bounds. `docs/protocol.md` is the page about it.

use std::collections::BTreeSet;

use stateright::{Checker as _, HasDiscoveries, Model, Property};

/// Commands of the process. Each may lie in its queue several times.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Command {
    /// Made of the event that is heard.
    Hear,
    /// A client's: wait longer.
    PutOff,
    /// The other context has carried out what was sent, as its event says.
    NoteDone,
    /// The other context has refused it.
    NoteRefusal,
    /// The first timer, and the one that replaces it.
    First,
    Second,
}

const COMMANDS: [Command; 6] =
    [Command::Hear, Command::PutOff, Command::NoteDone, Command::NoteRefusal, Command::First, Command::Second];

/// Events of the process, a commit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Event {
    /// Sends a command, and sets the first timer.
    Began,
    /// Replaces the timer.
    PutOff,
    /// These three end it, and cancel the timer.
    Finished,
    Refused,
    TimedOut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Outcome {
    Succeeded,
    Rejected,
}

/// Everything durable.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct State {
    /// Of the process.
    events: Vec<Event>,
    /// How often each command lies in the process's queue, and whether it has its record.
    queued: [u8; 6],
    recorded: [bool; 6],
    /// Whether each commit has been carried out, at least once.
    carried_out: Vec<bool>,
    /// What was sent: in the other context's queue; its record; how often it took effect.
    sent: u8,
    outcome: Option<Outcome>,
    effects: u8,
    /// Whether the process was told.
    told: bool,
    /// The timer's row, and the messages for each timer that are on their way.
    row: Option<Command>,
    messages: [u8; 2],
    /// How many of the two timers are due by now.
    due: u8,
    /// A timer ended the process that nothing waited for.
    stale: bool,
    faults: Faults,
}

/// How often each thing may still go wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Faults {
    repeats: u8,
    losses: u8,
    deaths: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Action {
    /// The listener makes a command of the event; it may do so again.
    Listen,
    /// The client sends its command.
    Ask,
    Handle(Command),
    /// It is committed, and the message stays in the queue.
    HandleAndDie(Command),
    /// The publisher carries out the effects of a commit; it may do so again.
    CarryOut(usize),
    /// It has written the timer's row, and no more.
    CarryOutAndDie(usize),
    /// The other context handles what was sent.
    Answer(Outcome),
    AnswerAndDie(Outcome),
    /// The process is told what became of it; perhaps again.
    Tell,
    /// Time passes until the next timer is due.
    Wait,
    /// The timekeeper hands in the command that a message names.
    HandIn(Command),
    HandInAndDie(Command),
    /// A message of a timer is lost.
    Lose(Command),
    /// The sweep sends a message for the row, if it is overdue.
    Sweep,
}

/// What makes a repeat harmless.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Guard {
    /// A command made of an event has one key.
    KeyOfHeard,
    /// So has one that a commit sends.
    KeyOfSent,
    /// The state folds a timer away that nothing waits for.
    StaleTimer,
    /// A timer is set only over an older one.
    NewerTimer,
    /// The row is deleted only after its command is queued.
    DeleteAfterQueue,
}

#[derive(Debug, Clone)]
struct Processes {
    /// Whether the process learns what became of what it sent. If not, only the timer ends it.
    answers: bool,
    faults: Faults,
    without: Option<Guard>,
}

const HEARD_ONCE: &str = "an event is heard once";
const SENT_ONCE: &str = "what is sent takes effect once";
const ONE_END: &str = "a process ends once";
const NOT_STALE: &str = "no timer has an effect that nothing waits for";
const RIGHT_END: &str = "a process ends as what it sent did";
const NOT_STUCK: &str = "what has not ended can go on without a fault";
const FINISHES: &str = "a process finishes";
const TIMES_OUT: &str = "a process times out after it was put off";

impl State {
    fn add(&mut self, command: Command) {
        self.queued[command as usize] += 1;
    }

    fn ends(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().filter(|event| matches!(event, Event::Finished | Event::Refused | Event::TimedOut))
    }

    /// The timer that the process waits for.
    fn waits_for(&self) -> Option<Command> {
        match self.events.last()? {
            Event::Began => Some(Command::First),
            Event::PutOff => Some(Command::Second),
            Event::Finished | Event::Refused | Event::TimedOut => None,
        }
    }

    fn is_at_rest(&self) -> bool {
        let empty = self.queued.iter().chain(&self.messages).all(|count| *count == 0) && self.sent == 0;
        self.ends().count() == 1 && empty && self.row.is_none() && self.carried_out.iter().all(|done| *done)
    }
}

/// Which of the two messages is a timer's.
fn of_timer(timer: Command) -> usize {
    usize::from(timer == Command::Second)
}

impl Processes {
    fn holds(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }

    /// What the process makes of a command, as its decider does.
    fn decide(&self, state: &mut State, command: Command) {
        let keyed = command != Command::Hear || self.holds(Guard::KeyOfHeard);
        if std::mem::replace(&mut state.recorded[command as usize], true) && keyed {
            return;
        }
        let waits_for = state.waits_for();
        let event = match command {
            Command::Hear => Some(Event::Began),
            Command::PutOff => (waits_for == Some(Command::First)).then_some(Event::PutOff),
            Command::NoteDone => waits_for.map(|_| Event::Finished),
            Command::NoteRefusal => waits_for.map(|_| Event::Refused),
            Command::First | Command::Second => {
                let waited_for = waits_for == Some(command);
                let ends = waited_for || !self.holds(Guard::StaleTimer);
                state.stale |= ends && !waited_for;
                ends.then_some(Event::TimedOut)
            }
        };
        if let Some(event) = event {
            state.events.push(event);
            state.carried_out.push(false);
        }
    }

    fn carry_out(&self, state: &mut State, commit: usize, dies: bool) {
        let set = match state.events[commit] {
            Event::Began => Command::First,
            Event::PutOff => Command::Second,
            Event::Finished | Event::Refused | Event::TimedOut => {
                state.row = None;
                state.carried_out[commit] = true;
                return;
            }
        };
        let is_newer = state.row.is_none_or(|row| row <= set);
        if is_newer || !self.holds(Guard::NewerTimer) {
            state.row = Some(set);
            if dies {
                return;
            }
            state.messages[of_timer(set)] += 1;
        }
        if !dies {
            state.sent += u8::from(set == Command::First);
            state.carried_out[commit] = true;
        }
    }

    fn answer(&self, state: &mut State, outcome: Outcome) {
        if state.outcome.is_none() || !self.holds(Guard::KeyOfSent) {
            state.outcome = Some(outcome);
            state.effects += u8::from(outcome == Outcome::Succeeded);
        }
    }

    fn hand_in(&self, state: &mut State, timer: Command, dies: bool) {
        let is_set = state.row == Some(timer);
        let queued_first = self.holds(Guard::DeleteAfterQueue);
        if is_set && (!dies || queued_first) {
            state.add(timer);
        }
        if is_set && (!dies || !queued_first) {
            state.row = None;
        }
        if !dies {
            state.messages[of_timer(timer)] -= 1;
        }
    }

    fn is_fault(state: &State, action: Action) -> bool {
        match action {
            Action::HandleAndDie(_)
            | Action::CarryOutAndDie(_)
            | Action::AnswerAndDie(_)
            | Action::HandInAndDie(_)
            | Action::Lose(_) => true,
            Action::Listen => state.recorded[Command::Hear as usize] || state.queued[Command::Hear as usize] > 0,
            Action::CarryOut(commit) => state.carried_out[commit],
            Action::Tell => state.told,
            _ => false,
        }
    }
}

impl Model for Processes {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State {
            events: Vec::new(),
            queued: [0; 6],
            recorded: [false; 6],
            carried_out: Vec::new(),
            sent: 0,
            outcome: None,
            effects: 0,
            told: false,
            row: None,
            messages: [0; 2],
            due: 0,
            stale: false,
            faults: self.faults,
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let Faults { repeats, losses, deaths } = state.faults;
        let is_first = !state.recorded[Command::Hear as usize] && state.queued[Command::Hear as usize] == 0;
        if is_first || repeats > 0 {
            actions.push(Action::Listen);
        }
        let asked = state.recorded[Command::PutOff as usize] || state.queued[Command::PutOff as usize] > 0;
        if !asked && !state.events.is_empty() {
            actions.push(Action::Ask);
        }
        for command in COMMANDS.into_iter().filter(|command| state.queued[*command as usize] > 0) {
            actions.push(Action::Handle(command));
            actions.extend((deaths > 0).then_some(Action::HandleAndDie(command)));
        }
        for (commit, done) in state.carried_out.iter().enumerate() {
            if !done || repeats > 0 {
                actions.push(Action::CarryOut(commit));
            }
            actions.extend((deaths > 0 && !done).then_some(Action::CarryOutAndDie(commit)));
        }
        for outcome in [Outcome::Succeeded, Outcome::Rejected] {
            if state.sent > 0 {
                actions.push(Action::Answer(outcome));
                actions.extend((deaths > 0).then_some(Action::AnswerAndDie(outcome)));
            }
        }
        if self.answers && state.outcome.is_some() && (!state.told || repeats > 0) {
            actions.push(Action::Tell);
        }
        if state.due < 2 {
            actions.push(Action::Wait);
        }
        for timer in [Command::First, Command::Second] {
            let is_due = usize::from(state.due) > of_timer(timer);
            if state.messages[of_timer(timer)] > 0 {
                actions.extend(is_due.then_some(Action::HandIn(timer)));
                actions.extend((is_due && deaths > 0).then_some(Action::HandInAndDie(timer)));
                actions.extend((losses > 0).then_some(Action::Lose(timer)));
            }
        }
        let overdue = |row: Command| usize::from(state.due) > of_timer(row) && state.messages[of_timer(row)] == 0;
        actions.extend(state.row.is_some_and(overdue).then_some(Action::Sweep));
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut state = last.clone();
        match action {
            Action::HandleAndDie(_) | Action::CarryOutAndDie(_) | Action::AnswerAndDie(_) | Action::HandInAndDie(_) => {
                state.faults.deaths -= 1;
            }
            Action::Lose(_) => state.faults.losses -= 1,
            _ => state.faults.repeats -= u8::from(Self::is_fault(last, action)),
        }
        match action {
            Action::Listen => state.add(Command::Hear),
            Action::Ask => state.add(Command::PutOff),
            Action::Handle(command) => {
                state.queued[command as usize] -= 1;
                self.decide(&mut state, command);
            }
            Action::HandleAndDie(command) => self.decide(&mut state, command),
            Action::CarryOut(commit) => self.carry_out(&mut state, commit, false),
            Action::CarryOutAndDie(commit) => self.carry_out(&mut state, commit, true),
            Action::Answer(outcome) => {
                state.sent -= 1;
                self.answer(&mut state, outcome);
            }
            Action::AnswerAndDie(outcome) => self.answer(&mut state, outcome),
            Action::Tell => {
                state.told = true;
                state.add(match state.outcome? {
                    Outcome::Succeeded => Command::NoteDone,
                    Outcome::Rejected => Command::NoteRefusal,
                });
            }
            Action::Wait => state.due += 1,
            Action::HandIn(timer) => self.hand_in(&mut state, timer, false),
            Action::HandInAndDie(timer) => self.hand_in(&mut state, timer, true),
            Action::Lose(timer) => state.messages[of_timer(timer)] -= 1,
            Action::Sweep => state.messages[of_timer(state.row?)] += 1,
        }
        Some(state)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        vec![
            Property::always(HEARD_ONCE, |_, state: &State| {
                state.events.iter().filter(|event| **event == Event::Began).count() <= 1
            }),
            Property::always(SENT_ONCE, |_, state: &State| state.effects <= 1),
            Property::always(ONE_END, |_, state: &State| state.ends().count() <= 1),
            Property::always(NOT_STALE, |_, state: &State| !state.stale),
            Property::always(RIGHT_END, |_, state: &State| {
                state.ends().all(|end| match end {
                    Event::Finished => state.outcome == Some(Outcome::Succeeded),
                    Event::Refused => state.outcome == Some(Outcome::Rejected),
                    _ => true,
                })
            }),
            Property::always(NOT_STUCK, |model: &Self, state: &State| {
                let mut actions = Vec::new();
                model.actions(state, &mut actions);
                // Time alone mends nothing.
                let goes_on = |action: &Action| !Self::is_fault(state, *action) && *action != Action::Wait;
                let waiting = state.due < 2 && (state.row.is_some() || state.messages != [0; 2]);
                actions.iter().any(goes_on) || waiting || state.ends().count() == 1
            }),
            Property::sometimes(FINISHES, |_, state: &State| {
                state.is_at_rest() && state.events.last() == Some(&Event::Finished)
            }),
            Property::sometimes(TIMES_OUT, |_, state: &State| {
                state.is_at_rest() && state.events == [Event::Began, Event::PutOff, Event::TimedOut]
            }),
        ]
    }
}

/// With an answer, and without.
fn models() -> [Processes; 2] {
    let faults = Faults { repeats: 2, losses: 1, deaths: 1 };
    [true, false].map(|answers| Processes { answers, faults, without: None })
}

#[test]
fn what_always_holds_does_for_processes() {
    for model in models() {
        let happens = if model.answers { FINISHES } else { TIMES_OUT };
        let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
        println!("processes: {} states", checker.unique_state_count());
        let discoveries = checker.discoveries();
        for property in checker.model().properties() {
            if property.expectation.discovery_is_failure()
                && let Some(path) = discoveries.get(property.name)
            {
                panic!("it does not hold that {}:\n{}", property.name, path);
            }
        }
        assert!(discoveries.contains_key(happens), "it never happens that {happens}");
    }
}

/// Without the guard something breaks.
fn counterexample(guard: Guard, breaks: &'static str) {
    let found = models().into_iter().find_map(|model| {
        let model = Processes { without: Some(guard), ..model };
        let checker = model.checker().finish_when(HasDiscoveries::AnyOf(BTreeSet::from([breaks])));
        checker.spawn_bfs().join().discovery(breaks)
    });
    let found = found.unwrap_or_else(|| panic!("{guard:?} is needed for nothing"));
    println!("Without {guard:?} it does not hold that {breaks}.\n{:?}", found.into_actions());
}

#[test]
fn without_the_key_of_a_heard_event_it_is_heard_twice() {
    counterexample(Guard::KeyOfHeard, HEARD_ONCE);
}

#[test]
fn without_the_key_of_a_sent_command_it_takes_effect_twice() {
    counterexample(Guard::KeyOfSent, SENT_ONCE);
}

#[test]
fn without_the_states_check_a_stale_timer_has_an_effect() {
    counterexample(Guard::StaleTimer, NOT_STALE);
}

#[test]
fn without_the_rows_condition_an_older_timer_replaces_a_newer_one() {
    counterexample(Guard::NewerTimer, NOT_STUCK);
}

#[test]
fn a_row_that_is_deleted_before_its_command_is_queued_forgets_the_timer() {
    counterexample(Guard::DeleteAfterQueue, NOT_STUCK);
}
