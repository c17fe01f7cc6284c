//! What happens to a policy.

use kernel::ids::AggregateId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

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
    pub from: String,
    pub until: String,
}

/// The whole period costs something else than before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PremiumAdjusted {
    pub premium: i64,
}

/// The policy has ended early.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct PolicyCancelled {}
