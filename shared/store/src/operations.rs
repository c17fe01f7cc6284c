//! Operation records: one per command, looked up by (tenant, command key).

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::put_item::builders::PutItemFluentBuilder;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{CancellationReason, Put, ReturnValuesOnConditionCheckFailure, TransactWriteItem};
use kernel::cloud_event::Invalid;
use kernel::command::{Command, Header, ReplyTo};
use kernel::context::Context;
use kernel::domain_event::Cause;
use kernel::ids::{AggregateId, CommandKey, InvalidId, StreamId, TenantId};
use kernel::operation::{LONGEST_WAY, Operation, Resource, Status};
use kernel::peers::{DISCARDED, Refusal};
use kernel::principal::Principal;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::system_command::{Occasion, SystemCommand};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::batch_get::{Consistency, MOST_PAUSES, items_of, pause};
use crate::error::StoreError;
use crate::item::{ScanPage, n, put_alone, s};

/// What became of a command. Written with its events in one transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OperationRecord {
    /// `tenant#command-key`.
    pub operation_key: String,
    pub outcome: Status,
    /// Digest of the command that was handled, to tell a reused id by.
    pub digest: String,
    pub context: String,
    pub command_type: String,
    /// The aggregate's type; `None`: its context's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub aggregate_type: Option<String>,
    pub subject: String,
    /// Who sent the command. Records of releases before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub principal: Option<Principal>,
    /// Path, or the URL if it is elsewhere, and version of what the command changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// Of a command that has succeeded: the number of the commit with its events, 0 if it made none. Records of releases
    /// before do not say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit_number: Option<u64>,
    /// A [`Problem`] as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    /// How often an operator had resubmitted the command.
    #[serde(default)]
    pub revision: u32,
    /// The operator who replaced its data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired_by: Option<Principal>,
    /// Who is told if it is refused, where another context has sent it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reply_to: Option<ReplyTo>,
    /// While it is retried: how often it was sent back to its queue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// When that attempt was found to have failed; until then, it may be on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_at: Option<Timestamp>,
    /// When the command was accepted of which this was written. Records of earlier releases lack it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub accepted_at: Option<Timestamp>,
    /// When this was written.
    pub recorded_at: Timestamp,
    /// Time to live in seconds since 1970; only of final outcomes. Each repeat of the command puts it off
    /// ([`Operations::keep`]). DynamoDB deletes later; until then the record counts as there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl OperationRecord {
    pub fn key(tenant: &TenantId, command: CommandKey) -> String {
        format!("{tenant}#{command}")
    }

    /// What every record of the command says; that it is being retried, if nothing else is said.
    pub fn of(command: &Command, now: Timestamp) -> Self {
        Self::headed(command.header(), &command.stream.context, now)
    }

    /// The same, of a command that may be no more than its header to this build.
    pub fn headed(header: Header, context: &str, now: Timestamp) -> Self {
        let Header { tenant, receipt, ty, aggregate_type, subject, principal, revision, repaired_by, reply_to } =
            header;
        Self {
            operation_key: Self::key(&tenant, receipt.command_key),
            outcome: Status::Retrying,
            digest: receipt.digest.to_string(),
            context: context.to_owned(),
            command_type: ty,
            aggregate_type,
            subject,
            principal,
            resource: None,
            version: None,
            commit_number: None,
            problem: None,
            revision,
            repaired_by,
            reply_to,
            attempt: None,
            failed_at: None,
            accepted_at: Some(receipt.accepted_at),
            recorded_at: now,
            expires_at: None,
        }
    }

    /// The stream of the aggregate that the command is for; `None` if its subject names none.
    pub fn stream(&self) -> Option<StreamId> {
        let (tenant, _) = self.operation_key.split_once('#')?;
        Some(StreamId {
            tenant: TenantId::parse(tenant).ok()?,
            context: self.context.clone(),
            aggregate_type: self.aggregate_type.clone(),
            aggregate: AggregateId::parse(&self.subject).ok()?,
        })
    }

    /// Reads the image that a stream of the operations table carries.
    pub fn from_stream_image(image: serde_dynamo::Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(image).map_err(StoreError::corrupt("operation"))
    }

    /// Why a context has rejected the command, in its stable word: the end of the problem's type.
    pub fn reason(&self) -> String {
        let problem = self.problem.as_deref().and_then(|problem| serde_json::from_str::<Problem>(problem).ok());
        problem.and_then(|problem| Some(problem.ty.rsplit(':').next()?.to_owned())).unwrap_or_default()
    }

    /// The command that tells its sender that this one will not be carried out; `None` if there is nobody who wants to know.
    pub fn told(&self, contexts: &[Context], public_url: &str) -> Result<Option<SystemCommand>, Untold> {
        let Some(ReplyTo { stream, correlation, traceparent }) = self.reply_to.clone() else { return Ok(None) };
        let reason = match self.outcome {
            Status::Rejected => self.reason(),
            Status::Discarded => DISCARDED.to_owned(),
            _ => return Ok(None),
        };
        let Some(sender) = contexts.iter().find(|context| context.name == stream.context) else { return Ok(None) };
        let aggregate = AggregateId::parse(&self.subject)?;
        let refusal = Refusal { command: &self.command_type, aggregate: &aggregate, reason: &reason };
        let Some(command) = sender.recipient(&self.command_type).and_then(|to| (to.refused)(refusal)) else {
            return Ok(None);
        };
        let cause = Cause { correlation, traceparent, ..Cause::default() };
        let occasion = Occasion {
            by: sender.name,
            source: &self.context,
            id: format!("{}.{}", self.operation_key, self.revision),
            at: self.recorded_at,
            cause: &cause,
            causation: self.operation_key.clone(),
            reply_to: None,
        };
        Ok(Some(SystemCommand::new(stream, &command, occasion, public_url)?))
    }

    /// Whether the command may still be carried out: what [`put_if_open`] asks of DynamoDB, of a record that was read.
    pub fn is_open_to(&self, command: &Command) -> bool {
        self.outcome == Status::Retrying
            && self.digest == command.receipt.digest.to_string()
            && self.revision == command.revision
    }

    /// Whether this says what became of the command of `receipt`. If not, the receipt reads as if there were no record.
    ///
    /// - Not if the command may still be on its way when the record expires: it will either meet the record, which is then
    ///   kept longer, or be carried out. Until it is known which, nothing is said that would have to be taken back.
    /// - Not if the receipt is so much older that it belongs to an earlier record, which has expired.
    ///
    /// A record of a release before, which did not say when the command was accepted, tells of every receipt, as it did then.
    pub fn tells_of(&self, receipt: &Receipt) -> bool {
        let Some(accepted_at) = self.accepted_at else { return true };
        let way_ends = receipt.accepted_at.plus(LONGEST_WAY);
        accepted_at <= way_ends && self.expires_at.is_none_or(|expires_at| way_ends.seconds() <= expires_at)
    }

    /// The operation as the holder of `receipt` sees it; `public_url` is the API's own address.
    ///
    /// A repeat reads as the command that was handled, with the times of that one. A receipt of other content reads as
    /// rejected, for the id was used before: from its acceptance on, whatever becomes of the other command.
    pub fn seen_by(&self, receipt: &Receipt, public_url: &str) -> Operation {
        let mut operation = Operation::accepted(receipt.to_string(), receipt.accepted_at);
        operation.finished_at = Some(receipt.accepted_at);
        if self.digest != receipt.digest.to_string() {
            operation.status = Status::Rejected;
            operation.error = Some(Problem::id_reused(
                "another command with this source and id came first, and its outcome stays; send yours under a new id",
            ));
            return operation;
        }
        operation.accepted_at = receipt.accepted_at.min(self.accepted_at.unwrap_or(self.recorded_at));
        operation.finished_at = Some(self.recorded_at.max(operation.accepted_at)); // clocks differ
        operation.status = self.outcome;
        operation.ty = Some(self.command_type.clone());
        operation.subject = Some(self.subject.clone());
        operation.principal.clone_from(&self.principal);
        operation.revision = self.revision;
        operation.repaired = self.repaired_by.is_some();
        operation.resource = self.resource.as_ref().zip(self.version).map(|(place, version)| {
            // What a pipeline of the tenant's own has changed is elsewhere.
            let is_here = place.starts_with('/');
            let href = if is_here { format!("{public_url}{place}?version={version}") } else { place.clone() };
            Resource { href, version }
        });
        operation.attempt = self.attempt;
        operation.error = self.problem.as_deref().and_then(|problem| serde_json::from_str(problem).ok());
        if !self.outcome.is_final() {
            operation.finished_at = None;
        }
        operation
    }
}

