//! The queue of webhooks: each message has one endpoint looked at, whether there is something to deliver.

use std::time::Duration;

use aws_sdk_sqs::Client;
use serde::{Deserialize, Serialize};

use crate::Queues;
use crate::delayed::{Delayed, send_delayed};
use crate::error::SendError;

/// A message of the queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Look {
    /// The endpoint: `TENANT/ID`.
    pub endpoint: String,
    /// Nothing has happened; somebody only makes sure.
    #[serde(default)]
    pub to_be_sure: bool,
}

/// Has these endpoints looked at after a while, of at most [`MAX_DELAY`](crate::delayed::MAX_DELAY). SQS keeps one tenant's
/// endpoints from holding up the others'.
pub async fn wake(
    client: &Client,
    queues: &Queues,
    looks: impl IntoIterator<Item = Look>,
    delay: Duration,
) -> Result<(), SendError> {
    let message = |look: Look| Delayed {
        body: serde_json::to_string(&look).expect("texts are JSON"),
        fair_group: look.endpoint.split('/').next().unwrap_or_default().to_owned(),
        delay,
    };
    send_delayed(client, &queues.webhooks(), looks.into_iter().map(message).collect()).await
}
