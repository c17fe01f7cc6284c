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
//! | `lease_until`, `woken` | somebody delivers, until then at most; and there is more to deliver since |
//! | `part`, `look_at` | keys of the index `by_look_at`: when somebody must look whether there is something to do |
//!
//! **One function delivers to an endpoint at a time**, who has its lease. So what it knows of the endpoint's health need not be
//! agreed upon, and an endpoint that is slow takes up one function and no more.

use std::fmt;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use kernel::domain_event::RecordedEvent;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s, spread};

pub mod progress;

/// Parts of the index by time.
pub const PARTS: u32 = 4;

/// Characters of an endpoint's id.
const ID_LENGTH: usize = 16;

/// Which endpoint. As text, `TENANT/ID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EndpointId {
    pub tenant: TenantId,
    pub id: String,
}

impl EndpointId {
    /// One that no other endpoint has.
    pub fn draw(tenant: TenantId) -> Self {
        Self { tenant, id: std::iter::repeat_with(fastrand::alphanumeric).take(ID_LENGTH).collect() }
    }

    /// An id of this tenant, as clients name it; `None`: it cannot be one.
    pub fn read(tenant: TenantId, id: &str) -> Option<Self> {
        let is_one = id.len() == ID_LENGTH && id.bytes().all(|byte| byte.is_ascii_alphanumeric());
        is_one.then(|| Self { tenant, id: id.to_owned() })
    }

    /// Reads the text.
    pub fn parse(text: &str) -> Option<Self> {
        let (tenant, id) = text.split_once('/')?;
        Self::read(TenantId::parse(tenant).ok()?, id)
    }
}

impl fmt::Display for EndpointId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.tenant, self.id)
    }
}

/// What a tenant has said of an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSettings {
    pub url: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Of these types; empty: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Of these contexts; empty: of all.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub contexts: Vec<String>,
    #[serde(default)]
    pub payload: PayloadKind,
    /// The newest first. Two, while the older one is replaced: both sign.
    pub secrets: Vec<WebhookSecret>,
    /// Events from then on are sent.
    pub since: Timestamp,
}

impl EndpointSettings {
    /// Whether the event is one that is sent, whenever it happened.
    pub fn wants(&self, event: &RecordedEvent) -> bool {
        self.wants_type(&event.stream.context, &event.event.ty)
    }

    /// Whether events of this context and type are sent.
    pub fn wants_type(&self, context: &str, ty: &str) -> bool {
        let has = |wanted: &[String], one: &str| wanted.is_empty() || wanted.iter().any(|wanted| wanted == one);
        has(&self.contexts, context) && has(&self.types, ty)
    }
}

/// How much of an event is sent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PayloadKind {
    /// The whole event.
    #[default]
    Full,
    /// The event without its `data`: who gets it knows where to read.
    Thin,
}

/// How an endpoint has answered of late.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Health {
    /// Failures since the last success that say something of the endpoint, and not of one event.
    pub failures: u32,
    /// Requests since the last success that came to nothing.
    pub refused: u32,
    /// Since when nothing has succeeded; absent: the last delivery did.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub succeeded_at: Option<Timestamp>,
    /// What became of the last request, in a few words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_answer: Option<String>,
    /// A message is on its way by which the endpoint is looked at then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub woken_at: Option<Timestamp>,
}

/// That an endpoint gets nothing, and why. What happens meanwhile is sent once it is on again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Off {
    pub at: Timestamp,
    pub because: String,
}

/// Something to be done with all progress of an endpoint. One at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Errand {
    pub what: What,
    /// The stream behind which to go on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behind: Option<String>,
}

/// What an [`Errand`] is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum What {
    /// What is held, or waits for its next attempt, is due.
    Retry,
    /// What was sent of this time is sent again.
    Resend(Span),
}

/// From when to when, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    pub from: Timestamp,
    pub to: Timestamp,
}

impl Span {
    pub fn has(self, time: Timestamp) -> bool {
        (self.from..=self.to).contains(&time)
    }
}

/// A tenant's endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    pub id: EndpointId,
    pub settings: EndpointSettings,
    pub health: Health,
    pub not_before: Option<Timestamp>,
    pub off: Option<Off>,
    pub errand: Option<Errand>,
    /// It is to be deleted, with its progress.
    pub removed: bool,
    lease_until: Option<Timestamp>,
    /// Its settings as they are stored: changes are made on the condition that they still are.
    document: String,
}

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

/// The right to deliver to an endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    until: Timestamp,
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

/// Endpoints, and what they have got.
#[derive(Debug, Clone)]
pub struct Webhooks {
    client: Client,
    table: String,
}

