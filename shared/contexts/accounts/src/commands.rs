//! What can be asked of an account.
//!
//! Money moves as often as a command to move it is sent: two commands are two deposits. A repeat of one is told by its id.

use kernel::ids::AggregateId;
use kernel::money::Money;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "accounts" {
        OpenAccount(OpenAccount) = 1,
        DepositMoney(DepositMoney) = 1,
        TransferMoney(TransferMoney) = 1,
        #[internal] RecordPosting(RecordPosting) = 1,
    }
}

/// Somebody gets an account in one currency, with nothing in it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OpenAccount {
    /// Whose account it is.
    pub holder: AggregateId,
    /// The three letters of ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
    /// How far the balance may fall below zero, in the currency's smallest unit.
    #[serde(default)]
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub overdraft: i64,
}

/// Money comes in from outside.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DepositMoney {
    /// In the account's currency, and not zero.
    pub amount: Money,
}

/// Money goes to another account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TransferMoney {
    /// The account that gets it, in the same currency.
    pub to: AggregateId,
    /// In the account's currency, and not zero.
    pub amount: Money,
}

/// Somebody else's decision has debited or credited the account, and this is for the record. It is refused only if it is on
/// record already, for the money has moved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordPosting {
    /// By how much the balance has changed, in the smallest unit of the account's currency: a debit is below zero.
    #[schemars(range(min = -1_000_000_000_000_i64, max = 1_000_000_000_000_i64))]
    pub amount: i64,
    pub counterparty: Counterparty,
    /// Which event of the counterparty's this is, by its version.
    pub version: u64,
}

/// Who is on the other side of a posting.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum Counterparty {
    Account(AggregateId),
    Policy(AggregateId),
}
