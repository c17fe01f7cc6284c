//! What a trace reads: records, commits, documents, timers and deliveries by their keys, of several tables by one call.
//!
//! Whoever traces knows which items there should be. So nothing here is searched for, and no table has an index for it.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use kernel::ids::{StreamId, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::batch_get::{MOST_PAUSES, pause};
use crate::error::StoreError;
use crate::event_store::Commit;
use crate::item::{Item, n, s};
use crate::operations::{OperationRecord, Operations};
use crate::parked::{ParkedMessage, Stage, Summary};
use crate::read_models;
use crate::stream_positions::CommitReference;
use crate::timers::{TimerId, Waiting};
use crate::webhooks::progress::Progress;
use crate::webhooks::{Endpoint, EndpointId, Webhooks};

/// The tables that a trace reads.
#[derive(Debug, Clone)]
pub struct TraceTables {
    pub operations: String,
    pub events: String,
    pub read_models: String,
    pub timers: String,
    /// `None`: this is not for operators.
    pub of_operators: Option<OperatorTables>,
}

/// What only operators see.
#[derive(Debug, Clone)]
pub struct OperatorTables {
    pub parked: String,
    pub webhooks: String,
}

/// Reads what a trace needs.
#[derive(Debug, Clone)]
pub struct Traces {
    client: Client,
    tables: TraceTables,
}

/// Where a parked message is: `parked_key` and `id`.
pub type ParkedKey = (String, String);

/// What was found of commands that were handled.
#[derive(Debug, Default)]
pub struct Handled {
    /// Without snapshots.
    pub commits: HashMap<CommitReference, Commit>,
    pub parked: HashMap<ParkedKey, ParkedSummary>,
}

/// A parked message, without the message.
#[derive(Debug, Clone, Deserialize)]
pub struct ParkedSummary {
    #[serde(flatten)]
    pub summary: Summary,
    pub stage: Stage,
}

/// What was found of what followed.
#[derive(Debug, Default)]
pub struct Followed {
    pub documents: HashMap<read_models::Key, Reached>,
    /// Timers that still wait, by the effect that has set them.
    pub timers: HashMap<TimerId, Waiting>,
    pub deliveries: HashMap<(EndpointId, StreamId), Progress>,
}

/// How far a document is, and whose it is. It is without the document itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reached {
    pub version: u64,
    /// The number of its shape.
    pub layout: u32,
    pub owner: String,
}

/// What is wanted of one table.
struct Wanted {
    table: String,
    keys: Vec<Item>,
    /// The attributes, separated by commas.
    attributes: &'static str,
}

/// What one `BatchGetItem` takes.
pub const MOST_AT_ONCE: usize = 100;

const COMMIT: &str = "stream_id, commit_number, first_version, events, effects, committed_at";
/// All of a summary and the stage, but neither the message nor what was done with it.
const PARKED: &str = "parked_key, id, queue, tenant, context, message_type, subject, operation, reason, last_error, \
                      revision, attempts, first_failed_at, first_parked_at, parked_at, stage";
const DOCUMENT: &str = "collection_key, id, version, layout, owner_key";
const TIMER: &str = "timer_key, commit_number, place, due";
const DELIVERY: &str = "webhook_key, place, head, done, done_commit, due, failing, again, sent_at, edition";

impl Traces {
    pub fn new(client: Client, tables: TraceTables) -> Self {
        Self { client, tables }
    }

    /// Whether it reads what only operators see.
    pub fn is_for_operators(&self) -> bool {
        self.tables.of_operators.is_some()
    }

