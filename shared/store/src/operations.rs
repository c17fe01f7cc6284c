//! Operation records: one per command, looked up by (tenant, command key).

use aws_sdk_dynamodb::Client;
use kernel::ids::{CommandKey, TenantId};
use kernel::operation::{Operation, Resource, Status};
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::s;

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
    pub subject: String,
    /// Path and version of what the command changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<u64>,
    /// A [`Problem`] as JSON.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub problem: Option<String>,
    pub finished_at: Timestamp,
    /// Time to live in seconds since 1970; only of final outcomes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

impl OperationRecord {
    pub fn key(tenant: &TenantId, command: CommandKey) -> String {
        format!("{tenant}#{command}")
    }

    /// The operation as the holder of `receipt` sees it; `public_url` is the API's own address.
    ///
    /// A receipt of other content than was handled reads as rejected: the id was used before.
    pub fn seen_by(&self, receipt: &Receipt, public_url: &str) -> Operation {
        let mut operation = Operation::accepted(receipt.to_string(), receipt.accepted_at);
        operation.finished_at = Some(self.finished_at);
        if self.digest != receipt.digest.to_string() {
            operation.status = Status::Rejected;
            operation.error = Some(Problem::id_reused(
                "another command with this source and id came first, and its outcome stays; send yours under a new id",
            ));
            return operation;
        }
        operation.status = self.outcome;
        operation.ty = Some(self.command_type.clone());
        operation.subject = Some(self.subject.clone());
        operation.resource = self
            .resource
            .as_ref()
            .zip(self.version)
            .map(|(path, version)| Resource { href: format!("{public_url}{path}?version={version}"), version });
        operation.error = self.problem.as_deref().and_then(|problem| serde_json::from_str(problem).ok());
        if !self.outcome.is_final() {
            operation.finished_at = None;
        }
        operation
    }
}

/// Reads operation records. They are written by [`EventStore::commit`](crate::EventStore::commit).
#[derive(Debug, Clone)]
pub struct Operations {
    client: Client,
    table: String,
}

impl Operations {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub async fn find(&self, tenant: &TenantId, command: CommandKey) -> Result<Option<OperationRecord>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("operation_key", s(OperationRecord::key(tenant, command)))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("operation"))
    }
}
