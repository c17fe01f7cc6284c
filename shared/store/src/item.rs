//! DynamoDB items: making attribute values, and what an item weighs.

use std::collections::HashMap;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemOutput};
use aws_sdk_dynamodb::types::{AttributeValue, Put};

use crate::error::StoreError;

pub(crate) type Item = HashMap<String, AttributeValue>;

/// A transaction's bounds, with room left for what the estimate leaves out.
pub(crate) const MAX_ITEM_BYTES: usize = 400 * 1024 - 4 * 1024;
pub(crate) const MAX_TRANSACTION_BYTES: usize = 4 * 1024 * 1024 - 64 * 1024;
pub(crate) const MAX_TRANSACTION_ACTIONS: usize = 100;

#[expect(clippy::needless_pass_by_value, reason = "text is put down where it is needed, borrowed or not")]
pub(crate) fn s(text: impl ToString) -> AttributeValue {
    AttributeValue::S(text.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "as above")]
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// Makes a transaction's put by itself, with its condition.
pub(crate) async fn put_alone(client: &Client, put: Put) -> Result<PutItemOutput, SdkError<PutItemError>> {
    client
        .put_item()
        .table_name(put.table_name)
        .set_item(Some(put.item))
        .set_condition_expression(put.condition_expression)
        .set_expression_attribute_values(put.expression_attribute_values)
        .send()
        .await
}

/// Part of a table whose keys are texts.
pub(crate) struct ScanPage<'a> {
    pub table: &'a str,
    pub keys: &'a [&'a str],
    /// Which segment, of how many.
    pub segment: (u32, u32),
    /// The keys of the item that it begins after; none: at the beginning.
    pub after: &'a [String],
    pub most: i32,
}

impl ScanPage<'_> {
    /// Its items, strongly consistent, and the keys of the last one that was read if there is more.
    pub async fn read(&self, client: &Client) -> Result<(Vec<Item>, Vec<String>), StoreError> {
        let start = self.keys.iter().zip(self.after).map(|(name, value)| ((*name).to_owned(), s(value)));
        let start: Item = start.collect();
        let answer = client
            .scan()
            .table_name(self.table)
            .segment(self.segment.0.try_into().unwrap_or(i32::MAX))
            .total_segments(self.segment.1.try_into().unwrap_or(i32::MAX))
            .consistent_read(true)
            .limit(self.most)
            .set_exclusive_start_key((!start.is_empty()).then_some(start))
            .send()
            .await
            .map_err(StoreError::unavailable("Scan"))?;
        let last = answer.last_evaluated_key.unwrap_or_default();
        let text = |name: &&str| last.get(*name).and_then(|value| value.as_s().ok()).cloned();
        Ok((answer.items.unwrap_or_default(), self.keys.iter().filter_map(text).collect()))
    }
}

/// What `DynamoDB` counts against its limits: names and values. Numbers count at most 21 bytes, a map three and one for
/// each member.
pub(crate) fn weight(item: &Item) -> usize {
    let value = |value: &AttributeValue| match value {
        AttributeValue::S(text) => text.len(),
        AttributeValue::N(_) => 21,
        AttributeValue::M(members) => 3 + members.len() + weight(members),
        _ => 1,
    };
    item.iter().map(|(name, attribute)| name.len() + value(attribute)).sum()
}

/// Which of so many parts an id belongs to. FNV-1a: stable across builds, which the standard hasher does not promise.
pub(crate) fn spread(id: &str, parts: u32) -> u32 {
    id.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)) % parts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_weighs_as_much_as_what_is_in_it() {
        let principal = Item::from([("id".to_owned(), s("x".repeat(255))), ("type".to_owned(), s("user"))]);
        let item = Item::from([("principal".to_owned(), AttributeValue::M(principal)), ("revision".to_owned(), n(1))]);
        assert_eq!(weight(&item), 9 + 3 + 2 + (2 + 255) + (4 + 4) + 8 + 21);
    }
}
