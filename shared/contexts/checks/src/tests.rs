//! Given these events, when this command, then those; and what must always hold.

use kernel::ids::AggregateId;
use kernel::projection::{Happening, Projection, Tally};
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::json;
use spec::{assert_agrees_with_schema, assert_safe_to_repeat, assert_schemas_match, given};

use crate::commands::{Command, RecordCheck};
use crate::events::{CheckRecorded, Event};
use crate::projection::CheckView;
use crate::{CONTEXT, Checks};

fn record(run: &str) -> RecordCheck {
    RecordCheck { run: run.to_owned() }
}

fn recorded(run: &str) -> Event {
    CheckRecorded { run: run.to_owned(), recorded_by: "somebody".to_owned() }.into()
}

#[test]
fn every_run_is_recorded_once() {
    given::<Checks>([])
        .when(record("a"))
        .then([recorded("a")])
        .when(record("a"))
        .then_nothing()
        .when(record("b"))
        .then([recorded("b")]);
}

#[test]
fn a_day_reads_as_its_latest_run_and_how_many_there_were() {
    let aggregate = AggregateId::parse("2026-01-31").expect("an id");
    let happening = |version, time| Happening {
        aggregate: aggregate.clone(),
        version,
        time: Timestamp::parse(time).expect("a time"),
    };
    let document = CheckView::project(None, &recorded("a"), &happening(1, "2026-01-31T23:55:00Z"));
    // Sent on that day, and recorded just after it.
    let document = CheckView::project(document, &recorded("b"), &happening(2, "2026-02-01T00:00:01Z"));
    let document = document.expect("a document");
    assert_eq!(
        serde_json::to_value(&document).expect("JSON"),
        json!({
            "id": "2026-01-31",
            "month": "2026-01",
            "runs": 2,
            "latestRun": "b",
            "latestAt": "2026-02-01T00:00:01.000Z",
            "recordedBy": "somebody"
        })
    );
    let listing = CheckView::listing(&document);
    assert_eq!((listing.owner.as_str(), listing.state.as_str()), ("somebody", "2026-01"));
    assert_eq!(CheckView::tallies(&document), [Tally::of("2026-01", 2)]);
}

mod schemas {
    use super::*;

    #[test]
    fn schema_files_match_the_types() {
        assert_schemas_match(&CONTEXT, [schema_for!(RecordCheck), schema_for!(CheckRecorded)].map(Into::into));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]

        #[test]
        fn schemas_and_types_accept_the_same(command in commands()) {
            assert_agrees_with_schema(&command);
        }
    }

    proptest! {
        #[test]
        fn every_command_is_safe_to_repeat(commands in prop::collection::vec(commands(), 0..12)) {
            assert_safe_to_repeat::<Checks>(commands);
        }
    }

    fn commands() -> impl Strategy<Value = Command> {
        "[0-9a-f]{32}".prop_map(|run| record(&run).into())
    }
}
