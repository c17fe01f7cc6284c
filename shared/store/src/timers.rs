//! Timers that are set: which command is due when.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `timer_key` | `stream#name` of the aggregate that has set it: set again, it is replaced |
//! | `commit_number`, `place` | which effect of which commit has set it |
//! | `due` | when the command is due, in milliseconds since 1970 |
//! | `command` | a [`DueCommand`] as JSON |
//! | `part`, `look_at` | keys of the index `by_look_at`: when the sweep must look at it next, in milliseconds since 1970 |
//!
//! The row is there until its command is in its queue, whatever becomes of the messages that are to bring it there. A timer
//! that is cancelled or set anew meanwhile has another row, or none.

use aws_sdk_dynamodb::Client;
use kernel::ids::StreamId;
use kernel::system_command::SystemCommand;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s, spread};

/// Parts of the index by time, so that a thousand timers set at once do not go into one partition.
pub const PARTS: u32 = 4;

/// A timer, as one effect of one commit has set it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct TimerId {
    pub timer_key: String,
    pub commit_number: u64,
    pub place: usize,
}

/// A timer that is set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Timer {
    pub id: TimerId,
    pub due: Timestamp,
    pub command: DueCommand,
}

/// The command that a timer hands in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DueCommand {
    /// The context whose queue it goes to.
    pub context: String,
    /// The sealed command as JSON.
    pub body: String,
    pub group: String,
    pub deduplication_id: String,
}

impl DueCommand {
    pub fn of(command: &SystemCommand) -> Self {
        let SystemCommand { event, stream, key } = command;
        Self {
            context: stream.context.clone(),
            body: event.to_json(),
            group: stream.message_group(),
            deduplication_id: key.to_string(),
        }
    }
}

/// A timer that is to be looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub id: TimerId,
    pub due: Timestamp,
}

/// Sets timers, and knows which are set.
#[derive(Debug, Clone)]
pub struct Timers {
    client: Client,
    table: String,
}

#[derive(Serialize, Deserialize)]
struct Row {
    #[serde(flatten)]
    id: TimerId,
    due: u64,
    command: String,
    part: u32,
    look_at: u64,
}

impl TimerId {
    pub fn new(stream: &StreamId, name: &str, commit_number: u64, place: usize) -> Self {
        Self { timer_key: format!("{stream}#{name}"), commit_number, place }
    }

    fn part(&self) -> u32 {
        spread(&self.timer_key, PARTS)
    }
}

/// The row is of this setting, which no later one has replaced.
const IF_THIS: &str = "commit_number = :commit AND place = :place";

impl Timers {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Sets the timer, and replaces one of the same key that was set before. Gives whether it is set now: not if a later one
    /// is. Setting it twice is setting it once.
    pub async fn set(&self, timer: &Timer, look_at: Timestamp) -> Result<bool, StoreError> {
        let Timer { id, due, command } = timer;
        let command = serde_json::to_string(command).expect("texts are JSON");
        let row = Row { id: id.clone(), due: due.millis(), command, part: id.part(), look_at: look_at.millis() };
        let item: Item = serde_dynamo::to_item(row).expect("rows have string keys and plain values");
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .condition_expression(
                "attribute_not_exists(timer_key) OR commit_number < :commit \
                 OR (commit_number = :commit AND place <= :place)",
            )
            .expression_attribute_values(":commit", n(id.commit_number))
            .expression_attribute_values(":place", n(id.place))
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Takes back what was set under the key before this effect.
    pub async fn cancel(&self, effect: &TimerId) -> Result<(), StoreError> {
        self.delete(effect, "commit_number < :commit OR (commit_number = :commit AND place < :place)").await
    }

    /// The timer's command is in its queue.
    pub async fn handed_in(&self, timer: &TimerId) -> Result<(), StoreError> {
        self.delete(timer, IF_THIS).await
    }

    async fn delete(&self, timer: &TimerId, condition: &str) -> Result<(), StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("timer_key", s(&timer.timer_key))
            .condition_expression(condition)
            .expression_attribute_values(":commit", n(timer.commit_number))
            .expression_attribute_values(":place", n(timer.place))
            .send()
            .await;
        StoreError::unless_refused("DeleteItem", deleted).map(drop)
    }

    /// The timer, if it is still set as this effect has set it.
    pub async fn find(&self, timer: &TimerId) -> Result<Option<Timer>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("timer_key", s(&timer.timer_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        let row: Option<Row> =
            answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("timer"))?;
        let Some(row) = row.filter(|row| row.id == *timer) else { return Ok(None) };
        let command = serde_json::from_str(&row.command).map_err(StoreError::corrupt("timer"))?;
        Ok(Some(Timer { id: row.id, due: Timestamp::from_millis(row.due), command }))
    }

    /// Timers of a part that are to be looked at by now, the first of them first, at most `limit`; and where to go on, if there
    /// are more.
    pub async fn to_look_at(
        &self,
        part: u32,
        now: Timestamp,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<Waiting>, Option<Item>), StoreError> {
        #[derive(Deserialize)]
        struct Indexed {
            #[serde(flatten)]
            id: TimerId,
            due: u64,
        }
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .index_name("by_look_at")
            .key_condition_expression("part = :part AND look_at <= :now")
            .expression_attribute_values(":part", n(part))
            .expression_attribute_values(":now", n(now.millis()))
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let rows: Vec<Indexed> =
            serde_dynamo::from_items(answer.items.unwrap_or_default()).map_err(StoreError::corrupt("timer"))?;
        let waiting = |row: Indexed| Waiting { id: row.id, due: Timestamp::from_millis(row.due) };
        Ok((rows.into_iter().map(waiting).collect(), answer.last_evaluated_key))
    }

    /// A message is on its way that will hand in the timer's command. If the row is still there then, it is looked at again.
    pub async fn look_again(&self, timer: &TimerId, at: Timestamp) -> Result<(), StoreError> {
        let updated = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("timer_key", s(&timer.timer_key))
            .update_expression("SET look_at = :at")
            .condition_expression(IF_THIS)
            .expression_attribute_values(":at", n(at.millis()))
            .expression_attribute_values(":commit", n(timer.commit_number))
            .expression_attribute_values(":place", n(timer.place))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated).map(drop)
    }
}
