//! How events change what a policy remembers.

use crate::events::{Event, PolicyBound, PremiumAdjusted};
use crate::state::{Cover, State};

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match (event, state) {
        (Event::PolicyBound(policy), _) => {
            let PolicyBound { premium, currency, account, from, until, .. } = policy.clone();
            State::Active(Cover { premium, currency, account, from, until, since: from })
        }
        (Event::PremiumAdjusted(PremiumAdjusted { premium, effective, .. }), State::Active(cover)) => {
            State::Active(Cover { premium: *premium, since: effective.unwrap_or(cover.since), ..cover })
        }
        (Event::PremiumAdjusted(_), state) => state,
        (Event::PolicyCancelled(_), _) => State::Cancelled,
    }
}
