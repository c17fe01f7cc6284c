//! How events change what a payment remembers.

use crate::events::{ChargeRequested, Event};
use crate::state::{Request, Stage, State};

pub(crate) fn evolve(state: State, event: &Event) -> State {
    let version = state.version + 1;
    let state = State { version, ..state };
    match event {
        Event::ChargeRequested(ChargeRequested { amount, due, .. }) => {
            let request = Some(Request { version, amount: amount.clone(), due: *due });
            State { stage: Stage::Requested, request, ..state }
        }
        Event::ChargeSucceeded(event) => State { stage: Stage::Charged, charge: Some(event.charge.clone()), ..state },
        Event::PaymentCalledOff(_) if state.request.is_none() => State { stage: Stage::NotNeeded, ..state },
        Event::ChargeDeclined(_) => State { stage: Stage::Declined, ..state },
        Event::VoidRequested(_) => State { stage: Stage::Voiding, ..state },
        Event::ChargeVoided(_) => State { stage: Stage::Voided, ..state },
        Event::RefundRequested(_) => State { stage: Stage::Refunding, ..state },
        Event::RefundSucceeded(_) => State { stage: Stage::Refunded, ..state },
        // What follows from them stands in events of its own.
        Event::PaymentGivenUp(_)
        | Event::PaymentCalledOff(_)
        | Event::OrderUnconfirmed(_)
        | Event::PaymentNotNeeded(_) => state,
    }
}
