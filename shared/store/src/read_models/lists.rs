//! Lists of documents, newest first: by owner, one partition an owner; by state, spread over [`SHARDS`] partitions,
//! because there are few states and an index partition that is written too often would hold up the table itself.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::future::try_join_all;
use kernel::ids::{AggregateId, TenantId};

use super::{ReadModels, Row, partition};
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

/// Part of a list, newest first.
#[derive(Debug, Clone)]
pub struct ListPage {
    pub rows: Vec<Row>,
    /// Where the next part begins, to be given back as `before`.
    pub next: Option<String>,
}

/// Documents of one part of a list, so that the answer fits what Lambda returns, 6 MB.
const MAX_PAGE_BYTES: usize = 3 * 1024 * 1024;

impl ListPage {
    /// As much of it, from its beginning, as weighs no more; at least one document.
    fn within(mut self, max_bytes: usize) -> Self {
        let mut bytes = 0;
        let fits = |row: &&Row| {
            bytes += row.document.len();
            bytes <= max_bytes
        };
        let fitting = self.rows.iter().take_while(fits).count().max(1);
        if fitting < self.rows.len() {
            self.rows.truncate(fitting);
            self.next = self.rows.last().map(|row| row.list_sort.clone());
        }
        self
    }
}

/// How many pages of an owner's documents one list call reads for those in the state asked for.
const MOST_PAGES: usize = 10;

impl ReadModels {
    /// Documents newest first, from before the place `before` on. Lists may lag behind single documents.
    pub async fn list(
        &self,
        tenant: &TenantId,
        collection: &str,
        by: By<'_>,
        before: Option<&str>,
        limit: usize,
    ) -> Result<ListPage, StoreError> {
        let partition = partition(tenant, collection);
        let page = match by {
            By::Owner { owner, state } => {
                let state = state.map(|state| state_prefix(&partition, state));
                let list = Index { name: "by_owner", attribute: "owner_key", key: owner_key(&partition, owner), state };
                self.index(&list, before, limit).await?
            }
            By::State(state) => {
                let shards = (0..SHARDS).map(|shard| Index {
                    name: "by_state",
                    attribute: "state_key",
                    key: state_key(&partition, state, shard),
                    state: None,
                });
                let shards: Vec<_> = shards.collect();
                let pages = try_join_all(shards.iter().map(|shard| self.index(shard, before, limit))).await?;
                // Beyond the last row of the shortest page, other shards may still have rows.
                let known = pages.iter().filter_map(|page| page.next.clone()).max();
                let mut rows: Vec<Row> = pages.into_iter().flat_map(|page| page.rows).collect();
                rows.retain(|row| known.as_ref().is_none_or(|known| row.list_sort >= *known));
                rows.sort_by(|a, b| b.list_sort.cmp(&a.list_sort));
                let next = if rows.len() > limit {
                    rows.truncate(limit);
                    rows.last().map(|row| row.list_sort.clone())
                } else {
                    known
                };
                ListPage { rows, next }
            }
        };
        Ok(page.within(MAX_PAGE_BYTES))
    }

    async fn index(&self, index: &Index, before: Option<&str>, limit: usize) -> Result<ListPage, StoreError> {
        let mut rows: Vec<Row> = Vec::new();
        let mut start: Option<Item> = None;
        for _ in 0..MOST_PAGES {
            let wanted = limit + 1 - rows.len(); // one more tells whether there is a next part
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
            let found: Vec<Row> =
                serde_dynamo::from_items(page.items.unwrap_or_default()).map_err(StoreError::corrupt("read model"))?;
            rows.extend(found);
            start = page.last_evaluated_key;
            if rows.len() > limit || start.is_none() {
                break;
            }
        }
        let next = if rows.len() > limit {
            rows.truncate(limit);
            rows.last().map(|row| row.list_sort.clone())
        } else {
            // Read as far as one call may, and there is more to look through.
            start.as_ref().and_then(|start| match start.get("list_sort") {
                Some(AttributeValue::S(place)) => Some(place.clone()),
                _ => None,
            })
        };
        Ok(ListPage { rows, next })
    }
}

struct Index {
    name: &'static str,
    attribute: &'static str,
    key: String,
    state: Option<String>,
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
