//! Findings: what a verification has found that does not fit.
//!
//! | `kind` | `id` | holds |
//! | --- | --- | --- |
//! | a [`Kind`] | the kind, and a hash of what it is about | a [`Finding`] |
//! | `known` | what is so: a context hears a type of event, there is a collection, records are kept so long | `since`: when a verification first saw it |
//!
//! A finding has the same id in every verification, so it is one for as long as it is true. It closes once it is true no more,
//! and is forgotten a quarter of a year later.

use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s};
use crate::stream_positions::CommitReference;
use crate::timers::TimerId;

/// How long a closed finding is remembered.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);

const KNOWN: &str = "known";

/// What does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(rename = "FindingKind")]
pub enum Kind {
    /// a stream lacks a commit, or one of its commits does not follow the one before
    CommitMissing,
    /// a commit cannot be read
    CommitUnreadable,
    /// no read model has what was committed: it was not published
    PublicationLost,
    /// a document lacks events that other documents of the stream have
    DocumentBehind,
    /// a document is not what its events make of it
    DocumentBent,
    /// a document has events that the stream does not have
    DocumentAhead,
    /// a document cannot be read
    DocumentUnreadable,
    /// a document has no stream
    DocumentWithoutStream,
    /// a collection's totals are not the sum over its documents
    TotalOff,
    /// a command's events are there, and no operation says so
    EventWithoutOperation,
    /// a command's events are there, and its operation says something else
    OperationDiffers,
    /// an operation says succeeded, and its events are not there
    OperationWithoutEvents,
    /// an aggregate's value is not claimed for it
    ClaimMissing,
    /// a value is claimed for an aggregate that does not claim it
    ClaimWithoutOwner,
    /// a timer is set no more, and its command was not handed in
    TimerLost,
    /// a timer is long due, and still set
    TimerOverdue,
    /// a command that followed from an event has no outcome
    CommandLost,
    /// a context was not told that its command was refused
    RefusalUntold,
    /// an operation says parked, and nothing waits for a person
    ParkedLost,
    /// a parked message has waited for a person for a week
    ParkedForgotten,
    /// a parked message was resubmitted, and was not sent
    ResubmissionUnsent,
    /// a command is said to be retried, and nobody has tried for long
    RetryForgotten,
}

impl Kind {
    pub const ALL: [Self; 22] = [
        Self::CommitMissing,
        Self::CommitUnreadable,
        Self::PublicationLost,
        Self::DocumentBehind,
        Self::DocumentBent,
        Self::DocumentAhead,
        Self::DocumentUnreadable,
        Self::DocumentWithoutStream,
        Self::TotalOff,
        Self::EventWithoutOperation,
        Self::OperationDiffers,
        Self::OperationWithoutEvents,
        Self::ClaimMissing,
        Self::ClaimWithoutOwner,
        Self::TimerLost,
        Self::TimerOverdue,
        Self::CommandLost,
        Self::RefusalUntold,
        Self::ParkedLost,
        Self::ParkedForgotten,
        Self::ResubmissionUnsent,
        Self::RetryForgotten,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::CommitMissing => "commit-missing",
            Self::CommitUnreadable => "commit-unreadable",
            Self::PublicationLost => "publication-lost",
            Self::DocumentBehind => "document-behind",
            Self::DocumentBent => "document-bent",
            Self::DocumentAhead => "document-ahead",
            Self::DocumentUnreadable => "document-unreadable",
            Self::DocumentWithoutStream => "document-without-stream",
            Self::TotalOff => "total-off",
            Self::EventWithoutOperation => "event-without-operation",
            Self::OperationDiffers => "operation-differs",
            Self::OperationWithoutEvents => "operation-without-events",
            Self::ClaimMissing => "claim-missing",
            Self::ClaimWithoutOwner => "claim-without-owner",
            Self::TimerLost => "timer-lost",
            Self::TimerOverdue => "timer-overdue",
            Self::CommandLost => "command-lost",
            Self::RefusalUntold => "refusal-untold",
            Self::ParkedLost => "parked-lost",
            Self::ParkedForgotten => "parked-forgotten",
            Self::ResubmissionUnsent => "resubmission-unsent",
            Self::RetryForgotten => "retry-forgotten",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Whether a finding is still true.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "FindingState")]
