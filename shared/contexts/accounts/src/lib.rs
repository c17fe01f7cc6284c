//! Accounts: money is deposited and transferred, and others debit and credit it.
//!
//! What an account can spend is a [counter](counters::AVAILABLE). Whoever moves money moves the counters of both sides in the
//! transaction of their own decision: a debit and its credit happen together or not at all, and nobody spends what is not
//! there. The account then [hears](heard) of what others have moved, and [records](commands::RecordPosting) it. So its
//! document follows the counter, and may for a moment be behind it.

pub mod commands;
pub mod counters;
mod decide;
pub mod events;
mod evolve;
mod heard;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Decider, Decision, Metadata, Rejection};
use kernel::peers::Heard;

use commands::Command;
use counters::{AVAILABLE, HELD};
use events::Event;
use heard::{FromAccounts, FromPolicies};
use projection::AccountView;
use state::State;

pub const CONTEXT: Context = Context::of::<Accounts>("accounts", &[&AccountView])
    .hearing(&[Heard::of::<FromAccounts>("accounts"), Heard::of::<FromPolicies>("policies")])
    .sharing(&[AVAILABLE, HELD]);

/// The account's rules.
pub struct Accounts;

impl Decider for Accounts {
    type Command = Command;
    type Event = Event;
    type State = State;

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        decide::decide(state, command, &metadata.aggregate)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
