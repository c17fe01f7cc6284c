//! Lists of documents, newest first: by owner, one partition an owner; by state, spread over [`SHARDS`] partitions,
//! because there are few states and an index partition that is written too often would hold up the table itself.
//!
//! The indexes hold keys alone, so a document that stays where it is listed is written once and not three times. A list
//! reads the documents then, at half a read unit each.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use kernel::ids::{AggregateId, TenantId};
use serde::Deserialize;

use super::{ReadModels, Row, partition};
use crate::batch_get::{Consistency, items_of};
use crate::error::StoreError;
use crate::item::{Item, s, spread};

/// Partitions that the documents of one state are spread over.
pub const SHARDS: u32 = 4;

/// What a list is asked by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum By<'a> {
    Owner { owner: &'a str, state: Option<&'a str> },
    State(&'a str),
}

/// Which indexes lists are read from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ListIndexes {
    /// `keys_by_owner` and `keys_by_state`.
    #[default]
    Keys,
    /// `by_owner` and `by_state` of a release before, which hold whole documents. While the others are being made.
    Whole,
}

impl ListIndexes {
    fn by_owner(self) -> &'static str {
        match self {
            Self::Keys => "keys_by_owner",
            Self::Whole => "by_owner",
        }
    }

    fn by_state(self) -> &'static str {
        match self {
            Self::Keys => "keys_by_state",
            Self::Whole => "by_state",
        }
    }
}

/// Part of a list, newest first.
#[derive(Debug, Clone)]
pub struct ListPage {
    pub rows: Vec<Row>,
    /// Where the next part begins, to be given back as `before`.
    pub next: Option<String>,
}

/// Documents of one part of a list, so that the answer fits what Lambda returns, 6 MB.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

/// How many pages of an owner's documents one list call reads for those in the state asked for.
const MOST_PAGES: usize = 10;

/// Documents that are read at once: no more than one call gives, however large they are.
const READ_AT_ONCE: usize = 25;

/// Part of a list, as an index has it.
struct Places {
    /// Newest first.
    places: Vec<Place>,
    next: Option<String>,
}

/// Where an index has a document.
#[derive(Deserialize)]
struct Place {
    id: String,
    list_sort: String,
}

impl ReadModels {
    /// The same, which reads lists from these indexes.
    #[must_use]
    pub fn listing_by(self, indexes: ListIndexes) -> Self {
        Self { indexes, ..self }
    }

    /// Documents newest first, from before the place `before` on. Lists may lag behind single documents: one that was just
    /// made may be missing for a moment, and one that has moved meanwhile is not in the part that it has left.
    pub async fn list(
        &self,
        tenant: &TenantId,
        collection: &str,
        by: By<'_>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let partition = partition(tenant, collection);
        let indexes = self.indexes(&partition, by);
        let parts = try_join_all(indexes.iter().map(|index| self.index(index, before, limit))).await?;
        // Beyond the last place of the shortest part, other shards may still have places.
        let known = parts.iter().filter_map(|part| part.next.clone()).max();
        let mut places: Vec<Place> = parts.into_iter().flat_map(|part| part.places).collect();
        places.retain(|place| known.as_ref().is_none_or(|known| place.list_sort >= *known));
        places.sort_by(|a, b| b.list_sort.cmp(&a.list_sort));
        let next = if places.len() > limit {
            places.truncate(limit);
            places.last().map(|place| place.list_sort.clone())
        } else {
            known
        };
        self.documents(&partition, &indexes, Places { places, next }).await
    }

    /// The partitions of an index that have the list.
    fn indexes(&self, partition: &str, by: By<'_>) -> Vec<Index> {
        match by {
            By::Owner { owner, state } => vec![Index {
                name: self.indexes.by_owner(),
                attribute: "owner_key",
                key: owner_key(partition, owner),
                state: state.map(|state| state_prefix(partition, state)),
            }],
            By::State(state) => {
                let shard = |shard| Index {
                    name: self.indexes.by_state(),
                    attribute: "state_key",
                    key: state_key(partition, state, shard),
                    state: None,
                };
                (0..SHARDS).map(shard).collect()
            }
        }
    }

