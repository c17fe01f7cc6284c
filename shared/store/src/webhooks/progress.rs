//! What an endpoint has got of a stream, and when the next of its events is due.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `head` | the latest version that is known to be wanted |
//! | `done`, `done_commit` | the version, and the commit, up to which nothing is left to send; absent: nobody has looked yet |
//! | `due` | when to send what comes next, in milliseconds since 1970; absent: nothing is left. With `webhook_key` the key of the index `by_due` |
//! | `failing` | [`Failing`] as JSON, if the next one was refused |
//! | `again` | [`Again`] as JSON: what is sent once more, before all that is new |
//! | `sent_at` | when the last one got there, in milliseconds since 1970 |
//! | `edition` | grows with each write but [`note`](Webhooks::note): what comes late changes nothing |
//!
//! A row tells of a whole stream, and not of one event: what an endpoint has missed in a day costs no more rows than streams.

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{DeleteRequest, WriteRequest};
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::{CORRUPT, Changes, EndpointId, Span, Webhooks, json, parsed};
use crate::error::StoreError;
use crate::item::{Item, n, s};

/// How far an endpoint has got with a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub stream: StreamId,
    pub head: u64,
    /// `None`: nobody has looked yet.
    pub done: Option<Position>,
    pub due: Option<Timestamp>,
    pub failing: Option<Failing>,
    pub again: Option<Again>,
    pub sent_at: Option<Timestamp>,
    edition: u64,
}

/// A place in a stream: all up to this version, and all of this commit and of those before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    pub version: u64,
    pub commit: u64,
}

/// That the next event does not get there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    pub attempts: u32,
    pub since: Timestamp,
    /// When it was tried last, and what came of it.
    pub at: Timestamp,
    pub answer: String,
    /// It is tried no more, and what comes behind it waits, until somebody says so.
    #[serde(default)]
    pub held: bool,
}

/// Events that are sent once more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Again {
    pub span: Span,
    /// How far that is; absent: not begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Position>,
}

/// When what is held is due: never.
const NEVER: u64 = 9_999_999_999_999_999;

/// Rows that are deleted by one call.
const DELETED_AT_ONCE: i32 = 25;

#[derive(Deserialize)]
struct Row {
    place: StreamId,
    head: u64,
    #[serde(default)]
    done: Option<u64>,
    #[serde(default)]
    done_commit: Option<u64>,
    #[serde(default)]
    due: Option<u64>,
    #[serde(default)]
    failing: Option<String>,
    #[serde(default)]
    again: Option<String>,
    #[serde(default)]
    sent_at: Option<u64>,
    #[serde(default)]
    edition: u64,
}

impl Progress {
    pub(crate) fn from_item(item: Item) -> Result<Self, StoreError> {
        let row: Row = serde_dynamo::from_item(item).map_err(StoreError::corrupt(CORRUPT))?;
        let done = row.done.zip(row.done_commit).map(|(version, commit)| Position { version, commit });
        Ok(Self {
            stream: row.place,
            head: row.head,
            done,
            due: row.due.filter(|due| *due < NEVER).map(Timestamp::from_millis),
            failing: row.failing.as_deref().map(parsed).transpose()?,
            again: row.again.as_deref().map(parsed).transpose()?,
            sent_at: row.sent_at.map(Timestamp::from_millis),
            edition: row.edition,
        })
    }

    /// That nobody has written since it was read.
    fn unchanged(&self) -> &'static str {
        match self.edition {
            0 => "attribute_exists(head) AND attribute_not_exists(edition)",
            _ => "edition = :read",
        }
    }
}

/// What is due, and when more is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Due {
    /// The longest overdue first.
    pub now: Vec<StreamId>,
    /// When the first of the others is. `None`: nothing else is left, or there is more that is due now.
    pub next: Option<Timestamp>,
}

