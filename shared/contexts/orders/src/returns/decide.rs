//! The return's rules. A command for what is so already succeeds and causes nothing.

use kernel::decider::{Decision, Metadata, Rejection};

use super::commands::{Command, RequestReturn};
use super::events::{Event, ReturnReceived, ReturnRequested, ReturnWithdrawn};
use super::returnable;
use super::state::State;

pub(crate) fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match command {
        Command::RequestReturn(command) => request(state, command, metadata),
        Command::WithdrawReturn(_) => withdraw(state),
        Command::ReceiveReturn(_) => receive(state),
    }
}

fn request(state: &State, command: &RequestReturn, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    if *state != State::Unknown {
        return Err(Rejection::new("already-requested", "The return was requested before; another one needs a new id"));
    }
    let RequestReturn { order, customer, reason } = command.clone();
    let guard = returnable(&order, -1);
    let requested_at = metadata.accepted_at;
    Ok(Decision::of(ReturnRequested { order, customer, reason, requested_at }).guarded_by(guard))
}

fn withdraw(state: &State) -> Result<Decision<Event>, Rejection> {
    match state {
        State::Unknown => Err(unknown_return()),
        State::Requested(order) => Ok(Decision::of(ReturnWithdrawn {}).guarded_by(returnable(order, 1))),
        State::Withdrawn => Ok(Decision::nothing()),
        State::Received => Err(Rejection::new("already-received", "The parcel has come back already")),
    }
}

fn receive(state: &State) -> Result<Decision<Event>, Rejection> {
    match state {
        State::Unknown => Err(unknown_return()),
        State::Requested(_) => Ok(Decision::of(ReturnReceived {})),
        State::Withdrawn => Err(Rejection::new("already-withdrawn", "The customer keeps the order")),
        State::Received => Ok(Decision::nothing()),
    }
}

fn unknown_return() -> Rejection {
    Rejection::new("unknown-return", "No return was requested under this id")
}
