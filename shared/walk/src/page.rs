//! A page of the events table, by stream.

use std::sync::Arc;

use kernel::domain_event::RecordedEvent;
use store::StoreError;
use store::event_store::{Commit, Scanned};
use store::stream_positions::CommitReference;

/// What of a stream was on a page.
pub struct Part {
    pub stream_id: String,
    /// All of the stream up to some version; `None`: not from its beginning, or perhaps not to its end.
    pub events: Option<Arc<[RecordedEvent]>>,
}

/// A stream's commits on a page.
pub struct Commits {
    pub stream_id: String,
    pub commits: Vec<(CommitReference, Result<Commit, StoreError>)>,
    /// More of them may come on the next page.
    pub may_be_cut: bool,
}

/// What of each stream is on a page. The end of the stream before it, which that page has seen to, is left out.
pub fn by_stream(Scanned { commits, next }: Scanned, after: Option<&CommitReference>) -> Vec<Commits> {
    let mut streams: Vec<Commits> = Vec::new();
    for (at, commit) in commits {
        if after.is_some_and(|after| after.stream_id == at.stream_id) {
            continue;
        }
        match streams.last_mut() {
            Some(last) if last.stream_id == at.stream_id => last.commits.push((at, commit)),
            _ => streams.push(Commits {
                stream_id: at.stream_id.clone(),
                commits: vec![(at, commit)],
                may_be_cut: false,
            }),
        }
    }
    if let Some(last) = streams.last_mut() {
        last.may_be_cut = next.is_some();
    }
    streams
}

/// The same, as events.
pub fn parts(scanned: Scanned, after: Option<&CommitReference>) -> Vec<Part> {
    let part = |Commits { stream_id, commits, may_be_cut }| {
        let commits: Vec<_> = commits.into_iter().map(|(_, commit)| commit).collect();
        Part { stream_id, events: if may_be_cut { None } else { events(commits) } }
    };
    by_stream(scanned, after).into_iter().map(part).collect()
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
