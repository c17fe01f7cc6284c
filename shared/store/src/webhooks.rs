//! Webhooks: tenants' endpoints that get domain events, and how far each has got with each stream.
//!
//! | `webhook_key` | `place` | is |
//! | --- | --- | --- |
//! | `TENANT` | the endpoint's id | an [`Endpoint`] |
//! | `TENANT/ID` | a stream | a [`Progress`](progress::Progress): what the endpoint has got of the stream |
//!
//! An endpoint's row has besides `document`, its settings as JSON:
//!
//! | attribute | holds |
//! | --- | --- |
//! | `health` | [`Health`] as JSON |
//! | `not_before` | no request is made before, in milliseconds since 1970 |
//! | `switched_off` | [`Off`] as JSON, while no events are sent |
//! | `errand` | an [`Errand`] as JSON that is not done yet |
//! | `removed` | it is to be deleted, with its progress |
//! | `lease_until`, `lease_holder` | who delivers has this [`lease`](crate::lease) |
//! | `woken` | there is more to deliver since the lease was taken |
//! | `part`, `look_at` | keys of the index `by_look_at`: when somebody must look whether there is something to do |
//!
//! **One function delivers to an endpoint at a time**, who has its lease. So what it knows of the endpoint's health need not be
//! agreed upon, and an endpoint that is slow takes up one function and no more.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s, spread};

mod endpoint;
mod lease;
pub mod progress;

pub use endpoint::{Endpoint, EndpointId, EndpointSettings, Errand, Health, Off, PayloadKind, Span, What};
pub use lease::{Left, PARTS, Taken};

/// Endpoints, and what they have got.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    table: String,
}

const CORRUPT: &str = "webhook";

fn json<T: Serialize>(value: &T) -> AttributeValue {
    s(serde_json::to_string(value).expect("texts and numbers are JSON"))
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::corrupt(CORRUPT))
}

