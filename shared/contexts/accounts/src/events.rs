//! What happens to an account.

use kernel::ids::AggregateId;
use kernel::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::commands::Counterparty;

kernel::messages! {
    pub enum Event in "accounts" {
        AccountOpened(AccountOpened) = 1,
        MoneyDeposited(MoneyDeposited) = 1,
        MoneyTransferred(MoneyTransferred) = 1,
        PostingRecorded(PostingRecorded) = 1,
    }
}

/// Somebody has got an account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccountOpened {
    /// Whose account it is.
    pub holder: AggregateId,
    pub currency: String,
    /// How far the balance may fall below zero, in the currency's smallest unit.
    pub overdraft: i64,
}

/// Money has come in from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoneyDeposited {
    pub amount: Money,
}

/// Money has gone to another account, which has it already.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MoneyTransferred {
    /// The account that has it.
    pub to: AggregateId,
    pub amount: Money,
}

/// Somebody else's decision has debited or credited the account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PostingRecorded {
    /// By how much the balance has changed, in the smallest unit of the account's currency: a debit is below zero.
    pub amount: i64,
    pub counterparty: Counterparty,
}
