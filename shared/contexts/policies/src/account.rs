//! The holder's account. It is another context's, which hears of what is debited and credited here.

use kernel::counter::Counters;
use kernel::decider::{Guard, Rejection};
use kernel::ids::AggregateId;

/// What the account can spend, in the currency's smallest unit.
pub const AVAILABLE: Counters = Counters::of("accounts", "available/{currency}/{account}");

/// 1 if the account is the holder's.
pub const HELD: Counters = Counters::of("accounts", "held/{holder}/{account}");

/// Credits the account; debits it, if `by` is below zero.
pub(crate) fn moved(account: &AggregateId, currency: &str, by: i64) -> Guard {
    let counter = AVAILABLE.at([currency, account.as_str()]);
    let otherwise =
        Rejection::new("insufficient-funds", format!("The account has less than that to spend in {currency}"));
    Guard::Adjust { counter, by, at_least: Some(0), otherwise }
}

pub(crate) fn held(account: &AggregateId, holder: &AggregateId) -> Guard {
    let counter = HELD.at([holder.as_str(), account.as_str()]);
    let otherwise = Rejection::new("foreign-account", format!("The account is not one that {holder} holds"));
    Guard::Adjust { counter, by: 0, at_least: Some(1), otherwise }
}