    /// The records that there are of these [keys](OperationRecord::key): a call for a hundred.
    pub async fn operations(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<HashMap<String, OperationRecord>, StoreError> {
        Operations::new(self.client.clone(), &self.tables.operations).find_all(keys).await
    }

    /// Commits and parked messages: a call for a hundred. The latter only for operators.
    pub async fn handled(
        &self,
        commits: &BTreeSet<CommitReference>,
        parked: &BTreeSet<ParkedKey>,
    ) -> Result<Handled, StoreError> {
        let commit = |CommitReference { stream_id, commit_number }: &CommitReference| {
            Item::from([("stream_id".into(), s(stream_id)), ("commit_number".into(), n(commit_number))])
        };
        let message = |(key, id): &ParkedKey| Item::from([("parked_key".into(), s(key)), ("id".into(), s(id))]);
        let mut wanted = vec![Wanted::of(&self.tables.events, commits.iter().map(commit), COMMIT)];
        if let Some(tables) = &self.tables.of_operators {
            wanted.push(Wanted::of(&tables.parked, parked.iter().map(message), PARKED));
        }
        let mut found = self.get(wanted).await?;
        // What cannot be read is as if it were not there: a trace is wanted most where something is damaged.
        let commits = found.remove(&self.tables.events).unwrap_or_default().into_iter();
        let commits = commits.filter_map(|item| Commit::from_item(item).ok()).map(|commit| {
            let at = CommitReference { stream_id: commit.stream_id.clone(), commit_number: commit.commit_number };
            (at, commit)
        });
        let commits = commits.collect();
        let messages = self.tables.of_operators.as_ref().and_then(|tables| found.remove(&tables.parked));
        let messages: Vec<ParkedSummary> = read(messages.unwrap_or_default(), "parked message")?;
        let parked = messages.into_iter().map(|message| {
            let Summary { parked_key, id, .. } = &message.summary;
            ((parked_key.clone(), id.clone()), message)
        });
        Ok(Handled { commits, parked: parked.collect() })
    }

    /// Documents, timers and deliveries: a call for a hundred. The last only for operators.
    pub async fn followed(
        &self,
        documents: &BTreeSet<read_models::Key>,
        timers: &BTreeSet<TimerId>,
        deliveries: &BTreeSet<(EndpointId, StreamId)>,
    ) -> Result<Followed, StoreError> {
        #[derive(Deserialize)]
        struct Document {
            collection_key: String,
            id: String,
            version: u64,
            #[serde(default = "read_models::first")]
            layout: u32,
            owner_key: String,
        }
        #[derive(Deserialize)]
        struct Timer {
            #[serde(flatten)]
            id: TimerId,
            due: u64,
        }
        let document = |key: &read_models::Key| {
            Item::from([("collection_key".into(), s(key.partition())), ("id".into(), s(&key.id))])
        };
        let timer = |timer: &TimerId| Item::from([("timer_key".into(), s(&timer.timer_key))]);
        let delivery = |(endpoint, stream): &(EndpointId, StreamId)| {
            Item::from([("webhook_key".into(), s(endpoint)), ("place".into(), s(stream))])
        };
        let tables = &self.tables;
        // No item twice in a call: a timer that was set again has one row.
        let distinct: BTreeMap<&str, &TimerId> = timers.iter().map(|timer| (timer.timer_key.as_str(), timer)).collect();
        let mut wanted = vec![
            Wanted::of(&tables.read_models, documents.iter().map(document), DOCUMENT),
            Wanted::of(&tables.timers, distinct.into_values().map(timer), TIMER),
        ];
        if let Some(tables) = &tables.of_operators {
            wanted.push(Wanted::of(&tables.webhooks, deliveries.iter().map(delivery), DELIVERY));
        }
        let mut found = self.get(wanted).await?;
        let mut of = |table: &str| found.remove(table).unwrap_or_default();
        let rows: Vec<Document> = read(of(&tables.read_models), "read model")?;
        let mut rows: HashMap<_, _> =
            rows.into_iter().map(|row| ((row.collection_key.clone(), row.id.clone()), row)).collect();
        let documents = documents.iter().filter_map(|key| {
            let row = rows.remove(&(key.partition(), key.id.to_string()))?;
            let owner = read_models::owner(&row.collection_key, &row.owner_key).to_owned();
            Some((key.clone(), Reached { version: row.version, layout: row.layout, owner }))
        });
        let rows: Vec<Timer> = read(of(&tables.timers), "timer")?;
        let waiting = rows
            .into_iter()
            .map(|Timer { id, due }| (id.clone(), Waiting { id, due: kernel::timestamp::Timestamp::from_millis(due) }));
        let (documents, timers) = (documents.collect(), waiting.collect());
        let rows = tables.of_operators.as_ref().map(|tables| of(&tables.webhooks)).unwrap_or_default();
        let deliveries = rows.into_iter().map(|row| {
            let key = row.get("webhook_key").and_then(|key| EndpointId::parse(key.as_s().ok()?));
            let endpoint = key.ok_or("no endpoint").map_err(StoreError::corrupt("webhook"))?;
            let progress = Progress::from_item(row)?;
            Ok(((endpoint, progress.stream.clone()), progress))
        });
        Ok(Followed { documents, timers, deliveries: deliveries.collect::<Result<_, StoreError>>()? })
    }

    /// A tenant's endpoints for webhooks: one call. None, if this is not for operators.
    pub async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<Endpoint>, StoreError> {
        match &self.tables.of_operators {
            Some(tables) => Webhooks::new(self.client.clone(), &tables.webhooks).endpoints(tenant).await,
            None => Ok(Vec::new()),
        }
    }

    /// The items that there are, by table, strongly consistent, in as few calls as that takes.
    async fn get(&self, wanted: Vec<Wanted>) -> Result<HashMap<String, Vec<Item>>, StoreError> {
        const OPERATION: &str = "BatchGetItem";
        let attributes: HashMap<String, &'static str> =
            wanted.iter().map(|wanted| (wanted.table.clone(), wanted.attributes)).collect();
        let mut keys: Vec<(String, Item)> = wanted
            .into_iter()
            .flat_map(|Wanted { table, keys, .. }| keys.into_iter().map(move |key| (table.clone(), key)))
            .collect();
        let mut found: HashMap<String, Vec<Item>> = HashMap::new();
        let mut unanswered = 0;
        while !keys.is_empty() {
            let mut request: HashMap<String, Vec<Item>> = HashMap::new();
            for (table, key) in keys.split_off(keys.len().saturating_sub(MOST_AT_ONCE)) {
                request.entry(table).or_default().push(key);
            }
            let request = request.into_iter().map(|(table, keys)| {
                let keys = KeysAndAttributes::builder().set_keys(Some(keys)).consistent_read(true);
                let keys = keys.projection_expression(attributes.get(&table).copied().unwrap_or_default()).build();
                (table, keys.expect("all that is required is there"))
            });
            let answer = self.client.batch_get_item().set_request_items(Some(request.collect())).send().await;
            let answer = answer.map_err(StoreError::unavailable(OPERATION))?;
            let mut answered = false;
            for (table, items) in answer.responses.unwrap_or_default() {
                answered |= !items.is_empty();
                found.entry(table).or_default().extend(items);
            }
            let left = answer.unprocessed_keys.unwrap_or_default();
            let left: Vec<_> = left
                .into_iter()
                .flat_map(|(table, left)| left.keys.into_iter().map(move |key| (table.clone(), key)))
                .collect();
            unanswered = if answered || left.is_empty() { 0 } else { unanswered + 1 };
            if unanswered > MOST_PAUSES {
                let source = "keys were left unprocessed again and again".into();
                return Err(StoreError::Unavailable { operation: OPERATION, source });
            }
            if !left.is_empty() {
                pause(unanswered.max(1)).await;
            }
            keys.extend(left);
        }
        Ok(found)
    }
}

impl Wanted {
    fn of(table: &str, keys: impl Iterator<Item = Item>, attributes: &'static str) -> Self {
        Self { table: table.to_owned(), keys: keys.collect(), attributes }
    }
}

fn read<T: DeserializeOwned>(items: Vec<Item>, what: &'static str) -> Result<Vec<T>, StoreError> {
    serde_dynamo::from_items(items).map_err(StoreError::corrupt(what))
}

/// Where a command that was parked is kept: `queue` is its context's.
pub fn parked_key(tenant: &TenantId, queue: &str, record: &OperationRecord) -> Option<ParkedKey> {
    let (_, command_key) = record.operation_key.split_once('#')?;
    Some((ParkedMessage::key(Some(tenant), queue), ParkedMessage::id(record.accepted_at?, command_key)))
}
