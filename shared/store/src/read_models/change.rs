//! Documents to be written: folded from events, in place of what is stored.

use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::context::{ProjectError, Projected, ReadModel};
use kernel::domain_event::RecordedEvent;
use kernel::projection::{Listing, Tally};

use super::{Key, Row};

/// A document to be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    pub key: Key,
    /// What it replaces, which must still be there; `None` for a new document.
    pub from: Option<Replaced>,
    pub to_version: u64,
    /// The number of the document's shape.
    pub layout: u32,
    /// JSON.
    pub document: String,
    pub listing: Listing,
    /// What it adds to totals.
    pub tallies: Vec<Tally>,
}

/// A stored document that another takes the place of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    pub version: u64,
    /// How often it was made anew at this version. It tells it from another document of that version.
    pub revision: u32,
    /// What it has added to totals.
    pub taken_back: Vec<Tally>,
}

/// Why there is no document to be written.
#[derive(Debug, thiserror::Error)]
pub enum ChangeError {
    #[error(transparent)]
    Project(#[from] ProjectError),
    #[error("the store does not have what comes after version {0}")]
    Missing(u64),
    #[error("a projection panicked")]
    Panicked,
}

impl Change {
    /// The stored document, if there is one, brought forward by the events right after its version.
    pub fn forward(
        key: Key,
        read_model: &dyn ReadModel,
        row: Option<&Row>,
        events: &[RecordedEvent],
    ) -> Result<Self, ChangeError> {
        let Some(row) = row else { return Self::anew(key, read_model, None, events) };
        let to_version = last_version(events, row.version)?;
        let projected = project(read_model, Some(&row.document), events)?;
        let from = Replaced::of(row, || project(read_model, Some(&row.document), &[]))?;
        Ok(Self::with(key, read_model, Some(from), to_version, projected))
    }

    /// The document folded anew from all events of its stream, in place of the stored one, if there is one.
    pub fn anew(
        key: Key,
        read_model: &dyn ReadModel,
        row: Option<&Row>,
        events: &[RecordedEvent],
    ) -> Result<Self, ChangeError> {
        let to_version = last_version(events, 0)?;
        let projected = project(read_model, None, events)?;
        let from = row.map(|row| {
            let up_to_it = events.partition_point(|event| event.version <= row.version);
            Replaced::of(row, || project(read_model, None, &events[..up_to_it]))
        });
        Ok(Self::with(key, read_model, from.transpose()?, to_version, projected))
    }

    fn with(
        key: Key,
        read_model: &dyn ReadModel,
        from: Option<Replaced>,
        to_version: u64,
        Projected { document, listing, tallies }: Projected,
    ) -> Self {
        Self { key, from, to_version, layout: read_model.layout(), document, listing, tallies }
    }

    /// Whether it adds to totals otherwise than what it replaces.
    pub fn moves_totals(&self) -> bool {
        self.tallies != self.taken_back()
    }

    /// Whether what it replaces is further.
    pub fn goes_back(&self) -> bool {
        self.from.as_ref().is_some_and(|from| from.version > self.to_version)
    }

    pub(super) fn taken_back(&self) -> &[Tally] {
        self.from.as_ref().map_or(&[], |from| &from.taken_back)
    }
}

impl Replaced {
    /// A release before stored no tallies, and knew no days: what such a document has added, this build can only say by
    /// making it once more.
    fn of(row: &Row, made: impl FnOnce() -> Result<Projected, ChangeError>) -> Result<Self, ChangeError> {
        let taken_back = match &row.tallies {
            Some(tallies) => tallies.clone(),
            None => made()?.tallies.into_iter().map(|tally| Tally { day: None, ..tally }).collect(),
        };
        Ok(Self { version: row.version, revision: row.revision, taken_back })
    }
}

/// The version of the last one, if these events are some, and the ones right after version `reached`.
fn last_version(events: &[RecordedEvent], reached: u64) -> Result<u64, ChangeError> {
    let follow = events.iter().zip(reached + 1..).all(|(event, version)| event.version == version);
    events.last().filter(|_| follow).map(|last| last.version).ok_or(ChangeError::Missing(reached))
}

/// A projection is the context's code: a panic of it is about this document alone.
fn project(
    read_model: &dyn ReadModel,
    document: Option<&str>,
    events: &[RecordedEvent],
) -> Result<Projected, ChangeError> {
    let projected = catch_unwind(AssertUnwindSafe(|| read_model.project(document, events)));
    Ok(projected.map_err(|_| ChangeError::Panicked)??)
}
