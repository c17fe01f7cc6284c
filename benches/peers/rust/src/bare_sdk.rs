//! The least that a handler can do by the SDK: read the state, then write the event and the new state in one transaction.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::{AttributeValue, Put, TransactWriteItem};
use lambda_runtime::Error;
use serde_json::{Value, json};

use crate::Command;

pub async fn handle(client: &Client, command: Command) -> Result<(), Error> {
    let stream = AttributeValue::S(command.subject.clone());
    let read = client.get_item().table_name("heads").key("stream", stream.clone()).consistent_read(true);
    let head = read.send().await?.item.unwrap_or_default();
    let mut state: Value = match head.get("state") {
        Some(AttributeValue::S(state)) => serde_json::from_str(state)?,
        _ => json!({}),
    };
    let version: u64 = match head.get("version") {
        Some(AttributeValue::N(version)) => version.parse()?,
        _ => 0,
    };
    state["premium"] = json!(command.data.premium);
    let event = json!({ "premium": command.data.premium });

    let next = AttributeValue::N((version + 1).to_string());
    let event = Put::builder()
        .table_name("peer-log")
        .item("stream", stream.clone())
        .item("version", next.clone())
        .item("type", AttributeValue::S("PremiumAdjusted".to_owned()))
        .item("data", AttributeValue::S(event.to_string()))
        .item("metadata", AttributeValue::S(json!(command.metadata()).to_string()))
        .condition_expression("attribute_not_exists(stream)")
        .build()?;
    let head = Put::builder()
        .table_name("heads")
        .item("stream", stream)
        .item("version", next)
        .item("state", AttributeValue::S(state.to_string()))
        .condition_expression("attribute_not_exists(stream) OR version = :version")
        .expression_attribute_values(":version", AttributeValue::N(version.to_string()))
        .build()?;
    let actions = [event, head].map(|put| TransactWriteItem::builder().put(put).build());
    client.transact_write_items().set_transact_items(Some(actions.into())).send().await?;
    Ok(())
}
