//! A page of the events table, by stream.

use std::sync::Arc;

use kernel::domain_event::RecordedEvent;
use store::StoreError;
use store::event_store::{Commit, Scanned};
use store::stream_positions::CommitReference;

/// What of a stream was on a page.
pub(crate) struct Part {
    pub stream_id: String,
    /// All of the stream up to some version; `None`: not from its beginning, or perhaps not to its end.
    pub events: Option<Arc<[RecordedEvent]>>,
}

/// What of each stream is on a page. The end of the stream before it, which that page has seen to, is left out.
pub(crate) fn parts(Scanned { commits, next }: Scanned, after: Option<&CommitReference>) -> Vec<Part> {
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