/// The operation as the holder of `receipt` sees it: what the record tells; `accepted` for a genuine receipt of which none tells
/// yet, as long as its command can be on its way. `None`: past that, it reads as one that never was. So nothing final is ever
/// taken back.
pub fn seen(
    record: Option<&OperationRecord>,
    receipt: &Receipt,
    public_url: &str,
    now: Timestamp,
) -> Option<Operation> {
    match record.filter(|record| record.tells_of(receipt)) {
        Some(record) => Some(record.seen_by(receipt, public_url)),
        None if receipt.is_of_system() || receipt.accepted_at.plus(LONGEST_WAY) < now => None,
        None => Some(Operation::accepted(receipt.to_string(), receipt.accepted_at)),
    }
}

/// Why nobody can be told of a command that was refused.
#[derive(Debug, thiserror::Error)]
pub enum Untold {
    #[error("a record names no aggregate")]
    Aggregate(#[from] InvalidId),
    #[error("what is to be told is no valid command")]
    Command(#[from] Invalid),
}

/// Operation records, beside what [`EventStore::commit`](crate::EventStore::commit) writes of them.
#[derive(Debug, Clone)]
pub struct Operations {
    client: Client,
    table: String,
}

/// What one transaction of marks takes: fewer than it could, for one mark at fault means another try for the others.
const MARKS_AT_ONCE: usize = 50;

impl Operations {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub async fn find(&self, tenant: &TenantId, command: CommandKey) -> Result<Option<OperationRecord>, StoreError> {
        self.look_up(&OperationRecord::key(tenant, command)).await
    }

    /// The record of this [key](OperationRecord::key).
    pub async fn look_up(&self, key: &str) -> Result<Option<OperationRecord>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("operation_key", s(key))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("operation"))
    }

