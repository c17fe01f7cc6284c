//! Receiving, and what can be done with a receipt.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use super::send::md5_of;
use super::{Batch, DEFAULT_VISIBILITY_SECONDS, Entry, PREFIX, Results, asked_for, injected, invalid};
use crate::answer::Refusal;
use crate::aws::{Aws, lock};
use crate::batch;
use crate::queues::{HandleError, Message};

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct ReceiveMessage {
    queue_url: String,
    max_number_of_messages: Option<usize>,
    visibility_timeout: Option<u64>,
    wait_time_seconds: Option<u64>,
    #[serde(default)]
    attribute_names: Vec<String>,
    #[serde(default)]
    message_system_attribute_names: Vec<String>,
    #[serde(default)]
    message_attribute_names: Vec<String>,
}

pub(super) async fn receive(aws: &Aws, request: &ReceiveMessage) -> Result<Value, Refusal> {
    let max = request.max_number_of_messages.unwrap_or(1);
    if !(1..=10).contains(&max) {
        let reason = "Must be between 1 and 10, if provided.";
        return Err(invalid(format!("Value {max} for parameter MaxNumberOfMessages is invalid. Reason: {reason}")));
    }
    let visibility = Duration::from_secs(request.visibility_timeout.unwrap_or(DEFAULT_VISIBILITY_SECONDS));
    let last_look = aws.now() + Duration::from_secs(request.wait_time_seconds.unwrap_or_default());
    let messages = loop {
        let messages = lock(&aws.world.queues).receive(&request.queue_url, max, visibility, aws.now());
        if !messages.is_empty() || aws.now() >= last_look {
            break messages;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    };
    if messages.is_empty() {
        return Ok(json!({}));
    }
    Ok(json!({ "Messages": messages.iter().map(|message| received(message, request)).collect::<Value>() }))
}

fn received(message: &Message, request: &ReceiveMessage) -> Value {
    let system_names = [&request.attribute_names[..], &request.message_system_attribute_names[..]].concat();
    let system: BTreeMap<_, _> =
        message.system_attributes().into_iter().filter(|(name, _)| asked_for(&system_names, name)).collect();
    let user: BTreeMap<_, _> = message
        .attributes
        .iter()
        .filter(|(name, _)| asked_for(&request.message_attribute_names, name))
        .map(|(name, attribute)| {
            let field = if attribute.is_binary() { "BinaryValue" } else { "StringValue" };
            (name, json!({ "DataType": attribute.data_type, field: attribute.value }))
        })
        .collect();
    let mut answer = json!({
        "MessageId": message.id,
        "ReceiptHandle": message.receipt_handle,
        "MD5OfBody": md5_of(&message.body),
        "Body": message.body,
    });
    if !system.is_empty() {
        answer["Attributes"] = json!(system);
    }
    if !user.is_empty() {
        answer["MessageAttributes"] = json!(user);
    }
    answer
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Receipt {
    #[serde(default)]
    queue_url: String,
    receipt_handle: String,
    #[serde(default)]
    visibility_timeout: u64,
}

pub(super) fn delete(aws: &Aws, receipt: &Receipt) -> Result<Value, Refusal> {
    let outcome = lock(&aws.world.queues).delete(&receipt.queue_url, &receipt.receipt_handle, aws.now());
    outcome.map(|()| json!({})).map_err(|error| refused(&error, receipt))
}

pub(super) fn change_visibility(aws: &Aws, receipt: &Receipt) -> Result<Value, Refusal> {
    const MAX_SECONDS: u64 = 12 * 60 * 60;
    if receipt.visibility_timeout > MAX_SECONDS {
        let value = format!("Value {} for parameter VisibilityTimeout is invalid.", receipt.visibility_timeout);
        return Err(invalid(format!("{value} Reason: Must be between 0 and {MAX_SECONDS}.")));
    }
    let visibility = Duration::from_secs(receipt.visibility_timeout);
    let mut queues = lock(&aws.world.queues);
    let outcome = queues.change_visibility(&receipt.queue_url, &receipt.receipt_handle, visibility, aws.now());
    outcome.map(|()| json!({})).map_err(|error| refused(&error, receipt))
}

fn refused(error: &HandleError, Receipt { receipt_handle, .. }: &Receipt) -> Refusal {
    let value = format!("Value {receipt_handle} for parameter ReceiptHandle is invalid. Reason:");
    match error {
        HandleError::Malformed => Refusal::bad_request(
            "ReceiptHandleIsInvalid",
            format!("The input receipt handle \"{receipt_handle}\" is not a valid receipt handle."),
        ),
        HandleError::Expired => invalid(format!("{value} The receipt handle has expired.")),
        HandleError::NotInFlight => Refusal::bad_request(
            format!("{PREFIX}MessageNotInflight"),
            format!("{value} Message does not exist or is not available for visibility timeout change."),
        ),
    }
}

pub(super) fn per_entry(
    aws: &Aws,
    request: Batch<Receipt>,
    failing: &[usize],
    operation: fn(&Aws, &Receipt) -> Result<Value, Refusal>,
) -> Result<Value, Refusal> {
    batch::check(PREFIX, request.entries.iter().map(|entry| entry.id.as_str()))?;
    let mut results = Results::default();
    for (index, Entry { id, content }) in request.entries.into_iter().enumerate() {
        let receipt = Receipt { queue_url: request.queue_url.clone(), ..content };
        let outcome = if failing.contains(&index) { Err(injected()) } else { operation(aws, &receipt) };
        match outcome {
            Ok(answer) => results.successful(&id, answer),
            Err(refusal) => results.failed(&id, &refusal),
        }
    }
    Ok(results.into_json())
}
