//! What happens to a policy.

use kernel::ids::AggregateId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::day::Day;

kernel::messages! {
    pub enum Event in "policies" {
        PolicyBound(PolicyBound) = 1,
        PremiumAdjusted(PremiumAdjusted) = 1,
        PolicyCancelled(PolicyCancelled) = 1,
    }
}

/// The insurer has taken the risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyBound {
    pub number: String,
    pub holder: AggregateId,
    pub premium: i64,
    pub currency: String,
    pub from: Day,
    pub until: Day,
    /// The holder's account, which has paid the premium.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AggregateId>,
}

/// The whole period costs something else than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PremiumAdjusted {
    pub premium: i64,
    /// The first day that costs so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Day>,
    /// The difference for the days from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
}

/// The policy has ended early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyCancelled {
    /// The first day that is no longer insured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective: Option<Day>,
    /// The refund for the days from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settlement: Option<Settlement>,
}

/// What the holder's account has paid or got, in the same transaction.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Settlement {
    pub account: AggregateId,
    /// By how much the account's balance has changed, in the smallest unit of the policy's currency: a debit is below zero.
    pub amount: i64,
}
