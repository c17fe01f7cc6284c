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

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{
    AttributeValue, Put, ReturnValuesOnConditionCheckFailure, Select, TransactWriteItem, Update,
};
use kernel::ids::TenantId;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s};
use crate::operations::{self, OperationRecord};

/// What a list of parked messages says of each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary {
    pub parked_key: String,
    /// Sorts by time: acceptance, then command key; for what is no command, arrival, then the queue's message id.
    pub id: String,
    /// Where it goes when it is resubmitted: a context's name for its command queue, or another queue's name.
    pub queue: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    /// The bounded context that it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub context: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message_type: Option<String>,
    /// The aggregate's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<String>,
    /// A command's operation, as its receipt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// Why, in kebab case: what a person groups by.
    pub reason: String,
    /// The whole chain of errors, for the person who repairs.
    #[serde(rename = "last_error")]
    pub error: String,
    /// How often an operator has resubmitted it.
    pub revision: u32,
    /// How often it was sent back to its queue in this revision.
    pub attempts: u32,
    pub first_failed_at: Timestamp,
    pub first_parked_at: Timestamp,
    /// The last time.
    pub parked_at: Timestamp,
}

/// A message set aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    #[serde(flatten)]
    pub summary: Summary,
    /// The queue message's body: as received, or as an operator repaired it.
    pub message: String,
    pub stage: Stage,
    /// What was done with it, oldest first.
    pub history: Vec<Action>,
}

/// Where a message is that was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// For a person.
    Waiting,
    /// On its way again.
    Resubmitted,
    /// Given up.
    Discarded,
}

/// Something done with a parked message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub at: Timestamp,
    pub what: What,
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why: of parking, the kebab-case reason; else the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Whether its data was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    Parked,
    Resubmitted,
    Discarded,
}

/// Who does something with a parked message, and why.
#[derive(Debug, Clone, Copy)]
pub struct Decision<'a> {
    pub by: &'a str,
    pub reason: Option<&'a str>,
    pub at: Timestamp,
}

/// Why an operator's decision had no effect.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The message does not wait any more, or not in this revision. What was done last, where that is known.
    #[error("somebody else has acted on it")]
    Conflict(Option<Box<Action>>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

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

impl ParkedMessage {
    /// A message to be set aside.
    pub fn new(summary: Summary, message: String) -> Self {
        let reason = Some(summary.reason.clone());
        let parked = Action { at: summary.parked_at, what: What::Parked, by: None, reason, repaired: false };
        Self { summary, message, stage: Stage::Waiting, history: vec![parked] }
    }

    pub fn key(tenant: Option<&TenantId>, queue: &str) -> String {
        format!("{}#{queue}", tenant.map_or("", TenantId::as_str))
    }

    pub fn id(time: Timestamp, unique: impl std::fmt::Display) -> String {
        format!("{time}#{unique}")
    }

    /// What parking weighs beyond the message and the error, at most.
    pub(crate) fn weight(&self) -> usize {
        self.message.len() + self.summary.error.len() + 4 * 1024
    }

    /// Sets it aside. Parked before, it keeps its first times and its history.
    pub(crate) fn update(&self, table: &str) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        let item: Item = serde_dynamo::to_item(&self.summary).expect("a summary has string keys and plain values");
        let history = self.history.iter().map(action).collect();
        let mut update = Update::builder()
            .table_name(table)
            .key("parked_key", s(&self.summary.parked_key))
            .key("id", s(&self.summary.id))
            .expression_attribute_values(":message", s(&self.message))
            .expression_attribute_values(":stage", s("waiting"))
            .expression_attribute_values(":place", s(place(&self.summary.parked_key, &self.summary.id)))
            .expression_attribute_values(":none", AttributeValue::L(Vec::new()))
            .expression_attribute_values(":history", AttributeValue::L(history));
        let mut set = vec![
            "SET message = :message, stage = :stage, waiting = :queue, waiting_place = :place, \
             history = list_append(if_not_exists(history, :none), :history)"
                .to_owned(),
        ];
        for (name, value) in item.into_iter().filter(|(name, _)| name != "parked_key" && name != "id") {
            let stays = matches!(name.as_str(), "first_failed_at" | "first_parked_at");
            let new = if stays { format!("if_not_exists({name}, :{name})") } else { format!(":{name}") };
            set.push(format!("{name} = {new}"));
            update = update.expression_attribute_values(format!(":{name}"), value);
        }
        update.update_expression(format!("{} REMOVE unsent, unsent_since, expires_at", set.join(", ")))
    }
}

/// Its place in the index of what waits: `tenant#id`.
fn place(parked_key: &str, id: &str) -> String {
    let tenant = parked_key.split('#').next().unwrap_or_default();
    format!("{tenant}#{id}")
}

