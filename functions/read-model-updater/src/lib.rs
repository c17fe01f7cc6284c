//! The read-model updater: brings read models to where their streams are.
//!
//! A domain event says no more than "this stream has reached version n". A document that is there already is left
//! alone; one that is right before it takes the event; one that lags takes what it misses from the event store. Every
//! write is conditional on the version it was made from, so neither order nor repeats matter, and the totals move in
//! the same transaction as the document that moves them.

mod progress;
mod settings;

use std::collections::{BTreeMap, HashMap};

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::cloud_event::CloudEvent;
use kernel::context::ReadModel;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::telemetry::{chain, chain_in_full, event_span, metric, record_lag};
use recovery::batch::{GivingBack, OUT_OF_TIME, Received};
use store::event_store::Streams;
use store::read_models::{Key, ReadModels};
use tokio::time::{Instant, timeout_at};

use crate::progress::Progress;

/// Updates read models.
pub struct Updater {
    pub streams: Streams,
    pub read_models: ReadModels,
    pub giving_back: GivingBack,
}

/// What a batch brought for one document.
pub(crate) struct Target {
    pub read_model: &'static dyn ReadModel,
    pub stream: StreamId,
    /// By version; gaps are filled from the store.
    pub events: BTreeMap<u64, RecordedEvent>,
    pub message_ids: Vec<String>,
}

impl Updater {
    /// Handles one batch. What is named in the answer goes back to the queue; what failed on its last receive goes to the
    /// dead letters.
    pub async fn handle(&self, event: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let mut targets: BTreeMap<Key, Target> = BTreeMap::new();
        // By message id, each with its error.
        let mut failed: HashMap<String, String> = HashMap::new();
        let messages: Vec<Received> = event.records.into_iter().map(Received::of).collect();
        for message in &messages {
            let id = &message.message_id;
            let Some(event) = read(&message.body) else {
                // Left to the dead-letter queue: dropping it would lose an event that this build cannot read.
                tracing::error!(message_id = id, "not a domain event");
                failed.insert(id.clone(), "not a domain event".to_owned());
                continue;
            };
            let Some(context) = catalog::context(&event.stream.context) else {
                tracing::error!(message_id = id, context = event.stream.context, "an unknown context");
                failed.insert(id.clone(), format!("an unknown context: {}", event.stream.context));
                continue;
            };
            let Some(aggregate_type) = context.aggregate_type(&event.stream) else {
                tracing::error!(message_id = id, context = context.name, "an unknown type of aggregate");
                failed.insert(id.clone(), format!("an unknown type of aggregate: {}", event.stream.within_context()));
                continue;
            };
            for read_model in aggregate_type.read_models {
                let (tenant, aggregate) = (event.stream.tenant.clone(), event.stream.aggregate.clone());
                let key = Key { tenant, collection: read_model.collection(), id: aggregate };
                let target = targets.entry(key).or_insert_with(|| Target {
                    read_model: *read_model,
                    stream: event.stream.clone(),
                    events: BTreeMap::new(),
                    message_ids: Vec::new(),
                });
                target.events.insert(event.version, event.clone());
                target.message_ids.push(id.clone());
            }
        }
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
        record_lag(metric::PROJECTION_LAG, &progress.applied, now);
        for event in &progress.applied {
            event_span(event).in_scope(|| tracing::info!("projected"));
        }
        metrics::counter!(metric::PROJECTED).increment(progress.applied.len() as u64);
        failed.extend(progress.unfinished(&error));
        let with_error = |message: Received| failed.remove(&message.message_id).map(|error| (message, error));
        self.giving_back.answer(messages.into_iter().filter_map(with_error).collect(), now).await
    }
}

fn read(body: &str) -> Option<RecordedEvent> {
    RecordedEvent::from_cloud_event(&CloudEvent::from_json(body.as_bytes()).ok()?)
}
