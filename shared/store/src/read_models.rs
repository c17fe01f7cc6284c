//! Read models: a document per aggregate and collection, found by id or in lists, with totals beside them.
//!
//! | `collection_key` | `id` | holds |
//! | --- | --- | --- |
//! | `tenant#collection` | aggregate id | the document, its version, what it adds to totals, and its keys in the two list indexes |
//! | `tenant#collection#totals#all` | shard | `sum:` and a total's name: its shard of the exact sum over all documents; `updates`: how often the item was moved |
//! | `tenant#collection#totals#days` | `day#shard` | the same, of what belongs to that day |
//! | `tenant#collection#totals` | total's name | `amount`: what releases before added up; is read, and no longer written |

mod change;
mod counting;
mod lists;
mod totals;

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::ProvideErrorMetadata as _;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use kernel::ids::{AggregateId, TenantId};
use kernel::projection::Tally;
use serde::{Deserialize, Serialize};

pub use self::change::{Change, ChangeError, Replaced};
pub use self::counting::{Counted, Difference};
pub use self::lists::{By, ListIndexes, ListPage, SHARDS};
use self::lists::{owner_key, shard, state_key};
pub use self::totals::Totals;
use self::totals::{Shard, most_items};
use crate::batch_get::{Consistency, items_of};
use crate::error::StoreError;
use crate::item::{Item, MAX_TRANSACTION_ACTIONS, MAX_TRANSACTION_BYTES, n, put_alone, s};

/// A document as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    pub collection_key: String,
    pub id: String,
    /// JSON.
    pub document: String,
    /// Of the aggregate's stream.
    pub version: u64,
    /// How often it was made anew at this version; a release before knows nothing of it.
    #[serde(default, skip_serializing_if = "is_none")]
    pub revision: u32,
    /// The number of its shape ([`Projection::LAYOUT`](kernel::projection::Projection::LAYOUT)); releases before had none.
    #[serde(default = "first", skip_serializing_if = "is_first")]
    pub layout: u32,
    /// What it adds to totals; `None` if a release before wrote it. A build that counts otherwise takes this back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tallies: Option<Vec<Tally>>,
    owner_key: String,
    /// Empty, and not stored, if no list by state has it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    state_key: String,
    list_sort: String,
}

pub(crate) fn first() -> u32 {
    1
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
fn is_first(layout: &u32) -> bool {
    *layout == first()
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as above")]
fn is_none(revision: &u32) -> bool {
    *revision == 0
}

impl Row {
    /// As the change writes it.
    pub fn of(change: &Change) -> Self {
        let Change { key, from, to_version, layout, document, listing, tallies } = change;
        let partition = key.partition();
        let again = from.as_ref().filter(|from| from.version >= *to_version);
        Self {
            revision: again.map_or(0, |from| from.revision.saturating_add(1)),
            owner_key: owner_key(&partition, &listing.owner),
            state_key: match listing.state.as_str() {
                "" => String::new(),
                state => state_key(&partition, state, shard(&key.id)),
            },
            list_sort: format!("{}#{}", listing.time, key.id),
            collection_key: partition,
            id: key.id.to_string(),
            document: document.clone(),
            version: *to_version,
            layout: *layout,
            tallies: Some(tallies.clone()),
        }
    }

    /// Whether it is what the change would write, at this version.
    pub fn is_as(&self, change: &Change, version: u64) -> bool {
        *self == Self { version, revision: self.revision, ..Self::of(change) }
    }

    /// Whether lists have it at the same places.
    pub fn is_listed_as(&self, other: &Self) -> bool {
        let places = |row: &Self| [row.owner_key.clone(), row.state_key.clone(), row.list_sort.clone()];
        places(self) == places(other)
    }

    /// Whose document it is, by its listing.
    pub fn owner(&self) -> &str {
        owner(&self.collection_key, &self.owner_key)
    }
}

/// Whose document it is that has these keys.
pub(crate) fn owner<'a>(collection_key: &str, owner_key: &'a str) -> &'a str {
    owner_key.strip_prefix(collection_key).and_then(|rest| rest.strip_prefix('#')).unwrap_or_default()
}

/// What is stored in a document's place.
#[derive(Debug)]
pub enum Stored {
    Row(Row),
    Unreadable(Unreadable),
}

/// An item that is no [`Row`].
#[derive(Debug)]
pub struct Unreadable {
    version: Option<AttributeValue>,
    revision: Option<AttributeValue>,
    document: Option<AttributeValue>,
    error: StoreError,
}