    /// The records that there are of these [keys](OperationRecord::key), by key, in as few calls as that takes.
    pub async fn find_all(
        &self,
        keys: impl IntoIterator<Item = String>,
    ) -> Result<HashMap<String, OperationRecord>, StoreError> {
        // No key twice in a call.
        let keys: BTreeSet<String> = keys.into_iter().collect();
        let keys = keys.into_iter().map(|key| HashMap::from([("operation_key".to_owned(), s(key))])).collect();
        let items = items_of(&self.client, &self.table, keys, Consistency::Strong).await?;
        let records: Vec<OperationRecord> =
            serde_dynamo::from_items(items).map_err(StoreError::corrupt("operation"))?;
        Ok(records.into_iter().map(|record| (record.operation_key.clone(), record)).collect())
    }

    /// Keeps the record of this [key](OperationRecord::key) until then (seconds since 1970), if it would expire before: the
    /// command has come again. Gives whether there is a record.
    pub async fn keep(&self, key: &str, until: u64) -> Result<bool, StoreError> {
        keep(&self.client, &self.table, key, until).await
    }

    /// Part of all records, and the key of the last one that was read if there is more. One that cannot be read does not hide the
    /// others.
    pub async fn scan(
        &self,
        segment: (u32, u32),
        after: &[String],
        most: i32,
    ) -> Result<(Vec<Result<OperationRecord, StoreError>>, Vec<String>), StoreError> {
        let page = ScanPage { table: &self.table, keys: &["operation_key"], segment, after, most };
        let (items, last) = page.read(&self.client).await?;
        let read = |item| serde_dynamo::from_item(item).map_err(StoreError::corrupt("operation"));
        Ok((items.into_iter().map(read).collect(), last))
    }

