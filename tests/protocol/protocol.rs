//! The model: the rules, their bounds, and which of them can be taken away.

use stateright::{Model, Property};

use crate::handling::{Deed, Handling};
use crate::projection::Projection;
use crate::properties;
use crate::recovery::Recovery;
use crate::state::{Command, Faults, State};

/// The rules with their bounds.
#[derive(Debug, Clone)]
pub struct Protocol {
    /// What clients send, in this order.
    pub commands: &'static [Command],
    /// Cannot be decided until an operator repairs it.
    pub poisoned: Option<Command>,
    /// How often a queue delivers a message before it is a dead letter.
    pub max_receives: u8,
    /// How often redrive sends a dead letter back before it is parked.
    pub most_attempts: u8,
    /// How often operators resubmit a command before they discard it.
    pub most_revisions: u8,
    /// Whether the read side is there. What happens on it changes nothing on the command side.
    pub publishing: bool,
    pub faults: Faults,
    /// The guard that is taken away, to see what it is there for.
    pub without: Option<Guard>,
}

/// What makes the difference between "usually" and "always".
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Guard {
    /// A commit is written only if its number is free.
    CommitNumber,
    /// A record is written only over none, or over one that says `retrying`.
    Operation,
    /// And only over one of its own revision.
    Revision,
    /// Redrive deletes a dead letter only after it has sent or parked it.
    DeleteAfterSend,
    /// A document is written only over the version it was made from.
    ReadModelVersion,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    Handling(Handling),
    Recovery(Recovery),
    Projection(Projection),
}

impl Action {
    /// Whether it is something that goes wrong, and not something that somebody does.
    pub fn is_fault(self) -> bool {
        match self {
            Self::Handling(Handling::Repeat) => true,
            Self::Handling(Handling::Work(_, deed)) => {
                matches!(deed, Deed::LoseAnswer | Deed::Fail | Deed::Crash | Deed::TimeOut)
            }
            Self::Handling(_) => false,
            Self::Recovery(action) => matches!(action, Recovery::CrashOfRedrive | Recovery::CrashBeforeNote(_)),
            Self::Projection(action) => {
                matches!(action, Projection::Rewind(_) | Projection::LoseWriteAnswer(_) | Projection::CrashOfUpdater(_))
            }
        }
    }
}

impl Protocol {
    pub fn holds(&self, guard: Guard) -> bool {
        self.without != Some(guard)
    }
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        vec![State::new(self.faults)]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        let (mut handling, mut recovery, mut projection) = (Vec::new(), Vec::new(), Vec::new());
        self.handling(state, &mut handling);
        self.recovery(state, &mut recovery);
        self.projection(state, &mut projection);
        actions.extend(handling.into_iter().map(Action::Handling));
        actions.extend(recovery.into_iter().map(Action::Recovery));
        actions.extend(projection.into_iter().map(Action::Projection));
    }

    fn next_state(&self, state: &State, action: Action) -> Option<State> {
        let mut next = state.clone();
        match action {
            Action::Handling(action) => self.handle(&mut next, action),
            Action::Recovery(action) => self.recover(&mut next, action),
            Action::Projection(action) => self.project(&mut next, action),
        }
        Some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}
