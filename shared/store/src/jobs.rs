//! Jobs: work on all that is stored, which takes longer than one invocation. It is done in segments side by side, and goes on
//! where it was.
//!
//! | `job_key` | `place` | is |
//! | --- | --- | --- |
//! | `jobs` | the job's id | a [`Job`], while somebody works on it with a [`lease`](crate::lease) |
//! | the job's id | a segment's number | a [`Segment`] |
//!
//! One invocation at a time works on a job, who has its lease. Two would do no harm: a rebuild writes on the condition of what it
//! has read, a replay may send twice anyhow, and a segment's progress is noted by one of them.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::ids::TenantId;
use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::StoreError;
use crate::item::{Item, n, s};
use crate::lease::Lease;
use crate::stream_positions::CommitReference;

/// The partition of all jobs.
const ALL: &str = "jobs";

/// How long a job is remembered.
const REMEMBERED: Duration = Duration::from_hours(90 * 24);

/// A job, and whether it is done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    pub job_key: String,
    /// Its id: the time it was asked for, and what makes it unique.
    pub place: String,
    pub task: Task,
    /// Items a second at most, of all segments together; `None`: as many as it can.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pace: Option<u32>,
    #[serde(rename = "segment_count")]
    pub segments: u32,
    pub requested_by: String,
    pub requested_at: Timestamp,
    /// Somebody has worked on it.
    #[serde(default)]
    pub begun: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cancelled_by: Option<String>,
    /// When it was cancelled or finished.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    pub expires_at: u64,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Task {
    /// Read models are made anew from their events.
    Rebuild {
        /// Of this collection alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        collection: Option<String>,
        /// Of this tenant alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<TenantId>,
        /// Of this stream alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<String>,
        /// Only say what would be written.
        #[serde(default)]
        dry_run: bool,
    },
    /// The totals of one collection are counted anew, from its documents.
    Recount { tenant: TenantId, collection: String },
    /// Events are sent again to one subscriber.
    Replay {
        subscriber: String,
        context: String,
        /// Of this tenant alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<TenantId>,
        /// Of these types; none: of all.
        #[serde(default)]
        types: Vec<String>,
        /// Committed then or later.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        from: Option<Timestamp>,
        /// Committed before.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<Timestamp>,
        /// Only say what would be sent.
        #[serde(default)]
        dry_run: bool,
    },
    /// All that is stored is held against each other.
    Verification {
        /// Of this tenant alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        tenant: Option<TenantId>,
        /// Of this stream alone.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        stream: Option<String>,
        /// And of this operation, by the key of its record.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        operation: Option<String>,
        /// Everything that is older than so many seconds is to have arrived; `None`: than it may take.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        settled_after: Option<u64>,
    },
}

impl Task {
    pub fn dry_run(&self) -> bool {
        matches!(self, Self::Rebuild { dry_run: true, .. } | Self::Replay { dry_run: true, .. })
    }
}

/// Whether a job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(rename = "JobState")]
pub enum Progress {
    /// it begins within a minute
    Waiting,
    /// it has begun
    Running,
    /// somebody has ended it
    Cancelled,
    /// all is seen to
    Finished,
}

/// A part of a job.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it goes on: after this commit; `None`: at its beginning.
    #[serde(default, rename = "reached", skip_serializing_if = "Option::is_none")]
    pub after: Option<CommitReference>,
    /// Of a task in several parts: the one that it is at, from 0.
    #[serde(default)]
    pub part: u32,
    /// In a part that is no walk of the events table: after the item of these keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub last_key: Vec<String>,
    #[serde(default)]
    pub done: bool,
    /// How many times its progress was noted.
    #[serde(default)]
    pub step: u64,
    /// What was done, by name.
    #[serde(default)]
    pub counts: BTreeMap<String, u64>,
    /// The first of what could not be done.
    #[serde(default)]
    pub failures: Vec<Failure>,
}

/// What could not be done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "JobFailure")]
pub struct Failure {
    /// What it is about: a document or a stream.
    pub what: String,
    pub error: String,
}

/// Reads and writes jobs.
#[derive(Debug, Clone)]
pub struct Jobs {
    client: Client,
    table: String,
}

impl Job {
    /// A job that nobody has begun.
    pub fn new(task: Task, segments: u32, pace: Option<u32>, requested_by: &str, now: Timestamp) -> Self {
        let unique: String = std::iter::repeat_with(fastrand::alphanumeric).take(6).collect();
        Self::named(&unique, task, segments, pace, requested_by, now)
    }