    /// The documents at these places, as many as weigh no more than an answer may; at least one of those that there are.
    async fn documents(&self, partition: &str, indexes: &[Index], found: Places) -> Result<ListPage, StoreError> {
        let (mut rows, mut bytes) = (Vec::new(), 0);
        for places in found.places.chunks(READ_AT_ONCE) {
            // An index may show a document that has just moved at both its places.
            let ids: BTreeSet<&str> = places.iter().map(|place| place.id.as_str()).collect();
            let key = |id| Item::from([("collection_key".into(), s(partition)), ("id".into(), s(id))]);
            let keys = ids.into_iter().map(key).collect();
            let items = items_of(&self.client, &self.table, keys, Consistency::Eventual).await?;
            let stored: Vec<Row> = serde_dynamo::from_items(items).map_err(StoreError::corrupt("read model"))?;
            let mut stored: HashMap<String, Row> = stored.into_iter().map(|row| (row.id.clone(), row)).collect();
            for place in places {
                let is_here =
                    |row: &Row| row.list_sort == place.list_sort && indexes.iter().any(|index| index.lists(row));
                if !stored.get(&place.id).is_some_and(is_here) {
                    continue;
                }
                let Some(row) = stored.remove(&place.id) else { continue };
                bytes += row.document.len();
                if bytes > MAX_PAGE_BYTES && !rows.is_empty() {
                    let next = rows.last().map(|row: &Row| row.list_sort.clone());
                    return Ok(ListPage { rows, next });
                }
                rows.push(row);
            }
        }
        Ok(ListPage { rows, next: found.next })
    }

    async fn index(&self, index: &Index, before: Option<&str>, limit: usize) -> Result<Places, StoreError> {
        let mut places: Vec<Place> = Vec::new();
        let mut start: Option<Item> = None;
        for _ in 0..MOST_PAGES {
            let wanted = limit + 1 - places.len(); // one more tells whether there is a next part
            let mut query = self
                .client
                .query()
                .table_name(&self.table)
                .index_name(index.name)
                .key_condition_expression(format!("{} = :key AND list_sort < :before", index.attribute))
                .expression_attribute_values(":key", s(&index.key))
                // Timestamps begin with a digit, so '~' is after all of them.
                .expression_attribute_values(":before", s(before.unwrap_or("~")))
                .scan_index_forward(false)
                .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
                .set_exclusive_start_key(start);
            if let Some(state) = &index.state {
                query = query
                    .filter_expression("begins_with(state_key, :state)")
                    .expression_attribute_values(":state", s(state));
            }
            let page = query.send().await.map_err(StoreError::unavailable("Query"))?;
            let found: Vec<Place> =
                serde_dynamo::from_items(page.items.unwrap_or_default()).map_err(StoreError::corrupt("read model"))?;
            places.extend(found);
            start = page.last_evaluated_key;
            if places.len() > limit || start.is_none() {
                break;
            }
        }
        let next = if places.len() > limit {
            places.truncate(limit);
            places.last().map(|place| place.list_sort.clone())
        } else {
            // Read as far as one call may, and there is more to look through.
            start.as_ref().and_then(|start| match start.get("list_sort") {
                Some(AttributeValue::S(place)) => Some(place.clone()),
                _ => None,
            })
        };
        Ok(Places { places, next })
    }
}

/// One partition of an index.
struct Index {
    name: &'static str,
    attribute: &'static str,
    key: String,
    /// How the documents' state keys begin, if not all are asked for.
    state: Option<String>,
}

impl Index {
    /// Whether it has such a document, or will have it soon.
    fn lists(&self, row: &Row) -> bool {
        let key = if self.attribute == "owner_key" { &row.owner_key } else { &row.state_key };
        *key == self.key && self.state.as_ref().is_none_or(|state| row.state_key.starts_with(state))
    }
}

pub(super) fn owner_key(partition: &str, owner: &str) -> String {
    format!("{partition}#{owner}")
}

fn state_prefix(partition: &str, state: &str) -> String {
    format!("{partition}#{state}#")
}

pub(super) fn state_key(partition: &str, state: &str, shard: u32) -> String {
    format!("{}{shard}", state_prefix(partition, state))
}

pub(super) fn shard(id: &AggregateId) -> u32 {
    spread(id.as_str(), SHARDS)
}
