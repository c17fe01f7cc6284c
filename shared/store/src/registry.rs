//! The registry: tenants with their clients, grants, routes and schemas; and operators.
//!
//! | `registry_key` | `entry` | holds |
//! | --- | --- | --- |
//! | `operator#<principal>` | `operator` | `tenant`: whose parked messages they act on; absent: every tenant's |
//! | `client#<client id>` | `tenant` | `tenant`: whose machine client it is. A partner's topic is one, with its ARN as id |
//! | `tenant#<tenant>` | `settings` | `document`: [`TenantSettings`] as JSON |
//! | `tenant#<tenant>` | `limits` | `document`: [`TenantLimits`] as JSON; absent: the installation's defaults |
//! | `tenant#<tenant>` | `pipelines` | `document`: [`Pipelines`] as JSON; absent: nobody reports outcomes |
//! | `tenant#<tenant>` | `partners` | `document`: [`Partners`] as JSON; absent: nobody sends events |
//! | `tenant#<tenant>` | `schema#<uri>` | `document`: a JSON Schema of the tenant's own, `command_type` it is for |
//!
//! A principal is written as a [`Principal`]'s text: `user:SUB` or `client:CLIENT_ID`. Without a prefix, as releases
//! before had it, it is a client's.

use std::num::NonZeroU32;

use aws_sdk_dynamodb::Client;
use kernel::ids::TenantId;
use kernel::principal::Principal;
use kernel::webhook_signature::WebhookSecret;
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer, Serialize};

use crate::error::StoreError;
use crate::item::{Item, s};

/// What a tenant's principals may send, where it goes, and what they may read.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TenantSettings {
    #[serde(default)]
    pub grants: Vec<Grant>,
    #[serde(default)]
    pub routes: Vec<Route>,
    /// Absent: every principal of the tenant may read all of its documents. There, and empty: nobody may read any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reads: Option<Vec<ReadGrant>>,
}

/// Lets principals read documents of collections. What several of them give adds up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReadGrant {
    /// As those of a [`Grant`].
    pub principals: Vec<String>,
    /// Names of collections; `*` is every one.
    pub collections: Vec<String>,
    /// Names a claim of the caller's token: they may read what the claim's value is the owner of. Absent: all, and the
    /// totals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<String>,
}

/// Whether a grant's principals include this one.
pub fn include(principals: &[String], principal: &Principal) -> bool {
    principals.iter().any(|granted| granted == "*" || Principal::read(granted) == *principal)
}

/// Lets principals send command types from sources. A list that is left out grants nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// [`Principal`]s; `*` is every one of the tenant.
    pub principals: Vec<String>,
    /// Command types; a trailing `*` stands for any rest.
    pub types: Vec<String>,
    /// Prefixes of `source`.
    pub sources: Vec<String>,
}

/// Sends what comes from a source to a queue of the tenant's own. The longest prefix wins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Route {
    /// Prefix of `source`.
    pub source: String,
    /// URL of a FIFO queue. Absent: the shared queue of the command's context, which cuts an exception out of a
    /// shorter prefix.
    #[serde(default, deserialize_with = "fifo_queue")]
    pub queue: Option<String>,
}

/// Reads the URL of a FIFO queue. Nothing else takes commands, and ingest would call it an outage.
fn fifo_queue<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    let url = Option::<String>::deserialize(deserializer)?;
    let is_one = |url: &String| url.starts_with("http") && url.contains("://") && url.strip_suffix(".fifo").is_some();
    if url.as_ref().is_none_or(is_one) {
        Ok(url)
    } else {
        Err(D::Error::custom("a route's queue must be the URL of a FIFO queue"))
    }
}

