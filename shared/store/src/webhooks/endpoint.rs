//! A tenant's endpoint: what the tenant has said of it, and how it does.

use std::fmt;

use kernel::domain_event::RecordedEvent;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use kernel::webhook_signature::WebhookSecret;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CORRUPT, parsed};
use crate::error::StoreError;
use crate::item::Item;
use crate::lease::Lease;

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
    pub(super) lease: Option<Lease>,
    /// Its settings as they are stored: changes are made on the condition that they still are.
    pub(super) document: String,
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
    lease_holder: Option<Lease>,
}

impl Endpoint {
    /// Whether nobody has changed its settings in between, nor how it does, nor has given it another errand.
    pub fn is_as(&self, other: &Self) -> bool {
        self.has_settings_of(other)
            && self.health == other.health
            && self.not_before == other.not_before
            && self.off == other.off
            && self.errand == other.errand
            && self.removed == other.removed
    }

    /// Whether nobody has changed its settings in between.
    pub fn has_settings_of(&self, other: &Self) -> bool {
        self.document == other.document
    }

    pub(super) fn from_item(item: Item) -> Result<Self, StoreError> {
        let row: Row = serde_dynamo::from_item(item).map_err(StoreError::corrupt(CORRUPT))?;
        Ok(Self {
            id: EndpointId { tenant: row.webhook_key, id: row.place },
            settings: parsed(&row.document)?,
            health: row.health.as_deref().map(parsed).transpose()?.unwrap_or_default(),
            not_before: row.not_before.map(Timestamp::from_millis),
            off: row.switched_off.as_deref().map(parsed).transpose()?,
            errand: row.errand.as_deref().map(parsed).transpose()?,
            removed: row.removed,
            lease: row.lease_holder,
            document: row.document,
        })
    }
}
