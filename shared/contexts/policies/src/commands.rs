//! What can be asked of a policy.

use kernel::ids::AggregateId;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "policies" {
        BindPolicy(BindPolicy) = 1,
        AdjustPremium(AdjustPremium) = 1,
        CancelPolicy(CancelPolicy) = 1,
    }
}

/// The insurer takes the risk.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BindPolicy {
    /// What people know the policy by. No two of a tenant's policies have the same.
    #[schemars(regex(pattern = "^[A-Z0-9-]{1,32}$"))]
    pub number: String,
    /// Who is insured.
    pub holder: AggregateId,
    /// What the whole period costs, in the currency's smallest unit.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub premium: i64,
    /// The premium's currency, in the three letters of ISO 4217.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
    /// The first day insured, as in 2026-01-31.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub from: String,
    /// The first day no longer insured.
    #[schemars(regex(pattern = "^[0-9]{4}-[0-9]{2}-[0-9]{2}$"))]
    pub until: String,
    /// The holder's account, in the premium's currency: the premium is debited from it, and what is given back is credited.
    /// Without one, the policy is paid elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AggregateId>,
}

/// The policy costs something else from the next day on. If it costs that already, that is a success.
///
/// The account pays or gets the difference for the days that are left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdjustPremium {
    /// What the whole period costs, in the smallest unit of the policy's currency.
    #[schemars(range(min = 1, max = 1_000_000_000_000_i64))]
    pub premium: i64,
}

/// The policy ends early, with this day. One that is cancelled already stays as it is, and that is a success.
///
/// The account gets back what was paid for the days that are left, in proportion to the whole period.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CancelPolicy {}
