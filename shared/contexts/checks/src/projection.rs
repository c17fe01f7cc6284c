//! A day's checks as clients read them, under `/checks`.

use kernel::ids::AggregateId;
use kernel::projection::{Filters, Happening, Listing, Projection, Tally};
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::events::Event;

/// The checks of one day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Document {
    /// The day, as in 2026-01-31.
    pub id: AggregateId,
    /// The month in which the day's first run was recorded, as in 2026-01.
    pub month: String,
    /// How many runs were recorded.
    pub runs: u32,
    pub latest_run: String,
    pub latest_at: Timestamp,
    /// The principal that ran the latest one.
    pub recorded_by: String,
}

/// The collection `checks`: by who ran them, by month, latest first. Its totals are the runs of each month.
pub struct CheckView;

impl Projection for CheckView {
    type Event = Event;
    type Document = Document;

    const COLLECTION: &'static str = "checks";
    const FILTERS: Filters = Filters { owner: "recordedBy", state: "month" };

    fn project(document: Option<Document>, event: &Event, happening: &Happening) -> Option<Document> {
        let Event::CheckRecorded(event) = event;
        let (month, runs) = match document {
            Some(document) => (document.month, document.runs),
            None => (month(happening.time), 0),
        };
        Some(Document {
            id: happening.aggregate.clone(),
            month,
            runs: runs + 1,
            latest_run: event.run.clone(),
            latest_at: happening.time,
            recorded_by: event.recorded_by.clone(),
        })
    }

    fn listing(document: &Document) -> Listing {
        Listing::of(&document.recorded_by, &document.month, document.latest_at)
    }

    fn tallies(document: &Document) -> Vec<Tally> {
        vec![Tally::of(&document.month, document.runs.into())]
    }
}

fn month(time: Timestamp) -> String {
    time.to_string().chars().take("2026-01".len()).collect()
}
