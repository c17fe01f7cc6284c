//! The webhook dispatcher: notes which events tenants' endpoints elsewhere want, and has those endpoints looked at.
//!
//! It reads the endpoints anew for each batch: an endpoint gets all that is committed after it was registered. What it notes is
//! a version of a stream; the sender reads the events themselves from the event store. So noting twice, late or in any order
//! is noting once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use kernel::domain_event::RecordedEvent;
use kernel::ids::{StreamId, TenantId};
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::{chain, chain_in_full};
use messaging::webhooks::{Look, wake};
use messaging::{Queues, SendError, SqsClient};
use recovery::batch::OUT_OF_TIME;
use store::StoreError;
use store::webhooks::{EndpointId, Webhooks};
use subscriber::{BatchSubscriber, Failures};
use tokio::time::{Instant, timeout_at};

/// Dispatches events to endpoints.
pub struct WebhookDispatcher {
    webhooks: Webhooks,
    sqs: SqsClient,
    queues: Queues,
}

/// Why events come again.
#[derive(Debug, thiserror::Error)]
enum DispatchError {
    #[error("the webhooks' rows were not read or written")]
    Store(#[from] StoreError),
    #[error("the endpoints are not looked at")]
    Queue(#[from] SendError),
}

/// What was just committed is due at once, also by the sender's clock.
const CLOCKS_DIFFER_BY: Duration = Duration::from_mins(1);

/// Rows that are written side by side.
const SIDE_BY_SIDE: usize = 10;

impl WebhookDispatcher {
    /// With `TABLE`, the webhooks' table, and the prefix of the queues.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        sqs: SqsClient,
    ) -> Result<Self, BadSetting> {
        let webhooks = Webhooks::new(dynamodb, environment.text("TABLE")?);
        Ok(Self { webhooks, sqs, queues: Queues::new(environment.text(Queues::VARIABLE)?) })
    }

    /// Dispatches the events of one tenant.
    async fn dispatch(&self, tenant: &TenantId, events: &[&RecordedEvent]) -> Result<(), DispatchError> {
        let endpoints = self.webhooks.endpoints(tenant).await?;
        // Of several events of a stream the latest says it all.
        let mut latest: BTreeMap<(&EndpointId, &StreamId), &RecordedEvent> = BTreeMap::new();
        for event in events {
            for endpoint in endpoints.iter().filter(|endpoint| endpoint.settings.wants(event)) {
                let wanted = latest.entry((&endpoint.id, &event.stream)).or_insert(event);
                if event.version > wanted.version {
                    *wanted = event;
                }
            }
        }
        // Whoever switches one on, and whoever has it wait, sees to it that it is looked at.
        let waits: BTreeSet<_> = endpoints.iter().filter(|endpoint| endpoint.off.is_some()).map(|it| &it.id).collect();
        let to_wake: BTreeSet<_> = latest.keys().map(|(id, _)| *id).filter(|id| !waits.contains(id)).collect();
        let notes: Vec<_> = latest
            .into_iter()
            .map(|((id, stream), event)| {
                self.webhooks.note(id, stream, event.version, event.time.minus(CLOCKS_DIFFER_BY))
            })
            .collect();
        let written: Vec<_> = iter(notes).buffer_unordered(SIDE_BY_SIDE).collect().await;
        written.into_iter().collect::<Result<(), _>>()?;
        let looks = to_wake.into_iter().map(|id| Look { endpoint: id.to_string(), to_be_sure: false });
        Ok(wake(&self.sqs, &self.queues, looks, Duration::ZERO).await?)
    }
}

impl BatchSubscriber for WebhookDispatcher {
    async fn handle_batch(&self, events: &[RecordedEvent], finish_by: Instant) -> Failures {
        let mut tenants: BTreeMap<&TenantId, Vec<usize>> = BTreeMap::new();
        for (place, event) in events.iter().enumerate() {
            tenants.entry(&event.stream.tenant).or_default().push(place);
        }
        let mut failures = Failures::new();
        for (tenant, places) in tenants {
            let theirs: Vec<_> = places.iter().map(|place| &events[*place]).collect();
            let error = match timeout_at(finish_by, self.dispatch(tenant, &theirs)).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => {
                    tracing::error!(%tenant, error = chain(&error), "to be retried");
                    chain_in_full(&error)
                }
                Err(_) => {
                    tracing::error!(%tenant, error = OUT_OF_TIME, "to be retried");
                    OUT_OF_TIME.to_owned()
                }
            };
            failures.extend(places.into_iter().map(|place| (place, error.clone())));
        }
        failures
    }
}
