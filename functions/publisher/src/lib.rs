//! The publisher: what is committed is published. It reads the events table's stream, which is the outbox, and is the
//! only one who publishes. It also carries out what commits cause besides ([`Effects`]).
//!
//! At least once, and everything: a batch that could not be published whole has failed, and Lambda brings it back.
//! Subscribers know a repeat by the event's id. What Lambda gave up comes back through a queue of [`retries`].

mod effects;
mod incoming;
pub mod retries;
mod settings;

use aws_lambda_events::dynamodb::{Event, EventRecord};
use kernel::timestamp::Timestamp;
use lambda::telemetry::event_span;
use messaging::{EventTopic, SendError};
use store::StoreError;
use store::event_store::Commit;

pub use effects::{EffectError, Effects};
pub use incoming::Incoming;
pub use retries::Retries;
pub use settings::Clients;

/// Publishes domain events.
pub struct Publisher {
    pub topic: EventTopic,
    /// The API's own address: where `dataschema` URIs lead.
    pub public_url: String,
    pub effects: Effects,
    pub retries: Retries,
}

/// Why a batch was not published, or not all of it.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    #[error("a commit cannot be read")]
    Commit(#[from] StoreError),
    #[error("not published")]
    Topic(#[from] SendError),
    #[error("its effects were not carried out")]
    Effects(#[from] EffectError),
}

impl Publisher {
    /// Publishes the events of all commits in a batch of the stream, in the order they stand in.
    pub async fn handle_stream(&self, batch: Event, now: Timestamp) -> Result<(), PublishError> {
        let commits: Vec<_> = batch.records.into_iter().filter_map(committed).collect::<Result<_, _>>()?;
        self.publish(&commits, now).await
    }

    async fn publish(&self, commits: &[Commit], now: Timestamp) -> Result<(), PublishError> {
        self.publish_events(commits).await?;
        Ok(self.effects.carry_out(commits, now).await?)
    }

    async fn publish_events(&self, commits: &[Commit]) -> Result<(), PublishError> {
        let mut events = Vec::new();
        for commit in commits {
            events.extend(commit.events()?);
        }
        let published: Vec<_> = events.iter().map(|event| event.to_cloud_event(&self.public_url)).collect();
        self.topic.publish(&published).await?;
        if tracing::enabled!(tracing::Level::DEBUG) {
            for event in &events {
                event_span(event).in_scope(|| tracing::debug!("published"));
            }
        }
        Ok(())
    }
}

/// A new commit. Commits are never changed, so other kinds of records say nothing.
fn committed(record: EventRecord) -> Option<Result<Commit, StoreError>> {
    (record.event_name == "INSERT").then(|| Commit::from_stream_image(record.change.new_image))
}
