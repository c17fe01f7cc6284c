//! The queue of webhooks: each message has one endpoint looked at, whether there is something to deliver.

use std::time::Duration;

use aws_sdk_sqs::Client;

use crate::Queues;
use crate::delayed::{Delayed, send_delayed};
use crate::error::SendError;

/// Has these endpoints looked at after a while, of at most [`MAX_DELAY`](crate::delayed::MAX_DELAY). Each is named by the text
/// of its id, and is a group of its own: SQS keeps one that is slow from holding up the others.
pub async fn wake(
    client: &Client,
    queues: &Queues,
    endpoints: impl IntoIterator<Item = String>,
    delay: Duration,
) -> Result<(), SendError> {
    let message = |endpoint: String| Delayed { body: endpoint.clone(), fair_group: endpoint, delay };
    send_delayed(client, &queues.webhooks(), endpoints.into_iter().map(message).collect()).await
}
