//! What clients read, under `/__names__`.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::Event;
use crate::state::State;

/// One document of the collection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub status: State,
    pub title: String,
    pub opened_by: String,
    pub opened_at: Timestamp,
}

/// The collection `__names__`: by who opened it, by status, newest first.
pub struct __Name__View;

impl Projection for __Name__View {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "__names__";
    const FILTERS: Filters = Filters { owner: "openedBy", state: "status" };
    const STATES: &'static [&'static str] = &["open", "closed"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        Some(match event {
            Event::__Name__Opened(event) => Document {
                id: happening.aggregate.clone(),
                status: State::Open,
                title: event.title.clone(),
                opened_by: event.opened_by.clone(),
                opened_at: happening.time,
            },
            Event::__Name__Closed(_) => Document { status: State::Closed, ..document? },
        })
    }

    fn listing(document: &Document) -> Listing {
        Listing::of(&document.opened_by, &document.status, document.opened_at)
    }
}
