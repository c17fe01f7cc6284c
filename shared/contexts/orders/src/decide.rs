//! The order's rules.
//!
//! A command for what is so already succeeds and causes nothing, where nothing it says would be lost: cancelling a
//! cancelled order. A second submission or parcel is news that does not fit, and is refused.

use std::num::NonZeroU32;

use kernel::decider::{Decision, Metadata, Rejection};
use kernel::money::Money;

use crate::commands::{CancelOrder, Command, ConfirmOrder, Line, MAX_LINES, ShipOrder, SubmitOrder};
use crate::events::{Event, OrderCancelled, OrderConfirmed, OrderShipped, OrderSubmitted, Parcel};
use crate::returns::returnable;
use crate::state::State;

/// Most that one order may cost, in minor units. Nine million such orders still add up within 64 bits in the reports.
pub const MAX_TOTAL: i64 = 1_000_000_000_000;

/// How long a payment may take, unless the order says otherwise.
pub const PAY_WITHIN_SECONDS: u32 = 30 * 60;

pub(crate) fn decide(state: State, command: &Command, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match command {
        Command::SubmitOrder(command) => submit(state, command, metadata),
        Command::CancelOrder(command) => cancel(state, command),
        Command::ConfirmOrder(ConfirmOrder {}) => confirm(state),
        Command::ShipOrder(command) => ship(state, command, metadata),
    }
}

fn submit(state: State, command: &SubmitOrder, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    if state != State::Unknown {
        return Err(Rejection::new("already-submitted", "The order was submitted before; a new order needs a new id"));
    }
    let total = total(&command.lines)?;
    let to_be_paid = !command.on_account && total.amount > 0;
    Ok(Decision::of(OrderSubmitted {
        customer: command.customer.clone(),
        lines: command.lines.clone(),
        total,
        placed_at: metadata.accepted_at,
        pay_within_seconds: to_be_paid.then(|| command.pay_within_seconds.map_or(PAY_WITHIN_SECONDS, NonZeroU32::get)),
    }))
}

fn cancel(state: State, command: &CancelOrder) -> Result<Decision<Event>, Rejection> {
    match state {
        State::Unknown => Err(unknown_order()),
        State::Submitted | State::AwaitingPayment | State::Confirmed => {
            let with_payment = state != State::Submitted;
            Ok(Decision::of(OrderCancelled { reason: command.reason.clone(), with_payment }))
        }
        State::Shipped => Err(Rejection::new("already-shipped", "The order is on its way and can only be returned")),
        State::Cancelled => Ok(Decision::nothing()),
    }
}

fn confirm(state: State) -> Result<Decision<Event>, Rejection> {
    match state {
        State::Unknown => Err(unknown_order()),
        State::Submitted => Err(Rejection::new("nothing-to-pay", "The order ships without having been paid")),
        State::AwaitingPayment => Ok(Decision::of(OrderConfirmed {})),
        State::Confirmed | State::Shipped => Ok(Decision::nothing()),
        State::Cancelled => Err(already_cancelled()),
    }
}

fn ship(state: State, command: &ShipOrder, metadata: &Metadata) -> Result<Decision<Event>, Rejection> {
    match state {
        State::Unknown => Err(unknown_order()),
        State::AwaitingPayment => Err(Rejection::new("awaiting-payment", "The order is to be paid before it leaves")),
        State::Submitted | State::Confirmed => {
            let parcel = Parcel { carrier: command.carrier.clone(), tracking_number: command.tracking_number.clone() };
            Ok(Decision::of(OrderShipped { parcel }).guarded_by(returnable(&metadata.aggregate, 1)))
        }
        State::Shipped => Err(Rejection::new("already-shipped", "The order has left as another parcel")),
        State::Cancelled => Err(already_cancelled()),
    }
}

fn already_cancelled() -> Rejection {
    Rejection::new("already-cancelled", "The order was cancelled and must not leave")
}

fn unknown_order() -> Rejection {
    Rejection::new("unknown-order", "No order was submitted under this id")
}

fn total(lines: &[Line]) -> Result<Money, Rejection> {
    let Some(first) = lines.first() else {
        return Err(Rejection::new("no-lines", "An order has at least one line"));
    };
    if lines.len() > MAX_LINES {
        return Err(Rejection::new("too-many-lines", format!("An order has at most {MAX_LINES} lines; split it")));
    }
    let currency = &first.unit_price.currency;
    if let Some(other) = lines.iter().map(|line| &line.unit_price.currency).find(|other| *other != currency) {
        let detail = format!("An order is in one currency, not in {currency} and {other}");
        return Err(Rejection::new("mixed-currencies", detail));
    }
    let amount = lines.iter().try_fold(0_i64, |sum, line| sum.checked_add(price(line)?));
    match amount.filter(|amount| (0..=MAX_TOTAL).contains(amount)) {
        Some(amount) => Ok(Money { amount, currency: currency.clone() }),
        None => Err(Rejection::new("total-out-of-range", format!("An order's total is 0 to {MAX_TOTAL} minor units"))),
    }
}

fn price(line: &Line) -> Option<i64> {
    line.unit_price.amount.checked_mul(line.quantity.get().into())
}
