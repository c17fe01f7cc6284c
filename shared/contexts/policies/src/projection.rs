//! The policy as clients read it, under `/policies`.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::{Event, PolicyBound, PremiumAdjusted};

/// A policy's document.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub status: Status,
    #[serde(flatten)]
    pub policy: PolicyBound,
    pub bound_at: Timestamp,
}

/// How far a policy has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Active,
    Cancelled,
}

/// The collection `policies`: by holder, by status, newest bound first. Its totals are the policies of each status, by
/// the day they were bound: those in force are the active ones.
pub struct PolicyView;

impl Projection for PolicyView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "policies";
    const FILTERS: Filters = Filters { owner: "holder", state: "status" };
    const STATES: &'static [&'static str] = &["active", "cancelled"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let (id, bound_at) = (happening.aggregate.clone(), happening.time);
        Some(match event {
            Event::PolicyBound(policy) => Document { id, status: Status::Active, policy: policy.clone(), bound_at },
            Event::PremiumAdjusted(PremiumAdjusted { premium, .. }) => {
                let document = document?;
                Document { policy: PolicyBound { premium: *premium, ..document.policy }, ..document }
            }
            Event::PolicyCancelled(_) => Document { status: Status::Cancelled, ..document? },
        })
    }

    fn listing(document: &Document) -> Listing {
        Listing::of(&document.policy.holder, &document.status, document.bound_at)
    }
}