pub enum State {
    /// it was true when it was last looked at
    Open,
    /// the same, and somebody has said why that is to be left
    Ignored,
    /// it is true no more
    Closed,
}

impl State {
    pub const ALL: [Self; 3] = [Self::Open, Self::Ignored, Self::Closed];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Ignored => "ignored",
            Self::Closed => "closed",
        }
    }
}

/// What a finding is about, as far as that is more than a stream. It holds names, and no data of the tenant's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub collection: Option<String>,
    /// The commit that it begins with, in the finding's stream.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commit: Option<CommitReference>,
    /// The key of an operation's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// The stream that a command is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The operation's id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guard_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub holder: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timer: Option<TimerId>,
    /// `parked_key` and `id`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parked: Option<(String, String)>,
}

/// A finding as a verification makes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub kind: Kind,
    /// What tells it from others of its kind: the same in every verification.
    pub about: String,
    pub tenant: Option<TenantId>,
    pub stream: Option<String>,
    pub place: Place,
    /// What there would have to be, in a few words.
    pub expected: String,
    /// What there is.
    pub actual: String,
}

/// A finding as it is kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    pub kind: Kind,
    pub id: String,
    #[serde(rename = "finding_state")]
    pub state: State,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<TenantId>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream: Option<String>,
    pub place: Place,
    pub expected: String,
    pub actual: String,
    pub first_seen: Timestamp,
    pub last_seen: Timestamp,
    /// The verification that has last looked at it.
    pub seen_by: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub closed_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ignored: Option<Decided>,
    /// Its action was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mended: Option<Decided>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
}

/// What somebody has decided on a finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(rename = "FindingDecision")]
pub struct Decided {
    pub by: String,
    pub at: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl Found {
    /// The same for the same of a tenant, for ever.
    pub fn id(&self) -> String {
        let tenant = self.tenant.as_ref().map_or("", TenantId::as_str);
        format!("{}.{}", self.kind.as_str(), kernel::ids::digest(&[tenant, &self.about]))
    }
}

/// Keeps findings.
#[derive(Debug, Clone)]
pub struct Findings {
    client: Client,
    table: String,
}

impl Findings {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    /// Notes that it is true. Gives whether that is new: it was not known, or had closed.
    pub async fn note(&self, found: &Found, job: &str, now: Timestamp) -> Result<bool, StoreError> {
        let id = found.id();
        let known = self
            .of(found.kind, &id)
            .update_expression(
                "SET last_seen = :now, seen_by = :job, expected = :expected, actual = :actual, place = :place",
            )
            .condition_expression("finding_state IN (:open, :ignored)")
            .expression_attribute_values(":open", s(State::Open.as_str()))
            .expression_attribute_values(":ignored", s(State::Ignored.as_str()))
            .expression_attribute_values(":now", s(now))
            .expression_attribute_values(":job", s(job))
            .expression_attribute_values(":expected", s(&found.expected))
            .expression_attribute_values(":actual", s(&found.actual))
            .expression_attribute_values(":place", place(&found.place))
            .send()
            .await;
        if StoreError::unless_refused("UpdateItem", known)? {
            return Ok(false);
        }
        let Found { kind, tenant, stream, place, expected, actual, .. } = found.clone();
        let finding = Finding {
            kind,
            id,
            state: State::Open,
            tenant,
            stream,
            place,
            expected,
            actual,
            first_seen: now,
            last_seen: now,
            seen_by: job.to_owned(),
            closed_at: None,
            ignored: None,
            mended: None,
            expires_at: None,
        };
        let item: Item = serde_dynamo::to_item(finding).map_err(StoreError::corrupt("finding"))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put
            .condition_expression("attribute_not_exists(id) OR finding_state = :closed")
            .expression_attribute_values(":closed", s(State::Closed.as_str()));
        StoreError::unless_refused("PutItem", put.send().await)
    }

