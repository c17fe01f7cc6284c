//! `/__name__/{id}`: what there is of one owner, at a glance. A beginning: show what your clients want to see.
//!
//! It knows the events that contexts have published, and none of the contexts. Each module says what a stream contributes;
//! [`__Name__Overview`] makes one document of it.

__modules__

use std::collections::BTreeMap;

use kernel::ids::AggregateId;
use kernel::overview::{Contributions, Overview, OverviewType, Source};
use kernel::projection::{Happening, Listing};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

__uses__

/// The overview `__name__`.
pub const OVERVIEW: OverviewType = OverviewType::of::<__Name__Overview>("__name__", &[__sources__]);

/// Of each kind, so many are shown one by one.
const SHOWN: usize = 10;

/// What a client reads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    __sections__
    /// False if there is more than is counted here, all of it older.
    pub complete: bool,
}

/// What there is of one kind.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Section {
    pub count: usize,
    /// How many have which status.
    pub by_status: BTreeMap<String, usize>,
    /// The newest ones.
    pub latest: Vec<Part>,
}

/// What a stream contributes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Part {
    pub id: AggregateId,
    /// Absent until an event says it. No overview has such a part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<AggregateId>,
    /// The name of its last event.
    pub status: String,
    /// When it began.
    pub time: Timestamp,
}

impl Part {
    /// The part after an event, which may say whose it is. The first that does so holds.
    fn after(part: Option<Self>, event: &str, owner: Option<&AggregateId>, happening: &Happening) -> Self {
        let (owner, time) = match part {
            Some(part) => (part.owner.or_else(|| owner.cloned()), part.time),
            None => (owner.cloned(), happening.time),
        };
        Self { id: happening.aggregate.clone(), owner, status: event.to_owned(), time }
    }

    fn listing(&self) -> Listing {
        let owner = self.owner.as_ref().map(ToString::to_string).unwrap_or_default();
        Listing { owner, state: String::new(), time: self.time }
    }
}

/// The merging of what there is of an owner.
pub struct __Name__Overview;

impl Overview for __Name__Overview {
    type Document = Document;

    fn merge(owner: &AggregateId, contributions: &Contributions) -> Result<Document, serde_json::Error> {
        Ok(Document {
            id: owner.clone(),
            __merged__
            complete: contributions.complete,
        })
    }
}

fn section(mut newest_first: Vec<Part>) -> Section {
    let mut by_status = BTreeMap::new();
    for part in &newest_first {
        *by_status.entry(part.status.clone()).or_default() += 1;
    }
    let count = newest_first.len();
    newest_first.truncate(SHOWN);
    Section { count, by_status, latest: newest_first }
}

#[cfg(test)]
mod tests;
