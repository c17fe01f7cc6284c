//! What must hold in every state, whatever happens (`docs/architecture.md`, "What always holds").

use stateright::{Model as _, Property};

use crate::protocol::Protocol;
use crate::state::{Command, Event, Message, Outcome, Parked, Stage, State, Stream, Worker};

pub const AT_MOST_ONCE: &str = "a command takes effect at most once, in whatever revision";
pub const NO_GAPS: &str = "commits and versions have no gaps";
pub const TOGETHER: &str = "a record of success and its event are there together or not at all";
pub const SUPERSEDED: &str = "what was resubmitted does not run as it was before";
pub const FINAL: &str = "a final outcome never changes";
pub const IN_ORDER: &str = "commands of a stream take effect in their order, but for those set aside";
pub const FORWARD: &str = "a read model never goes back";
pub const FOLD: &str = "a read model is what its stream was at its version";
pub const NOT_STUCK: &str = "nothing is stuck: what is not at rest can go on without a fault";

pub const ALL_SUCCEED: &str = "all is at rest, and every command took effect";
pub const COMES_BACK: &str = "a command takes effect that was set aside";
pub const RESUBMITTED: &str = "a command takes effect that an operator resubmitted";

pub fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(AT_MOST_ONCE, |_, state| {
            Command::ALL.into_iter().all(|command| effects(state, command).count() <= 1)
        }),
        Property::always(NO_GAPS, |_, state| Stream::ALL.into_iter().all(|stream| has_no_gaps(state, stream))),
        Property::always(TOGETHER, |_, state| Command::ALL.into_iter().all(|command| is_whole(state, command))),
        Property::always(SUPERSEDED, |_, state: &State| {
            state.parked.iter().flatten().all(|parked| is_alone(state, parked.message))
        }),
        Property::always(FINAL, |_, state| Command::ALL.into_iter().all(|command| is_as_it_was(state, command))),
        Property::always(IN_ORDER, |_, state| is_in_order(state)),
        Property::always(FORWARD, |_, state| {
            Stream::ALL.into_iter().all(|stream| document(state, stream).len() >= state.seen.highest[stream as usize])
        }),
        Property::always(FOLD, |_, state| {
            Stream::ALL.into_iter().all(|stream| {
                let document = document(state, stream);
                state.history(stream).take(document.len()).eq(document)
            })
        }),
        Property::always(NOT_STUCK, |model, state| {
            let mut actions = Vec::new();
            model.actions(state, &mut actions);
            actions.into_iter().any(|action| !action.is_fault()) || is_at_rest(model, state)
        }),
        // And that these do not hold for want of anything happening:
        Property::sometimes(ALL_SUCCEED, |model, state| {
            is_at_rest(model, state) && model.commands.iter().all(|command| effects(state, *command).count() == 1)
        }),
        Property::sometimes(COMES_BACK, |_, state: &State| {
            let came_back =
                |command: &Command| state.seen.aside[*command as usize] && effects(state, *command).count() == 1;
            Command::ALL.iter().any(came_back)
        }),
        Property::sometimes(RESUBMITTED, |_, state| {
            Command::ALL.into_iter().any(|command| effects(state, command).any(|event| event.revision > 0))
        }),
    ]
}

/// Whether every command that was to come has its final outcome, nothing is left in any queue, nobody is at work, and
/// the read models are where their streams are.
pub fn is_at_rest(model: &Protocol, state: &State) -> bool {
    let is_final = |command: &Command| state.seen.first_outcome[*command as usize].is_some();
    let is_done = |parked: &Parked| matches!(parked.stage, Stage::Resubmitted | Stage::Discarded);
    let command_side = model.commands.iter().all(is_final)
        && state.queue.iter().chain(&state.dead_letters).all(Vec::is_empty)
        && state.workers.iter().all(|worker| *worker == Worker::Idle)
        && state.redrive.is_none()
        && state.parked.iter().flatten().all(is_done);
    let read_side = state.notices.iter().all(Vec::is_empty)
        && state.updaters.iter().all(Option::is_none)
        && Stream::ALL.into_iter().all(|stream| state.history(stream).eq(document(state, stream)));
    command_side && (read_side || !model.publishing)
}

/// The events that are a command's.
fn effects(state: &State, command: Command) -> impl Iterator<Item = &Event> {
    state.history(command.stream()).filter(move |event| event.command == command)
}

fn document(state: &State, stream: Stream) -> &Vec<Event> {
    &state.read_models[stream as usize]
}

fn has_no_gaps(state: &State, stream: Stream) -> bool {
    let mut next = 1;
    state.events[stream as usize].iter().all(|commit| {
        let follows = commit.first_version == next && !commit.events.is_empty();
        next += commit.events.len();
        follows
    })
}

fn is_whole(state: &State, command: Command) -> bool {
    let record = state.operations[command as usize].filter(|record| record.outcome == Outcome::Succeeded);
    record.map(|record| record.revision) == effects(state, command).next().map(|event| event.revision)
}

fn is_alone(state: &State, message: Message) -> bool {
    effects(state, message.command).all(|event| event.revision >= message.revision)
}

fn is_as_it_was(state: &State, command: Command) -> bool {
    let first = state.seen.first_outcome[command as usize];
    first.is_none() || state.operations[command as usize].map(|record| record.outcome) == first
}

fn is_in_order(state: &State) -> bool {
    let place = |command| state.history(Stream::A).position(|event| event.command == command);
    let (first, second) = (place(Command::A1), place(Command::A2));
    state.seen.aside[Command::A1 as usize] || second.is_none() || (first.is_some() && first < second)
}
