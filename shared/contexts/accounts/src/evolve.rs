//! How events change what an account remembers.

use crate::events::{AccountOpened, Event};
use crate::state::State;

pub(crate) fn evolve(state: State, event: &Event) -> State {
    match event {
        Event::AccountOpened(AccountOpened { currency, .. }) => State::Open { currency: currency.clone() },
        Event::MoneyDeposited(_) | Event::MoneyTransferred(_) | Event::PostingRecorded(_) => state,
    }
}
