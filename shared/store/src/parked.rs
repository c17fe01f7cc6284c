//! Parked messages: set aside whole, with the reason, until a person repairs, resubmits or discards them.
//!
//! | `parked_key` | `id` | holds |
//! | --- | --- | --- |
//! | `tenant#queue`, or `#queue` where no tenant is known | time, `#`, a unique part | a [`ParkedMessage`] |
//! | the same | the message's, `#h` and a revision's number in ten digits | what was done with it up to that revision |
//! | the same | the message's, `#r` and a revision's number | the message as it was in that revision, once repaired |
//!
//! The message's own item says only what was done last. Each decision moves what was done before into an item of its
//! own, in the same transaction: so however often a message comes back, its item does not outgrow what DynamoDB takes.
//! Nothing here expires.
//!
//! While a message waits for a person it stands in the index `by_waiting`, by queue and then tenant. Between an
//! operator's decision to resubmit it and the certainty that it was sent it stands in `by_unsent`, so that whoever
//! finds it there sends it: a crash between the two loses nothing.
//!
//! - `message`: what is kept
//! - `decisions`: what operators do with it
//! - `history`: what was done before
//! - `transaction`: all or nothing, and who was faster

mod decisions;
mod history;
mod message;
mod transaction;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Select, TransactWriteItem};
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use serde::Deserialize;

pub use self::decisions::OperatorAction;
pub use self::history::{Past, Step, steps};
pub use self::message::{Action, ParkedMessage, Stage, Summary, What};
pub use self::transaction::ActError;
use self::transaction::transact;
use crate::error::StoreError;
use crate::item::{Item, ScanPage, s};
use crate::operations::{self, OperationRecord};

/// What became of an attempt to park a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParkResult {
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

/// A message, without what is in it and what was done with it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Scanned {
    #[serde(flatten)]
    pub summary: Summary,
    pub stage: Stage,
    /// Since when it is resubmitted and not known to be sent.
    #[serde(default)]
    pub unsent_since: Option<Timestamp>,
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
    pub async fn park_command(
        &self,
        message: &ParkedMessage,
        record: &OperationRecord,
    ) -> Result<ParkResult, StoreError> {
        let update = message.update(&self.table).build().expect("all that is required is there");
        let actions = vec![
            TransactWriteItem::builder().put(operations::put_if_open(&self.operations, record)).build(),
            TransactWriteItem::builder().update(update).build(),
        ];
        match transact(&self.client, actions).await {
            Ok(()) => Ok(ParkResult::Parked),
            Err(ActError::Conflict(_)) => Ok(ParkResult::Settled),
            Err(ActError::Store(error)) => Err(error),
        }
    }

    /// The same, unless the message is a repeat: then its operation's record is kept until that time (seconds since 1970)
    /// at least, for it has to outlast the repeat. If the record has just expired, the command is no repeat any more.
    pub async fn park_command_or_keep(
        &self,
        message: &ParkedMessage,
        record: &OperationRecord,
        until: u64,
    ) -> Result<ParkResult, StoreError> {
        match self.park_command(message, record).await? {
            ParkResult::Settled
                if !operations::keep(&self.client, &self.operations, &record.operation_key, until).await? =>
            {
                self.park_command(message, record).await
            }
            parking => Ok(parking),
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

    /// Part of all messages, in whatever stage they are, and the keys of the last item that was read if there is more.
    pub async fn scan(
        &self,
        segment: (u32, u32),
        after: &[String],
        most: i32,
    ) -> Result<(Vec<Result<Scanned, StoreError>>, Vec<String>), StoreError> {
        let page = ScanPage { table: &self.table, keys: &["parked_key", "id"], segment, after, most };
        let (items, last) = page.read(&self.client).await?;
        // Items of a message's past have no stage.
        let messages = items.into_iter().filter(|item| item.contains_key("stage"));
        let read = |item| serde_dynamo::from_item(item).map_err(StoreError::corrupt("parked message"));
        Ok((messages.map(read).collect(), last))
    }

    /// The same of one message.
    pub async fn look_at(&self, parked_key: &str, id: &str) -> Result<Option<Scanned>, StoreError> {
        let item = self.item(parked_key, id).await?;
        item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("parked message"))
    }

    /// The message, in whatever stage it is.
    pub async fn find(&self, parked_key: &str, id: &str) -> Result<Option<ParkedMessage>, StoreError> {
        let item = self.item(parked_key, id).await?;
        item.map(ParkedMessage::from_item).transpose().map_err(StoreError::corrupt("parked message"))
    }

    async fn item(&self, parked_key: &str, id: &str) -> Result<Option<Item>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("parked_key", s(parked_key))
            .key("id", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        Ok(answer.item)
    }
}

/// Its place in the index of what waits: `tenant#id`.
fn place(parked_key: &str, id: &str) -> String {
    let tenant = parked_key.split('#').next().unwrap_or_default();
    format!("{tenant}#{id}")
}
