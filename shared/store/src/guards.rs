//! Guards: conditions that reach beyond one aggregate, as items of a table of their own.
//!
//! | `guard_key` | holds |
//! | --- | --- |
//! | `tenant#context#claim#name#value` | `holder`: the aggregate whose value it is, as `id` or `type/id` |
//! | `tenant#context#counter#name` | `amount`; `context`: whose counter it is |

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{Delete, Put, TransactWriteItem, Update};
use kernel::decider::{Claim, Guard, Rejection};
use kernel::ids::{StreamId, TenantId};

use crate::error::StoreError;
use crate::item::{Item, ScanPage, n, s};

/// Whose a value is, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimed {
    pub guard_key: String,
    /// The aggregate, within the context that the key names.
    pub holder: String,
}

/// Reads claims, and sets single ones right.
#[derive(Debug, Clone)]
pub struct Guards {
    client: Client,
    table: String,
}

impl Claimed {
    /// The holder's stream; `None` if the key or the holder is no name.
    pub fn stream(&self) -> Option<StreamId> {
        let (tenant, rest) = self.guard_key.split_once('#')?;
        let (context, _) = rest.split_once('#')?;
        StreamId::parse(&format!("{tenant}/{context}/{}", self.holder)).ok()
    }

    /// What is claimed: its name and its value.
    pub fn claim(&self) -> Option<(&str, &str)> {
        self.guard_key.splitn(4, '#').nth(3)?.split_once('#')
    }

    fn of(item: &Item) -> Option<Self> {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned();
        Some(Self { guard_key: text("guard_key")?, holder: text("holder")? })
    }
}

impl Guards {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Part of all claims, and the key of the last guard that was read if there is more.
    pub async fn claims(
        &self,
        segment: (u32, u32),
        after: &[String],
        most: i32,
    ) -> Result<(Vec<Claimed>, Vec<String>), StoreError> {
        let page = ScanPage { table: &self.table, keys: &["guard_key"], segment, after, most };
        let (items, last) = page.read(&self.client).await?;
        Ok((items.iter().filter_map(Claimed::of).collect(), last))
    }

    /// Who holds what has this [key](claim_key); `None` if nobody does.
    pub async fn holder(&self, guard_key: &str) -> Result<Option<String>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("guard_key", s(guard_key))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        Ok(answer.item.as_ref().and_then(Claimed::of).map(|claimed| claimed.holder))
    }

    /// Gives the value to the aggregate, unless another one has it. Gives whether it has it now.
    pub async fn hold(&self, guard_key: &str, holder: &str) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item("guard_key", s(guard_key))
            .item("holder", s(holder))
            .condition_expression("attribute_not_exists(guard_key) OR holder = :holder")
            .expression_attribute_values(":holder", s(holder))
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Takes the value from the aggregate, if that has it.
    pub async fn release(&self, guard_key: &str, holder: &str) -> Result<(), StoreError> {
        let deleted = self
            .client
            .delete_item()
            .table_name(&self.table)
            .key("guard_key", s(guard_key))
            .condition_expression("holder = :holder")
            .expression_attribute_values(":holder", s(holder))
            .send()
            .await;
        StoreError::unless_refused("DeleteItem", deleted).map(drop)
    }
}

/// The key of what an aggregate of this stream's context claims.
pub fn claim_key(StreamId { tenant, context, .. }: &StreamId, Claim { name, value }: &Claim) -> String {
    key_of(tenant, context, name, value)
}

fn key_of(tenant: &TenantId, context: &str, name: &str, value: &str) -> String {
    format!("{tenant}#{context}#claim#{name}#{value}")
}

/// A guard's key, what its failure means, and its action.
pub(crate) fn action(guard: &Guard, stream: &StreamId, table: &str) -> (String, Rejection, TransactWriteItem) {
    let StreamId { tenant, context, .. } = stream;
    let us = s(stream.within_context());
    let claim_key = |name: &str, value: &str| key_of(tenant, context, name, value);
    let held_by_us = "attribute_not_exists(guard_key) OR holder = :us";
    match guard {
        Guard::Claim { name, value, otherwise } => {
            let key = claim_key(name, value);
            let put = Put::builder()
                .table_name(table)
                .item("guard_key", s(&key))
                .item("holder", us.clone())
                .condition_expression(held_by_us)
                .expression_attribute_values(":us", us)
                .build()
                .expect("all that is required is there");
            (key, otherwise.clone(), TransactWriteItem::builder().put(put).build())
        }
        Guard::Release { name, value } => {
            let key = claim_key(name, value);
            let delete = Delete::builder()
                .table_name(table)
                .key("guard_key", s(&key))
                .condition_expression(held_by_us)
                .expression_attribute_values(":us", us)
                .build()
                .expect("all that is required is there");
            let otherwise = Rejection::new("claim-not-held", format!("{name} {value} belongs to another"));
            (key, otherwise, TransactWriteItem::builder().delete(delete).build())
        }
        Guard::Adjust { counter, by, at_least, otherwise } => {
            let key = format!("{tenant}#{}#counter#{}", counter.context, counter.name);
            let mut update = Update::builder()
                .table_name(table)
                .key("guard_key", s(&key))
                .update_expression("ADD amount :by")
                .expression_attribute_values(":by", n(by));
            if let Some(at_least) = at_least {
                let needed = at_least.saturating_sub(*by);
                let absent_is_enough = if needed <= 0 { "attribute_not_exists(guard_key) OR " } else { "" };
                update = update
                    .condition_expression(format!("{absent_is_enough}amount >= :needed"))
                    .expression_attribute_values(":needed", n(needed));
            }
            let update = update.build().expect("all that is required is there");
            (key, otherwise.clone(), TransactWriteItem::builder().update(update).build())
        }
    }
}
