//! The read-model updater: brings read models to where their streams are.
//!
//! A domain event says no more than "this stream has reached version n". A document that is there already is left
//! alone; one that is right before it takes the event; one that lags takes what it misses from the event store. Every
//! write is conditional on the version it was made from, so neither order nor repeats matter, and the totals move in
//! the same transaction as the document that moves them.

mod progress;
mod settings;

use std::collections::{BTreeMap, HashSet};

use kernel::context::ReadModel;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use lambda::telemetry::{chain, chain_in_full, event_span};
use recovery::batch::OUT_OF_TIME;
use store::event_store::Streams;
use store::read_models::{Key, ReadModels};
use subscriber::{BatchSubscriber, Failures};
use tokio::time::{Instant, timeout_at};

use crate::progress::Progress;

/// Updates read models.
pub struct Updater {
    pub streams: Streams,
    pub read_models: ReadModels,
    /// The read models that a stream shows in, of this release: [`catalog::read_models_of`].
    pub read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>,
}

/// What a batch brought for one document.
pub(crate) struct Target {
    pub read_model: &'static dyn ReadModel,
    pub stream: StreamId,
    /// By version; gaps are filled from the store.
    pub events: BTreeMap<u64, RecordedEvent>,
    /// The version it is to reach: of the newest event that changes it.
    pub newest: u64,
    /// The places in the batch of those that change it.
    pub places: Vec<usize>,
}

impl BatchSubscriber for Updater {
    async fn handle_batch(&self, events: &[RecordedEvent], finish_by: Instant) -> Failures {
        let mut targets: BTreeMap<Key, Target> = BTreeMap::new();
        let mut failures = Failures::new();
        for (place, event) in events.iter().enumerate() {
            let Some(read_models) = (self.read_models_of)(&event.stream) else {
                event_span(event).in_scope(|| tracing::error!("an unknown context or type of aggregate"));
                let StreamId { context, aggregate_type, .. } = &event.stream;
                let aggregate_type = aggregate_type.as_deref().unwrap_or(context);
                failures.insert(place, format!("an unknown type of aggregate: {aggregate_type} of {context}"));
                continue;
            };
            for read_model in read_models {
                let (tenant, aggregate) = (event.stream.tenant.clone(), event.stream.aggregate.clone());
                let key = Key { tenant, collection: read_model.collection(), id: aggregate };
                let target = targets.entry(key).or_insert_with(|| Target {
                    read_model,
                    stream: event.stream.clone(),
                    events: BTreeMap::new(),
                    newest: 0,
                    places: Vec::new(),
                });
                target.events.insert(event.version, event.clone());
                if read_model.hears(&event.event.ty) {
                    target.newest = target.newest.max(event.version);
                    target.places.push(place);
                }
            }
        }
        targets.retain(|_, target| !target.places.is_empty());
        let mut progress = Progress::new(self, targets);
        let error = match timeout_at(finish_by, progress.run()).await {
            Ok(Ok(())) => String::new(), // each that is left has an error of its own
            Ok(Err(error)) => {
                tracing::error!(error = chain(&error), "to be retried");
                chain_in_full(&error)
            }
            Err(_) => {
                tracing::warn!("out of time");
                OUT_OF_TIME.to_owned()
            }
        };
        if tracing::enabled!(tracing::Level::DEBUG) {
            // Once, however many documents it is in.
            let mut told = HashSet::new();
            for event in &progress.applied {
                if told.insert((event.stream.to_string(), event.version)) {
                    event_span(event).in_scope(|| tracing::debug!("projected"));
                }
            }
        }
        failures.extend(progress.unfinished(&error));
        failures
    }
}
