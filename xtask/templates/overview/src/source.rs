//! What each of `__types__` contributes. A beginning: leave out the events that you do not need, and take more members of the
//! others.

use kernel::ids::AggregateId;
use kernel::message::Message as _;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use serde::{Deserialize, Serialize};

use crate::Part;

kernel::messages! {
    pub enum Event in "__context__" {
        __declared__
    }
}

__payloads__

pub struct From__Types__;

impl Projection for From__Types__ {
    type Event = Event;
    type Document = Part;

    const COLLECTION: &'static str = "__name__/__types__";
    const FILTERS: Filters = Filters { owner: "owner", state: "status" };
    const PARTIAL: bool = true;

    fn project(part: Option<Part>, event: &Event, happening: &Happening) -> Option<Part> {
        let owner = match event {
            __owners__
        };
        Some(Part::after(part, event.message_type().name, owner, happening))
    }

    fn listing(part: &Part) -> Listing {
        part.listing()
    }

    fn tallies(_: &Part) -> Vec<Tally> {
        Vec::new()
    }
}
