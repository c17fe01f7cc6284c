//! Reading many items of a table by their keys.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use kernel::back_off::BackOff;

use crate::error::StoreError;
use crate::item::Item;

/// What one `BatchGetItem` takes.
const MOST_AT_ONCE: usize = 100;

/// How often something is tried again that others are at.
pub(crate) const MOST_PAUSES: u32 = 5;

/// A pause before the `nth` retry (from 1); for 0, the shortest one.
pub(crate) async fn pause(nth: u32) {
    const BACK_OFF: BackOff = BackOff::of_millis(20, 640);
    tokio::time::sleep(BACK_OFF.equal_jitter(nth, fastrand::f64())).await;
}

/// How current what is read must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Consistency {
    /// As of now.
    Strong,
    /// Perhaps of a moment before, for half the price.
    Eventual,
}

/// The items that there are of these keys, in no order and in as few calls as that takes. No key may be there twice.
pub(crate) async fn items_of(
    client: &Client,
    table: &str,
    mut keys: Vec<Item>,
    consistency: Consistency,
) -> Result<Vec<Item>, StoreError> {
    const OPERATION: &str = "BatchGetItem";
    let mut found = Vec::new();
    let mut unanswered = 0;
    while !keys.is_empty() {
        let now = keys.split_off(keys.len().saturating_sub(MOST_AT_ONCE));
        let now = KeysAndAttributes::builder()
            .set_keys(Some(now))
            .consistent_read(consistency == Consistency::Strong)
            .build();
        let answer = client
            .batch_get_item()
            .request_items(table, now.expect("all that is required is there"))
            .send()
            .await
            .map_err(StoreError::unavailable(OPERATION))?;
        let items = answer.responses.unwrap_or_default().remove(table).unwrap_or_default();
        // Throttled, or more than an answer holds.
        let left = answer.unprocessed_keys.unwrap_or_default().remove(table).map(|left| left.keys).unwrap_or_default();
        unanswered = if left.is_empty() || !items.is_empty() { 0 } else { unanswered + 1 };
        if unanswered > MOST_PAUSES {
            let source = "keys were left unprocessed again and again".into();
            return Err(StoreError::Unavailable { operation: OPERATION, source });
        }
        if !left.is_empty() {
            pause(unanswered).await;
        }
        found.extend(items);
        keys.extend(left);
    }
    Ok(found)
}