#[derive(Deserialize)]
struct Row {
    webhook_key: TenantId,
    place: String,
    document: String,
    #[serde(default)]
    health: Option<String>,
    #[serde(default)]
    not_before: Option<u64>,
    #[serde(default)]
    switched_off: Option<String>,
    #[serde(default)]
    errand: Option<String>,
    #[serde(default)]
    removed: bool,
    #[serde(default)]
    lease_until: Option<u64>,
}

const CORRUPT: &str = "webhook";

fn json<T: Serialize>(value: &T) -> AttributeValue {
    s(serde_json::to_string(value).expect("texts and numbers are JSON"))
}

fn parsed<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(StoreError::corrupt(CORRUPT))
}

impl Endpoint {
    /// Whether nobody has changed its settings in between, nor how it does.
    pub fn is_as(&self, other: &Self) -> bool {
        let of =
            |endpoint: &Self| (endpoint.health.clone(), endpoint.not_before, endpoint.off.clone(), endpoint.removed);
        self.has_settings_of(other) && of(self) == of(other)
    }

    /// Whether nobody has changed its settings in between.
    pub fn has_settings_of(&self, other: &Self) -> bool {
        self.document == other.document
    }

    fn from_item(item: Item) -> Result<Self, StoreError> {
        let row: Row = serde_dynamo::from_item(item).map_err(StoreError::corrupt(CORRUPT))?;
        Ok(Self {
            id: EndpointId { tenant: row.webhook_key, id: row.place },
            settings: parsed(&row.document)?,
            health: row.health.as_deref().map(parsed).transpose()?.unwrap_or_default(),
            not_before: row.not_before.map(Timestamp::from_millis),
            off: row.switched_off.as_deref().map(parsed).transpose()?,
            errand: row.errand.as_deref().map(parsed).transpose()?,
            removed: row.removed,
            lease_until: row.lease_until.map(Timestamp::from_millis),
            document: row.document,
        })
    }
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

    /// Takes an endpoint's lease, to deliver to it, until then at most: a time that nobody else takes it to. Also of one that is
    /// removed, to delete it.
    pub async fn take(&self, id: &EndpointId, now: Timestamp, until: Timestamp) -> Result<Taken, StoreError> {
        // Between two of its steps somebody else may let go; who loses every time is not the only one who tries.
        for _ in 0..3 {
            let taken = self
                .update(id)
                .update_expression("SET lease_until = :until, look_at = :until REMOVE woken")
                .condition_expression(
                    "attribute_exists(document) AND (attribute_not_exists(lease_until) OR lease_until <= :now) \
                     AND (attribute_exists(removed) OR (attribute_not_exists(switched_off) \
                     AND (attribute_not_exists(not_before) OR not_before <= :now)))",
                )
                .expression_attribute_values(":until", n(until.millis()))
                .expression_attribute_values(":now", n(now.millis()))
                .return_values(ReturnValue::AllNew)
                .send()
                .await;
            match taken {
                Ok(taken) => {
                    let endpoint = Endpoint::from_item(taken.attributes.unwrap_or_default())?;
                    return Ok(Taken::Yes(endpoint.into(), Lease { until }));
                }
                refused => StoreError::unless_refused("UpdateItem", refused)?,
            };
            let Some(endpoint) = self.endpoint(id).await? else { return Ok(Taken::None) };
            // The call was repeated after a lost answer.
            if endpoint.lease_until == Some(until) {
                return Ok(Taken::Yes(endpoint.into(), Lease { until }));
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
        let given_back =
            self.giving_back(id, left).condition_expression("lease_until = :mine AND attribute_not_exists(woken)");
        let given_back = given_back.expression_attribute_values(":mine", n(lease.until.millis())).send().await;
        if StoreError::unless_refused("UpdateItem", given_back)? {
            return Ok(true);
        }
        let heard = self
            .update(id)
            .update_expression("REMOVE woken")
            .condition_expression("lease_until = :mine")
            .expression_attribute_values(":mine", n(lease.until.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", heard).map(|is_mine| !is_mine)
    }

    /// Gives a lease back, whoever came meanwhile: somebody looks at the endpoint again, soon.
    pub async fn let_go(&self, id: &EndpointId, lease: Lease, look_at: Timestamp) -> Result<(), StoreError> {
        let let_go = self
            .update(id)
            .update_expression("SET look_at = :look_at REMOVE lease_until, woken")
            .condition_expression("lease_until = :mine")
            .expression_attribute_values(":look_at", n(look_at.millis()))
            .expression_attribute_values(":mine", n(lease.until.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", let_go).map(drop)
    }

    fn giving_back(&self, id: &EndpointId, left: &Left) -> UpdateItemFluentBuilder {
        let changes = Changes::of(self.update(id))
            .set("health", Some(json(&left.health)))
            .set("look_at", Some(n(left.look_at.millis())))
            .set("not_before", left.not_before.map(|time| n(time.millis())))
            .set("lease_until", None);
        left.off.iter().fold(changes, |changes, off| changes.set("switched_off", Some(json(off)))).update()
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
