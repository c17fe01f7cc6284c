//! The return as clients read it, under `/returns`.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use super::events::{Event, ReturnRequested};

/// A return's document.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    pub id: AggregateId,
    pub status: Status,
    pub order: AggregateId,
    pub customer: AggregateId,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    pub requested_at: Timestamp,
    pub updated_at: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Requested,
    Withdrawn,
    Received,
}

/// The collection `returns`: by customer, by status, newest requested first.
pub struct ReturnView;

impl Projection for ReturnView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "returns";
    const FILTERS: Filters = Filters { owner: "customer", state: "status" };
    const STATES: &'static [&'static str] = &["requested", "withdrawn", "received"];

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let status = match event {
            Event::ReturnRequested(event) => return Some(requested(event, happening)),
            Event::ReturnWithdrawn(_) => Status::Withdrawn,
            Event::ReturnReceived(_) => Status::Received,
        };
        Some(Document { status, updated_at: happening.time, ..document? })
    }

    fn listing(document: &Document) -> Listing {
        Listing::of(&document.customer, &document.status, document.requested_at)
    }
}

fn requested(event: &ReturnRequested, happening: &Happening) -> Document {
    let ReturnRequested { order, customer, reason, requested_at } = event.clone();
    let (id, updated_at) = (happening.aggregate.clone(), happening.time);
    Document { id, status: Status::Requested, order, customer, reason, requested_at, updated_at }
}
