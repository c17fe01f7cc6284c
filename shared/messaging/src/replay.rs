//! Domain events sent again to one subscriber, past the topic.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::{MessageAttributeValue, SendMessageBatchRequestEntry};
use kernel::cloud_event::CloudEvent;

use crate::error::SendError;
use crate::event_topic::Prepared;
use crate::pack::{UNNUMBERED, send_in_order};

/// The attribute that marks a message as sent again. Its value says by what.
pub const MARK: &str = "replay";

/// Sends events to a subscriber's queue as the topic does, and marked. After an error some may be queued and some not.
pub async fn send_again(client: &Client, queue_url: &str, events: &[CloudEvent], mark: &str) -> Result<(), SendError> {
    let text = |value: String| {
        let attribute = MessageAttributeValue::builder().data_type("String").string_value(value).build();
        attribute.expect("all that is required is there")
    };
    let entry = |event: &CloudEvent| {
        let Prepared { body, tenant, attributes } = Prepared::of(event);
        let entry =
            SendMessageBatchRequestEntry::builder().id(UNNUMBERED).message_body(body).set_message_group_id(tenant);
        let attributes = attributes.into_iter().filter(|(_, value)| !value.is_empty());
        let entry = attributes.fold(entry, |entry, (name, value)| entry.message_attributes(name, text(value)));
        entry.message_attributes(MARK, text(mark.to_owned())).build().expect("all that is required is there")
    };
    send_in_order(client, queue_url, events.iter().map(entry).collect()).await
}
