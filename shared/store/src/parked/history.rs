//! What was done with a message before: items of their own, by the revision in which it waited then.

use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use serde::Deserialize;

use super::Parked;
use super::message::{Action, ParkedMessage, Summary, What, action};
use crate::error::StoreError;
use crate::item::s;

/// Something that was done with a message, and in which revision it was then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    pub revision: u32,
    pub action: Action,
}

/// Part of what was done with a message before what its own item says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Past {
    /// Oldest first.
    pub steps: Vec<Step>,
    /// Where to go on, if there is more: what was done before that revision was decided on.
    pub before: Option<u32>,
}

/// An item: what was done with the message until somebody decided on it in the revision that its key names.
#[derive(Deserialize)]
struct Moved {
    id: String,
    history: Vec<Action>,
}

impl Parked {
    /// What was done with a message before what its own item says: of at most `limit` revisions, the newest of those
    /// before `before`.
    pub async fn past(&self, message: &Summary, before: Option<u32>, limit: u16) -> Result<Past, StoreError> {
        let Some(last) = before.unwrap_or(u32::MAX).checked_sub(1) else { return Ok(Past::default()) };
        let Summary { parked_key, id, .. } = message;
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("parked_key = :key AND id BETWEEN :first AND :last")
            .expression_attribute_values(":key", s(parked_key))
            .expression_attribute_values(":first", s(moved_id(id, 0)))
            .expression_attribute_values(":last", s(moved_id(id, last)))
            .scan_index_forward(false)
            // One more than asked for, to know whether there is more.
            .limit(i32::from(limit) + 1)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let mut items: Vec<Moved> = serde_dynamo::from_items(answer.items.unwrap_or_default())
            .map_err(StoreError::corrupt("parked message's history"))?;
        let more = items.len() > usize::from(limit) || answer.last_evaluated_key.is_some();
        items.truncate(usize::from(limit));
        items.reverse();
        let revision = |item: &Moved| item.id.rsplit("#h").next().and_then(|number| number.parse().ok());
        let before = items.first().filter(|_| more).and_then(revision);
        let steps = items.into_iter().flat_map(|item| steps(revision(&item).unwrap_or_default(), item.history));
        Ok(Past { steps: steps.collect(), before })
    }

    /// The message as it was in that revision, if it was repaired in it.
    pub async fn before_repair(&self, message: &Summary, revision: u32) -> Result<Option<String>, StoreError> {
        #[derive(Deserialize)]
        struct Earlier {
            message: String,
        }
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("parked_key", s(&message.parked_key))
            .key("id", s(earlier_id(&message.id, revision)))
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        let earlier: Option<Earlier> =
            answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("parked message"))?;
        Ok(earlier.map(|earlier| earlier.message))
    }

    /// Moves what was done with a waiting message out of its own item, for what is decided now. The condition on that item
    /// holds for this as well.
    pub(super) fn move_history(&self, parked: &ParkedMessage) -> TransactWriteItem {
        let ParkedMessage { summary, history, .. } = parked;
        let mut history = history.clone();
        if let Some(parking) = history.last_mut().filter(|last| last.what == What::Parked) {
            parking.error = Some(summary.error.clone());
        }
        let put = Put::builder()
            .table_name(&self.table)
            .item("parked_key", s(&summary.parked_key))
            .item("id", s(moved_id(&summary.id, summary.revision)))
            .item("history", AttributeValue::L(history.iter().map(action).collect()))
            .build()
            .expect("all that is required is there");
        TransactWriteItem::builder().put(put).build()
    }

    /// Keeps the message as it is before a repair.
    pub(super) fn keep_earlier(&self, parked: &ParkedMessage) -> TransactWriteItem {
        let Summary { parked_key, id, revision, .. } = &parked.summary;
        let put = Put::builder()
            .table_name(&self.table)
            .item("parked_key", s(parked_key))
            .item("id", s(earlier_id(id, *revision)))
            .item("message", s(&parked.message))
            .build()
            .expect("all that is required is there");
        TransactWriteItem::builder().put(put).build()
    }
}

/// Each action with the revision in which the message was then: `revision` is the one after the last of them.
pub fn steps(revision: u32, actions: Vec<Action>) -> Vec<Step> {
    let mut revision = revision;
    let mut steps: Vec<Step> = actions
        .into_iter()
        .rev()
        .map(|action| {
            // Resubmitting ends the revision before.
            revision = revision.saturating_sub(u32::from(action.what == What::Resubmitted));
            Step { revision, action }
        })
        .collect();
    steps.reverse();
    steps
}

/// Ten digits hold every `u32`, so keys are in the revisions' order.
fn moved_id(id: &str, revision: u32) -> String {
    format!("{id}#h{revision:010}")
}

fn earlier_id(id: &str, revision: u32) -> String {
    format!("{id}#r{revision}")
}