impl Unreadable {
    /// What tells it from whatever may come after it, by attribute.
    fn marks(&self) -> [(&'static str, Option<&AttributeValue>); 3] {
        let Self { version, revision, document, .. } = self;
        [("version", version.as_ref()), ("revision", revision.as_ref()), ("document", document.as_ref())]
    }
}

/// Where a document is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    pub tenant: TenantId,
    pub collection: &'static str,
    pub id: AggregateId,
}

impl Key {
    pub(crate) fn partition(&self) -> String {
        partition(&self.tenant, self.collection)
    }
}

fn partition(tenant: &TenantId, collection: &str) -> String {
    format!("{tenant}#{collection}")
}

/// Why changes were not written. Nothing of them was.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// Others wrote some of the documents meanwhile: read again, and apply what is still missing.
    #[error("{} documents were written by others meanwhile", .0.len())]
    Overtaken(Vec<Key>),
    /// The store takes no such document, as one that is too large. Trying again does not help.
    #[error("the store refuses the document")]
    Refused(#[source] StoreError),
    /// Another transaction is at the same items right now.
    #[error("another transaction was at the same items")]
    Busy,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Reads and writes read models.
#[derive(Debug, Clone)]
pub struct ReadModels {
    client: Client,
    table: String,
    shard: Arc<Shard>,
    indexes: ListIndexes,
}

/// What a row weighs besides its document, and the totals that it moves: keys, names, tallies and listing.
const ROW_BYTES: usize = 2 * 1024;

/// Keys that one `BatchGetItem` takes.
const MOST_KEYS: usize = 100;

const PLAIN: &str = "rows have string keys and plain values";

impl ReadModels {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), shard: Arc::new(Shard::any()), indexes: ListIndexes::default() }
    }

    /// The same for whoever writes beside this one: its transactions do not meet the other's at the totals.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self { shard: Arc::new(Shard::any()), ..self.clone() }
    }

    /// The same for the `number`-th of those who write side by side: none of them meets another one at the totals.
    #[must_use]
    pub fn numbered(&self, number: u32) -> Self {
        Self { shard: Arc::new(Shard::of(number)), ..self.clone() }
    }

    pub async fn get(&self, tenant: &TenantId, collection: &str, id: &AggregateId) -> Result<Option<Row>, StoreError> {
        match self.find(tenant, collection, id).await? {
            Some(Stored::Row(row)) => Ok(Some(row)),
            Some(Stored::Unreadable(unreadable)) => Err(unreadable.error),
            None => Ok(None),
        }
    }

    /// The same, also where it cannot be read.
    pub async fn find(
        &self,
        tenant: &TenantId,
        collection: &str,
        id: &AggregateId,
    ) -> Result<Option<Stored>, StoreError> {
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
        let Some(item) = answer.item else { return Ok(None) };
        let [version, revision, document] = ["version", "revision", "document"].map(|name| item.get(name).cloned());
        Ok(Some(match serde_dynamo::from_item(item).map_err(StoreError::corrupt("read model")) {
            Ok(row) => Stored::Row(row),
            Err(error) => Stored::Unreadable(Unreadable { version, revision, document, error }),
        }))
    }

    /// Many documents, strongly consistent, in one call. At most 100.
    pub async fn get_many(&self, keys: &[Key]) -> Result<HashMap<Key, Row>, StoreError> {
        let by_name: BTreeMap<(String, &str), &Key> =
            keys.iter().map(|key| ((key.partition(), key.id.as_str()), key)).collect();
        let wanted = by_name
            .values()
            .map(|key| Item::from([("collection_key".into(), s(key.partition())), ("id".into(), s(&key.id))]))
            .collect();
        let mut found = HashMap::new();
        for item in items_of(&self.client, &self.table, wanted, Consistency::Strong).await? {
            let row: Row = serde_dynamo::from_item(item).map_err(StoreError::corrupt("read model"))?;
            if let Some(key) = by_name.get(&(row.collection_key.clone(), row.id.as_str())) {
                found.insert((*key).clone(), row);
            }
        }
        Ok(found)
    }

    /// The same for any number of documents, and each by itself: one that cannot be read does not hide the others.
    pub async fn get_each(&self, keys: Vec<Key>) -> Result<Vec<(Key, Result<Option<Row>, StoreError>)>, StoreError> {
        let mut rows = Vec::with_capacity(keys.len());
        for some in keys.chunks(MOST_KEYS) {
            match self.get_many(some).await {
                Ok(mut found) => rows.extend(some.iter().map(|key| (key.clone(), Ok(found.remove(key))))),
                Err(StoreError::Corrupt { .. }) => {
                    // One of them; which, only single reads say.
                    for key in some {
                        match self.get(&key.tenant, key.collection, &key.id).await {
                            Err(error @ StoreError::Unavailable { .. }) => return Err(error),
                            row => rows.push((key.clone(), row)),
                        }
                    }
                }
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// How many of these changes, from the first, one transaction takes: at least one.
    pub fn fitting<'a>(changes: impl Iterator<Item = &'a Change>) -> usize {
        let (mut actions, mut bytes) = (0, 0);
        let fits = |change: &&Change| {
            actions += 1 + most_items(change);
            bytes += change.document.len() + ROW_BYTES;
            actions <= MAX_TRANSACTION_ACTIONS && bytes <= MAX_TRANSACTION_BYTES
        };
        changes.take_while(fits).count().max(1)
    }

    /// Writes all changes, with the totals they move, in one transaction; one that moves none by itself, for half of what a
    /// transaction costs.
    ///
    /// Of distinct documents, and no more than are [`fitting`](Self::fitting).
    pub async fn write(&self, changes: &[Change]) -> Result<(), WriteError> {
        let totals = self.totals(changes);
        if let ([change], []) = (changes, &totals[..]) {
            return self.write_alone(change).await;
        }
        let put = |change| TransactWriteItem::builder().put(self.put(change)).build();
        let actions: Vec<_> = changes.iter().map(put).chain(totals).collect();
        debug_assert!(actions.len() <= MAX_TRANSACTION_ACTIONS, "{} actions", actions.len());
        let sent = self.client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(()) };
        let refused = error.code() == Some("ValidationException");
        let Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) = error.as_service_error() else {
            let error = StoreError::unavailable("TransactWriteItems")(error);
            return Err(if refused { WriteError::Refused(error) } else { error.into() });
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
            self.shard.move_on();
            Err(WriteError::Busy)
        } else if has("ValidationError") {
            Err(WriteError::Refused(StoreError::unavailable("TransactWriteItems")(error)))
        } else {
            Err(StoreError::unavailable("TransactWriteItems")(error).into())
        }
    }

    async fn write_alone(&self, change: &Change) -> Result<(), WriteError> {
        self.put_alone(&change.key, self.put(change)).await
    }

    /// Writes a new document in place of what cannot be read. Nobody knows what that has added to totals, so they stay as they
    /// are: they are to be [counted](Self::count).
    pub async fn replace(&self, unreadable: &Unreadable, change: &Change) -> Result<(), WriteError> {
        let revision = unreadable.revision.as_ref().and_then(|revision| revision.as_n().ok()?.parse().ok());
        let row = Row { revision: revision.unwrap_or(0_u32).saturating_add(1), ..Row::of(change) };
        let mut put = Put::builder().table_name(&self.table).set_item(Some(serde_dynamo::to_item(row).expect(PLAIN)));
        let mut conditions = vec!["attribute_exists(id)".to_owned()];
        for (name, value) in unreadable.marks() {
            conditions.push(match value {
                None => format!("attribute_not_exists({name})"),
                Some(value) => {
                    put = put.expression_attribute_values(format!(":{name}"), value.clone());
                    format!("{name} = :{name}")
                }
            });
        }
        let put = put.condition_expression(conditions.join(" AND ")).build();
        self.put_alone(&change.key, put.expect("all that is required is there")).await
    }

    async fn put_alone(&self, key: &Key, put: Put) -> Result<(), WriteError> {
        let Err(error) = put_alone(&self.client, put).await else { return Ok(()) };
        match error.code() {
            Some("ConditionalCheckFailedException") => Err(WriteError::Overtaken(vec![key.clone()])),
            Some("TransactionConflictException") => Err(WriteError::Busy),
            Some("ValidationException") => Err(WriteError::Refused(StoreError::unavailable("PutItem")(error))),
            _ => Err(StoreError::unavailable("PutItem")(error).into()),
        }
    }

    fn put(&self, change: &Change) -> Put {
        let row: Item = serde_dynamo::to_item(Row::of(change)).expect(PLAIN);
        let put = Put::builder().table_name(&self.table).set_item(Some(row));
        let put = match &change.from {
            None => put.condition_expression("attribute_not_exists(id)"),
            Some(Replaced { version, revision: 0, .. }) => put
                .condition_expression("version = :version AND attribute_not_exists(revision)")
                .expression_attribute_values(":version", n(version)),
            Some(Replaced { version, revision, .. }) => put
                .condition_expression("version = :version AND revision = :revision")
                .expression_attribute_values(":version", n(version))
                .expression_attribute_values(":revision", n(revision)),
        };
        put.build().expect("all that is required is there")
    }
}
