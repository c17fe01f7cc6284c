//! Parked messages: set aside whole, with the reason, until a person repairs, resubmits or discards them.

use aws_sdk_dynamodb::Client;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// A message set aside. Parking the same command again overwrites its entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParkedMessage {
    /// `tenant#context`; for a message that names no tenant, `#context`.
    pub parked_key: String,
    /// Sorts by time: acceptance, then command key; for what is no command, arrival, then the queue's message id.
    pub id: String,
    /// The queue message's body, as received.
    pub message: String,
    /// Why, in kebab case: what a person groups by.
    pub reason: String,
    /// The whole chain of errors, for the person who repairs.
    pub error: String,
    pub command_type: Option<String>,
    /// The operation's receipt.
    pub operation: Option<String>,
    pub first_parked_at: Timestamp,
    /// How often the queue had delivered it.
    pub receives: u32,
}

impl ParkedMessage {
    pub fn key(tenant: &str, context: &str) -> String {
        format!("{tenant}#{context}")
    }

    pub fn id(time: Timestamp, unique: impl std::fmt::Display) -> String {
        format!("{time}#{unique}")
    }
}

/// Sets messages aside that are no commands, so that no operation and no stream goes with them. Commands are parked by
/// [`EventStore::commit`](crate::EventStore::commit).
#[derive(Debug, Clone)]
pub struct Parked {
    client: Client,
    table: String,
}

impl Parked {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub async fn put(&self, message: &ParkedMessage) -> Result<(), StoreError> {
        let item = serde_dynamo::to_item(message).map_err(StoreError::corrupt("parked message"))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map_err(StoreError::unavailable("PutItem"))?;
        Ok(())
    }
}
