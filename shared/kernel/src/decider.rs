//! The decider: one aggregate's rules as two pure functions.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::counter::Counter;
use crate::effect::Effect;
use crate::ids::AggregateId;
use crate::message::Message;
use crate::principal::Principal;
use crate::timestamp::Timestamp;

/// One kind of aggregate. `decide` says what happens, `evolve` remembers that it did; neither asks the world.
///
/// A bounded context implements this once, on an empty type.
pub trait Decider: 'static {
    type Command: Message;
    type Event: Message;
    /// What must be remembered to decide; `Default` is the state before the first event.
    type State: Default + Clone + Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Raise it when `State` changes its shape or `evolve` its meaning: snapshots of another version are
    /// passed over and the state is folded from the events again.
    const STATE_VERSION: u32 = 1;

    /// Which [claims](Guard::Claim) go with an event. The verifier holds them against what is stored. `None`: nothing is said, and
    /// only a claim of an aggregate that does not exist is found.
    const CLAIMS: Option<Claims<Self::Event>> = None;

    /// The events that the command causes, or a refusal. Deterministic: the same arguments, the same answer.
    fn decide(
        state: &Self::State,
        command: &Self::Command,
        metadata: &Metadata,
    ) -> Result<Decision<Self::Event>, Rejection>;

    /// The state after `event`. Every event ever stored must be accepted.
    fn evolve(state: Self::State, event: &Self::Event) -> Self::State;
}

/// What an event says of claims.
pub type Claims<E> = fn(&E) -> Vec<Claiming>;

/// A value that is one aggregate's alone.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Claim {
    pub name: &'static str,
    pub value: String,
}

/// That a value is taken, or given back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claiming {
    /// The value is the aggregate's since.
    Taken(Claim),
    /// It is no longer.
    GivenBack(Claim),
}

/// What a decider may know of a command besides its payload. The same at every retry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Metadata {
    pub aggregate: AggregateId,
    /// When the command was accepted: the only "now" there is in a decision. Of one that is made from an event, when that
    /// happened; of a timer's, when it was due.
    pub accepted_at: Timestamp,
    /// Who sent it.
    pub principal: Principal,
}

/// What a command causes. No events: there was nothing left to do, and the command has succeeded.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision<E> {
    pub events: Vec<E>,
    /// Conditions on what lies outside the aggregate, held in the same transaction as the events.
    pub guards: Vec<Guard>,
    /// Commands for others and timers, stored in the same transaction. Not without an event, which remembers them.
    pub effects: Vec<Effect>,
}

impl<E> Decision<E> {
    pub fn nothing() -> Self {
        Self { events: Vec::new(), guards: Vec::new(), effects: Vec::new() }
    }

    pub fn of(event: impl Into<E>) -> Self {
        Self::nothing().and(event)
    }

    #[must_use]
    pub fn and(mut self, event: impl Into<E>) -> Self {
        self.events.push(event.into());
        self
    }

    #[must_use]
    pub fn causing(mut self, effect: Effect) -> Self {
        self.effects.push(effect);
        self
    }

    #[must_use]
    pub fn guarded_by(mut self, guard: Guard) -> Self {
        self.guards.push(guard);
        self
    }
}

/// A condition that reaches beyond one aggregate, within the tenant. All of a decision's hold, or nothing happens: then the
/// first that does not hold says why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Guard {
    /// `value` becomes this aggregate's alone among all of the context that claim under `name`; fine if it is already.
    Claim { name: &'static str, value: String, otherwise: Rejection },
    /// Gives a claimed value back; rejected as `claim-not-held` if it is another aggregate's by now.
    Release { name: &'static str, value: String },
    /// Moves a counter by `by`, unless it would be below `at_least` then. Two of them in one decision are a debit with its
    /// credit; one by 0 only asks.
    Adjust { counter: Counter, by: i64, at_least: Option<i64>, otherwise: Rejection },
}

/// A business answer of "no": final, and never retried.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Rejection {
    /// Stable, in kebab case; clients decide by it.
    pub reason: &'static str,
    /// For the client's developer or user.
    pub detail: String,
}

impl Rejection {
    pub fn new(reason: &'static str, detail: impl Into<String>) -> Self {
        Self { reason, detail: detail.into() }
    }
}
