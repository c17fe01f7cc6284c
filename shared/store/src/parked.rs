//! Parked messages: set aside whole, with the reason, until a person repairs, resubmits or discards them.
//!
//! | `parked_key` | `id` | holds |
//! | --- | --- | --- |
//! | `tenant#queue`, or `#queue` where no tenant is known | time, `#`, a unique part | a [`ParkedMessage`] |
//! | the same | the message's, `#r` and a revision's number | the message as it was in that revision, once repaired |
//!
//! While a message waits for a person it stands in the index `by_waiting`, by queue and then tenant. Between an
//! operator's decision to resubmit it and the certainty that it was sent it stands in `by_unsent`, so that whoever
//! finds it there sends it: a crash between the two loses nothing.
//!
//! - `message`: what is kept
//! - `decisions`: what operators do with it
//! - `transaction`: all or nothing, and who was faster

mod decisions;
mod message;
mod transaction;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Select, TransactWriteItem};
use kernel::ids::TenantId;

pub use self::decisions::Decision;
pub use self::message::{Action, ParkedMessage, Stage, Summary, What};
pub use self::transaction::ActError;
use self::transaction::transact;
use crate::error::StoreError;
use crate::item::{Item, s};
use crate::operations::{self, OperationRecord};

/// What became of an attempt to park a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parking {
    Parked,
    /// It has its outcome, waits already, or was overtaken by another revision.
    Settled,
}

/// Part of the messages that wait in one queue's name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    pub messages: Vec<Summary>,
    /// Where to go on, if there may be more.
    pub next: Option<String>,
}

/// A message as an operator looks at it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub parked: ParkedMessage,
    /// The message before each repair, by the number of its revision.
    pub earlier: Vec<(u32, String)>,
}

/// The parked messages.
#[derive(Debug, Clone)]
pub struct Parked {
    client: Client,
    table: String,
    operations: String,
}

impl Parked {
    pub fn new(client: Client, table: impl Into<String>, operations: impl Into<String>) -> Self {
        Self { client, table: table.into(), operations: operations.into() }
    }

    /// Sets a message aside that is no command, so that no operation and no stream goes with it. One that was parked
    /// before, under the same id, stays as it is, whatever was done with it since. (Commands are parked by
    /// [`EventStore::commit`](crate::EventStore::commit) when they are handled, by
    /// [`park_command`](Self::park_command) when they are not.)
    pub async fn park(&self, message: &ParkedMessage) -> Result<(), StoreError> {
        let update = message
            .update(&self.table)
            .condition_expression("attribute_not_exists(id)")
            .build()
            .expect("all that is required is there");
        match transact(&self.client, vec![TransactWriteItem::builder().update(update).build()]).await {
            Ok(()) | Err(ActError::Conflict(_)) => Ok(()),
            Err(ActError::Store(error)) => Err(error),
        }
    }

    /// Sets a command aside, and says so in its operation: `record` is to say `parked`.
    pub async fn park_command(&self, message: &ParkedMessage, record: &OperationRecord) -> Result<Parking, StoreError> {
        let update = message.update(&self.table).build().expect("all that is required is there");
        let actions = vec![
            TransactWriteItem::builder().put(operations::put_if_open(&self.operations, record)).build(),
            TransactWriteItem::builder().update(update).build(),
        ];
        match transact(&self.client, actions).await {
            Ok(()) => Ok(Parking::Parked),
            Err(ActError::Conflict(_)) => Ok(Parking::Settled),
            Err(ActError::Store(error)) => Err(error),
        }
    }

    /// Messages that wait under a queue's name, of one tenant or of all, each tenant's oldest first. `wanted` chooses
    /// among them; `after` is where an earlier page ended.
    pub async fn waiting(
        &self,
        queue: &str,
        tenant: Option<&TenantId>,
        wanted: impl Fn(&Summary) -> bool,
        after: Option<&str>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        // `$` follows `#`, which ends the tenant's name; a place is made of characters up to `~`.
        let (first, last) = match tenant {
            Some(tenant) => (format!("{tenant}#"), format!("{tenant}$")),
            None => ("!".to_owned(), "\u{7f}".to_owned()),
        };
        // Wherever a cursor points, a tenant's list begins with the tenant's own.
        let first = after.map_or(first.clone(), |after| first.max(format!("{after}\u{1}")));
        let mut messages: Vec<Summary> = Vec::new();
        if first > last {
            return Ok(Page { messages, next: None });
        }
        let mut start = None;
        loop {
            let answer = self
                .client
                .query()
                .table_name(&self.table)
                .index_name("by_waiting")
                .key_condition_expression("waiting = :queue AND waiting_place BETWEEN :first AND :last")
                .expression_attribute_values(":queue", s(queue))
                .expression_attribute_values(":first", s(&first))
                .expression_attribute_values(":last", s(&last))
                .set_exclusive_start_key(start)
                // What is wanted may be rare among them, and a thousand summaries are less than a page of DynamoDB's.
                .limit(1000)
                .send()
                .await
                .map_err(StoreError::unavailable("Query"))?;
            let found: Vec<Summary> = serde_dynamo::from_items(answer.items.unwrap_or_default())
                .map_err(StoreError::corrupt("parked message"))?;
            for message in found.into_iter().filter(|message| wanted(message)) {
                if messages.len() == limit {
                    let next = messages.last().map(|last| place(&last.parked_key, &last.id));
                    return Ok(Page { messages, next });
                }
                messages.push(message);
            }
            start = answer.last_evaluated_key;
            if start.is_none() || messages.len() == limit {
                let last = messages.last().filter(|_| start.is_some());
                let next = last.map(|last| place(&last.parked_key, &last.id));
                return Ok(Page { messages, next });
            }
        }
    }

    /// How many messages wait under a queue's name.
    pub async fn count(&self, queue: &str) -> Result<u64, StoreError> {
        let mut pages = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_waiting")
            .key_condition_expression("waiting = :queue")
            .expression_attribute_values(":queue", s(queue))
            .select(Select::Count)
            .into_paginator()
            .send();
        let mut count = 0;
        while let Some(page) = pages.next().await {
            count += u64::try_from(page.map_err(StoreError::unavailable("Query"))?.count).unwrap_or_default();
        }
        Ok(count)
    }

    /// The message, in whatever stage it is.
    pub async fn find(&self, parked_key: &str, id: &str) -> Result<Option<Found>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("parked_key = :key AND begins_with(id, :id)")
            .expression_attribute_values(":key", s(parked_key))
            .expression_attribute_values(":id", s(id))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        let (mut parked, mut earlier) = (None, Vec::new());
        for item in items {
            let its_id = item.get("id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default();
            if its_id == id {
                parked = Some(serde_dynamo::from_item(item).map_err(StoreError::corrupt("parked message"))?);
            } else if let Some(revision) = its_id.strip_prefix(id).and_then(|rest| rest.strip_prefix("#r"))
                && let (Ok(revision), Some(AttributeValue::S(message))) = (revision.parse(), item.get("message"))
            {
                earlier.push((revision, message.clone()));
            }
        }
        earlier.sort_unstable_by_key(|(revision, _)| *revision);
        Ok(parked.map(|parked| Found { parked, earlier }))
    }
}

/// Its place in the index of what waits: `tenant#id`.
fn place(parked_key: &str, id: &str) -> String {
    let tenant = parked_key.split('#').next().unwrap_or_default();
    format!("{tenant}#{id}")
}
