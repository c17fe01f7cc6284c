//! How Waybill works, in a few hundred lines that a machine goes through: every interleaving of everybody who is at
//! work, with crashes, lost answers, failures, time-outs and repeats at every step, within bounds.
//!
//! To be read in this order:
//!
//! - [`state`]: the words; everything durable, and everyone who is at work
//! - [`handling`]: a command's way through queue, handler and transaction
//! - [`recovery`]: the way back of what failed
//! - [`projection`]: from a stream to its read model
//! - [`properties`]: what must hold in every state
//! - [`protocol`]: the bounds, and the guards that can be taken away
//!
//! The tests here go through all states ([`exhaust`]), see that a way to the end leads from each of them
//! ([`from_everywhere_to_rest`]), and that without any one of the guards something breaks ([`counterexample`]).
//! `docs/protocol.md` is the page about it.

mod handling;
mod projection;
mod properties;
mod protocol;
mod recovery;
mod state;

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Instant;

use stateright::{Checker as _, HasDiscoveries, Model as _};

use crate::handling::Handling;
use crate::properties::{
    ALL_SUCCEED, AT_MOST_ONCE, COMES_BACK, FORWARD, NOT_STUCK, RESUBMITTED, SUPERSEDED, TOGETHER, is_at_rest,
};
use crate::protocol::{Action, Guard, Protocol};
use crate::state::{Command, Faults, Message, State, Worker};

/// Commands that could succeed at once, and handlers in trouble.
fn handling() -> Protocol {
    Protocol {
        commands: &Command::ALL,
        poisoned: None,
        max_receives: 2,
        most_attempts: 1,
        most_revisions: 1,
        publishing: false,
        faults: Faults { crashes: 1, lost_answers: 1, failures: 1, time_outs: 1, ..Faults::default() },
        without: None,
    }
}

/// The two of one stream alone, with more trouble, and a client that repeats itself.
fn one_stream() -> Protocol {
    let faults = Faults { crashes: 2, lost_answers: 2, time_outs: 1, repeats: 1, ..Faults::default() };
    Protocol { commands: &Command::ALL[..2], faults, ..handling() }
}

/// One that cannot be decided before it is repaired, and a queue that gives up at once.
fn recovery() -> Protocol {
    let faults = Faults { crashes: 1, failures: 1, ..Faults::default() };
    Protocol { poisoned: Some(Command::A1), max_receives: 1, faults, ..handling() }
}

/// The same for one stream, and originals that are still under way when others act on them.
fn recovery_of_one_stream() -> Protocol {
    Protocol { commands: &Command::ALL[..2], faults: Faults { time_outs: 1, ..recovery().faults }, ..recovery() }
}

/// One stream and its read side.
fn reading() -> Protocol {
    let faults = Faults { crashes: 2, lost_answers: 1, rewinds: 2, ..Faults::default() };
    Protocol { commands: &Command::ALL[..2], publishing: true, faults, ..handling() }
}

#[test]
fn what_always_holds_does_with_handlers_in_trouble() {
    exhaust("handling", handling(), &[ALL_SUCCEED, COMES_BACK]);
    exhaust("handling of one stream", one_stream(), &[ALL_SUCCEED, COMES_BACK]);
}

#[test]
fn what_always_holds_does_on_the_way_back() {
    exhaust("recovery", recovery(), &[ALL_SUCCEED, COMES_BACK, RESUBMITTED]);
    exhaust("recovery of one stream", recovery_of_one_stream(), &[ALL_SUCCEED, COMES_BACK, RESUBMITTED]);
}

#[test]
fn what_always_holds_does_on_the_read_side() {
    exhaust("reading", reading(), &[ALL_SUCCEED]);
}

#[test]
fn from_every_state_there_is_a_way_to_the_end() {
    from_everywhere_to_rest("handling of one stream", &Protocol { commands: &Command::ALL[..2], ..handling() });
    from_everywhere_to_rest("recovery", &recovery());
    from_everywhere_to_rest("reading", &reading());
}

#[test]
fn without_the_commit_condition_a_commit_overwrites_another() {
    counterexample(Guard::CommitNumber, &recovery_of_one_stream(), TOGETHER);
}

#[test]
fn without_the_operation_condition_a_repeat_takes_effect() {
    counterexample(Guard::Operation, &one_stream(), AT_MOST_ONCE);
}

#[test]
fn without_the_revision_condition_the_original_runs_in_place_of_the_repaired() {
    counterexample(Guard::Revision, &recovery_of_one_stream(), SUPERSEDED);
}

#[test]
fn without_the_version_condition_a_read_model_goes_back() {
    counterexample(Guard::ReadModelVersion, &reading(), FORWARD);
}

