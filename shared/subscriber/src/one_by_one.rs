//! Events one by one: each with its own outcome, whatever becomes of the others.

use std::collections::BTreeMap;
use std::error::Error;
use std::future::{Future, pending};
use std::panic::AssertUnwindSafe;

use futures_util::{FutureExt as _, StreamExt as _, stream};
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use lambda::telemetry::{chain, chain_in_full, event_span};
use recovery::batch::OUT_OF_TIME;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument as _;

use crate::{BatchSubscriber, Failures};

/// Handles domain events, one at a time.
pub trait Subscriber {
    type Error: Error + 'static;

    /// After an error or a panic the event comes again, and at last goes to the dead letters with the error. So it does when
    /// there is no time left; this future is dropped then, at whatever it awaits.
    ///
    /// Events of different streams are handled side by side; those of one stream that came together, one after the other
    /// by their versions. An earlier event of the stream may still come later, or be handled elsewhere at the same time.
    fn handle(&self, event: &RecordedEvent) -> impl Future<Output = Result<(), Self::Error>> + Send;
}

/// Streams of a batch that are handled at the same time, at most: a larger batch must not mean more load on what is behind.
const SIDE_BY_SIDE: usize = 10;

impl<S: Subscriber + Sync> BatchSubscriber for S {
    async fn handle_batch(&self, events: &[RecordedEvent], finish_by: Instant) -> Failures {
        let mut streams: BTreeMap<&StreamId, Vec<(usize, &RecordedEvent)>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            streams.entry(&event.stream).or_default().push((place, event));
        }
        let streams: Vec<_> = streams.into_values().map(|events| one_stream(self, events, finish_by)).collect();
        stream::iter(streams).buffer_unordered(SIDE_BY_SIDE).concat().await
    }
}

async fn one_stream<S: Subscriber>(
    subscriber: &S,
    mut events: Vec<(usize, &RecordedEvent)>,
    finish_by: Instant,
) -> Failures {
    events.sort_by_key(|(_, event)| event.version);
    let mut failures = Failures::new();
    for (place, event) in events {
        let handled = one_event(subscriber, event, finish_by).instrument(event_span(event)).await;
        failures.extend(handled.err().map(|error| (place, error)));
    }
    failures
}

async fn one_event<S: Subscriber>(subscriber: &S, event: &RecordedEvent, finish_by: Instant) -> Result<(), String> {
    // What there is no time for is not begun.
    let handling = async { if Instant::now() < finish_by { subscriber.handle(event).await } else { pending().await } };
    let error = match timeout_at(finish_by, AssertUnwindSafe(handling).catch_unwind()).await {
        Ok(Ok(Ok(()))) => {
            tracing::info!("handled");
            return Ok(());
        }
        Ok(Ok(Err(error))) => {
            tracing::error!(error = chain(&error), "to be retried");
            return Err(chain_in_full(&error));
        }
        // `panicked`, with the place, is in the log already.
        Ok(Err(_panic)) => "the subscriber panicked",
        Err(_) => OUT_OF_TIME,
    };
    tracing::error!(error, "to be retried");
    Err(error.to_owned())
}