    /// It is true no more, unless another verification has seen it meanwhile. Gives whether it was closed.
    pub async fn close(&self, finding: &Finding, now: Timestamp) -> Result<bool, StoreError> {
        let closed = self
            .of(finding.kind, &finding.id)
            .update_expression("SET finding_state = :closed, closed_at = :now, expires_at = :expires")
            .condition_expression("seen_by = :seen_by AND finding_state = :state")
            .expression_attribute_values(":closed", s(State::Closed.as_str()))
            .expression_attribute_values(":now", s(now))
            .expression_attribute_values(":expires", n(now.plus(REMEMBERED).seconds()))
            .expression_attribute_values(":seen_by", s(&finding.seen_by))
            .expression_attribute_values(":state", s(finding.state.as_str()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", closed)
    }

    /// Leaves it as it is, for a reason; `None`: no longer. Gives whether it was: not if it has closed.
    pub async fn ignore(&self, finding: &Finding, decided: Option<&Decided>) -> Result<bool, StoreError> {
        let update = self.of(finding.kind, &finding.id);
        let update = match decided {
            Some(decided) => update
                .update_expression("SET finding_state = :state, ignored = :decided")
                .expression_attribute_values(":state", s(State::Ignored.as_str()))
                .expression_attribute_values(":decided", decision(decided)),
            None => update
                .update_expression("SET finding_state = :state REMOVE ignored")
                .expression_attribute_values(":state", s(State::Open.as_str())),
        };
        let update = update
            .condition_expression("attribute_exists(id) AND finding_state <> :closed")
            .expression_attribute_values(":closed", s(State::Closed.as_str()));
        StoreError::unless_refused("UpdateItem", update.send().await)
    }

    /// Its action was asked for.
    pub async fn mended(&self, finding: &Finding, decided: &Decided) -> Result<(), StoreError> {
        let noted = self
            .of(finding.kind, &finding.id)
            .update_expression("SET mended = :decided")
            .condition_expression("attribute_exists(id)")
            .expression_attribute_values(":decided", decision(decided))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", noted).map(drop)
    }

    /// The finding of that id; `None` if there is none, or none any more.
    pub async fn find(&self, id: &str) -> Result<Option<Finding>, StoreError> {
        let Some(kind) = id.split_once('.').and_then(|(kind, _)| Kind::parse(kind)) else { return Ok(None) };
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("kind", s(kind.as_str()))
            .key("id", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("finding"))
    }

    /// Findings of a kind in these states, of one tenant or of all.
    pub async fn list(
        &self,
        kind: Kind,
        states: &[State],
        tenant: Option<&TenantId>,
    ) -> Result<Vec<Finding>, StoreError> {
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("kind = :kind")
            .expression_attribute_values(":kind", s(kind.as_str()))
            .consistent_read(true);
        let items = query.into_paginator().items().send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        let findings: Vec<Finding> = serde_dynamo::from_items(items).map_err(StoreError::corrupt("finding"))?;
        let is_wanted = |finding: &Finding| {
            states.contains(&finding.state) && tenant.is_none_or(|tenant| finding.tenant.as_ref() == Some(tenant))
        };
        Ok(findings.into_iter().filter(is_wanted).collect())
    }

    /// Since when it is known that something is so: since now, if it was not.
    pub async fn known_since(&self, of: &str, what: &str, now: Timestamp) -> Result<Timestamp, StoreError> {
        let noted = self
            .client
            .update_item()
            .table_name(&self.table)
            .key("kind", s(KNOWN))
            .key("id", s(format!("{of} {what}")))
            .update_expression("SET since = if_not_exists(since, :now)")
            .expression_attribute_values(":now", n(now.millis()))
            .return_values(ReturnValue::AllNew)
            .send()
            .await
            .map_err(StoreError::unavailable("UpdateItem"))?;
        let since = noted.attributes.and_then(|item| item.get("since")?.as_n().ok()?.parse().ok());
        since.map(Timestamp::from_millis).ok_or("no time").map_err(StoreError::corrupt("finding"))
    }

    fn of(&self, kind: Kind, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("kind", s(kind.as_str())).key("id", s(id))
    }
}

fn decision(decided: &Decided) -> AttributeValue {
    serde_dynamo::to_attribute_value(decided).expect("a decision has string keys and plain values")
}

fn place(place: &Place) -> AttributeValue {
    serde_dynamo::to_attribute_value(place).expect("a place has string keys and plain values")
}
