//! The way back of what Lambda gave up: messages that say which commits to publish once more.
//!
//! Lambda keeps no more of a batch than its positions in the stream, and the stream forgets those after 24 hours. So
//! positions become references to commits first, each a message of its own: the events table forgets nothing, and one
//! commit that cannot be published holds up none of the others.

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::timestamp::Timestamp;
use lambda::telemetry::metric;
use messaging::SendError;
use recovery::batch::{GivingBack, Received, attempt};
use recovery::{Failure, Returning, send_back};
use serde::{Deserialize, Serialize};
use store::StoreError;
use store::event_store::Streams;
use store::stream_positions::{CommitReference, Positions, PositionsError, StreamPositions};
use tokio::time::Instant;

use crate::{PublishError, Publisher};

/// Where a retry reads, and where it sends what it cannot publish.
pub struct Retries {
    pub commits: Streams,
    pub positions: StreamPositions,
    /// Its queue takes the references that positions become.
    pub giving_back: GivingBack,
}

/// A message's body.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Retry {
    Commit(CommitReference),
    Batch(GivenUp),
}

/// Lambda's on-failure record of a stream batch; of its members, what is needed here.
#[derive(Debug, Serialize, Deserialize)]
struct GivenUp {
    #[serde(rename = "DDBStreamBatchInfo")]
    positions: Positions,
}

/// Why a message goes back to its queue.
#[derive(Debug, thiserror::Error)]
pub enum RetryError {
    #[error("neither a reference to a commit nor a batch that Lambda gave up")]
    Unreadable(#[source] serde_json::Error),
    #[error("there is no such commit")]
    NoCommit,
    #[error("the commit cannot be read")]
    Commit(#[from] StoreError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("the positions cannot be read")]
    Positions(#[from] PositionsError),
    #[error("the references were not sent")]
    Send(#[from] SendError),
}

impl Publisher {
    /// Handles messages of the retries queue, each on its own. What is named in the answer goes back to the queue.
    pub async fn handle_retries(&self, batch: SqsEvent, now: Timestamp, finish_by: Instant) -> SqsBatchResponse {
        let mut failed = Vec::new();
        for message in batch.records.into_iter().map(Received::of) {
            if let Err(error) = attempt(&message, finish_by, Box::pin(self.retry(&message, now))).await {
                failed.push((message, error));
            }
        }
        metrics::counter!(metric::RETRIED).increment(failed.len() as u64);
        self.retries.giving_back.answer(failed, now).await
    }

    async fn retry(&self, message: &Received, now: Timestamp) -> Result<(), RetryError> {
        match serde_json::from_str(&message.body).map_err(RetryError::Unreadable)? {
            Retry::Commit(reference) => {
                let commit = self.retries.commits.find(&reference).await?.ok_or(RetryError::NoCommit)?;
                Ok(self.publish(&[commit], now).await?)
            }
            Retry::Batch(given_up) => self.retries.resolve(&given_up.positions, &message.failure).await,
        }
    }
}

impl Retries {
    /// Sends a reference for each new commit at these positions. A repeat sends them again, which is harmless.
    async fn resolve(&self, positions: &Positions, failure: &Failure) -> Result<(), RetryError> {
        let found = self.positions.read(positions).await?;
        tracing::info!(commits = found.commits.len(), all = found.rest.is_none(), "to be published one by one");
        let rest = found.rest.map(|positions| Retry::Batch(GivenUp { positions }));
        let retries = found.commits.into_iter().map(Retry::Commit).chain(rest);
        // None of them has been tried yet.
        let failure = Failure { first_failed_at: failure.first_failed_at, ..Failure::default() };
        let message = |retry| Returning {
            body: serde_json::to_string(&retry).expect("texts and numbers are JSON"),
            failure: failure.clone(),
            ..Returning::default()
        };
        let GivingBack { sqs, queue_url, .. } = &self.giving_back;
        Ok(send_back(sqs, queue_url, retries.map(message).collect()).await?)
    }
}
