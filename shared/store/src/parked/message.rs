//! A parked message: what is known of it, and what was done with it.

use aws_sdk_dynamodb::types::builders::UpdateBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, Update};
use kernel::ids::TenantId;
use kernel::parking::Reason;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::place;
use crate::item::{Item, s};

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
    pub reason: Reason,
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
    /// What was done with it last, oldest first: the decision before this parking, this parking, and the decision after
    /// it. What was done before is [past](super::Parked::past); releases that had no such items kept all of it here.
    pub history: Vec<Action>,
}

/// Where a message is that was parked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "ParkedStage")]
pub enum Stage {
    /// For a person.
    Waiting,
    /// On its way again.
    Resubmitted,
    /// Dropped, with a reason.
    Discarded,
    /// Its outcome was reported after all, by a pipeline of the tenant's own.
    Reported,
}

/// Something done with a parked message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    pub at: Timestamp,
    pub what: What,
    /// The operator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// Why: of parking, its [`Reason`] as text; else the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// Of parking, once it is [past](super::Parked::past): the whole chain of errors.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
    /// Whether its data was changed.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub repaired: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum What {
    Parked,
    Resubmitted,
    Discarded,
    Reported,
}

impl Summary {
    /// That it was parked.
    fn parking(&self) -> Action {
        let reason = Some(self.reason.to_string());
        Action { at: self.parked_at, what: What::Parked, by: None, reason, error: None, repaired: false }
    }
}

impl ParkedMessage {
    /// A message to be set aside. Its error is clipped: it must fit beside the message.
    pub fn new(mut summary: Summary, message: String) -> Self {
        const MAX_ERROR: usize = 8 * 1024;
        summary.error.truncate(summary.error.floor_char_boundary(MAX_ERROR));
        let history = vec![summary.parking()];
        Self { summary, message, stage: Stage::Waiting, history }
    }

    /// Reads the message's own item.
    pub(super) fn from_item(item: Item) -> Result<Self, serde_dynamo::Error> {
        let mut read: Self = serde_dynamo::from_item(item)?;
        // Parking it again writes no history, for whoever parks it does not read it before.
        let is_told = read.history.last().is_some_and(|last| last.what == What::Parked);
        if read.stage == Stage::Waiting && !is_told {
            read.history.push(read.summary.parking());
        }
        Ok(read)
    }

    pub fn key(tenant: Option<&TenantId>, queue: &str) -> String {
        format!("{}#{queue}", tenant.map_or("", TenantId::as_str))
    }

    pub fn id(time: Timestamp, unique: impl std::fmt::Display) -> String {
        format!("{time}#{unique}")
    }

    /// What its item weighs at most, with the decision that may be in it.
    pub(crate) fn weight(&self) -> usize {
        self.message.len() + self.summary.error.len() + 12 * 1024
    }

    /// Sets it aside. Parked before, it keeps its first times and its history.
    pub(crate) fn update(&self, table: &str) -> UpdateBuilder {
        let item: Item = serde_dynamo::to_item(&self.summary).expect("a summary has string keys and plain values");
        let history = self.history.iter().map(action).collect();
        let mut update = Update::builder()
            .table_name(table)
            .key("parked_key", s(&self.summary.parked_key))
            .key("id", s(&self.summary.id))
            .expression_attribute_values(":message", s(&self.message))
            .expression_attribute_values(":stage", s("waiting"))
            .expression_attribute_values(":place", s(place(&self.summary.parked_key, &self.summary.id)))
            .expression_attribute_values(":history", AttributeValue::L(history));
        let mut set = vec![
            "SET message = :message, stage = :stage, waiting = :queue, waiting_place = :place, \
             history = if_not_exists(history, :history)"
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

pub(super) fn action(action: &Action) -> AttributeValue {
    serde_dynamo::to_attribute_value(action).expect("an action has string keys and plain values")
}