fn action(action: &Action) -> AttributeValue {
    serde_dynamo::to_attribute_value(action).expect("an action has string keys and plain values")
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
    /// before, under the same id, stays as it is, whatever was done with it since. (Commands are parked by [`EventStore::commit`](crate::EventStore::commit) when they are
    /// handled, by [`park_command`](Self::park_command) when they are not.)
    pub async fn park(&self, message: &ParkedMessage) -> Result<(), StoreError> {
        let update = message
            .update(&self.table)
            .condition_expression("attribute_not_exists(id)")
            .build()
            .expect("all that is required is there");
        match self.transact(vec![TransactWriteItem::builder().update(update).build()]).await {
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
        match self.transact(actions).await {
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

    /// Takes a waiting message for resubmission: in its next revision, with `message` as its body. What it was before is
    /// kept. A command's operation is open again, for that revision alone. Gives the message as it is now; it is not
    /// sent yet, and [`sent`](Self::sent) is to say when it is.
    pub async fn resubmit(
        &self,
        parked: &ParkedMessage,
        message: String,
        repaired: bool,
        decision: Decision<'_>,
    ) -> Result<ParkedMessage, ActError> {
        let Summary { parked_key, id, queue, revision, .. } = &parked.summary;
        let Decision { by, reason, at } = decision;
        let done =
            Action { at, what: What::Resubmitted, by: Some(by.into()), reason: reason.map(str::to_owned), repaired };
        let update = self
            .if_waiting(&parked.summary)
            .update_expression(
                "SET stage = :stage, message = :message, revision = :next, attempts = :zero, \
                 unsent = :queue, unsent_since = :now, history = list_append(history, :done) \
                 REMOVE waiting, waiting_place",
            )
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":message", s(&message))
            .expression_attribute_values(":next", n(revision + 1))
            .expression_attribute_values(":zero", n(0))
            .expression_attribute_values(":queue", s(queue))
            .expression_attribute_values(":now", s(at))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(&done)]));
        let mut actions = vec![update_action(update)];
        if repaired {
            let earlier = Put::builder()
                .table_name(&self.table)
                .item("parked_key", s(parked_key))
                .item("id", s(format!("{id}#r{revision}")))
                .item("message", s(&parked.message))
                .build()
                .expect("all that is required is there");
            actions.push(TransactWriteItem::builder().put(earlier).build());
        }
        if let Some(operation) = self.if_parked(&parked.summary) {
            let problem = Problem::retrying("an operator has resubmitted it");
            actions.push(update_action(
                operation
                    .update_expression(
                        "SET outcome = :retrying, revision = :next, problem = :problem, recorded_at = :now REMOVE attempt",
                    )
                    .expression_attribute_values(":retrying", s(Status::Retrying.as_str()))
                    .expression_attribute_values(":next", n(revision + 1))
                    .expression_attribute_values(":problem", s(problem.to_json()))
                    .expression_attribute_values(":now", s(at)),
            ));
        }
        self.transact(actions).await?;
        let mut resubmitted = parked.clone();
        resubmitted.summary.revision += 1;
        resubmitted.summary.attempts = 0;
        resubmitted.message = message;
        resubmitted.stage = Stage::Resubmitted;
        resubmitted.history.push(done);
        Ok(resubmitted)
    }

    /// The resubmitted message is in its queue. Its record is kept until `expires_at` (seconds since 1970), unless it is
    /// parked again.
    pub async fn sent(&self, resubmitted: &Summary, expires_at: u64) -> Result<(), StoreError> {
        self.expire_earlier(resubmitted, expires_at).await?;
        let update = self
            .of(resubmitted)
            .update_expression("SET expires_at = :expires REMOVE unsent, unsent_since")
            .condition_expression("stage = :stage AND revision = :revision")
            .expression_attribute_values(":stage", s("resubmitted"))
            .expression_attribute_values(":revision", n(resubmitted.revision))
            .expression_attribute_values(":expires", n(expires_at));
        match self.transact(vec![update_action(update)]).await {
            // It failed again and was parked, or even resubmitted, meanwhile.
            Ok(()) | Err(ActError::Conflict(_)) => Ok(()),
            Err(ActError::Store(error)) => Err(error),
        }
    }

    /// Messages that were to be resubmitted to a queue before `before`, and are not known to be sent: oldest first, at
    /// most `limit`.
    pub async fn unsent(&self, queue: &str, before: Timestamp, limit: i32) -> Result<Vec<ParkedMessage>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_unsent")
            .key_condition_expression("unsent = :queue AND unsent_since < :before")
            .expression_attribute_values(":queue", s(queue))
            .expression_attribute_values(":before", s(before))
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let mut unsent = Vec::new();
        for item in answer.items.unwrap_or_default() {
            let key = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
            // The index may be behind the table.
            if let Some(found) = self.find(&key("parked_key"), &key("id")).await?
                && found.parked.stage == Stage::Resubmitted
            {
                unsent.push(found.parked);
            }
        }
        Ok(unsent)
    }

    /// Gives a waiting message up. Its operation ends as `discarded`, with the operator's reason for the client.
    /// `expires_at` (seconds since 1970) is when the records of both may go.
    pub async fn discard(
        &self,
        parked: &ParkedMessage,
        decision: Decision<'_>,
        expires_at: u64,
    ) -> Result<(), ActError> {
        let Decision { by, reason, at } = decision;
        let reason = reason.map(str::to_owned);
        let problem = Problem::discarded(reason.clone().unwrap_or_default());
        let done = Action { at, what: What::Discarded, by: Some(by.into()), reason, repaired: false };
        let update = self
            .if_waiting(&parked.summary)
            .update_expression(
                "SET stage = :stage, expires_at = :expires, history = list_append(history, :done) \
                 REMOVE waiting, waiting_place",
            )
            .expression_attribute_values(":stage", s("discarded"))
            .expression_attribute_values(":expires", n(expires_at))
            .expression_attribute_values(":done", AttributeValue::L(vec![action(&done)]));
        let mut actions = vec![update_action(update)];
        if let Some(operation) = self.if_parked(&parked.summary) {
            actions.push(update_action(
                operation
                    .update_expression(
                        "SET outcome = :discarded, problem = :problem, recorded_at = :now, expires_at = :expires",
                    )
                    .expression_attribute_values(":discarded", s(Status::Discarded.as_str()))
                    .expression_attribute_values(":problem", s(problem.to_json()))
                    .expression_attribute_values(":now", s(at))
                    .expression_attribute_values(":expires", n(expires_at)),
            ));
        }
        self.transact(actions).await?;
        Ok(self.expire_earlier(&parked.summary, expires_at).await?)
    }

    /// What a message was before its repairs is kept no longer than until then. (If it is parked again and waits longer
    /// than that, it waits without them.)
    async fn expire_earlier(&self, message: &Summary, expires_at: u64) -> Result<(), StoreError> {
        if message.revision == 0 {
            return Ok(());
        }
        let earlier = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("parked_key = :key AND begins_with(id, :id)")
            .projection_expression("parked_key, id")
            .expression_attribute_values(":key", s(&message.parked_key))
            .expression_attribute_values(":id", s(format!("{}#r", message.id)))
            .into_paginator()
            .items()
            .send();
        let earlier: Vec<Item> = earlier.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        for key in earlier {
            self.client
                .update_item()
                .table_name(&self.table)
                .set_key(Some(key))
                .update_expression("SET expires_at = :expires")
                .expression_attribute_values(":expires", n(expires_at))
                .send()
                .await
                .map_err(StoreError::unavailable("UpdateItem"))?;
        }
        Ok(())
    }

    fn of(&self, message: &Summary) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        Update::builder()
            .table_name(&self.table)
            .key("parked_key", s(&message.parked_key))
            .key("id", s(&message.id))
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
    }

    /// An update of a message that waits, in the revision that the operator saw.
    fn if_waiting(&self, message: &Summary) -> aws_sdk_dynamodb::types::builders::UpdateBuilder {
        self.of(message)
            .condition_expression("stage = :waiting AND revision = :revision")
            .expression_attribute_values(":waiting", s("waiting"))
            .expression_attribute_values(":revision", n(message.revision))
    }

    /// An update of the operation behind a message, if there is one: it must be parked in the same revision.
    fn if_parked(&self, message: &Summary) -> Option<aws_sdk_dynamodb::types::builders::UpdateBuilder> {
        let receipt = Receipt::read(message.operation.as_deref()?)?;
        let key = OperationRecord::key(message.tenant.as_ref()?, receipt.command_key);
        let update = Update::builder()
            .table_name(&self.operations)
            .key("operation_key", s(key))
            .condition_expression("outcome = :parked AND revision = :revision")
            .expression_attribute_values(":parked", s(Status::Parked.as_str()))
            .expression_attribute_values(":revision", n(message.revision));
        Some(update)
    }

    /// All of it, or nothing; a condition that does not hold is a conflict.
    async fn transact(&self, actions: Vec<TransactWriteItem>) -> Result<(), ActError> {
        /// Others are at the same items for some milliseconds.
        const TRIES: u32 = 5;
        for attempt in 1.. {
            let sent = self.client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
            let Err(error) = sent else { break };
            match refusal(&error) {
                Some(Refused::Condition(done)) => return Err(ActError::Conflict(done)),
                Some(Refused::Busy) if attempt < TRIES => operations::pause(attempt).await,
                _ => return Err(StoreError::unavailable("TransactWriteItems")(error).into()),
            }
        }
        Ok(())
    }
}

enum Refused {
    /// What was done last with the message at fault.
    Condition(Option<Box<Action>>),
    Busy,
}

fn refusal<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Refused> {
    let reasons = match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons(),
        TransactWriteItemsError::TransactionInProgressException(_) => return Some(Refused::Busy),
        _ => return None,
    };
    let mut busy = false;
    for reason in reasons {
        match reason.code() {
            Some("ConditionalCheckFailed") => {
                let done = reason.item().and_then(|item| item.get("history")).and_then(|history| {
                    let history: Vec<Action> = serde_dynamo::from_attribute_value(history.clone()).ok()?;
                    history.into_iter().next_back().map(Box::new)
                });
                return Some(Refused::Condition(done));
            }
            Some("TransactionConflict") => busy = true,
            _ => {}
        }
    }
    busy.then_some(Refused::Busy)
}

fn update_action(update: aws_sdk_dynamodb::types::builders::UpdateBuilder) -> TransactWriteItem {
    TransactWriteItem::builder().update(update.build().expect("all that is required is there")).build()
}