#[test]
fn a_dead_letter_deleted_before_it_is_sent_is_lost() {
    let sound = Protocol { poisoned: None, commands: &Command::ALL[..1], ..recovery() };
    counterexample(Guard::DeleteAfterSend, &sound, NOT_STUCK);
}

/// Goes through every state: all that must always hold does, and what is named here happens.
fn exhaust(name: &str, model: Protocol, happens: &[&'static str]) {
    let started = Instant::now();
    let checker = model.checker().threads(2).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    println!(
        "{name}: {} states by {} transitions, {:.1} s",
        checker.unique_state_count(),
        checker.state_count() - 1,
        started.elapsed().as_secs_f64()
    );
    let discoveries = checker.discoveries();
    for property in checker.model().properties().iter().filter(|property| property.expectation.discovery_is_failure()) {
        if let Some(path) = discoveries.get(property.name) {
            panic!("it does not hold that {}:\n{}", property.name, told(path.clone().into_vec()));
        }
    }
    for name in happens {
        assert!(discoveries.contains_key(name), "it never happens that {name}");
    }
}

/// A shortest way in which something breaks without the guard. (Two threads would not look in order of length.)
fn counterexample(guard: Guard, model: &Protocol, breaks: &'static str) {
    let model = Protocol { without: Some(guard), ..model.clone() };
    let found = |depth: usize| {
        let checker = model.clone().checker().finish_when(HasDiscoveries::AnyOf(BTreeSet::from([breaks])));
        checker.target_max_depth(depth).spawn_bfs().join().discovery(breaks)
    };
    let mut shortest = found(usize::MAX).unwrap_or_else(|| panic!("{guard:?} is needed for nothing"));
    // What is found is one of the first, not the first.
    while let Some(shorter) = found(shortest.clone().into_states().len()) {
        shortest = shorter;
    }
    let steps = shortest.into_vec();
    println!("Without {guard:?} it does not hold that {breaks}. {} actions:\n{}", steps.len() - 1, told(steps));
}

/// Finds every state, and goes back from those at rest by all that is no fault: whatever went wrong, it need not go
/// well by luck. (The checker's own `eventually` looks at ends only, and not at ways that meet.)
fn from_everywhere_to_rest(name: &str, model: &Protocol) {
    let hash = |state: &State| {
        let mut hasher = DefaultHasher::new();
        state.hash(&mut hasher);
        hasher.finish()
    };
    let mut known: HashMap<u64, usize> = HashMap::new();
    let mut before: Vec<Vec<usize>> = Vec::new();
    let mut at_rest = Vec::new();
    let mut to_visit = Vec::new();
    let mut meet = |state: State, before: &mut Vec<Vec<usize>>, to_visit: &mut Vec<(usize, State)>| {
        *known.entry(hash(&state)).or_insert_with(|| {
            if is_at_rest(model, &state) {
                at_rest.push(before.len());
            }
            to_visit.push((before.len(), state));
            before.push(Vec::new());
            before.len() - 1
        })
    };
    for state in model.init_states() {
        meet(state, &mut before, &mut to_visit);
    }
    while let Some((place, state)) = to_visit.pop() {
        for (action, next) in model.next_steps(&state) {
            let next = meet(next, &mut before, &mut to_visit);
            if !action.is_fault() {
                before[next].push(place);
            }
        }
    }
    let mut leads_to_rest = vec![false; before.len()];
    while let Some(place) = at_rest.pop() {
        if !std::mem::replace(&mut leads_to_rest[place], true) {
            at_rest.extend(&before[place]);
        }
    }
    println!("{name}: a way to the end from each of {} states", before.len());
    assert!(leads_to_rest.iter().all(|leads| *leads));
}

/// What was done, line by line, with the commands that a handler had in hand.
fn told(steps: Vec<(State, Option<Action>)>) -> String {
    let of = |message: &Message| match message.revision {
        0 => format!("{:?}", message.command),
        revision => format!("{:?} in revision {revision}", message.command),
    };
    let line = |(state, action): (State, Option<Action>)| match action? {
        Action::Handling(Handling::Work(number, deed)) => {
            let Worker::At(_, batch) = &state.workers[number] else { return None };
            let in_hand: Vec<_> = batch.pending.iter().map(of).collect();
            Some(format!("Handler {number}: {deed:?} ({})", in_hand.join(", ")))
        }
        Action::Handling(action) => Some(format!("{action:?}")),
        Action::Recovery(action) => Some(format!("{action:?}")),
        Action::Projection(action) => Some(format!("{action:?}")),
    };
    let lines: Vec<_> = steps.into_iter().filter_map(line).zip(1..).map(|(line, n)| format!("{n:4}. {line}")).collect();
    lines.join("\n")
}
