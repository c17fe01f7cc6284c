//! How events change what a policy remembers.

use crate::events::{Event, PolicyBound, PremiumAdjusted};
use crate::state::State;

pub(crate) fn evolve(_: State, event: &Event) -> State {
    match event {
        Event::PolicyBound(PolicyBound { premium, .. }) | Event::PremiumAdjusted(PremiumAdjusted { premium }) => {
            State::Active { premium: *premium }
        }
        Event::PolicyCancelled(_) => State::Cancelled,
    }
}
