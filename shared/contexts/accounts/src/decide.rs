//! The account's rules. Whether there is enough to spend, the transaction finds out.

use kernel::decider::{Decision, Rejection};
use kernel::ids::AggregateId;
use kernel::money::Money;

use crate::commands::{Command, DepositMoney, OpenAccount, RecordPosting, TransferMoney};
use crate::counters::{available, can_take, held, opening, recorded};
use crate::events::{AccountOpened, Event, MoneyDeposited, MoneyTransferred, PostingRecorded};
use crate::state::State;

pub(crate) fn decide(state: &State, command: &Command, account: &AggregateId) -> Result<Decision<Event>, Rejection> {
    match (command, state) {
        (Command::OpenAccount(command), State::Unknown) => Ok(open(command, account)),
        (Command::OpenAccount(_), State::Open { .. }) => {
            Err(Rejection::new("already-open", "The account was opened before"))
        }
        (_, State::Unknown) => Err(Rejection::new("unknown-account", "No account has this id")),
        (Command::DepositMoney(command), State::Open { currency }) => deposit(command, account, currency),
        (Command::TransferMoney(command), State::Open { currency }) => transfer(command, account, currency),
        (Command::RecordPosting(command), State::Open { .. }) => {
            let RecordPosting { amount, counterparty, .. } = command.clone();
            Ok(Decision::of(PostingRecorded { amount, counterparty }).guarded_by(recorded(account, command)))
        }
    }
}

fn open(command: &OpenAccount, account: &AggregateId) -> Decision<Event> {
    let OpenAccount { holder, currency, overdraft } = command.clone();
    let guards = [opening(account, &currency), held(account, &holder), available(account, &currency, overdraft)];
    guards.into_iter().fold(Decision::of(AccountOpened { holder, currency, overdraft }), Decision::guarded_by)
}

fn deposit(command: &DepositMoney, account: &AggregateId, currency: &str) -> Result<Decision<Event>, Rejection> {
    let amount = some_of(&command.amount, currency)?;
    let credit = available(account, currency, amount.amount);
    Ok(Decision::of(MoneyDeposited { amount }).guarded_by(credit))
}

fn transfer(command: &TransferMoney, account: &AggregateId, currency: &str) -> Result<Decision<Event>, Rejection> {
    let amount = some_of(&command.amount, currency)?;
    let to = command.to.clone();
    if to == *account {
        return Err(Rejection::new("same-account", "The money is in this account already"));
    }
    let debit = available(account, currency, -amount.amount);
    let credit = available(&to, currency, amount.amount);
    let payee = can_take(&to, currency);
    Ok(Decision::of(MoneyTransferred { to, amount }).guarded_by(payee).guarded_by(debit).guarded_by(credit))
}

/// The amount, if it can move: at least the smallest unit, of the account's currency.
fn some_of(amount: &Money, currency: &str) -> Result<Money, Rejection> {
    if amount.currency != currency {
        let detail = format!("The account is in {currency}, and the amount in {}", amount.currency);
        return Err(Rejection::new("other-currency", detail));
    }
    if amount.amount < 1 {
        return Err(Rejection::new("no-amount", "An amount that moves is above zero"));
    }
    Ok(amount.clone())
}
