//! A segment of all streams, page by page.

use std::sync::Arc;

use kernel::domain_event::RecordedEvent;
use kernel::ids::{StreamId, TenantId};
use store::StoreError;
use store::event_store::{Commit, Scanned};
use store::jobs::{Job, Segment, Task};
use store::read_models::Key;
use store::stream_positions::CommitReference;

use crate::Rebuild;
use crate::counting::Counting as _;
use crate::documents::Document;
use crate::gate::Gate;

/// Commits of a page. DynamoDB gives less if they are more than 1 MB.
const PAGE: i32 = 500;

/// What of a stream was on a page.
struct Part {
    stream_id: String,
    /// All of the stream up to some version; `None`: not from its beginning, or perhaps not to its end.
    events: Option<Arc<[RecordedEvent]>>,
}

impl Rebuild {
    /// Walks a segment as far as it may, and gives how far that was.
    pub(crate) async fn walk(
        &self,
        job: &Job,
        number: u32,
        mut segment: Segment,
        gate: &Gate,
    ) -> Result<Segment, StoreError> {
        while !segment.done && gate.pass().await {
            let scanned = self.streams.scan((number, job.segments), segment.after.as_ref(), PAGE).await?;
            let next = scanned.next.clone();
            let parts = parts(scanned, segment.after.as_ref());
            let (mut documents, mut events) = (Vec::new(), 0);
            for part in parts {
                let Ok(stream) = StreamId::parse(&part.stream_id) else {
                    segment.failed(&part.stream_id, "its name is no stream's");
                    continue;
                };
                let Task::Rebuild { collection, tenant, .. } = &job.task;
                if tenant.as_ref().is_some_and(|tenant| *tenant != stream.tenant) {
                    continue;
                }
                segment.add("streams", 1);
                events += part.events.as_ref().map_or(0, |events| events.len());
                let Some(read_models) = (self.read_models_of)(&stream) else {
                    segment.failed(&part.stream_id, "this release does not know its type of aggregate");
                    continue;
                };
                // An overview's are called after it.
                let wanted = |name: &str| {
                    collection.as_deref().is_none_or(|wanted| name.split('/').next() == Some(wanted))
                };
                for read_model in read_models.into_iter().filter(|model| wanted(model.collection())) {
                    let (tenant, id): (TenantId, _) = (stream.tenant.clone(), stream.aggregate.clone());
                    let key = Key { tenant, collection: read_model.collection(), id };
                    documents.push(Document { key, read_model, stream: stream.clone(), events: part.events.clone() });
                }
            }
            segment.add("events", events as u64);
            let Task::Rebuild { dry_run, .. } = job.task;
            let before = segment.clone();
            self.renew(documents, dry_run, &mut segment).await?;
            let since = |name: &str| segment.count(name) - before.count(name);
            if !dry_run {
                Self::count(since("written"), since("failed"));
            }
            segment.done = next.is_none();
            segment.after = next;
            if !self.jobs.note(job, number, &segment).await? {
                break; // somebody else walks it
            }
            segment.step += 1;
            gate.took(events);
        }
        Ok(segment)
    }
}

/// What of each stream is on a page. The end of the stream before it, which that page has seen to, is left out.
fn parts(Scanned { commits, next }: Scanned, after: Option<&CommitReference>) -> Vec<Part> {
    let mut parts: Vec<(String, Vec<Result<Commit, StoreError>>)> = Vec::new();
    for (at, commit) in commits {
        if after.is_some_and(|after| after.stream_id == at.stream_id) {
            continue;
        }
        match parts.last_mut() {
            Some((stream_id, commits)) if *stream_id == at.stream_id => commits.push(commit),
            _ => parts.push((at.stream_id, vec![commit])),
        }
    }
    let last = parts.len();
    let whole = |(place, (stream_id, commits)): (usize, (String, Vec<Result<Commit, StoreError>>))| {
        // More of the last one may come on the next page.
        let may_be_cut = next.is_some() && place + 1 == last;
        let events = if may_be_cut { None } else { events(commits) };
        Part { stream_id, events }
    };
    parts.into_iter().enumerate().map(whole).collect()
}

/// The events of a stream's commits from its first one on, without gaps.
fn events(commits: Vec<Result<Commit, StoreError>>) -> Option<Arc<[RecordedEvent]>> {
    let mut events = Vec::new();
    for commit in commits {
        events.extend(commit.ok()?.events().ok()?);
    }
    let gapless = events.iter().zip(1..).all(|(event, version)| event.version == version);
    (gapless && !events.is_empty()).then(|| events.into())
}
