//! The payment's rules: an order that is charged is confirmed, any other is cancelled, and what was charged for one that is
//! cancelled goes back.
//!
//! Commands come late, twice, and before others that were first. What changes nothing any more causes nothing.

use std::time::Duration;

use kernel::decider::{Decision, Metadata, Rejection};
use kernel::effect::Effect;

use crate::commands::{
    CallOffPayment, Command, GiveUpPayment, RecordCharge, RecordDecline, RecordRefund, RecordUnconfirmed, StartPayment,
};
use crate::events::{
    ChargeDeclined, ChargeRequested, ChargeSucceeded, ChargeVoided, Event, OrderUnconfirmed, PaymentCalledOff,
    PaymentGivenUp, PaymentNotNeeded, RefundRequested, RefundSucceeded, VoidRequested,
};
use crate::peers::{CancelOrder, ConfirmOrder, Sent};
use crate::state::{Request, Stage, State};

/// The timer that gives up.
const TIME_LIMIT: &str = "time-limit";

pub(crate) fn decide(state: &State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match command {
        Command::StartPayment(command) => Ok(start(state, command, metadata)),
        Command::CallOffPayment(CallOffPayment {}) => Ok(call_off(state)),
        Command::GiveUpPayment(GiveUpPayment {}) => Ok(give_up(state, metadata)),
        Command::RecordCharge(command) => charged(state, command, metadata),
        Command::RecordDecline(command) => declined(state, command, metadata),
        Command::RecordVoid(_) => voided(state),
        Command::RecordRefund(command) => refunded(state, command),
        Command::RecordUnconfirmed(command) => unconfirmed(state, command, metadata),
    }
}

fn start(state: &State, command: &StartPayment, metadata: &Metadata) -> Decision<Event> {
    let StartPayment { customer, amount, within_seconds } = command.clone();
    match state.stage {
        Stage::Unknown => {
            let due = metadata.accepted_at.plus(Duration::from_secs(within_seconds.into()));
            Decision::of(ChargeRequested { customer, amount, due }).causing(Effect::set_timer(
                TIME_LIMIT,
                due,
                Command::from(GiveUpPayment {}),
            ))
        }
        // The first of its events was that it is called off.
        Stage::NotNeeded if state.version == 1 => Decision::of(PaymentNotNeeded { customer, amount }),
        _ => Decision::nothing(),
    }
}

fn call_off(state: &State) -> Decision<Event> {
    match (state.stage, &state.request) {
        (Stage::Unknown, _) => Decision::of(PaymentCalledOff {}),
        (Stage::Requested, Some(request)) => {
            Decision::of(PaymentCalledOff {}).and(void(request)).causing(Effect::cancel_timer(TIME_LIMIT))
        }
        (Stage::Charged, Some(request)) => Decision::of(PaymentCalledOff {}).and(refund(state, request)),
        // It knows: the order was cancelled for it, or the money is on its way back.
        _ => Decision::nothing(),
    }
}

fn give_up(state: &State, metadata: &Metadata) -> Decision<Event> {
    match &state.request {
        Some(request) if state.stage == Stage::Requested && metadata.accepted_at >= request.due => {
            Decision::of(PaymentGivenUp {})
                .and(void(request))
                .causing(cancel_order("The payment took too long", metadata))
        }
        _ => Decision::nothing(),
    }
}

fn charged(state: &State, command: &RecordCharge, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    let request = requested(state)?;
    let charge = command.charge.clone();
    match (state.stage, &state.charge) {
        (_, Some(known)) if *known == charge => Ok(Decision::nothing()),
        (_, Some(_)) => Err(Rejection::new("charged-before", "The payment has another charge")),
        (Stage::Requested, None) => Ok(Decision::of(ChargeSucceeded { charge })
            .causing(Effect::send(&metadata.aggregate, Sent::from(ConfirmOrder {})))
            .causing(Effect::cancel_timer(TIME_LIMIT))),
        // The order is cancelled.
        (_, None) => {
            let refund = RefundRequested { charge: charge.clone(), amount: request.amount.clone() };
            Ok(Decision::of(ChargeSucceeded { charge }).and(refund))
        }
    }
}

fn declined(state: &State, command: &RecordDecline, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    requested(state)?;
    let declined = ChargeDeclined { reason: command.reason.clone() };
    Ok(match state.stage {
        Stage::Requested => Decision::of(declined)
            .causing(cancel_order("The payment was declined", metadata))
            .causing(Effect::cancel_timer(TIME_LIMIT)),
        Stage::Voiding => Decision::of(declined),
        _ => Decision::nothing(),
    })
}

fn voided(state: &State) -> Result<Decision<Event>, Rejection> {
    match state.stage {
        Stage::Voiding => Ok(Decision::of(ChargeVoided {})),
        Stage::Unknown | Stage::NotNeeded | Stage::Requested => {
            Err(Rejection::new("no-void-requested", "Nobody has asked to void the charge"))
        }
        _ => Ok(Decision::nothing()),
    }
}

fn refunded(state: &State, command: &RecordRefund) -> Result<Decision<Event>, Rejection> {
    match state.stage {
        Stage::Refunding => Ok(Decision::of(RefundSucceeded { refund: command.refund.clone() })),
        Stage::Refunded => Ok(Decision::nothing()),
        _ => Err(Rejection::new("no-refund-requested", "Nobody has asked for a refund")),
    }
}

fn unconfirmed(state: &State, command: &RecordUnconfirmed, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match (state.stage, requested(state)?) {
        (Stage::Charged, request) => Ok(Decision::of(OrderUnconfirmed { reason: command.reason.clone() })
            .and(refund(state, request))
            // If it is cancelled already, that changes nothing.
            .causing(cancel_order("The order could not be confirmed", metadata))),
        _ => Ok(Decision::nothing()),
    }
}

/// The charge that was asked for.
fn requested(state: &State) -> Result<&Request, Rejection> {
    state.request.as_ref().ok_or_else(|| Rejection::new("no-charge-requested", "Nobody has asked for a charge"))
}

fn void(request: &Request) -> VoidRequested {
    VoidRequested { charge_requested: request.version }
}

fn refund(state: &State, request: &Request) -> RefundRequested {
    RefundRequested { charge: state.charge.clone().unwrap_or_default(), amount: request.amount.clone() }
}

fn cancel_order(reason: &str, metadata: &Metadata) -> Effect {
    Effect::send(&metadata.aggregate, Sent::from(CancelOrder { reason: reason.to_owned() }))
}
