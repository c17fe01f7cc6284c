//! The event topic: domain events to all who subscribe.

use aws_sdk_sns::Client;
use aws_sdk_sns::types::{MessageAttributeValue, PublishBatchRequestEntry};
use kernel::cloud_event::CloudEvent;
use kernel::domain_event::extension;
use kernel::schema_uri::SchemaUri;

use crate::error::SendError;
use crate::pack::{RETRIES, back_off, pack};

/// What SNS takes in one `PublishBatch`, bodies and attributes together, and thus in one message.
const MAX_BATCH_BYTES: usize = 256 * 1024;

/// What subscriptions filter by: an event's type, its context, and its tenant.
pub const ATTRIBUTES: [&str; 3] = ["type", "context", "tenant"];

/// Publishes domain events, with `type`, `context` and `tenant` as attributes that subscriptions filter by.
///
/// The tenant is the message group as well. SNS hands it on to the subscribers' standard queues, where it gives no order:
/// SQS keeps one group's flood from holding up the messages of others (fair queues).
#[derive(Debug, Clone)]
pub struct EventTopic {
    client: Client,
    arn: String,
}

/// An event as a message.
pub(crate) struct Prepared {
    pub body: String,
    pub tenant: Option<String>,
    pub attributes: [(&'static str, String); 3],
}

impl Prepared {
    pub fn of(event: &CloudEvent) -> Self {
        let tenant = event.extension(extension::TENANT).map(ToString::to_string);
        let context =
            event.dataschema().and_then(SchemaUri::read).map_or_else(String::new, |schema| schema.context.to_owned());
        let [of_type, of_context, of_tenant] = ATTRIBUTES;
        let whose = tenant.clone().unwrap_or_default();
        let attributes = [(of_type, event.ty().to_owned()), (of_context, context), (of_tenant, whose)];
        Self { body: event.to_json(), tenant, attributes }
    }

    fn weight(&self) -> usize {
        let attributes = self.attributes.iter().map(|(name, value)| name.len() + "String".len() + value.len());
        self.body.len() + attributes.sum::<usize>()
    }

    fn into_entry(self, id: usize) -> PublishBatchRequestEntry {
        let entry = PublishBatchRequestEntry::builder().id(id.to_string()).message(self.body);
        let mut entry = entry.set_message_group_id(self.tenant);
        for (name, value) in self.attributes {
            let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
            entry = entry.message_attributes(name, attribute.expect("all that is required is there"));
        }
        entry.build().expect("all that is required is there")
    }
}

impl EventTopic {
    pub fn new(client: Client, arn: impl Into<String>) -> Self {
        Self { client, arn: arn.into() }
    }

    /// Publishes all of them, in as few calls as SNS allows. After an error some may be published and some not.
    pub async fn publish(&self, events: &[CloudEvent]) -> Result<(), SendError> {
        let prepared = events.iter().map(Prepared::of).collect();
        for batch in pack(prepared, MAX_BATCH_BYTES, Prepared::weight) {
            self.publish_batch(batch).await?;
        }
        Ok(())
    }

    async fn publish_batch(&self, batch: Vec<Prepared>) -> Result<(), SendError> {
        let mut entries: Vec<_> = batch.into_iter().enumerate().map(|(id, event)| event.into_entry(id)).collect();
        for retry in 0.. {
            let answer = self
                .client
                .publish_batch()
                .topic_arn(&self.arn)
                .set_publish_batch_request_entries(Some(entries.clone()))
                .send()
                .await
                .map_err(SendError::unavailable("PublishBatch"))?;
            let failed = answer.failed.unwrap_or_default();
            let Some(first) = failed.first() else { break };
            if retry == RETRIES {
                let (count, code) = (failed.len(), first.code.clone());
                return Err(SendError::Refused { operation: "PublishBatch", count, code });
            }
            entries.retain(|entry| failed.iter().any(|failed| failed.id == entry.id));
            back_off(retry).await;
        }
        Ok(())
    }
}
