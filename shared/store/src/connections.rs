//! WebSocket connections, and which operations they follow.
//!
//! | `connection_key` | holds |
//! | --- | --- |
//! | `ticket#NUMBER` | that this ticket has opened its connection |
//! | `tenant#TENANT` | `open_until`: the tenant may have connections until then |
//! | `operation#KEY` | `followers`: who follows the operation of this [key](crate::operations::OperationRecord::key) |
//!
//! All of them expire. A connection has no item of its own: the gateway hands on with every frame who has opened it, and says
//! of one that is gone that it is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;

use crate::batch_get::items_of;
use crate::error::StoreError;
use crate::item::{Item, n, s};

/// Who follows an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Follower {
    /// The connection's id, as the gateway gives it.
    pub connection: String,
    /// The receipt by which it asked: receipts of one command may tell of it differently.
    pub receipt: String,
}

/// So many follow one operation. More would be somebody who tries how many can.
pub const MOST_FOLLOWERS: usize = 100;

/// How long a connection may last: API Gateway ends it then.
pub const LONGEST: Duration = Duration::from_hours(2);

/// Seconds that items stay beyond the time for which they matter: clocks differ.
const SLACK: u64 = 10 * 60;

const KEY: &str = "connection_key";
const FOLLOWERS: &str = "followers";

/// Connections, and what they follow.
#[derive(Debug, Clone)]
pub struct Connections {
    client: Client,
    table: String,
}

impl Connections {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Uses a ticket up. Gives whether it was still good for its connection.
    pub async fn use_ticket(&self, number: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, s(ticket(number)))
            .item("expires_at", n(expires_at.seconds() + SLACK))
            .condition_expression("attribute_not_exists(connection_key)")
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Notes that the tenant has a connection until then. Before it is noted, nothing may be followed.
    pub async fn open(&self, tenant: &TenantId, until: Timestamp) -> Result<(), StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, s(of_tenant(tenant)))
            .update_expression("SET open_until = :until, expires_at = :expires")
            .condition_expression("attribute_not_exists(open_until) OR open_until < :until")
            .expression_attribute_values(":until", n(until.seconds()))
            .expression_attribute_values(":expires", n(until.seconds() + SLACK))
            .send()
            .await;
        // Another one stays open for longer.
        StoreError::unless_refused("UpdateItem", update).map(drop)
    }

    /// Follows the operation of this key. Gives whether it does now: not if too many do already.
    pub async fn follow(&self, operation_key: &str, follower: &Follower, now: Timestamp) -> Result<bool, StoreError> {
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, s(of_operation(operation_key)))
            .update_expression("SET expires_at = :expires ADD followers :follower")
            .condition_expression(
                "attribute_not_exists(followers) OR contains(followers, :text) OR size(followers) < :most",
            )
            .expression_attribute_values(":expires", n(now.plus(LONGEST).seconds() + SLACK))
            .expression_attribute_values(":follower", set([follower]))
            .expression_attribute_values(":text", s(follower.text()))
            .expression_attribute_values(":most", n(MOST_FOLLOWERS))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", update)
    }

    /// These follow the operation of this key no more.
    pub async fn unfollow(&self, operation_key: &str, followers: &[Follower]) -> Result<(), StoreError> {
        if followers.is_empty() {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, s(of_operation(operation_key)))
            .update_expression("DELETE followers :followers")
            .condition_expression("attribute_exists(connection_key)")
            .expression_attribute_values(":followers", set(followers))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", update).map(drop)
    }

    /// Who follows the operations of these keys, of those that anybody follows. Of tenants without a connection nothing is
    /// read but that.
    pub async fn followers(
        &self,
        operation_keys: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<HashMap<String, Vec<Follower>>, StoreError> {
        let connected = self.connected(operation_keys, now).await?;
        let wanted = operation_keys.iter().filter(|key| connected.contains(tenant_of(key)));
        let items = self.get(wanted.map(|key| of_operation(key)).collect()).await?;
        let followers = items.into_iter().filter_map(|item| {
            let key = item.get(KEY)?.as_s().ok()?.strip_prefix(OPERATION)?.to_owned();
            let all = item.get(FOLLOWERS)?.as_ss().ok()?;
            Some((key, all.iter().filter_map(|text| Follower::read(text)).collect()))
        });
        Ok(followers.collect())
    }

    /// Which tenants of these operations have a connection.
    async fn connected(
        &self,
        operation_keys: &BTreeSet<String>,
        now: Timestamp,
    ) -> Result<HashSet<String>, StoreError> {
        let tenants: BTreeSet<&str> = operation_keys.iter().map(|key| tenant_of(key)).collect();
        let items = self.get(tenants.into_iter().map(of_tenant).collect()).await?;
        let open = items.into_iter().filter_map(|item| {
            let until: u64 = item.get("open_until")?.as_n().ok()?.parse().ok()?;
            let tenant = item.get(KEY)?.as_s().ok()?.strip_prefix(TENANT)?.to_owned();
            (now.seconds() < until + SLACK).then_some(tenant)
        });
        Ok(open.collect())
    }

    async fn get(&self, keys: Vec<String>) -> Result<Vec<Item>, StoreError> {
        let keys = keys.into_iter().map(|key| HashMap::from([(KEY.to_owned(), s(key))])).collect();
        items_of(&self.client, &self.table, keys).await
    }
}

const TENANT: &str = "tenant#";
const OPERATION: &str = "operation#";

fn ticket(number: &str) -> String {
    format!("ticket#{number}")
}

fn of_tenant(tenant: impl std::fmt::Display) -> String {
    format!("{TENANT}{tenant}")
}

fn of_operation(operation_key: &str) -> String {
    format!("{OPERATION}{operation_key}")
}

/// The tenant whose operation it is.
fn tenant_of(operation_key: &str) -> &str {
    operation_key.split_once('#').map_or("", |(tenant, _)| tenant)
}

impl Follower {
    /// A receipt has no blank.
    fn text(&self) -> String {
        format!("{} {}", self.receipt, self.connection)
    }

    fn read(text: &str) -> Option<Self> {
        let (receipt, connection) = text.split_once(' ')?;
        Some(Self { connection: connection.to_owned(), receipt: receipt.to_owned() })
    }
}

fn set<'a>(followers: impl IntoIterator<Item = &'a Follower>) -> AttributeValue {
    AttributeValue::Ss(followers.into_iter().map(Follower::text).collect())
}