    /// The same, and two that are asked for at the same time under the same name are one.
    pub fn named(name: &str, task: Task, segments: u32, pace: Option<u32>, requested_by: &str, now: Timestamp) -> Self {
        // Without colons, which a path would have to encode.
        let time = now.to_string().replace([':', '.'], "-");
        Self {
            job_key: ALL.to_owned(),
            place: format!("{time}-{name}"),
            task,
            pace,
            segments,
            requested_by: requested_by.to_owned(),
            requested_at: now,
            begun: false,
            cancelled_by: None,
            ended_at: None,
            expires_at: now.plus(REMEMBERED).seconds(),
        }
    }

    /// A job that comes after this one, in one segment. Two of the same name are one.
    #[must_use]
    pub fn then(&self, name: &str, task: Task) -> Self {
        Self {
            place: format!("{}.{name}", self.place),
            task,
            pace: None,
            segments: 1,
            begun: false,
            cancelled_by: None,
            ended_at: None,
            ..self.clone()
        }
    }

    pub fn id(&self) -> &str {
        &self.place
    }

    pub fn progress(&self) -> Progress {
        match (&self.cancelled_by, self.ended_at) {
            (Some(_), _) => Progress::Cancelled,
            (None, Some(_)) => Progress::Finished,
            (None, None) if self.begun => Progress::Running,
            (None, None) => Progress::Waiting,
        }
    }

    /// Whether there is something to do.
    pub fn is_open(&self) -> bool {
        self.ended_at.is_none()
    }
}

impl Jobs {
    pub fn new(client: Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }

    pub async fn add(&self, job: &Job) -> Result<(), StoreError> {
        let item: Item = serde_dynamo::to_item(job).map_err(StoreError::corrupt("job"))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        put.send().await.map(drop).map_err(StoreError::unavailable("PutItem"))
    }

    /// The same, unless there is one of its id. Gives whether there was none.
    pub async fn add_once(&self, job: &Job) -> Result<bool, StoreError> {
        let item: Item = serde_dynamo::to_item(job).map_err(StoreError::corrupt("job"))?;
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = put.condition_expression("attribute_not_exists(place)").send().await;
        StoreError::unless_refused("PutItem", put)
    }

