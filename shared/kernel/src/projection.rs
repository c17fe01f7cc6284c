//! Projections: read models as a fold over domain events.

use std::fmt::Display;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::day::Day;
use crate::ids::AggregateId;
use crate::message::Message;
use crate::timestamp::Timestamp;

/// One read model: a document per aggregate, folded from its events in order.
pub trait Projection: Send + Sync + 'static {
    type Event: Message;
    /// What a client reads. Its JSON is the answer's body.
    type Document: Serialize + DeserializeOwned + Send;

    /// The path segment that clients read it under, and its name in the store: plural, kebab case.
    const COLLECTION: &'static str;

    /// The query parameters that lists are asked by. Both must be given a value by [`Projection::listing`].
    const FILTERS: Filters;

    /// The number of what documents are made of and what they add to totals. It differs from the release before whenever
    /// the same events make another document, listing or tallies. A stored document with another number is folded anew
    /// from its events: when it is read, when its next event comes, and by a rebuild.
    const LAYOUT: u32 = 1;

    /// Whether it is made of some types of events alone, those that [`Projection::Event`] declares, and others change
    /// nothing: as of a context that it does not belong to. Otherwise a type that is not declared is an error.
    const PARTIAL: bool = false;

    /// The states that documents can be in, by their names in [`Listing::state`], if there are no others: lists are
    /// then asked by one of them. Empty: others can come.
    const STATES: &'static [&'static str] = &[];

    /// The document after `event`. `None` comes in before the first event, and goes out for an event that cannot be
    /// the first: the update then fails, for the stream's beginning is missing.
    fn project(document: Option<Self::Document>, event: &Self::Event, happening: &Happening) -> Option<Self::Document>;

    fn listing(document: &Self::Document) -> Listing;

    /// What this document adds to the collection's totals: counts, sums. A report is the exact sum of them over all
    /// documents, kept up to date in the same transaction as the document. Unless said otherwise: how many documents
    /// are in each state, by the day of their time in lists.
    fn tallies(document: &Self::Document) -> Vec<Tally> {
        let Listing { state, time, .. } = Self::listing(document);
        vec![Tally::of(state, 1).on(time)]
    }
}

/// What one document adds to one total. A collection has tens of totals, not thousands: one item of the store has them
/// all.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tally {
    /// The total's name.
    pub name: String,
    pub amount: i64,
    /// The day whose totals it is in, beside those of all time. `None`: no report of a range of days has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub day: Option<Day>,
}

impl Tally {
    /// Of all time alone.
    pub fn of(name: impl Into<String>, amount: i64) -> Self {
        Self { name: name.into(), amount, day: None }
    }

    /// Also of the day, in UTC, that this moment belongs to.
    #[must_use]
    pub fn on(self, moment: Timestamp) -> Self {
        Self { day: Some(Day::of(moment)), ..self }
    }
}

/// Where and when an event happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Happening {
    pub aggregate: AggregateId,
    /// The event's place in its stream, from 1: the document's version after it.
    pub version: u64,
    pub time: Timestamp,
}

/// The names of a collection's list parameters, such as `customer` and `status`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Filters {
    /// Whose documents: spreads over many values, each of few documents.
    pub owner: &'static str,
    /// Which of few states they are in.
    pub state: &'static str,
}

/// How a document is found in lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    pub owner: String,
    /// Empty: no list by state has it.
    pub state: String,
    /// Lists show the newest first.
    pub time: Timestamp,
}

impl Listing {
    /// `state` is named as it serialises: a variant without fields.
    pub fn of(owner: &impl Display, state: &impl Serialize, time: Timestamp) -> Self {
        match serde_json::to_value(state) {
            Ok(Value::String(state)) => Self { owner: owner.to_string(), state, time },
            other => panic!("a listing's state serialises to a string, not to {other:?}"),
        }
    }
}
