//! Streams of commits in the events table.
//!
//! A commit is one item: the events that one command, or one batch of commands, appended together. Commits of a
//! stream are numbered from 1 without gaps, its events are versioned from 1 without gaps.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use kernel::RawValue;
use kernel::context::{AggregateType, Snapshot};
use kernel::domain_event::{EventData, RecordedEvent};
use kernel::effect::RecordedEffect;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::commit::{CommitBuilder, CommitError};
use crate::error::StoreError;
use crate::head::{Head, Loaded};
use crate::item::{Item, n, s};
use crate::operations;
use crate::stream_positions::CommitReference;
use crate::tables::Tables;

/// Loads aggregates and commits to them.
#[derive(Debug, Clone)]
pub struct EventStore {
    client: Client,
    tables: Tables,
}

/// Reads streams without knowing what they mean.
#[derive(Debug, Clone)]
pub struct Streams {
    client: Client,
    table: String,
}

/// A commit as stored.
#[derive(Debug, Deserialize)]
pub struct Commit {
    pub stream_id: String,
    pub commit_number: u64,
    pub first_version: u64,
    /// A JSON array of stored events.
    events: String,
    /// A JSON array of recorded effects.
    effects: Option<String>,
    committed_at: u64,
    snapshot: Option<String>,
    snapshot_layout: Option<u32>,
}

impl Commit {
    pub fn from_item(item: Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(item).map_err(StoreError::corrupt("commit"))
    }

    /// Reads the image that a stream of the events table carries. `serde_dynamo`'s own item type is what
    /// `aws_lambda_events` parses it into.
    pub fn from_stream_image(image: serde_dynamo::Item) -> Result<Self, StoreError> {
        serde_dynamo::from_item(image).map_err(StoreError::corrupt("commit"))
    }

    pub fn committed_at(&self) -> Timestamp {
        Timestamp::from_millis(self.committed_at)
    }

    /// Its events with their places.
    pub fn events(&self) -> Result<Vec<RecordedEvent>, StoreError> {
        let stream = self.stream()?;
        let events: Vec<EventData> = serde_json::from_str(&self.events).map_err(StoreError::corrupt("commit"))?;
        self.version_behind(events.len())?;
        let placed = events.into_iter().zip(self.first_version..);
        Ok(placed
            .map(|(event, version)| RecordedEvent { stream: stream.clone(), version, time: self.committed_at(), event })
            .collect())
    }

    /// The version of its last event. The events are counted, and not read: one that cannot be read counts as well.
    pub fn last_version(&self) -> Result<u64, StoreError> {
        let events: Vec<IgnoredAny> = serde_json::from_str(&self.events).map_err(StoreError::corrupt("commit"))?;
        Ok(self.version_behind(events.len())?.saturating_sub(1))
    }

    /// The version that comes next after so many events.
    fn version_behind(&self, events: usize) -> Result<u64, StoreError> {
        let version = u64::try_from(events).ok().and_then(|count| self.first_version.checked_add(count));
        version.ok_or("its versions go on behind the last one").map_err(StoreError::corrupt("commit"))
    }

    /// What it causes outside of its stream. An effect's place among them is a part of its key.
    pub fn effects(&self) -> Result<Vec<RecordedEffect>, StoreError> {
        let Some(effects) = &self.effects else { return Ok(Vec::new()) };
        serde_json::from_str(effects).map_err(StoreError::corrupt("effects"))
    }

    pub fn stream(&self) -> Result<StreamId, StoreError> {
        StreamId::parse(&self.stream_id).map_err(StoreError::corrupt("stream id"))
    }

    fn snapshot(&self) -> Option<Snapshot> {
        let state = RawValue::from_string(self.snapshot.clone()?).ok()?;
        Some(Snapshot { layout: self.snapshot_layout?, state })
    }
}

const WITHOUT_SNAPSHOT: &str = "stream_id, commit_number, first_version, events, effects, committed_at";

/// How many commits the second and later pages of a load ask for: a heavy state has a snapshot at least this often.
const PAGE: i32 = 32;

/// How many commits a page of a whole stream asks for. DynamoDB gives less if they are more than 1 MB.
const FORWARD: i32 = 1000;

impl EventStore {
    pub fn new(client: Client, tables: Tables) -> Self {
        Self { client, tables }
    }

    /// Begins a commit on what was loaded.
    pub fn begin(&self, stream: &StreamId, loaded: &Loaded) -> CommitBuilder {
        CommitBuilder::new(stream.clone(), self.tables.clone(), loaded)
    }

    /// Commits it: everything, or nothing.
    pub async fn commit(&self, commit: CommitBuilder, now: Timestamp) -> Result<Head, CommitError> {
        commit.send(&self.client, now).await
    }

    /// The same as [`Operations::keep`](operations::Operations::keep).
    pub async fn keep_operation(&self, key: &str, until: u64) -> Result<bool, StoreError> {
        operations::keep(&self.client, &self.tables.operations, key, until).await
    }

