//! Messages as Lambda hands them to a function that consumes a queue, and what it makes of the answer.

use serde_json::{Map, Value, json};

use super::send::md5_of;
use crate::attributes::Attribute;
use crate::aws::{Aws, REGION};
use crate::queues::Message;

pub(crate) fn sqs_event(messages: &[Message]) -> Value {
    json!({ "Records": messages.iter().map(record).collect::<Value>() })
}

/// The messages that Lambda deletes after this partial batch response: none if it names one that was not in the batch.
pub(crate) fn succeeded<'a>(messages: &'a [Message], response: &Value) -> Vec<&'a Message> {
    let failed: Option<Vec<&str>> = match response {
        Value::Null => Some(Vec::new()),
        Value::Object(response) => match response.get("batchItemFailures") {
            None | Some(Value::Null) => Some(Vec::new()),
            Some(Value::Array(failures)) => failures.iter().map(|failure| failure["itemIdentifier"].as_str()).collect(),
            Some(_) => None,
        },
        _ => None,
    };
    let known = |id: &&str| messages.iter().any(|message| message.id == *id);
    match failed {
        Some(failed) if failed.iter().all(known) => {
            messages.iter().filter(|message| !failed.contains(&message.id.as_str())).collect()
        }
        _ => Vec::new(),
    }
}

fn record(message: &Message) -> Value {
    let attributes: Map<_, _> =
        message.attributes.iter().map(|(name, attribute)| (name.clone(), message_attribute(attribute))).collect();
    json!({
        "messageId": message.id,
        "receiptHandle": message.receipt_handle.clone().unwrap_or_else(|| format!("{}.0", message.id)),
        "body": message.body,
        "attributes": message.system_attributes(),
        "messageAttributes": attributes,
        "md5OfBody": md5_of(&message.body),
        "eventSource": "aws:sqs",
        "eventSourceARN": Aws::queue_arn(&message.queue_url),
        "awsRegion": REGION,
    })
}

fn message_attribute(attribute: &Attribute) -> Value {
    let field = if attribute.is_binary() { "binaryValue" } else { "stringValue" };
    json!({
        field: attribute.value,
        "stringListValues": [],
        "binaryListValues": [],
        "dataType": attribute.data_type,
    })
}
