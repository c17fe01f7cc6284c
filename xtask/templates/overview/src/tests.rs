//! Given these contributions, the overview says that.

use kernel::RawValue;
use kernel::context::ReadModel;
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use serde_json::{Value, json};

use super::*;

/// What the stream contributes after these events.
fn contribution(read_model: &dyn ReadModel, stream: &str, events: &[(&str, u32, Value)]) -> (&'static str, String) {
    let recorded = |(version, (ty, schema, data)): (u64, &(&str, u32, Value))| RecordedEvent {
        stream: StreamId::parse(stream).expect("a stream"),
        version,
        time: Timestamp::from_millis(version * 1000),
        event: EventData {
            ty: (*ty).to_owned(),
            schema: *schema,
            data: RawValue::from_string(data.to_string()).expect("JSON"),
            cause: Cause { operation: "op".into(), correlation: "co".into(), ..Cause::default() },
        },
    };
    let events: Vec<RecordedEvent> = (1..).zip(events).map(recorded).collect();
    let projected = read_model.project(None, &events).expect("a document");
    assert_eq!((projected.listing.owner.as_str(), projected.tallies.len()), ("C-7", 0));
    (read_model.collection(), projected.document)
}

/// Also where an event that says whose it is comes after others.
#[test]
fn an_overview_is_what_all_streams_contribute() {
    let documents = vec![__contributions__];
    let contributions = Contributions::of_documents(documents, true);
    let owner = AggregateId::parse("C-7").expect("an id");
    let merged: Value = serde_json::from_str(&OVERVIEW.merge(&owner, &contributions).expect("merged")).expect("JSON");
    for (section, status) in [__statuses__] {
        let section = &merged[section];
        assert_eq!((&section["count"], &section["byStatus"]), (&json!(1), &json!({ status: 1 })));
        assert_eq!((&section["latest"][0]["id"], &section["latest"][0]["owner"]), (&json!("1"), &json!("C-7")));
    }
    assert_eq!((&merged["id"], &merged["complete"]), (&json!("C-7"), &json!(true)));
}

#[test]
fn of_many_the_newest_are_shown_and_all_are_counted() {
    let part = Part { id: AggregateId::parse("1").expect("an id"), owner: None, status: "Begun".to_owned(), time: Timestamp::from_millis(0) };
    let Section { count, by_status, latest } = section(vec![part; 25]);
    assert_eq!((count, by_status["Begun"], latest.len()), (25, 25, SHOWN));
}
