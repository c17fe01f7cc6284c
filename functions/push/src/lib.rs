//! Push: tells connections how the operations end that they follow. It reads the stream of the operations table.
//!
//! A frame may come twice, where a batch comes again. One that does not come at all is no loss: who follows asks again by and
//! by, and after each cut, and `follow` answers with what is stored.

use std::collections::{BTreeMap, BTreeSet};

use aws_lambda_events::dynamodb::{Event, EventRecord};
use futures_util::{StreamExt as _, stream};
use kernel::frame::Frame;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::settings::{BadSetting, Environment};
use lambda::telemetry::{chain, metric, record_lag};
use messaging::{ConnectionsClient, Frames, Sent};
use store::StoreError;
use store::connections::{Connections, Follower};
use store::operations::OperationRecord;
use tokio::time::{Instant, timeout_at};

/// How many operations are pushed at a time.
const SIDE_BY_SIDE: usize = 10;

/// Pushes outcomes.
pub struct Push {
    pub connections: Connections,
    pub frames: Frames,
    /// The API's own address, without a slash at its end.
    pub public_url: String,
}

/// Why a batch comes again.
#[derive(Debug, thiserror::Error)]
pub enum PushError {
    #[error("a record cannot be read")]
    Record(#[source] StoreError),
    #[error("who follows the operations is not known")]
    Followers(#[source] StoreError),
    /// The log says which.
    #[error("{0} operations were not pushed to everybody who follows them")]
    Left(usize),
}

impl Push {
    /// `CONNECTIONS_TABLE` and `PUBLIC_URL`. The client's endpoint is that of the WebSocket API.
    pub fn from_environment(
        environment: &Environment,
        dynamodb: store::Client,
        client: ConnectionsClient,
    ) -> Result<Self, BadSetting> {
        Ok(Self {
            connections: Connections::new(dynamodb, environment.text("CONNECTIONS_TABLE")?),
            frames: Frames::new(client),
            public_url: environment.public_url()?,
        })
    }

    /// Handles a batch of the operations table's stream. After an error it comes again; who has been told is not told again
    /// then, as far as that is known.
    pub async fn handle(&self, batch: Event, now: Timestamp, finish_by: Instant) -> Result<(), PushError> {
        let mut changed = BTreeMap::new();
        for record in batch.records {
            // The last change of a batch is what there is to tell.
            if let Some(operation) = image(record).map_err(PushError::Record)? {
                changed.insert(operation.operation_key.clone(), operation);
            }
        }
        let keys: BTreeSet<String> = changed.keys().cloned().collect();
        let mut followers = self.connections.followers(&keys, now).await.map_err(PushError::Followers)?;
        let followed = changed.into_iter().filter_map(|(key, operation)| Some((operation, followers.remove(&key)?)));
        let followed: Vec<_> = followed.collect();
        record_lag(metric::PUSH_LAG, followed.iter().map(|(operation, _)| operation.recorded_at), now);
        let pushed = stream::iter(followed).map(|(operation, followers)| async move {
            let told = timeout_at(finish_by, self.tell(&operation, followers, now)).await;
            let told = told.unwrap_or_else(|_| {
                tracing::warn!("an operation is left for the next time: this one is over");
                false
            });
            usize::from(!told)
        });
        let left = pushed.buffer_unordered(SIDE_BY_SIDE).fold(0, |left, more| async move { left + more }).await;
        if left > 0 { Err(PushError::Left(left)) } else { Ok(()) }
    }

    /// Tells all who follow the operation. Gives whether all were told, or are gone.
    async fn tell(&self, record: &OperationRecord, followers: Vec<Follower>, now: Timestamp) -> bool {
        let (mut done, mut failed) = (Vec::new(), false);
        for follower in followers {
            if follower.until <= now {
                done.push(follower);
                continue;
            }
            // What was stored is a receipt that was found genuine.
            let receipt = Receipt::read(&follower.receipt).filter(|receipt| record.tells_of(receipt));
            let Some(receipt) = receipt else { continue };
            let operation = record.seen_by(&receipt, &self.public_url);
            let is_final = operation.status.is_final();
            let frame = Frame::Operations { id: None, operations: vec![operation], unknown: Vec::new() };
            match self.frames.send(&follower.connection, &frame).await {
                Ok(Sent::Sent) => {
                    metrics::counter!(metric::PUSHED).increment(1);
                    if is_final {
                        done.push(follower);
                    }
                }
                Ok(Sent::Gone) => done.push(follower),
                // The next try would end the same, and hold up others'. It will follow again.
                Ok(Sent::Refused) => not_pushed(record, &follower, "the gateway does not take it"),
                Err(error) => {
                    failed = true;
                    not_pushed(record, &follower, &chain(&error));
                }
            }
        }
        if let Err(error) = self.connections.unfollow(&record.operation_key, &done).await {
            // They may be told twice.
            tracing::warn!(error = chain(&error), "who has been told is not noted");
        }
        !failed
    }
}

fn not_pushed(record: &OperationRecord, follower: &Follower, error: &str) {
    metrics::counter!(metric::PUSHES_FAILED).increment(1);
    tracing::warn!(operation_key = record.operation_key, connection = follower.connection, error, "not pushed");
}

/// The operation as it is after the change; `None` if it is gone.
fn image(record: EventRecord) -> Result<Option<OperationRecord>, StoreError> {
    if record.event_name == "REMOVE" {
        return Ok(None);
    }
    OperationRecord::from_stream_image(record.change.new_image).map(Some)
}
