//! Who delivers to an endpoint, and when somebody must look whether there is something to deliver.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use serde::Deserialize;

use super::{CORRUPT, Changes, Endpoint, EndpointId, Health, Off, Webhooks, json};
use crate::error::StoreError;
use crate::item::{Item, n};
use crate::lease::Lease;

/// Parts of the index by time.
pub const PARTS: u32 = 4;

/// What became of the wish to deliver to an endpoint.
#[derive(Debug)]
pub enum Taken {
    /// Nobody else does until the lease is over.
    Yes(Box<Endpoint>, Lease),
    /// Somebody else does, and has been told that there is more.
    Told,
    /// It is switched off, or must not be asked before then.
    Waits(Option<Timestamp>),
    /// There is no such endpoint.
    None,
}

/// What is left behind by who has delivered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    pub health: Health,
    pub not_before: Option<Timestamp>,
    /// Switches it off.
    pub off: Option<Off>,
    pub look_at: Timestamp,
}

impl Webhooks {
    /// Takes an endpoint's lease, to deliver to it, until then at most. Also of one that is removed, to delete it.
    pub async fn take(&self, id: &EndpointId, now: Timestamp, until: Timestamp) -> Result<Taken, StoreError> {
        let lease = Lease::draw();
        // Between two of its steps somebody else may let go; who loses every time is not the only one who tries.
        for _ in 0..3 {
            let taken = self
                .update(id)
                .update_expression("SET lease_until = :until, lease_holder = :mine, look_at = :until REMOVE woken")
                .condition_expression(
                    "attribute_exists(document) AND (attribute_not_exists(lease_until) OR lease_until <= :now) \
                     AND (attribute_exists(removed) OR (attribute_not_exists(switched_off) \
                     AND (attribute_not_exists(not_before) OR not_before <= :now)))",
                )
                .expression_attribute_values(":until", n(until.millis()))
                .expression_attribute_values(":now", n(now.millis()))
                .expression_attribute_values(":mine", lease.holder())
                .return_values(ReturnValue::AllNew)
                .send()
                .await;
            match taken {
                Ok(taken) => {
                    let endpoint = Endpoint::from_item(taken.attributes.unwrap_or_default())?;
                    return Ok(Taken::Yes(endpoint.into(), lease));
                }
                refused => StoreError::unless_refused("UpdateItem", refused)?,
            };
            let Some(endpoint) = self.endpoint(id).await? else { return Ok(Taken::None) };
            // The call was repeated after a lost answer. To let it take the lease twice would be to forget who came meanwhile.
            if endpoint.lease == Some(lease) {
                return Ok(Taken::Yes(endpoint.into(), lease));
            }
            if !endpoint.removed && endpoint.off.is_some() {
                return Ok(Taken::Waits(None));
            }
            if !endpoint.removed && endpoint.not_before.is_some_and(|time| time > now) {
                return Ok(Taken::Waits(endpoint.not_before));
            }
            let told = self
                .update(id)
                .update_expression("SET woken = :true")
                .condition_expression("lease_until > :now")
                .expression_attribute_values(":true", AttributeValue::Bool(true))
                .expression_attribute_values(":now", n(now.millis()))
                .send()
                .await;
            if StoreError::unless_refused("UpdateItem", told)? {
                return Ok(Taken::Told);
            }
        }
        Err(StoreError::contended("UpdateItem"))
    }

    /// Gives a lease back. Gives whether that was done: not if somebody came meanwhile and was told off, or has changed
    /// something; the lease stays then. One that is over already is somebody else's, and so is what is left.
    pub async fn give_back(&self, id: &EndpointId, lease: Lease, left: &Left) -> Result<bool, StoreError> {
        let changes = Changes::of(self.update(id))
            .set("health", Some(json(&left.health)))
            .set("look_at", Some(n(left.look_at.millis())))
            .set("not_before", left.not_before.map(|time| n(time.millis())))
            .set("lease_until", None)
            .set("lease_holder", None);
        let given_back = left
            .off
            .iter()
            .fold(changes, |changes, off| changes.set("switched_off", Some(json(off))))
            .update()
            .condition_expression("lease_holder = :mine AND attribute_not_exists(woken)")
            .expression_attribute_values(":mine", lease.holder())
            .send()
            .await;
        if StoreError::unless_refused("UpdateItem", given_back)? {
            return Ok(true);
        }
        let heard = self
            .update(id)
            .update_expression("REMOVE woken")
            .condition_expression("lease_holder = :mine")
            .expression_attribute_values(":mine", lease.holder())
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", heard).map(|is_mine| !is_mine)
    }

    /// Gives a lease back, whoever came meanwhile: somebody looks at the endpoint again, soon.
    pub async fn let_go(&self, id: &EndpointId, lease: Lease, look_at: Timestamp) -> Result<(), StoreError> {
        let let_go = self
            .update(id)
            .update_expression("SET look_at = :look_at REMOVE lease_until, lease_holder, woken")
            .condition_expression("lease_holder = :mine")
            .expression_attribute_values(":look_at", n(look_at.millis()))
            .expression_attribute_values(":mine", lease.holder())
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", let_go).map(drop)
    }

    /// Endpoints of a part that somebody must look at by now, at most `limit`; and where to go on, if there are more.
    pub async fn to_look_at(
        &self,
        part: u32,
        now: Timestamp,
        limit: i32,
        start: Option<Item>,
    ) -> Result<(Vec<EndpointId>, Option<Item>), StoreError> {
        #[derive(Deserialize)]
        struct Key {
            webhook_key: TenantId,
            place: String,
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
        let keys: Vec<Key> =
            serde_dynamo::from_items(answer.items.unwrap_or_default()).map_err(StoreError::corrupt(CORRUPT))?;
        let ids = keys.into_iter().map(|key| EndpointId { tenant: key.webhook_key, id: key.place });
        Ok((ids.collect(), answer.last_evaluated_key))
    }

    /// A message is on its way by which somebody looks at the endpoint. If that comes to nothing, it is looked at again.
    pub async fn look_again(&self, id: &EndpointId, now: Timestamp, at: Timestamp) -> Result<(), StoreError> {
        let updated = self
            .update(id)
            .update_expression("SET look_at = :at")
            .condition_expression("look_at <= :now")
            .expression_attribute_values(":at", n(at.millis()))
            .expression_attribute_values(":now", n(now.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated).map(drop)
    }

    /// An endpoint that waits is looked at then, unless it waits no more.
    pub async fn put_off(&self, id: &EndpointId, until: Option<Timestamp>, at: Timestamp) -> Result<(), StoreError> {
        let update = self.update(id).update_expression("SET look_at = :at");
        let update = update.expression_attribute_values(":at", n(at.millis()));
        let update = match until {
            None => update.condition_expression("attribute_exists(switched_off)"),
            Some(until) => update
                .condition_expression("not_before = :until")
                .expression_attribute_values(":until", n(until.millis())),
        };
        StoreError::unless_refused("UpdateItem", update.send().await).map(drop)
    }
}
