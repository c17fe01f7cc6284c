//! The one transaction of command handling, built up command by command.
//!
//! A commit's events, the operation record of every command behind them, guards and parked messages are written
//! together or not at all. Each has a condition of its own, so an answer of "no" says exactly whose fault it was.

use std::collections::HashSet;
use std::sync::Arc;

use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::{AttributeValue, CancellationReason, ConditionCheck, Put, TransactWriteItem};
use kernel::context::{Aggregate, Snapshot};
use kernel::decider::{Guard, Rejection};
use kernel::domain_event::EventData;
use kernel::effect::RecordedEffect;
use kernel::ids::StreamId;
use kernel::operation::Status;
use kernel::timestamp::Timestamp;

use crate::error::StoreError;
use crate::guards;
use crate::head::{Head, Loaded};
use crate::item::{Item, MAX_ITEM_BYTES, MAX_TRANSACTION_ACTIONS, MAX_TRANSACTION_BYTES, n, s, weight};
use crate::operations::{self, OperationRecord};
use crate::parked::ParkedMessage;
use crate::tables::Tables;

/// A state no heavier than this goes into every commit, so that a load reads one item.
const SMALL_SNAPSHOT: usize = 16 * 1024;
/// A heavier one goes into every so many commits.
const SNAPSHOT_EVERY: u64 = 32;
/// A state no heavier than this fits beside the events of most commits, and so into one of the next.
const MAX_STATE: usize = 256 * 1024;

/// What one command adds to the transaction.
pub struct Entry {
    pub operation: OperationRecord,
    pub events: Vec<EventData>,
    pub guards: Vec<Guard>,
    pub effects: Vec<RecordedEffect>,
    pub parked: Option<ParkedMessage>,
    /// Whether what is recorded was decided on the aggregate's state, which then must not have moved meanwhile.
    pub decided: bool,
    /// The aggregate after `events`; `None` where it stays as it was.
    pub next: Option<Arc<dyn Aggregate>>,
}

/// A transaction in the making: the next commit of one stream.
pub struct CommitBuilder {
    stream: StreamId,
    tables: Tables,
    /// What the commands were decided on.
    base: Head,
    decided: bool,
    /// Each as JSON, and so the effects.
    events: Vec<String>,
    effects: Vec<String>,
    /// Of events and effects.
    stored_bytes: usize,
    newest: Option<Arc<dyn Aggregate>>,
    actions: Vec<(Slot, TransactWriteItem)>,
    bytes: usize,
    entries: usize,
    /// Keys already used: DynamoDB allows each item once per transaction.
    touched: HashSet<String>,
}

/// Which part of the transaction an action is.
enum Slot {
    Stream,
    /// With the digest of its command.
    Operation(usize, String),
    Guard(usize, Rejection),
    Parked,
}

/// This entry does not fit. Behind others it may fit the next transaction; alone, none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the events and records of the command exceed what one transaction can hold")]
pub struct TooLarge;

/// Why a transaction did not happen. Nothing of it did.
#[derive(Debug, thiserror::Error)]
pub enum CommitError {
    /// Conditions did not hold.
    #[error("refused: the stream moved: {stream_moved}, entries at fault: {}", .entries.len())]
    Refused {
        /// Somebody else committed to the stream meanwhile: load and decide again.
        stream_moved: bool,
        /// Entries at fault, by their index, and how.
        entries: Vec<(usize, Refusal)>,
    },
    /// Another transaction is at the same items right now.
    #[error("another transaction was at the same items")]
    Busy,
    /// The aggregate's state would outgrow what a commit can carry, and with that every later load.
    #[error("the aggregate would outgrow {MAX_STATE} bytes")]
    AggregateTooLarge,
    /// The service found it too large or malformed: it will never be accepted as it is.
    #[error("DynamoDB will not take the transaction")]
    Invalid(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why an entry cannot be part of it.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The command has an outcome already, or its id belongs to other content. When that record expires, in seconds since
    /// 1970.
    Duplicate { same_content: bool, expires_at: Option<u64> },
    /// One of its guards did not hold.
    Guard(Rejection),
}

impl CommitBuilder {
    pub fn new(stream: StreamId, tables: Tables, loaded: &Loaded) -> Self {
        Self {
            stream,
            tables,
            base: loaded.head,
            decided: false,
            events: Vec::new(),
            effects: Vec::new(),
            stored_bytes: 0,
            newest: None,
            actions: Vec::new(),
            bytes: 0,
            entries: 0,
            touched: HashSet::new(),
        }
    }

    pub fn is_empty(&self) -> bool {
        self.entries == 0
    }

    /// How many entries it has.
    pub fn len(&self) -> usize {
        self.entries
    }

    /// The stream's version once it is committed.
    pub fn version(&self) -> u64 {
        self.base.version + self.events.len() as u64
    }

