//! What is stored, in the bytes that DynamoDB bills: attributes, indexes and an overhead per item.

use testkit::{Aws, TABLES};

/// Bytes in tables.
#[derive(Clone, Copy, Default)]
pub struct Storage {
    /// Commits, for ever.
    pub events: f64,
    /// Records of operations, until they expire.
    pub operations: f64,
    /// Documents and totals with their indexes, for ever.
    pub documents: f64,
}

impl Storage {
    pub async fn of(aws: &Aws) -> Self {
        Self {
            events: bytes(aws, TABLES.events).await,
            operations: bytes(aws, TABLES.operations).await,
            documents: bytes(aws, TABLES.read_models).await,
        }
    }

    /// What has come in since, for each of so many commands.
    pub fn since(&self, before: &Self, commands: f64) -> Self {
        Self {
            events: (self.events - before.events) / commands,
            operations: (self.operations - before.operations) / commands,
            documents: (self.documents - before.documents) / commands,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a test's tables are far below 2^52 bytes")]
async fn bytes(aws: &Aws, table: &str) -> f64 {
    let answer = aws.dynamodb().describe_table().table_name(table).send().await.expect("a table");
    let table = answer.table().expect("a description");
    let indexes = table.global_secondary_indexes().iter().map(|index| index.index_size_bytes().unwrap_or_default());
    (table.table_size_bytes().unwrap_or_default() + indexes.sum::<i64>()) as f64
}
