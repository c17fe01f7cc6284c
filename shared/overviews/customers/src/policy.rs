//! What a policy contributes.

use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Counted, named};

kernel::messages! {
    pub enum Event in "policies" {
        PolicyBound(PolicyBound) = 1,
        PremiumAdjusted(PremiumAdjusted) = 1,
        PolicyCancelled(PolicyCancelled) = 1,
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyBound {
    pub number: String,
    pub holder: AggregateId,
    pub premium: i64,
    pub currency: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PremiumAdjusted {
    pub premium: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PolicyCancelled {}

/// A policy at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub id: AggregateId,
    pub holder: AggregateId,
    pub number: String,
    pub status: PolicyStatus,
    /// Of the whole period.
    pub premium: Money,
    pub bound_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PolicyStatus {
    Bound,
    Cancelled,
}

pub struct FromPolicies;

impl Projection for FromPolicies {
    type Event = Event;
    type Document = Policy;

    const COLLECTION: &'static str = "customers/policies";
    const FILTERS: Filters = Filters { owner: "holder", state: "status" };
    const PARTIAL: bool = true;

    fn project(policy: Option<Policy>, event: &Event, happening: &Happening) -> Option<Policy> {
        Some(match event {
            Event::PolicyBound(PolicyBound { number, holder, premium, currency }) => Policy {
                id: happening.aggregate.clone(),
                holder: holder.clone(),
                number: number.clone(),
                status: PolicyStatus::Bound,
                premium: Money { amount: *premium, currency: currency.clone() },
                bound_at: happening.time,
            },
            Event::PremiumAdjusted(PremiumAdjusted { premium: amount }) => {
                let Policy { premium: Money { currency, .. }, .. } = policy.clone()?;
                Policy { premium: Money { amount: *amount, currency }, ..policy? }
            }
            Event::PolicyCancelled(_) => Policy { status: PolicyStatus::Cancelled, ..policy? },
        })
    }

    fn listing(policy: &Policy) -> Listing {
        Listing { owner: policy.holder.to_string(), state: String::new(), time: policy.bound_at }
    }

    fn tallies(_: &Policy) -> Vec<Tally> {
        Vec::new()
    }
}

impl Counted for Policy {
    fn status(&self) -> String {
        named(&self.status)
    }

    fn amount(&self) -> Option<&Money> {
        (self.status != PolicyStatus::Cancelled).then_some(&self.premium)
    }
}