    /// Adds an entry, or leaves everything as it was.
    pub fn add(&mut self, entry: &Entry) -> Result<(), TooLarge> {
        let index = self.entries;
        let operation = self.with_commit_number(entry);
        let put = operations::put_if_open(&self.tables.operations, &operation);
        let mut bytes = weight(put.item());
        if bytes > MAX_ITEM_BYTES {
            return Err(TooLarge);
        }
        let slot = Slot::Operation(index, operation.digest);
        let mut actions = vec![(slot, TransactWriteItem::builder().put(put).build())];
        if let Some(parked) = &entry.parked {
            if parked.weight() > MAX_ITEM_BYTES {
                return Err(TooLarge);
            }
            bytes += parked.weight();
            let update = parked.update(&self.tables.parked).build().expect("all that is required is there");
            actions.push((Slot::Parked, TransactWriteItem::builder().update(update).build()));
        }
        let mut touched = vec![operation.operation_key];
        for guard in &entry.guards {
            let (key, rejection, action) = guards::action(guard, &self.stream, &self.tables.guards);
            bytes += 1024 + key.len();
            touched.push(key);
            actions.push((Slot::Guard(index, rejection), action));
        }
        let distinct: HashSet<&String> = touched.iter().collect();
        if distinct.len() < touched.len() || distinct.iter().any(|key| self.touched.contains(*key)) {
            return Err(TooLarge); // no item twice in a transaction
        }
        let events: Vec<_> = entry.events.iter().map(json).collect();
        let effects: Vec<_> = entry.effects.iter().map(json).collect();
        let stored_bytes = events.iter().chain(&effects).map(|stored| stored.len() + 1).sum::<usize>();
        // One action more than there are: the commit itself.
        let fits = self.actions.len() + actions.len() < MAX_TRANSACTION_ACTIONS
            && self.bytes + bytes + MAX_ITEM_BYTES <= MAX_TRANSACTION_BYTES
            && self.stored_bytes + stored_bytes + 512 <= MAX_ITEM_BYTES;
        if !fits {
            return Err(TooLarge);
        }
        self.actions.extend(actions);
        self.bytes += bytes;
        self.touched.extend(touched);
        self.events.extend(events);
        self.effects.extend(effects);
        self.stored_bytes += stored_bytes;
        self.entries += 1;
        self.decided |= entry.decided;
        if let Some(next) = entry.next.as_ref().filter(|_| !entry.events.is_empty()) {
            self.newest = Some(Arc::clone(next));
        }
        Ok(())
    }

    /// The entry's record, which leads from a command to its events.
    fn with_commit_number(&self, entry: &Entry) -> OperationRecord {
        let number = if entry.events.is_empty() { 0 } else { self.base.commit_number + 1 };
        let has_succeeded = entry.operation.outcome == Status::Succeeded;
        OperationRecord { commit_number: has_succeeded.then_some(number), ..entry.operation.clone() }
    }

    /// The stream after it; without events as it was.
    fn head(&self, now: Timestamp) -> Head {
        if self.events.is_empty() {
            return self.base;
        }
        Head {
            commit_number: self.base.commit_number + 1,
            version: self.version(),
            // Time does not run backwards in a stream, whatever the clocks say.
            committed_at: now.max(self.base.committed_at),
            since_snapshot: self.base.since_snapshot + 1,
        }
    }

    /// The transaction's actions, the stream's first.
    fn into_actions(self, stream: TransactWriteItem) -> (Vec<Slot>, Vec<TransactWriteItem>) {
        let mut all = Vec::with_capacity(self.actions.len() + 1);
        if self.decided {
            all.push((Slot::Stream, stream));
        }
        all.extend(self.actions);
        all.into_iter().unzip()
    }

    /// The commit; without events, a check that what was decided on is still the stream's newest.
    /// Sets `head` to where the stream is then.
    fn stream_action(&self, head: &mut Head) -> Result<TransactWriteItem, CommitError> {
        let next = self.base.commit_number + 1;
        if self.events.is_empty() {
            let check = ConditionCheck::builder()
                .table_name(&self.tables.events)
                .key("stream_id", s(&self.stream))
                .key("commit_number", n(next))
                .condition_expression("attribute_not_exists(stream_id)")
                .build()
                .expect("all that is required is there");
            return Ok(TransactWriteItem::builder().condition_check(check).build());
        }
        let mut item = Item::from([
            ("stream_id".into(), s(&self.stream)),
            ("commit_number".into(), n(next)),
            ("first_version".into(), n(self.base.version + 1)),
            ("events".into(), json_array(&self.events)),
            ("committed_at".into(), n(head.committed_at.millis())),
        ]);
        if !self.effects.is_empty() {
            item.insert("effects".into(), json_array(&self.effects));
        }
        if let Some(aggregate) = &self.newest {
            let Snapshot { layout, state } = aggregate.snapshot();
            let bytes = state.get().len();
            if bytes > MAX_STATE {
                return Err(CommitError::AggregateTooLarge);
            }
            let due = bytes <= SMALL_SNAPSHOT || head.since_snapshot >= SNAPSHOT_EVERY;
            if due && weight(&item) + bytes + 64 <= MAX_ITEM_BYTES {
                head.since_snapshot = 0;
                item.insert("snapshot".into(), s(state.get()));
                item.insert("snapshot_layout".into(), n(layout));
            }
        }
        let put = Put::builder()
            .table_name(&self.tables.events)
            .set_item(Some(item))
            .condition_expression("attribute_not_exists(stream_id)")
            .build()
            .expect("all that is required is there");
        Ok(TransactWriteItem::builder().put(put).build())
    }