    pub async fn find(&self, id: &str) -> Result<Option<Job>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("job_key", s(ALL))
            .key("place", s(id))
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(serde_dynamo::from_item).transpose().map_err(StoreError::corrupt("job"))
    }

    /// The jobs that have not ended, oldest first, without those that this release cannot read.
    pub async fn open(&self) -> Result<Vec<Job>, StoreError> {
        let query = self.of(ALL).filter_expression("attribute_not_exists(ended_at)");
        let items = query.into_paginator().items().send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        Ok(readable(items).collect())
    }

    /// The newest jobs of a kind, as its task is called, newest first.
    pub async fn newest(&self, kind: &str, most: usize) -> Result<Vec<Job>, StoreError> {
        let query = self.of(ALL).scan_index_forward(false).filter_expression("task.kind = :kind");
        let mut pages = query.expression_attribute_values(":kind", s(kind)).into_paginator().send();
        let mut newest = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(StoreError::unavailable("Query"))?;
            newest.extend(readable(page.items.unwrap_or_default()).take(most - newest.len()));
            if newest.len() == most {
                break;
            }
        }
        Ok(newest)
    }

    /// A job's segments that were begun, by their numbers.
    pub async fn segments(&self, id: &str) -> Result<BTreeMap<u32, Segment>, StoreError> {
        #[derive(Deserialize)]
        struct Row {
            place: String,
            #[serde(flatten)]
            segment: Segment,
        }
        let items = self.of(id).into_paginator().items().send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        let rows: Vec<Row> = serde_dynamo::from_items(items).map_err(StoreError::corrupt("segment"))?;
        let numbered = |row: Row| Ok((row.place.parse().map_err(StoreError::corrupt("segment"))?, row.segment));
        rows.into_iter().map(numbered).collect()
    }

    fn of(&self, key: &str) -> QueryFluentBuilder {
        self.client
            .query()
            .table_name(&self.table)
            .key_condition_expression("job_key = :key")
            .expression_attribute_values(":key", s(key))
            .consistent_read(true)
    }

    /// Takes a job's lease until then at most. `None`: somebody else has it, or there is nothing to do.
    pub async fn take(&self, id: &str, now: Timestamp, until: Timestamp) -> Result<Option<Lease>, StoreError> {
        let lease = Lease::draw();
        let taken = self
            .update(id)
            .update_expression("SET lease_until = :until, lease_holder = :mine, begun = :true")
            // A call is repeated whose answer was lost: then the lease is taken already.
            .condition_expression(
                "attribute_exists(task) AND attribute_not_exists(ended_at) \
                 AND (attribute_not_exists(lease_until) OR lease_until <= :now OR lease_holder = :mine)",
            )
            .expression_attribute_values(":true", AttributeValue::Bool(true))
            .expression_attribute_values(":until", n(until.millis()))
            .expression_attribute_values(":now", n(now.millis()))
            .expression_attribute_values(":mine", lease.holder())
            .send()
            .await;
        Ok(StoreError::unless_refused("UpdateItem", taken)?.then_some(lease))
    }

    /// Keeps a lease for longer. Gives whether that was done: not if it was lost, or the job is cancelled.
    pub async fn keep(&self, id: &str, lease: Lease, until: Timestamp) -> Result<bool, StoreError> {
        let kept = self
            .update_with(id, lease)
            .update_expression("SET lease_until = :until")
            .expression_attribute_values(":until", n(until.millis()))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", kept)
    }

    /// Gives a lease back; with `ended_at`, the job is finished.
    pub async fn give_back(&self, id: &str, lease: Lease, ended_at: Option<Timestamp>) -> Result<(), StoreError> {
        let update = self.update_with(id, lease);
        let update = match ended_at {
            None => update.update_expression("REMOVE lease_until, lease_holder"),
            Some(time) => update
                .update_expression("SET ended_at = :time REMOVE lease_until, lease_holder")
                .expression_attribute_values(":time", s(time)),
        };
        // Otherwise it is somebody else's, or cancelled.
        StoreError::unless_refused("UpdateItem", update.send().await).map(drop)
    }

    /// Gives whether the job was cancelled: not if it has ended.
    pub async fn cancel(&self, id: &str, by: &str, now: Timestamp) -> Result<bool, StoreError> {
        let cancelled = self
            .update(id)
            .update_expression("SET ended_at = :now, cancelled_by = :by REMOVE lease_until, lease_holder")
            .condition_expression("attribute_exists(task) AND attribute_not_exists(ended_at)")
            .expression_attribute_values(":now", s(now))
            .expression_attribute_values(":by", s(by))
            .send()
            .await;
        StoreError::unless_refused("UpdateItem", cancelled)
    }

    /// An update by who has the lease, of a job that has not ended.
    fn update_with(&self, id: &str, lease: Lease) -> UpdateItemFluentBuilder {
        self.update(id)
            .condition_expression("attribute_not_exists(ended_at) AND lease_holder = :mine")
            .expression_attribute_values(":mine", lease.holder())
    }

    fn update(&self, id: &str) -> UpdateItemFluentBuilder {
        self.client.update_item().table_name(&self.table).key("job_key", s(ALL)).key("place", s(id))
    }

    /// Notes how far a segment is. Gives whether that was done: not if somebody else has noted something since it was read.
    pub async fn note(&self, job: &Job, number: u32, segment: &Segment) -> Result<bool, StoreError> {
        let next = Segment { step: segment.step + 1, ..segment.clone() };
        let mut item: Item = serde_dynamo::to_item(next).map_err(StoreError::corrupt("segment"))?;
        item.insert("job_key".to_owned(), s(job.id()));
        item.insert("place".to_owned(), s(format!("{number:03}")));
        item.insert("expires_at".to_owned(), n(job.expires_at));
        let put = self.client.put_item().table_name(&self.table).set_item(Some(item));
        let put = match segment.step {
            0 => put.condition_expression("attribute_not_exists(place)"),
            step => put.condition_expression("step = :step").expression_attribute_values(":step", n(step)),
        };
        if StoreError::unless_refused("PutItem", put.send().await)? {
            return Ok(true);
        }
        // A call that was repeated after a lost answer is refused, and was made.
        let stored = self.segments(job.id()).await?.remove(&number);
        Ok(stored.is_some_and(|stored| stored == Segment { step: segment.step + 1, ..segment.clone() }))
    }
}

fn readable(items: Vec<Item>) -> impl Iterator<Item = Job> {
    items.into_iter().filter_map(|item| serde_dynamo::from_item(item).ok())
}