impl Webhooks {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Registers an endpoint. It is looked at once, at `look_at`.
    pub async fn create(
        &self,
        id: &EndpointId,
        settings: &EndpointSettings,
        look_at: Timestamp,
    ) -> Result<Endpoint, StoreError> {
        let item = Item::from([
            ("webhook_key".to_owned(), s(&id.tenant)),
            ("place".to_owned(), s(&id.id)),
            ("document".to_owned(), json(settings)),
            ("part".to_owned(), n(spread(&id.id, PARTS))),
            ("look_at".to_owned(), n(look_at.millis())),
        ]);
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item.clone()));
        let put = put.condition_expression("attribute_not_exists(webhook_key)");
        // Ids are drawn: what is there already is this, and its answer was lost.
        StoreError::unless_refused("PutItem", put.send().await)?;
        Endpoint::from_item(item)
    }

    /// A tenant's endpoints, those aside that are being removed. Strongly consistent: what is committed after an endpoint was
    /// registered finds it.
    pub async fn endpoints(&self, tenant: &TenantId) -> Result<Vec<Endpoint>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("webhook_key = :tenant")
            .expression_attribute_values(":tenant", s(tenant))
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Vec<_> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        let endpoints: Vec<_> = items.into_iter().map(Endpoint::from_item).collect::<Result<_, _>>()?;
        Ok(endpoints.into_iter().filter(|endpoint| !endpoint.removed).collect())
    }

    /// An endpoint, also one that is being removed.
    pub async fn endpoint(&self, id: &EndpointId) -> Result<Option<Endpoint>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("webhook_key", s(&id.tenant))
            .key("place", s(&id.id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(Endpoint::from_item).transpose()
    }

    /// Replaces an endpoint's settings. Gives whether that was done: not if they were changed since `endpoint` was read.
    pub async fn change(&self, endpoint: &Endpoint, settings: &EndpointSettings) -> Result<bool, StoreError> {
        let updated = self
            .update(&endpoint.id)
            .update_expression("SET document = :new, woken = :true REMOVE not_before")
            .condition_expression("document = :old AND attribute_not_exists(removed)")
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":new", json(settings))
            .expression_attribute_values(":old", s(&endpoint.document))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated)
    }

    /// Sends nothing any more. Gives whether it is there.
    pub async fn switch_off(&self, id: &EndpointId, off: &Off) -> Result<bool, StoreError> {
        let updated = self
            .update(id)
            .update_expression("SET switched_off = :off, woken = :true")
            .condition_expression(IF_THERE)
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":off", json(off))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated)
    }

    /// Sends again, as to an endpoint that has not failed; whoever delivers next has the errand. Gives whether that was done:
    /// not if the endpoint is gone, or has another errand than when it was read.
    pub async fn switch_on(&self, read: &Endpoint, errand: &Errand, now: Timestamp) -> Result<bool, StoreError> {
        self.commission(read, errand, now, "switched_off, health, not_before").await
    }

    /// Has whoever delivers next do an errand first, at once. Gives the same.
    pub async fn send_on_errand(&self, read: &Endpoint, errand: &Errand, now: Timestamp) -> Result<bool, StoreError> {
        self.commission(read, errand, now, "not_before").await
    }

    async fn commission(
        &self,
        read: &Endpoint,
        errand: &Errand,
        now: Timestamp,
        remove: &str,
    ) -> Result<bool, StoreError> {
        let update = self
            .update(&read.id)
            .update_expression(format!("SET errand = :errand, look_at = :now, woken = :true REMOVE {remove}"))
            .expression_attribute_values(":errand", json(errand))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":true", AttributeValue::Bool(true));
        let update = match &read.errand {
            None => update.condition_expression(format!("{IF_THERE} AND attribute_not_exists(errand)")),
            Some(before) => update
                .condition_expression(format!("{IF_THERE} AND errand = :before"))
                .expression_attribute_values(":before", json(before)),
        };
        StoreError::unless_refused("UpdateItem", update.send().await)
    }

    /// Notes how far an errand is; `None`: it is done. Another one that has taken its place stays.
    pub async fn errand_is_at(
        &self,
        id: &EndpointId,
        errand: &Errand,
        next: Option<&Errand>,
    ) -> Result<(), StoreError> {
        let update = self.update(id).condition_expression("errand = :this");
        let update = update.expression_attribute_values(":this", json(errand));
        let update = match next {
            None => update.update_expression("REMOVE errand"),
            Some(next) => {
                update.update_expression("SET errand = :next").expression_attribute_values(":next", json(next))
            }
        };
        StoreError::unless_refused("UpdateItem", update.send().await).map(drop)
    }

    /// Marks an endpoint as removed: it gets nothing any more, and whoever looks at it next deletes it. Gives whether it was
    /// there.
    pub async fn remove(&self, id: &EndpointId, now: Timestamp) -> Result<bool, StoreError> {
        let updated = self
            .update(id)
            .update_expression("SET removed = :true, look_at = :now, woken = :true REMOVE switched_off, not_before")
            .condition_expression(IF_THERE)
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":now", n(now.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", updated)
    }

    /// Deletes an endpoint of which no progress is left.
    pub async fn delete(&self, id: &EndpointId) -> Result<(), StoreError> {
        let delete = self.client.delete_item().table_name(&self.table);
        let delete = delete.key("webhook_key", s(&id.tenant)).key("place", s(&id.id));
        delete.send().await.map(drop).map_err(StoreError::unavailable("DeleteItem"))
    }

    fn update(&self, id: &EndpointId) -> UpdateItemFluentBuilder {
        let update = self.client.update_item().table_name(&self.table);
        update.key("webhook_key", s(&id.tenant)).key("place", s(&id.id))
    }
}

/// The endpoint is there, and is not being removed.
const IF_THERE: &str = "attribute_exists(document) AND attribute_not_exists(removed)";

/// What an update changes, attribute by attribute.
struct Changes {
    builder: UpdateItemFluentBuilder,
    set: Vec<String>,
    remove: Vec<&'static str>,
}

impl Changes {
    fn of(builder: UpdateItemFluentBuilder) -> Self {
        Self { builder, set: Vec::new(), remove: Vec::new() }
    }

    /// Sets an attribute; `None` removes it.
    fn set(mut self, name: &'static str, value: Option<AttributeValue>) -> Self {
        match value {
            None => self.remove.push(name),
            Some(value) => {
                self.set.push(format!("{name} = :{name}"));
                self.builder = self.builder.expression_attribute_values(format!(":{name}"), value);
            }
        }
        self
    }

    /// With its expression. One attribute at least is set.
    fn update(self) -> UpdateItemFluentBuilder {
        let remove = if self.remove.is_empty() { String::new() } else { format!(" REMOVE {}", self.remove.join(", ")) };
        self.builder.update_expression(format!("SET {}{remove}", self.set.join(", ")))
    }
}
