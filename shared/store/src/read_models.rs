//! Read models: a document per aggregate and collection, found by id or in lists, with totals beside them.
//!
//! | `collection_key` | `id` | holds |
//! | --- | --- | --- |
//! | `tenant#collection` | aggregate id | the document, its version, and its keys in the two list indexes |
//! | `tenant#collection#totals` | total's name | `amount`: the exact sum over all documents |
//!
//! Lists by owner are one partition an owner. Lists by state are spread over [`SHARDS`] partitions, because there are
//! few states and an index partition that is written too often would hold up the table itself.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, KeysAndAttributes, Put, TransactWriteItem, Update};
use futures_util::future::try_join_all;
use kernel::ids::{AggregateId, TenantId};
use kernel::projection::Listing;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, MAX_TRANSACTION_ACTIONS, MAX_TRANSACTION_BYTES, n, s};

/// Partitions that the documents of one state are spread over.
pub const SHARDS: u32 = 4;

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub collection_key: String,
    pub id: String,
    /// JSON.
    pub document: String,
    /// Of the aggregate's stream.
    pub version: u64,
    owner_key: String,
    state_key: String,
    list_sort: String,
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub tenant: TenantId,
    pub collection: &'static str,
    pub id: AggregateId,
}

impl Key {
    fn partition(&self) -> String {
        partition(&self.tenant, self.collection)
    }
}

fn partition(tenant: &TenantId, collection: &str) -> String {
    format!("{tenant}#{collection}")
}

/// A document to be written.
#[derive(Debug, Clone)]
pub struct Change {
    pub key: Key,
    /// The version it was made from, which must still be there; `None` for a new document.
    pub from_version: Option<u64>,
    pub to_version: u64,
    /// JSON.
    pub document: String,
    pub listing: Listing,
    /// What it adds to the totals beyond what the old document did.
    pub tallies: Vec<(String, i64)>,
}

/// Why changes were not written. Nothing of them was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Others wrote some of the documents meanwhile: read again, and apply what is still missing.
    #[error("{} documents were written by others meanwhile", .0.len())]
    Overtaken(Vec<Key>),
    /// Another transaction is at the same items right now.
    #[error("another transaction was at the same items")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

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

/// Reads and writes read models.
#[derive(Debug, Clone)]
pub struct ReadModels {
    client: Client,
    table: String,
}

/// What a row weighs besides its document, and the totals that it moves: keys, names and listing.
const ROW_BYTES: usize = 2 * 1024;

/// A pause before reading what a batch left out.
const READ_ON_AFTER: Duration = Duration::from_millis(50);

/// How many pages of an owner's documents one list call reads for those in the state asked for.
const MOST_PAGES: usize = 10;

