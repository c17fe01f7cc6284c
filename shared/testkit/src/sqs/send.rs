//! Sending, and what SQS checks before it takes a message.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use md5::{Digest, Md5};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Batch, PREFIX, Results, injected, invalid, missing};
use crate::answer::Refusal;
use crate::attributes::{self, Attribute, Attributes};
use crate::aws::{Aws, lock};
use crate::queues::{Message, is_fifo};

/// For one message and for a whole batch, attributes included.
const MAX_BYTES: usize = 1_048_576;
const MAX_ATTRIBUTES: usize = 10;
const MAX_FIFO_ID: usize = 128;
const MAX_DELAY_SECONDS: u64 = 900;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct SendMessage {
    queue_url: String,
    #[serde(flatten)]
    message: NewMessage,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct NewMessage {
    message_body: String,
    message_group_id: Option<String>,
    message_deduplication_id: Option<String>,
    delay_seconds: Option<u64>,
    #[serde(default)]
    message_attributes: BTreeMap<String, AttributeValue>,
    #[serde(default)]
    message_system_attributes: BTreeMap<String, AttributeValue>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AttributeValue {
    data_type: String,
    string_value: Option<String>,
    binary_value: Option<String>,
}

pub(super) fn one(aws: &Aws, request: SendMessage) -> Result<Value, Refusal> {
    let (message, delay) = checked(aws, &request.queue_url, request.message)?;
    if message.size() > MAX_BYTES {
        return Err(invalid(format!(
            "One or more parameters are invalid. Reason: Message must be shorter than {MAX_BYTES} bytes."
        )));
    }
    Ok(store(aws, message, delay))
}

pub(super) fn batch(aws: &Aws, request: Batch<NewMessage>, failing: &[usize]) -> Result<Value, Refusal> {
    crate::batch::check(PREFIX, request.entries.iter().map(|entry| entry.id.as_str()))?;
    let messages = request
        .entries
        .into_iter()
        .map(|entry| Ok((entry.id, checked(aws, &request.queue_url, entry.content)?)))
        .collect::<Result<Vec<_>, Refusal>>()?;
    crate::batch::check_size(PREFIX, MAX_BYTES, messages.iter().map(|(_, (message, _))| message.size()).sum())?;

    let mut results = Results::default();
    for (index, (id, (message, delay))) in messages.into_iter().enumerate() {
        if failing.contains(&index) {
            results.failed(&id, &injected());
        } else {
            results.successful(&id, store(aws, message, delay));
        }
    }
    Ok(results.into_json())
}

fn store(aws: &Aws, message: Message, delay: Duration) -> Value {
    let md5 = md5_of(&message.body);
    let sent = lock(&aws.world.queues).send(message, delay);
    let mut answer = json!({ "MessageId": sent.id, "MD5OfMessageBody": md5 });
    if let Some(number) = sent.sequence_number {
        answer["SequenceNumber"] = json!(number);
    }
    answer
}

pub(super) fn md5_of(body: &str) -> String {
    Md5::digest(body).iter().fold(String::new(), |mut hex, byte| {
        // Writing to a String cannot fail.
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

fn checked(aws: &Aws, queue_url: &str, new: NewMessage) -> Result<(Message, Duration), Refusal> {
    if new.message_body.is_empty() {
        return Err(missing("MessageBody"));
    }
    let unreadable =
        |c: char| matches!(c, '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' | '\u{fffe}' | '\u{ffff}');
    if new.message_body.contains(unreadable) {
        let message = "Message content must only contain XML 1.0 characters.";
        return Err(Refusal::bad_request("InvalidMessageContents", message));
    }
    for (name, id) in
        [("MessageGroupId", &new.message_group_id), ("MessageDeduplicationId", &new.message_deduplication_id)]
    {
        let Some(id) = id else { continue };
        if id.is_empty() || id.len() > MAX_FIFO_ID || !id.bytes().all(|byte| byte.is_ascii_graphic()) {
            let reason = "can only include alphanumeric and punctuation characters. 1 to 128 in length.";
            return Err(invalid(format!("Value {id} for parameter {name} is invalid. Reason: {name} {reason}")));
        }
    }
    let not_for_this_queue = |name: &str, value: &dyn std::fmt::Display| {
        let reason = "The request include parameter that is not valid for this queue type.";
        Err(invalid(format!("Value {value} for parameter {name} is invalid. Reason: {reason}")))
    };
    let delay = new.delay_seconds.unwrap_or_default();
    if is_fifo(queue_url) {
        if new.message_group_id.is_none() {
            return Err(missing("MessageGroupId"));
        }
        if new.message_deduplication_id.is_none() {
            let message = "The queue should either have ContentBasedDeduplication enabled or MessageDeduplicationId provided explicitly";
            return Err(invalid(message.to_owned()));
        }
        if delay > 0 {
            return not_for_this_queue("DelaySeconds", &delay);
        }
    } else if let Some(id) = &new.message_deduplication_id {
        return not_for_this_queue("MessageDeduplicationId", id);
    }
    if delay > MAX_DELAY_SECONDS {
        let reason = "DelaySeconds must be >= 0 and <= 900.";
        return Err(invalid(format!("Value {delay} for parameter DelaySeconds is invalid. Reason: {reason}")));
    }
    let attributes = attributes_of(new.message_attributes);
    if attributes.len() > MAX_ATTRIBUTES {
        let count = attributes.len();
        return Err(invalid(format!(
            "Number of message attributes [{count}] exceeds the allowed maximum [{MAX_ATTRIBUTES}]."
        )));
    }
    attributes::check(&attributes, "InvalidParameterValue")?;

    let mut message = Message::new(queue_url, new.message_body, aws.now());
    message.group = new.message_group_id;
    message.deduplication_id = new.message_deduplication_id;
    message.attributes = attributes;
    message.trace_header =
        attributes_of(new.message_system_attributes).remove("AWSTraceHeader").map(|header| header.value);
    Ok((message, Duration::from_secs(delay)))
}

fn attributes_of(values: BTreeMap<String, AttributeValue>) -> Attributes {
    let attribute = |value: AttributeValue| Attribute {
        data_type: value.data_type,
        value: value.string_value.or(value.binary_value).unwrap_or_default(),
    };
    values.into_iter().map(|(name, value)| (name, attribute(value))).collect()
}