/// How fast a tenant may send. What is left out is as the installation's settings say.
///
/// An entry of its own, so that a tenant is paused by one write that leaves its grants alone; and so that a build that
/// does not know of limits passes over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct TenantLimits {
    /// Nothing of the tenant's is taken.
    pub paused: bool,
    /// Of all the tenant's commands together.
    pub commands_per_second: Option<NonZeroU32>,
    /// How many of them at once.
    pub command_burst: Option<NonZeroU32>,
    /// Of those for one stream.
    pub stream_commands_per_second: Option<NonZeroU32>,
    pub stream_command_burst: Option<NonZeroU32>,
}

/// Queues of the tenant's own, whose consumers report what became of commands.
///
/// An entry of its own, so that a build that does not know of it passes over it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
pub struct Pipelines {
    /// Who may report the outcomes of commands of which types from which sources.
    pub reports: Vec<Grant>,
    /// After so many seconds without a report, operators are told. Absent: they are not.
    pub report_within_seconds: Option<NonZeroU32>,
}

/// Systems elsewhere whose events the tenant's contexts hear.
///
/// An entry of its own, so that a build that does not know of it passes over it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partners {
    pub partners: Vec<Partner>,
}

/// One of them, and how its events come in.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Partner {
    /// What contexts know it by.
    pub name: String,
    /// Who may send its events with a token, or as the partner's topic, as in a [`Grant`].
    #[serde(default)]
    pub principals: Vec<String>,
    /// Types of events; a trailing `*` stands for any rest.
    pub types: Vec<String>,
    /// Prefixes of `source`.
    pub sources: Vec<String>,
    /// In place of a token, what signs requests (Standard Webhooks). Several, while one takes another's place.
    #[serde(default)]
    pub secrets: Vec<WebhookSecret>,
}

/// A tenant as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantEntry {
    pub id: TenantId,
    pub settings: TenantSettings,
    pub limits: TenantLimits,
    pub pipelines: Pipelines,
    pub partners: Vec<Partner>,
    pub schemas: Vec<TenantSchema>,
}

/// A JSON Schema of a tenant's own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantSchema {
    /// What `dataschema` names it by.
    pub uri: String,
    pub command_type: String,
    /// JSON text.
    pub document: String,
}

/// Somebody who acts on parked messages, as registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OperatorEntry {
    /// The only tenant they see; `None`: a platform operator, who sees them all.
    pub tenant: Option<TenantId>,
}

/// Reads the registry.
#[derive(Debug, Clone)]
pub struct Registry {
    client: Client,
    table: String,
}

#[derive(Deserialize)]
struct Row {
    entry: String,
    #[serde(default, deserialize_with = "some_tenant")]
    tenant: Option<TenantId>,
    #[serde(default)]
    document: Option<String>,
    #[serde(default)]
    command_type: Option<String>,
}

/// Reads a tenant's id where there is one. DynamoDB's NULL is none: an operator of no tenant would be the platform's.
fn some_tenant<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<TenantId>, D::Error> {
    TenantId::deserialize(deserializer).map(Some)
}

/// Reads a JSON object. For a struct, an array would do as well, with its members by their places.
fn object<T: DeserializeOwned>(document: &str) -> serde_json::Result<T> {
    if document.trim_start().starts_with('[') {
        return Err(serde_json::Error::custom("an object is expected"));
    }
    serde_json::from_str(document)
}

impl Row {
    /// Its document, which is this.
    fn read<T: DeserializeOwned>(&self, what: &'static str) -> Result<T, StoreError> {
        object(self.document.as_deref().unwrap_or_default()).map_err(StoreError::corrupt(what))
    }

    fn into_schema(self) -> Option<TenantSchema> {
        let uri = self.entry.strip_prefix("schema#")?.to_owned();
        let command_type = self.command_type.unwrap_or_default();
        Some(TenantSchema { uri, command_type, document: self.document.unwrap_or_default() })
    }
}

impl Registry {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Whose machine client this is.
    pub async fn tenant_of_client(&self, client_id: &str) -> Result<Option<TenantId>, StoreError> {
        let rows = self.rows(&format!("client#{client_id}")).await?;
        let Some(client) = rows.into_iter().find(|row| row.entry == "tenant") else { return Ok(None) };
        client.tenant.map(Some).ok_or_else(|| StoreError::corrupt("registry entry")("a client's names no tenant"))
    }