    /// The aggregate as of now, by one strongly consistent Query of one item.
    ///
    /// Only a state too heavy for a snapshot in every commit, or one whose snapshots were written by a build with
    /// another layout, takes further pages back to a snapshot that can be used, or to the first commit.
    pub async fn load(&self, aggregate_type: &AggregateType, stream: &StreamId) -> Result<Loaded, StoreError> {
        let streams = Streams::new(self.client.clone(), &self.tables.events);
        let mut newer: Vec<Commit> = Vec::new();
        let mut restored = None;
        let mut page = streams.page(stream, 1, None).await?;
        'pages: loop {
            for item in page.items {
                let commit = Commit::from_item(item)?;
                restored = commit.snapshot().and_then(|snapshot| aggregate_type.restore(&snapshot));
                newer.push(commit);
                if restored.is_some() {
                    break 'pages;
                }
            }
            let at_the_start = newer.last().is_none_or(|commit| commit.commit_number == 1);
            let Some(next) = page.next.filter(|_| !at_the_start) else { break };
            page = streams.page(stream, PAGE, Some(next)).await?;
        }
        let Some(newest) = newer.first() else {
            let committed_at = Timestamp::from_millis(0);
            let head = Head { version: 0, commit_number: 0, committed_at, since_snapshot: 0 };
            return Ok(Loaded { aggregate: aggregate_type.empty().into(), head });
        };
        let (commit_number, committed_at) = (newest.commit_number, newest.committed_at());
        let version = newest.last_version()?;
        if restored.is_some() {
            newer.pop(); // its events are in its snapshot
        }
        let mut aggregate = restored.unwrap_or_else(|| aggregate_type.empty());
        for commit in newer.iter().rev() {
            for recorded in commit.events()? {
                aggregate.evolve(&recorded.event).map_err(StoreError::corrupt("domain event"))?;
            }
        }
        let since_snapshot = newer.len() as u64;
        let head = Head { version, commit_number, committed_at, since_snapshot };
        Ok(Loaded { aggregate: aggregate.into(), head })
    }
}

/// Part of all commits.
pub struct Scanned {
    /// One that cannot be read does not hide the others.
    pub commits: Vec<(CommitReference, Result<Commit, StoreError>)>,
    /// Where the next part begins; `None` at the end.
    pub next: Option<CommitReference>,
}

struct Page {
    items: Vec<Item>,
    next: Option<Item>,
}

impl Streams {
    pub fn new(client: Client, table: &str) -> Self {
        Self { client, table: table.to_owned() }
    }