    /// Sends the transaction.
    pub(crate) async fn send(self, client: &aws_sdk_dynamodb::Client, now: Timestamp) -> Result<Head, CommitError> {
        let mut head = self.head(now);
        let stream = self.stream_action(&mut head)?;
        let (slots, actions) = self.into_actions(stream);
        let sent = client.transact_write_items().set_transact_items(Some(actions)).send().await;
        let Err(error) = sent else { return Ok(head) };
        match error.as_service_error() {
            Some(TransactWriteItemsError::TransactionCanceledException(cancelled)) => {
                Err(explain(&slots, cancelled.cancellation_reasons()))
            }
            Some(TransactWriteItemsError::TransactionInProgressException(_)) => Err(CommitError::Busy),
            Some(service)
                if matches!(
                    service.meta().code(),
                    Some("ValidationException" | "ItemCollectionSizeLimitExceededException")
                ) =>
            {
                Err(CommitError::Invalid(Box::new(error)))
            }
            _ => Err(StoreError::unavailable("TransactWriteItems")(error).into()),
        }
    }
}

/// Reads the reasons, which stand in the order of the actions.
fn explain(slots: &[Slot], reasons: &[CancellationReason]) -> CommitError {
    let mut stream_moved = false;
    let mut entries: Vec<(usize, Refusal)> = Vec::new();
    let mut other = None;
    for (slot, reason) in slots.iter().zip(reasons) {
        match (reason.code().unwrap_or("None"), slot) {
            ("None", _) => {}
            ("ConditionalCheckFailed", Slot::Stream) => stream_moved = true,
            ("ConditionalCheckFailed", Slot::Operation(index, digest)) => {
                let attribute = |name| reason.item().and_then(|item| item.get(name));
                let same_content = attribute("digest") == Some(&s(digest));
                let expires_at = attribute("expires_at").and_then(|seconds| seconds.as_n().ok()?.parse().ok());
                entries.push((*index, Refusal::Duplicate { same_content, expires_at }));
            }
            ("ConditionalCheckFailed", Slot::Guard(index, rejection)) => {
                entries.push((*index, Refusal::Guard(rejection.clone())));
            }
            (code, _) => other = Some((code.to_owned(), reason.message().unwrap_or_default().to_owned())),
        }
    }
    if stream_moved || !entries.is_empty() {
        return CommitError::Refused { stream_moved, entries };
    }
    match other {
        Some((code, message)) if code == "ValidationError" || code == "ItemCollectionSizeLimitExceeded" => {
            CommitError::Invalid(message.into())
        }
        Some((code, message)) if code != "TransactionConflict" => CommitError::Store(StoreError::Unavailable {
            operation: "TransactWriteItems",
            source: format!("{code}: {message}").into(),
        }),
        _ => CommitError::Busy,
    }
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("stored events have string keys")
}

fn json_array(elements: &[String]) -> AttributeValue {
    AttributeValue::S(format!("[{}]", elements.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cancelled_transaction_says_whether_trying_again_may_help() {
        let reason = |code: &str| CancellationReason::builder().code(code).message("for the test").build();
        for (code, expected) in [
            ("TransactionConflict", "another transaction was at the same items"),
            ("ThrottlingError", "DynamoDB did not answer TransactWriteItems: ThrottlingError: for the test"),
            (
                "ProvisionedThroughputExceeded",
                "DynamoDB did not answer TransactWriteItems: ProvisionedThroughputExceeded: for the test",
            ),
            ("ValidationError", "DynamoDB will not take the transaction: for the test"),
            ("ItemCollectionSizeLimitExceeded", "DynamoDB will not take the transaction: for the test"),
        ] {
            let error = explain(&[Slot::Stream, Slot::Parked], &[reason("None"), reason(code)]);
            let source = std::error::Error::source(&error).map(|source| format!(": {source}")).unwrap_or_default();
            assert_eq!(format!("{error}{source}"), expected);

            // Whatever else is wrong: the stream moved.
            let moved = explain(&[Slot::Stream, Slot::Parked], &[reason("ConditionalCheckFailed"), reason(code)]);
            assert!(matches!(moved, CommitError::Refused { stream_moved: true, .. }), "{code}: {moved:?}");
        }
    }
}