impl ReadModels {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub async fn get(&self, tenant: &TenantId, collection: &str, id: &AggregateId) -> Result<Option<Row>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("collection_key", s(partition(tenant, collection)))
            .key("id", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("read model"))
    }

    /// Many documents, strongly consistent, in one call. At most 100.
    pub async fn get_many(&self, keys: &[Key]) -> Result<HashMap<Key, Row>, StoreError> {
        let by_name: HashMap<(String, &str), &Key> =
            keys.iter().map(|key| ((key.partition(), key.id.as_str()), key)).collect();
        let mut wanted: Vec<Item> = by_name
            .values()
            .map(|key| Item::from([("collection_key".into(), s(key.partition())), ("id".into(), s(&key.id))]))
            .collect();
        let mut found = HashMap::new();
        while !wanted.is_empty() {
            let request = KeysAndAttributes::builder()
                .set_keys(Some(wanted))
                .consistent_read(true)
                .build()
                .expect("there are keys");
            let answer = self
                .client
                .batch_get_item()
                .request_items(&self.table, request)
                .send()
                .await
                .map_err(StoreError::unavailable("BatchGetItem"))?;
            for item in answer.responses.unwrap_or_default().remove(&self.table).unwrap_or_default() {
                let row: Row = serde_dynamo::from_item(item).map_err(StoreError::corrupt("read model"))?;
                if let Some(key) = by_name.get(&(row.collection_key.clone(), row.id.as_str())) {
                    found.insert((*key).clone(), row);
                }
            }
            let mut rest = answer.unprocessed_keys.unwrap_or_default();
            wanted = rest.remove(&self.table).map(|rest| rest.keys).unwrap_or_default();
            if !wanted.is_empty() {
                // Throttled, or more than an answer holds.
                tokio::time::sleep(READ_ON_AFTER).await;
            }
        }
        Ok(found)
    }

    /// How many of these changes, from the first, one transaction takes: at least one.
    pub fn fitting<'a>(changes: impl Iterator<Item = &'a Change>) -> usize {
        let (mut actions, mut bytes) = (0, 0);
        let fits = |change: &&Change| {
            actions += 1 + change.tallies.len();
            bytes += change.document.len() + ROW_BYTES;
            actions <= MAX_TRANSACTION_ACTIONS && bytes <= MAX_TRANSACTION_BYTES
        };
        changes.take_while(fits).count().max(1)
    }

    /// Writes all changes, with the totals they move, in one transaction.
    ///
    /// Of distinct documents, and no more than are [`fitting`](Self::fitting).
    pub async fn write(&self, changes: &[Change]) -> Result<(), WriteError> {
        let puts = changes.iter().map(|change| self.put(change));
        let actions: Vec<_> = puts.chain(self.totals(changes)).collect();
        debug_assert!(actions.len() <= MAX_TRANSACTION_ACTIONS, "{} actions", actions.len());
        let sent = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            return Err(StoreError::unavailable("TransactWriteItems")(error).into());
        };
        let reasons = cancelled.cancellation_reasons();
        let has = |code: &str| reasons.iter().any(|reason| reason.code() == Some(code));
        let overtaken: Vec<Key> = changes
            .iter()
            .zip(reasons)
            .filter(|(_, reason)| reason.code() == Some("ConditionalCheckFailed"))
            .map(|(change, _)| change.key.clone())
            .collect();
        if !overtaken.is_empty() {
            Err(WriteError::Overtaken(overtaken))
        } else if has("TransactionConflict") {
            Err(WriteError::Busy)
        } else {
            Err(StoreError::unavailable("TransactWriteItems")(error).into())
        }
    }

    fn put(&self, change: &Change) -> TransactWriteItem {
        let Change { key, listing, .. } = change;
        let partition = key.partition();
        let row = Row {
            owner_key: owner_key(&partition, &listing.owner),
            state_key: state_key(&partition, &listing.state, shard(&key.id)),
            list_sort: format!("{}#{}", listing.time, key.id),
            collection_key: partition,
            id: key.id.to_string(),
            document: change.document.clone(),
            version: change.to_version,
        };
        let item: Item = serde_dynamo::to_item(row).expect("rows have string keys and plain values");
        let mut put = Put::builder().table_name(&self.table).set_item(Some(item));
        put = match change.from_version {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(from) => put.condition_expression("version = :from").expression_attribute_values(":from", n(from)),
        };
        TransactWriteItem::builder().put(put.build().expect("all that is required is there")).build()
    }

    fn totals(&self, changes: &[Change]) -> Vec<TransactWriteItem> {
        let mut sums: BTreeMap<(String, &str), i64> = BTreeMap::new();
        for change in changes {
            for (name, amount) in &change.tallies {
                *sums.entry((change.key.partition(), name)).or_default() += amount;
            }
        }
        sums.retain(|_, amount| *amount != 0);
        let update = |((partition, name), amount): ((String, &str), i64)| {
            let update = Update::builder()
                .table_name(&self.table)
                .key("collection_key", s(format!("{partition}#totals")))
                .key("id", s(name))
                .update_expression("ADD amount :amount")
                .expression_attribute_values(":amount", n(amount))
                .build()
                .expect("all that is required is there");
            TransactWriteItem::builder().update(update).build()
        };
        sums.into_iter().map(update).collect()
    }

    /// The totals of a collection, by name.
    pub async fn report(&self, tenant: &TenantId, collection: &str) -> Result<BTreeMap<String, i64>, StoreError> {
        #[derive(Deserialize)]
        struct Total {
            id: String,
            amount: i64,
        }
        let totals = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("collection_key = :totals")
            .expression_attribute_values(":totals", s(format!("{}#totals", partition(tenant, collection))))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Vec<_> = totals.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        let totals: Vec<Total> = serde_dynamo::from_items(items).map_err(StoreError::corrupt("total"))?;
        Ok(totals.into_iter().map(|total| (total.id, total.amount)).collect())
    }

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
                // What is known of all shards ends where the one that was read the least far ends.
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

fn owner_key(partition: &str, owner: &str) -> String {
    format!("{partition}#{owner}")
}

fn state_prefix(partition: &str, state: &str) -> String {
    format!("{partition}#{state}#")
}

fn state_key(partition: &str, state: &str, shard: u32) -> String {
    format!("{}{shard}", state_prefix(partition, state))
}

/// FNV-1a: stable across builds, which the standard hasher does not promise.
fn shard(id: &AggregateId) -> u32 {
    let hash =
        id.as_str().bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    hash % SHARDS
}
