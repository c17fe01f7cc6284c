//! Overviews: read models over several streams, of one or more contexts.
//!
//! Each stream contributes a document of its own, which is folded, stored, rebuilt and verified like every other, and so does
//! not mind in which order streams get on. The contributions of one owner are merged when they are read. An overview knows the
//! events that contexts have published, declared as it needs them, and no context's crate.

use serde::Serialize;

use crate::context::ReadModel;
use crate::ids::AggregateId;
use crate::message::{Message as _, MessageType, raw};
use crate::projection::Projection;

/// A document made of contributions. Implemented on an empty type.
pub trait Overview: 'static {
    /// What a client reads. Its JSON is the answer's body.
    type Document: Serialize;

    /// The document of whom the contributions name as their owner. Pure.
    fn merge(owner: &AggregateId, contributions: &Contributions) -> Result<Self::Document, serde_json::Error>;
}

/// An [`Overview`] with its types erased.
#[derive(Clone, Copy)]
pub struct OverviewType {
    /// The path segment that clients read it under: plural, kebab case.
    pub collection: &'static str,
    pub sources: &'static [Source],
    merge: fn(&AggregateId, &Contributions) -> Result<String, serde_json::Error>,
}

/// The streams of one type of aggregate, and what each contributes.
#[derive(Clone, Copy)]
pub struct Source {
    pub context: &'static str,
    /// `None`: the context's first.
    pub aggregate_type: Option<&'static str>,
    /// The events that it is made of.
    pub events: &'static [MessageType],
    /// Its collection is the overview's, a slash, and a name of its own; its owners are whom overviews are of.
    pub contribution: &'static dyn ReadModel,
}

/// What the streams of one owner contribute.
#[derive(Debug, Default)]
pub struct Contributions {
    /// By the contribution's collection; JSON, newest first.
    documents: Vec<(&'static str, String)>,
    /// Whether these are all.
    pub complete: bool,
}

impl OverviewType {
    pub const fn of<O: Overview>(collection: &'static str, sources: &'static [Source]) -> Self {
        Self { collection, sources, merge: merge::<O> }
    }

    /// The overview's JSON.
    pub fn merge(&self, owner: &AggregateId, contributions: &Contributions) -> Result<String, serde_json::Error> {
        (self.merge)(owner, contributions)
    }
}

fn merge<O: Overview>(owner: &AggregateId, contributions: &Contributions) -> Result<String, serde_json::Error> {
    Ok(raw(&O::merge(owner, contributions)?).get().to_owned())
}

impl Source {
    /// Streams of the context's first type of aggregate.
    pub const fn of<P: Projection>(context: &'static str, contribution: &'static P) -> Self {
        Self { context, aggregate_type: None, events: P::Event::TYPES, contribution }
    }

    /// The same, of another type of aggregate than the context's first.
    #[must_use]
    pub const fn of_type(self, aggregate_type: &'static str) -> Self {
        Self { aggregate_type: Some(aggregate_type), ..self }
    }
}

impl Contributions {
    /// Documents by their collection, newest first; and whether these are all.
    pub fn of_documents(documents: Vec<(&'static str, String)>, complete: bool) -> Self {
        Self { documents, complete }
    }

    pub fn are_none(&self) -> bool {
        self.documents.is_empty()
    }

    /// Those of one kind, newest first.
    pub fn of<P: Projection>(&self) -> Result<Vec<P::Document>, serde_json::Error> {
        let own = self.documents.iter().filter(|(collection, _)| *collection == P::COLLECTION);
        own.map(|(_, document)| serde_json::from_str(document)).collect()
    }
}
