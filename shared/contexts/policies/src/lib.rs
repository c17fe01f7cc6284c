//! Insurance policies: bound under a number that no other policy of the tenant has, adjusted in premium, and cancelled.
//!
//! A policy may be paid from an [account] of its holder's, which is another context's. It is bound and paid together or not
//! at all.

mod account;
pub mod commands;
pub mod day;
mod decide;
pub mod events;
mod evolve;
pub mod projection;
pub mod state;
#[cfg(test)]
mod tests;

use kernel::context::Context;
use kernel::decider::{Claims, Decider, Decision, Metadata, Rejection};

use account::{AVAILABLE, HELD};
use commands::Command;
use events::Event;
use projection::PolicyView;
use state::State;

pub const CONTEXT: Context = Context::of::<Policies>("policies", &[&PolicyView]).moving(&[AVAILABLE, HELD]);

/// The policy's rules.
pub struct Policies;

impl Decider for Policies {
    type Command = Command;
    type Event = Event;
    type State = State;

    const STATE_VERSION: u32 = 3;

    const CLAIMS: Option<Claims<Event>> = Some(decide::claims);

    fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
        decide::decide(state, command, metadata.accepted_at)
    }

    fn evolve(state: State, event: &Event) -> State {
        evolve::evolve(state, event)
    }
}
