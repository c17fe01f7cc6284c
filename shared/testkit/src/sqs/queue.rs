//! Questions about a queue itself.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::{DEFAULT_VISIBILITY_SECONDS, asked_for};
use crate::aws::{Aws, lock};
use crate::queues::is_fifo;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueAttributes {
    queue_url: String,
    #[serde(default)]
    attribute_names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct GetQueueUrl {
    queue_name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct PurgeQueue {
    queue_url: String,
}

pub(super) fn attributes(aws: &Aws, request: &GetQueueAttributes) -> Value {
    let url = &request.queue_url;
    let counts = lock(&aws.world.queues).counts(url, aws.now());
    let mut attributes = BTreeMap::from([
        ("QueueArn", Aws::queue_arn(url)),
        ("ApproximateNumberOfMessages", counts.visible.to_string()),
        ("ApproximateNumberOfMessagesNotVisible", counts.in_flight.to_string()),
        ("ApproximateNumberOfMessagesDelayed", counts.delayed.to_string()),
        ("VisibilityTimeout", DEFAULT_VISIBILITY_SECONDS.to_string()),
    ]);
    if is_fifo(url) {
        attributes.insert("FifoQueue", "true".to_owned());
    }
    attributes.retain(|name, _| asked_for(&request.attribute_names, name));
    json!({ "Attributes": attributes })
}

pub(super) fn url(request: &GetQueueUrl) -> Value {
    json!({ "QueueUrl": Aws::queue_url(&request.queue_name) })
}

pub(super) fn purge(aws: &Aws, request: &PurgeQueue) -> Value {
    lock(&aws.world.queues).purge(&request.queue_url);
    json!({})
}
