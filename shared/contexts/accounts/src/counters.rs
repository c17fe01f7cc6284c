//! What accounts and those who move their money agree on. All of it holds in the transaction that moves the money.

use kernel::counter::Counters;
use kernel::decider::{Guard, Rejection};
use kernel::ids::AggregateId;

use crate::commands::{Counterparty, RecordPosting};

/// What can be spent, in the currency's smallest unit: the balance and the overdraft together. A debit leaves at least 0.
///
/// Other contexts move it, too. Each says so by an event that accounts [hear](crate::heard).
pub const AVAILABLE: Counters = Counters::of("accounts", "available/{currency}/{account}");

/// 1 if the account is the holder's.
pub const HELD: Counters = Counters::of("accounts", "held/{holder}/{account}");

/// 1 if the account is open, and in this currency.
const OPEN: Counters = Counters::of("accounts", "open/{currency}/{account}");

/// 0 until an account has recorded what an event of its counterparty's has moved, and -1 from then on.
const RECORDED: Counters = Counters::of("accounts", "recorded/{account}/{kind}/{counterparty}/{version}");

/// Moves what can be spent.
pub(crate) fn available(account: &AggregateId, currency: &str, by: i64) -> Guard {
    let counter = AVAILABLE.at([currency, account.as_str()]);
    let otherwise = Rejection::new("insufficient-funds", "The account has less than that to spend");
    Guard::Adjust { counter, by, at_least: Some(0), otherwise }
}

/// The account is open from now on.
pub(crate) fn opening(account: &AggregateId, currency: &str) -> Guard {
    open(account, currency, 1)
}

/// The account can take money of this currency.
pub(crate) fn can_take(account: &AggregateId, currency: &str) -> Guard {
    open(account, currency, 0)
}

fn open(account: &AggregateId, currency: &str, by: i64) -> Guard {
    let counter = OPEN.at([currency, account.as_str()]);
    let otherwise = Rejection::new("unknown-payee", format!("No account in {currency} has the id {account}"));
    Guard::Adjust { counter, by, at_least: Some(1), otherwise }
}

/// The posting is recorded this once, however late its event comes again.
pub(crate) fn recorded(account: &AggregateId, posting: &RecordPosting) -> Guard {
    let (kind, counterparty) = match &posting.counterparty {
        Counterparty::Account(other) => ("account", other),
        Counterparty::Policy(policy) => ("policy", policy),
    };
    let counter = RECORDED.at([account.as_str(), kind, counterparty.as_str(), &posting.version.to_string()]);
    let otherwise = Rejection::new("already-recorded", "The account has recorded this before");
    Guard::Adjust { counter, by: -1, at_least: Some(-1), otherwise }
}

/// The account is the holder's from now on.
pub(crate) fn held(account: &AggregateId, holder: &AggregateId) -> Guard {
    let counter = HELD.at([holder.as_str(), account.as_str()]);
    let otherwise = Rejection::new("already-open", "The account was opened before");
    Guard::Adjust { counter, by: 1, at_least: None, otherwise }
}