    /// Writes the record of a command whose events are there, if none says so: there is no record, or one of this very command
    /// with another outcome or commit. Gives whether that was so.
    pub async fn put_succeeded(&self, record: &OperationRecord) -> Result<bool, StoreError> {
        let put = self
            .put(record)
            .condition_expression(
                "attribute_not_exists(operation_key) \
                 OR (digest = :digest AND (outcome <> :succeeded OR commit_number <> :commit))",
            )
            .expression_attribute_values(":digest", s(&record.digest))
            .expression_attribute_values(":succeeded", s(Status::Succeeded.as_str()))
            .expression_attribute_values(":commit", n(record.commit_number.unwrap_or_default()))
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Writes this record in place of one that cannot be read.
    pub async fn overwrite(&self, record: &OperationRecord) -> Result<(), StoreError> {
        self.put(record).send().await.map(drop).map_err(StoreError::unavailable("PutItem"))
    }

    /// Writes this record in place of another one, if that is still what is stored. Gives whether it was.
    pub async fn replace(&self, before: &OperationRecord, record: &OperationRecord) -> Result<bool, StoreError> {
        let put = self
            .put(record)
            .condition_expression("outcome = :outcome AND recorded_at = :recorded AND revision = :revision")
            .expression_attribute_values(":outcome", s(before.outcome.as_str()))
            .expression_attribute_values(":recorded", s(before.recorded_at))
            .expression_attribute_values(":revision", n(before.revision))
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    fn put(&self, record: &OperationRecord) -> PutItemFluentBuilder {
        let item = serde_dynamo::to_item(record).expect("a record has string keys and plain values");
        self.client.put_item().table_name(&self.table).set_item(Some(item))
    }

    /// Writes the record of a command that is [open](put_if_open). Gives whether it was.
    pub async fn put_open(&self, record: &OperationRecord) -> Result<bool, StoreError> {
        let put = put_alone(&self.client, put_if_open(&self.table, record)).await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Writes that commands are being retried, where they have no outcome yet. Gives the keys of those that are closed:
    /// they have their outcome, wait for a person, or were overtaken by another revision.
    pub async fn mark_retrying(&self, records: Vec<OperationRecord>) -> Result<HashSet<String>, StoreError> {
        let mut closed = HashSet::new();
        // No item twice in a transaction: the later mark of a command counts.
        let distinct: BTreeMap<String, OperationRecord> =
            records.into_iter().map(|record| (record.operation_key.clone(), record)).collect();
        let records: Vec<_> = distinct.into_values().collect();
        for records in records.chunks(MARKS_AT_ONCE) {
            let mut open: Vec<&OperationRecord> = records.iter().collect();
            let mut busy = 0;
            while !open.is_empty() {
                let puts = open
                    .iter()
                    .map(|record| TransactWriteItem::builder().put(put_if_open(&self.table, record)).build());
                let sent = self.client.transact_write_items().set_transact_items(Some(puts.collect())).send().await;
                let Err(error) = sent else { break };
                let reasons = match error.as_service_error() {
                    Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                        cancelled.cancellation_reasons().to_vec()
                    }
                    Some(TransactWriteItemsError::TransactionInProgressException(_)) => Vec::new(),
                    _ => return Err(StoreError::unavailable("TransactWriteItems")(error)),
                };
                let refused = |index: usize| {
                    reasons.get(index).and_then(CancellationReason::code) == Some("ConditionalCheckFailed")
                };
                let before = open.len();
                let mut index = 0;
                open.retain(|record| {
                    let is_closed = refused(index);
                    index += 1;
                    if is_closed {
                        closed.insert(record.operation_key.clone());
                    }
                    !is_closed
                });
                if open.len() == before {
                    busy += 1;
                    if busy > MOST_PAUSES {
                        return Err(StoreError::unavailable("TransactWriteItems")(error));
                    }
                    pause(busy).await;
                }
            }
        }
        Ok(closed)
    }
}

/// What makes it worth a write to put off that a record expires, in seconds: a repeat that comes within a day of the first
/// one costs none.
const WORTH_A_WRITE: u64 = 24 * 60 * 60;

/// Whether a record that expires at the one time should be [kept](Operations::keep) until the other.
pub fn expires_too_soon(expires_at: Option<u64>, until: u64) -> bool {
    expires_at.is_some_and(|expires_at| expires_at.saturating_add(WORTH_A_WRITE) < until)
}

/// See [`Operations::keep`].
pub(crate) async fn keep(client: &Client, table: &str, key: &str, until: u64) -> Result<bool, StoreError> {
    let kept = client
        .update_item()
        .table_name(table)
        .key("operation_key", s(key))
        .update_expression("SET expires_at = :until")
        .condition_expression("expires_at < :until")
        .expression_attribute_values(":until", n(until))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .send()
        .await;
    match kept {
        Ok(_) => Ok(true),
        Err(error) => match error.as_service_error() {
            Some(UpdateItemError::ConditionalCheckFailedException(failed)) => Ok(failed.item().is_some()),
            _ => Err(StoreError::unavailable("UpdateItem")(error)),
        },
    }
}

/// Writes the record of a command that is open: it has none yet, or one that says it is retried, of the same content
/// and in the same revision. So the first outcome stays; a parked command waits for its operator, whatever comes again
/// of it meanwhile; and once it is repaired, the original does not run.
pub(crate) fn put_if_open(table: &str, record: &OperationRecord) -> Put {
    Put::builder()
        .table_name(table)
        .set_item(Some(serde_dynamo::to_item(record).expect("a record has string keys and plain values")))
        .condition_expression(
            "attribute_not_exists(operation_key) \
             OR (outcome = :retrying AND digest = :digest AND revision = :revision)",
        )
        .expression_attribute_values(":retrying", s(Status::Retrying.as_str()))
        .expression_attribute_values(":digest", s(&record.digest))
        .expression_attribute_values(":revision", n(record.revision))
        .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld)
        .build()
        .expect("all that is required is there")
}
