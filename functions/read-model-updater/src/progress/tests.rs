//! What no context of the catalog does, and what only the log would tell.

use kernel::RawValue;
use kernel::context::{Projected, ReadModel};
use kernel::domain_event::{Cause, EventData};
use kernel::ids::StreamId;
use kernel::projection::{Filters, Listing, Tally};
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use testkit::{Aws, Fault};

use super::*;

/// Panics over the order `bad`.
struct Fragile;

impl ReadModel for Fragile {
    fn collection(&self) -> &'static str {
        "fragile"
    }

    fn filters(&self) -> Filters {
        Filters { owner: "owner", state: "state" }
    }

    fn layout(&self) -> u32 {
        1
    }

    fn project(&self, _: Option<&str>, events: &[RecordedEvent]) -> Result<Projected, ProjectError> {
        assert_ne!(events[0].stream.aggregate.as_str(), "bad");
        let listing = Listing { owner: "o".into(), state: "s".into(), time: Timestamp::from_millis(0) };
        Ok(Projected { document: "{}".into(), listing, tallies: vec![Tally::of("s", 1)] })
    }
}

fn target((place, order): (usize, &str)) -> (Key, Target) {
    let stream = StreamId::parse(&format!("acme/orders/{order}")).expect("a stream");
    let (tenant, id) = (stream.tenant.clone(), stream.aggregate.clone());
    let cause = Cause { operation: "op".into(), correlation: "co".into(), ..Cause::default() };
    let data = RawValue::from_string("{}".into()).expect("JSON");
    let event = EventData { ty: "Happened".into(), schema: 1, data, cause };
    let event = RecordedEvent { stream: stream.clone(), version: 1, time: Timestamp::from_millis(0), event };
    let (events, places) = (BTreeMap::from([(1, event)]), vec![place]);
    (Key { tenant, collection: "fragile", id }, Target { read_model: &Fragile, stream, events, newest: 1, places })
}

/// Brings these orders forward; gives those that were applied, and those that were given back with their errors.
async fn run<const N: usize>(aws: &Aws, orders: [&str; N]) -> (Vec<String>, Vec<(String, String)>) {
    let environment = Environment::of([("EVENTS_TABLE", "events"), ("TABLE", "read-models")]);
    let updater = Updater::from_environment(&environment, aws.dynamodb()).expect("settings that do");
    let mut progress = Progress::new(&updater, orders.into_iter().enumerate().map(target).collect());
    progress.run().await.expect("no outage");
    let mut applied: Vec<_> = progress.applied.iter().map(|event| event.stream.aggregate.to_string()).collect();
    applied.sort();
    (applied, progress.unfinished("").map(|(place, error)| (orders[place].to_owned(), error)).collect())
}

#[tokio::test(start_paused = true)]
async fn a_projection_that_panics_holds_up_its_own_document_only() {
    let (applied, given_back) = run(&Aws::new(), ["a", "bad", "c"]).await;
    assert_eq!(applied, ["a", "c"]);
    assert_eq!(given_back, [("bad".to_owned(), "a projection panicked".to_owned())]);
}

#[tokio::test(start_paused = true)]
async fn only_events_whose_documents_were_written_count_as_applied() {
    let aws = Aws::new();
    aws.inject(|attempt| {
        let refused = attempt.operation == "TransactWriteItems" && attempt.body.contains("heavy");
        if refused { Fault::refuse(400, "ValidationException") } else { Fault::None }
    });
    let (applied, given_back) = run(&aws, ["a", "heavy", "z"]).await;
    assert_eq!(applied, ["a", "z"]);
    let [(id, error)] = &given_back[..] else { panic!("one, not {given_back:?}") };
    assert!(id == "heavy" && error.contains("TransactWriteItems"), "{id}: {error}");
}