impl Webhooks {
    /// Notes that an endpoint wants a stream's event of this version. Noting it twice is noting it once.
    pub async fn note(
        &self,
        id: &EndpointId,
        stream: &StreamId,
        version: u64,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self
            .progress(id, stream)
            // What waits for its next attempt goes on waiting.
            .update_expression("SET head = :version, due = if_not_exists(due, :now)")
            .condition_expression("attribute_not_exists(head) OR head < :version")
            .expression_attribute_values(":version", n(version))
            .expression_attribute_values(":now", n(now.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated).map(drop)
    }

    /// Streams of which something is due, at most `limit`. The index lags behind the table: what was just noted may be missing,
    /// and what is done may be there.
    pub async fn due(&self, id: &EndpointId, now: Timestamp, limit: i32) -> Result<Due, StoreError> {
        #[derive(Deserialize)]
        struct Key {
            place: StreamId,
            due: u64,
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_due")
            .key_condition_expression("webhook_key = :endpoint AND due < :never")
            .expression_attribute_values(":endpoint", s(id))
            .expression_attribute_values(":never", n(NEVER))
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let keys: Vec<Key> =
            serde_dynamo::from_items(answer.items.unwrap_or_default()).map_err(StoreError::corrupt(CORRUPT))?;
        let (now, later): (Vec<_>, Vec<_>) = keys.into_iter().partition(|key| key.due <= now.millis());
        let next = later.first().map(|key| Timestamp::from_millis(key.due));
        Ok(Due { now: now.into_iter().map(|key| key.place).collect(), next })
    }

    /// Nothing is left to send up to where [`done`](Progress::done) is. What was noted meanwhile is due at once; what somebody
    /// else has written since it was read stays.
    pub async fn caught_up(&self, id: &EndpointId, progress: &Progress, now: Timestamp) -> Result<(), StoreError> {
        let unchanged = progress.unchanged();
        let changes = |due| self.changes(id, progress).set("failing", None).set("again", None).set("due", due).update();
        let update = changes(None).condition_expression(format!("{unchanged} AND head <= :done"));
        if StoreError::unless_refused("UpdateItem", update.send().await)? {
            return Ok(());
        }
        let update = changes(Some(n(now.millis()))).condition_expression(format!("{unchanged} AND head > :done"));
        StoreError::unless_refused("UpdateItem", update.send().await).map(drop)
    }

    /// Notes how far it is: [`done`](Progress::done), [`again`](Progress::again), [`failing`](Progress::failing) and
    /// [`due`](Progress::due) as they are. What somebody else has written since it was read stays.
    pub async fn keep(&self, id: &EndpointId, progress: &Progress) -> Result<(), StoreError> {
        let Progress { failing, again, due, .. } = progress;
        let is_held = failing.as_ref().is_some_and(|failing| failing.held);
        let due = due.filter(|_| !is_held).map_or(NEVER, Timestamp::millis);
        let changes = self.changes(id, progress).set("due", Some(n(due)));
        let changes = changes.set("failing", failing.as_ref().map(json)).set("again", again.as_ref().map(json));
        let update = changes.update().condition_expression(progress.unchanged());
        StoreError::unless_refused("UpdateItem", update.send().await).map(drop)
    }

    fn changes(&self, id: &EndpointId, progress: &Progress) -> Changes {
        let Progress { stream, done, sent_at, edition, .. } = progress;
        let mut update = self.progress(id, stream);
        if *edition > 0 {
            update = update.expression_attribute_values(":read", n(edition));
        }
        let changes = Changes::of(update).set("edition", Some(n(edition + 1)));
        let changes =
            changes.set("done", done.map(|done| n(done.version))).set("done_commit", done.map(|done| n(done.commit)));
        changes.set("sent_at", sent_at.map(|time| n(time.millis())))
    }

    /// What of this time was sent of a stream is sent again, also if the endpoint never got anything of it.
    pub async fn resend(
        &self,
        id: &EndpointId,
        stream: &StreamId,
        span: Span,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let updated = self
            .progress(id, stream)
            .update_expression(
                "SET again = :again, due = :now, head = if_not_exists(head, :none) REMOVE failing ADD edition :one",
            )
            .expression_attribute_values(":one", n(1))
            .expression_attribute_values(":again", json(&Again { span, at: None }))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":none", n(0))
            .send()
            .await;
        updated.map(drop).map_err(StoreError::unavailable("UpdateItem"))
    }

    /// What is held, or waits for its next attempt, is due.
    pub async fn retry(&self, id: &EndpointId, stream: &StreamId, now: Timestamp) -> Result<(), StoreError> {
        let updated = self
            .progress(id, stream)
            .update_expression("SET due = :now REMOVE failing ADD edition :one")
            .expression_attribute_values(":one", n(1))
            .condition_expression("attribute_exists(failing)")
            .expression_attribute_values(":now", n(now.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated).map(drop)
    }

    /// How far an endpoint is with its streams, in the order of their ids, behind that stream; at most `limit`. The second value
    /// says whether there is more.
    pub async fn list(
        &self,
        id: &EndpointId,
        behind: Option<&str>,
        limit: i32,
    ) -> Result<(Vec<Progress>, bool), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook_key = :endpoint AND place > :behind")
            .expression_attribute_values(":endpoint", s(id))
            // A key is never empty, and a space comes before all that a stream's id has.
            .expression_attribute_values(":behind", s(behind.unwrap_or(" ")))
            .consistent_read(true)
            .limit(limit)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let rows = answer.items.unwrap_or_default().into_iter().map(Progress::from_item).collect::<Result<_, _>>()?;
        Ok((rows, answer.last_evaluated_key.is_some()))
    }

    /// How far an endpoint is with one stream.
    pub async fn find(&self, id: &EndpointId, stream: &StreamId) -> Result<Option<Progress>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("webhook_key", s(id))
            .key("place", s(stream))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(Progress::from_item).transpose()
    }

    /// Forgets some of what an endpoint has got. Gives whether there was anything.
    pub async fn forget_some(&self, id: &EndpointId) -> Result<bool, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook_key = :endpoint")
            .expression_attribute_values(":endpoint", s(id))
            .projection_expression("webhook_key, place")
            .limit(DELETED_AT_ONCE)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let keys = answer.items.unwrap_or_default();
        if keys.is_empty() {
            return Ok(false);
        }
        let delete = |key| {
            let delete = DeleteRequest::builder().set_key(Some(key)).build().expect("a key");
            WriteRequest::builder().delete_request(delete).build()
        };
        // What DynamoDB has no time for is found again by the next call.
        let deletes = keys.into_iter().map(delete).collect();
        let written = self.client.batch_write_item().request_items(&self.table, deletes).send().await;
        written.map(|_| true).map_err(StoreError::unavailable("BatchWriteItem"))
    }

    fn progress(&self, id: &EndpointId, stream: &StreamId) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key("webhook_key", s(id)).key("place", s(stream))
    }
}
