//! WebSocket connections, and which operations they follow.
//!
//! | `connection_key` | holds |
//! | --- | --- |
//! | `ticket#NUMBER` | `connection_id`: the one that this ticket has opened |
//! | `tenant#TENANT` | `open_until`: the tenant may have connections until then |
//! | `operation#KEY` | `followers`: who follows the operation of this [key](crate::operations::OperationRecord::key) |
//!
//! All of them expire. A connection has no item of its own: the gateway hands on with every frame who has opened it, and says
//! of one that is gone that it is.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;

use crate::batch_get::{Consistency, items_of};
use crate::error::StoreError;
use crate::item::{Item, n, s};

/// Who follows an operation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Follower {
    /// The connection's id, as the gateway gives it.
    pub connection: String,
    /// The receipt by which it asked: receipts of one command may tell of it differently.
    pub receipt: String,
    /// When the connection must end: it is told nothing from then on.
    pub until: Timestamp,
}

/// So many follow one operation. For one more, the one goes whose connection ends first.
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
    /// Until when tenants have connections, in seconds since 1970, as far as it was noted here.
    noted: Arc<Mutex<HashMap<TenantId, u64>>>,
}

/// More tenants than that are not kept in mind.
const MOST_NOTED: usize = 10_000;

impl Connections {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), noted: Arc::default() }
    }

    /// Uses a ticket up, for this connection. Gives whether it was still good, for it and no other.
    pub async fn use_ticket(&self, number: &str, connection: &str, expires_at: Timestamp) -> Result<bool, StoreError> {
        let put = self
            .client
            .put_item()
            .table_name(&self.table)
            .item(KEY, s(ticket(number)))
            .item("connection_id", s(connection))
            .item("expires_at", n(expires_at.seconds() + SLACK))
            // The same again is a repeat of this call.
            .condition_expression("attribute_not_exists(connection_key) OR connection_id = :connection")
            .expression_attribute_values(":connection", s(connection))
            .send()
            .await;
        StoreError::unless_refused("PutItem", put)
    }

    /// Notes that the tenant has a connection until then. Before it is noted, nothing may be followed.
    pub async fn open(&self, tenant: &TenantId, until: Timestamp) -> Result<(), StoreError> {
        // By the quarter of an hour, so that of many connections few write.
        let until = until.seconds().next_multiple_of(15 * 60);
        if self.noted().get(tenant).is_some_and(|noted| *noted >= until) {
            return Ok(());
        }
        let update = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(KEY, s(of_tenant(tenant)))
            .update_expression("SET open_until = :until, expires_at = :expires")
            .condition_expression("attribute_not_exists(open_until) OR open_until < :until")
            .expression_attribute_values(":until", n(until))
            .expression_attribute_values(":expires", n(until + SLACK))
            .send()
            .await;
        // If not, another one stays open for longer.
        StoreError::unless_refused("UpdateItem", update)?;
        let mut noted = self.noted();
        if noted.len() >= MOST_NOTED {
            noted.clear();
        }
        noted.insert(tenant.clone(), until);
        Ok(())
    }

    fn noted(&self) -> MutexGuard<'_, HashMap<TenantId, u64>> {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Follows the operation of this key.
    pub async fn follow(&self, operation_key: &str, follower: &Follower, now: Timestamp) -> Result<(), StoreError> {
        /// Others may take the place that was made.
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            if self.joins(operation_key, follower, now).await? {
                return Ok(());
            }
            let mut all = self.of(operation_key).await?;
            all.sort_by_key(|follower| follower.until);
            let over = all.iter().filter(|follower| follower.until <= now).count().max(1);
            self.unfollow(operation_key, &all[..over.min(all.len())]).await?;
        }
        Err(StoreError::contended("UpdateItem"))
    }

    /// Gives whether there was a place.
    async fn joins(&self, operation_key: &str, follower: &Follower, now: Timestamp) -> Result<bool, StoreError> {
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

    async fn of(&self, operation_key: &str) -> Result<Vec<Follower>, StoreError> {
        let items = self.get(vec![of_operation(operation_key)]).await?;
        Ok(items.iter().flat_map(followers).collect())
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
            Some((key, followers(&item)))
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
        items_of(&self.client, &self.table, keys, Consistency::Strong).await
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
    /// None of the three has a blank.
    fn text(&self) -> String {
        format!("{} {} {}", self.receipt, self.connection, self.until.millis())
    }

    fn read(text: &str) -> Option<Self> {
        let mut parts = text.split(' ');
        let (receipt, connection, until) = (parts.next()?, parts.next()?, parts.next()?.parse().ok()?);
        Some(Self {
            connection: connection.to_owned(),
            receipt: receipt.to_owned(),
            until: Timestamp::from_millis(until),
        })
    }
}

fn followers(item: &Item) -> Vec<Follower> {
    let texts = item.get(FOLLOWERS).and_then(|followers| followers.as_ss().ok());
    texts.into_iter().flatten().filter_map(|text| Follower::read(text)).collect()
}

fn set<'a>(followers: impl IntoIterator<Item = &'a Follower>) -> AttributeValue {
    AttributeValue::Ss(followers.into_iter().map(Follower::text).collect())
}