    /// What this principal operates, if anything. An entry without a prefix counts for the client that it names.
    pub async fn operator(&self, principal: &Principal) -> Result<Option<OperatorEntry>, StoreError> {
        let mut names = vec![principal.to_string()];
        names.extend(Some(&principal.id).filter(|id| Principal::read(id) == *principal).cloned());
        for name in names {
            let rows = self.rows(&format!("operator#{name}")).await?;
            if let Some(row) = rows.into_iter().find(|row| row.entry == "operator") {
                return Ok(Some(OperatorEntry { tenant: row.tenant }));
            }
        }
        Ok(None)
    }

    pub async fn tenant(&self, id: &TenantId) -> Result<Option<TenantEntry>, StoreError> {
        let mut settings = None;
        let mut limits = TenantLimits::default();
        let mut pipelines = Pipelines::default();
        let mut partners = Partners::default();
        let mut schemas = Vec::new();
        for row in self.rows(&format!("tenant#{id}")).await? {
            match row.entry.as_str() {
                "settings" => settings = Some(row.read("tenant's settings")?),
                "limits" => limits = row.read("tenant's limits")?,
                "partners" => partners = row.read("tenant's partners")?,
                "pipelines" => pipelines = row.read("tenant's pipelines")?,
                _ => schemas.extend(row.into_schema()),
            }
        }
        Ok(settings.map(|settings| TenantEntry {
            id: id.clone(),
            settings,
            limits,
            pipelines,
            partners: partners.partners,
            schemas,
        }))
    }

    /// All tenants that have settings, in the order of their names. It reads all that is registered.
    pub async fn tenants(&self) -> Result<Vec<TenantId>, StoreError> {
        let items = self
            .client
            .scan()
            .table_name(&self.table)
            .filter_expression("begins_with(registry_key, :tenant) AND entry = :settings")
            .expression_attribute_values(":tenant", s("tenant#"))
            .expression_attribute_values(":settings", s("settings"))
            .projection_expression("registry_key")
            .into_paginator()
            .items()
            .send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Scan"))?;
        let name = |item: &Item| item.get("registry_key")?.as_s().ok()?.strip_prefix("tenant#").map(str::to_owned);
        let names = items.iter().filter_map(name).filter_map(|name| TenantId::parse(&name).ok());
        let mut tenants: Vec<_> = names.collect();
        tenants.sort();
        Ok(tenants)
    }

    /// A tenant's settings alone, for its schemas may be many.
    pub async fn settings(&self, id: &TenantId) -> Result<Option<TenantSettings>, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("registry_key = :key AND entry = :settings")
            .expression_attribute_values(":key", s(format!("tenant#{id}")))
            .expression_attribute_values(":settings", s("settings"))
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let rows: Vec<Row> = serde_dynamo::from_items(answer.items.unwrap_or_default())
            .map_err(StoreError::corrupt("registry entry"))?;
        rows.first().map(|row| row.read("tenant's settings")).transpose()
    }

    /// The tenant's own schemas for this command type, whatever else is registered for the tenant.
    pub async fn schemas(&self, tenant: &TenantId, command_type: &str) -> Result<Vec<TenantSchema>, StoreError> {
        let rows = self.rows(&format!("tenant#{tenant}")).await?;
        let schemas = rows.into_iter().filter_map(Row::into_schema);
        Ok(schemas.filter(|schema| schema.command_type == command_type).collect())
    }

    async fn rows(&self, key: &str) -> Result<Vec<Row>, StoreError> {
        let rows = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("registry_key = :key")
            .expression_attribute_values(":key", s(key))
            .into_paginator()
            .items()
            .send();
        let items: Vec<_> = rows.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        serde_dynamo::from_items(items).map_err(StoreError::corrupt("registry entry"))
    }
}
