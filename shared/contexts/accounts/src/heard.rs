//! What accounts hear: that somebody else's decision has moved their money.

use kernel::ids::AggregateId;
use kernel::peers::Hears;
use kernel::projection::Happening;
use serde::{Deserialize, Serialize};

use crate::commands::{Command, Counterparty, RecordPosting};
use crate::events::MoneyTransferred;

kernel::messages! {
    pub enum AccountEvent in "accounts" {
        MoneyTransferred(MoneyTransferred) = 1,
    }
}

/// The account that a transfer went to records its credit.
pub(crate) struct FromAccounts;

impl Hears for FromAccounts {
    type Event = AccountEvent;
    type Command = Command;

    fn hear(event: AccountEvent, happening: &Happening) -> Option<(AggregateId, Command)> {
        let AccountEvent::MoneyTransferred(MoneyTransferred { to, amount }) = event;
        let counterparty = Counterparty::Account(happening.aggregate.clone());
        Some((to, RecordPosting { amount: amount.amount, counterparty, version: happening.version }.into()))
    }
}

kernel::messages! {
    pub enum PolicyEvent in "policies" {
        PolicyBound(PolicyBound) = 1,
        PremiumAdjusted(PremiumAdjusted) = 1,
        PolicyCancelled(PolicyCancelled) = 1,
    }
}

/// A policy was bound, and its premium debited from the account, if it names one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyBound {
    premium: i64,
    account: Option<AggregateId>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PremiumAdjusted {
    settlement: Option<Settlement>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PolicyCancelled {
    settlement: Option<Settlement>,
}

/// By how much an account's balance has changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settlement {
    account: AggregateId,
    amount: i64,
}

/// The account that a policy is paid from records what was debited and credited.
pub(crate) struct FromPolicies;

impl Hears for FromPolicies {
    type Event = PolicyEvent;
    type Command = Command;

    fn hear(event: PolicyEvent, happening: &Happening) -> Option<(AggregateId, Command)> {
        let Settlement { account, amount } = match event {
            PolicyEvent::PolicyBound(PolicyBound { premium, account }) => {
                Settlement { account: account?, amount: -premium }
            }
            PolicyEvent::PremiumAdjusted(PremiumAdjusted { settlement })
            | PolicyEvent::PolicyCancelled(PolicyCancelled { settlement }) => settlement?,
        };
        let counterparty = Counterparty::Policy(happening.aggregate.clone());
        Some((account, RecordPosting { amount, counterparty, version: happening.version }.into()))
    }
}