    /// A page of commits, newest first.
    async fn page(&self, stream: &StreamId, limit: i32, start: Option<Item>) -> Result<Page, StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("stream_id = :stream")
            .expression_attribute_values(":stream", s(stream))
            .consistent_read(true)
            .scan_index_forward(false)
            .limit(limit)
            .set_exclusive_start_key(start)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        Ok(Page { items: answer.items.unwrap_or_default(), next: answer.last_evaluated_key })
    }

    /// One commit, without its snapshot; `None` if there is none at that place.
    pub async fn find(&self, reference: &CommitReference) -> Result<Option<Commit>, StoreError> {
        let answer = self
            .client
            .get_item()
            .table_name(&self.table)
            .key("stream_id", s(&reference.stream_id))
            .key("commit_number", n(reference.commit_number))
            .projection_expression(WITHOUT_SNAPSHOT)
            .consistent_read(true)
            .send()
            .await
            .map_err(StoreError::unavailable("GetItem"))?;
        answer.item.map(Commit::from_item).transpose()
    }

    /// All events after `version`, in order. Reads from the newest back, so it costs what is missing; all of a stream from
    /// its beginning.
    pub async fn after(&self, stream: &StreamId, version: u64) -> Result<Vec<RecordedEvent>, StoreError> {
        if version == 0 {
            return self.all(stream).await;
        }
        let mut commits = Vec::new();
        let mut start = None;
        loop {
            let page = self.page(stream, PAGE, start).await?;
            for item in page.items {
                let commit = Commit::from_item(item)?;
                let reaches_back = commit.first_version <= version + 1;
                commits.push(commit);
                if reaches_back {
                    return in_order(&commits, version);
                }
            }
            start = page.next;
            if start.is_none() {
                return in_order(&commits, version);
            }
        }
    }

    async fn all(&self, stream: &StreamId) -> Result<Vec<RecordedEvent>, StoreError> {
        let mut events = Vec::new();
        let mut reached = Some(0);
        while let Some(commit) = reached {
            let (page, next) = self.history(stream, commit, FORWARD).await?;
            events.extend(page);
            reached = next;
        }
        Ok(events)
    }

    /// A page of events in order, from the commit after `commit_number` on: at most `commits` commits.
    /// The second value is where to go on, if there is more.
    pub async fn history(
        &self,
        stream: &StreamId,
        commit_number: u64,
        commits: i32,
    ) -> Result<(Vec<RecordedEvent>, Option<u64>), StoreError> {
        let (commits, next) = self.commits(stream, commit_number, commits).await?;
        let mut events = Vec::new();
        for commit in commits {
            events.extend(commit.events()?);
        }
        Ok((events, next))
    }

    /// The same, by the commit. They are without snapshots.
    pub async fn commits(
        &self,
        stream: &StreamId,
        commit_number: u64,
        most: i32,
    ) -> Result<(Vec<Commit>, Option<u64>), StoreError> {
        let answer = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("stream_id = :stream AND commit_number > :after")
            .expression_attribute_values(":stream", s(stream))
            .expression_attribute_values(":after", n(commit_number))
            .projection_expression(WITHOUT_SNAPSHOT)
            .consistent_read(true)
            .limit(most)
            .send()
            .await
            .map_err(StoreError::unavailable("Query"))?;
        let commits = answer.items.unwrap_or_default().into_iter().map(Commit::from_item).collect::<Result<_, _>>()?;
        let next = match answer.last_evaluated_key.as_ref().and_then(|key| key.get("commit_number")) {
            Some(AttributeValue::N(number)) => number.parse().ok(),
            _ => None,
        };
        Ok((commits, next))
    }

    /// The newest commits, the newest of them first; at most so many.
    pub async fn newest(&self, stream: &StreamId, most: i32) -> Result<Vec<Commit>, StoreError> {
        let page = self.page(stream, most, None).await?;
        page.items.into_iter().map(Commit::from_item).collect()
    }

    /// A page of a segment of all streams, from after `after` on: at most so many commits, without snapshots.
    /// Those of a stream come together and in order, unless its items are spread over several of the table's partitions.
    /// Strongly consistent.
    pub async fn scan(
        &self,
        (segment, segments): (u32, u32),
        after: Option<&CommitReference>,
        most: i32,
    ) -> Result<Scanned, StoreError> {
        let key = |at: &CommitReference| {
            Item::from([("stream_id".into(), s(&at.stream_id)), ("commit_number".into(), n(at.commit_number))])
        };
        let answer = self
            .client
            .scan()
            .table_name(&self.table)
            .segment(segment.try_into().unwrap_or(i32::MAX))
            .total_segments(segments.try_into().unwrap_or(i32::MAX))
            .projection_expression(WITHOUT_SNAPSHOT)
            .consistent_read(true)
            .limit(most)
            .set_exclusive_start_key(after.map(key))
            .send()
            .await
            .map_err(StoreError::unavailable("Scan"))?;
        let next = answer.last_evaluated_key.as_ref().map(place);
        let commits = answer.items.unwrap_or_default().into_iter().map(|item| (place(&item), Commit::from_item(item)));
        Ok(Scanned { commits: commits.collect(), next })
    }

    /// All commits of a stream, in order. One that cannot be read does not hide the others.
    pub async fn each(
        &self,
        stream_id: &str,
    ) -> Result<Vec<(CommitReference, Result<Commit, StoreError>)>, StoreError> {
        let items = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("stream_id = :stream")
            .expression_attribute_values(":stream", s(stream_id))
            .projection_expression(WITHOUT_SNAPSHOT)
            .consistent_read(true)
            .into_paginator()
            .items()
            .send();
        let items: Vec<Item> = items.collect::<Result<_, _>>().await.map_err(StoreError::unavailable("Query"))?;
        Ok(items.into_iter().map(|item| (place(&item), Commit::from_item(item))).collect())
    }

    /// The last commit before this time. Reads from the newest back, so it costs what came since.
    pub async fn last_before(&self, stream: &StreamId, time: Timestamp) -> Result<Option<Commit>, StoreError> {
        let mut start = None;
        loop {
            let page = self.page(stream, PAGE, start).await?;
            for item in page.items {
                let commit = Commit::from_item(item)?;
                if commit.committed_at() < time {
                    return Ok(Some(commit));
                }
            }
            start = page.next;
            if start.is_none() {
                return Ok(None);
            }
        }
    }
}

fn place(item: &Item) -> CommitReference {
    CommitReference {
        stream_id: item.get("stream_id").and_then(|id| id.as_s().ok()).cloned().unwrap_or_default(),
        commit_number: item.get("commit_number").and_then(|n| n.as_n().ok()?.parse().ok()).unwrap_or_default(),
    }
}

/// The events after `version` of commits that stand newest first.
fn in_order(commits: &[Commit], version: u64) -> Result<Vec<RecordedEvent>, StoreError> {
    let mut events = Vec::new();
    for commit in commits.iter().rev() {
        events.extend(commit.events()?.into_iter().filter(|event| event.version > version));
    }
    Ok(events)
}
