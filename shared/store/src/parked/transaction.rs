//! Transactions over parked messages and operations, and why one had no effect.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::transact_write_items::TransactWriteItemsError;
use aws_sdk_dynamodb::types::TransactWriteItem;

use super::message::{Action, ParkedMessage};
use crate::batch_get::pause;
use crate::error::StoreError;

/// Why an operator's decision had no effect.
#[derive(Debug, thiserror::Error)]
pub enum ActError {
    /// The message does not wait any more, or not in this revision. What was done last, where that is known.
    #[error("somebody else has acted on it")]
    Conflict(Option<Box<Action>>),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// All of it, or nothing; a condition that does not hold is a conflict.
pub(super) async fn transact(client: &Client, actions: Vec<TransactWriteItem>) -> Result<(), ActError> {
    /// Others are at the same items for some milliseconds.
    const TRIES: u32 = 5;
    for attempt in 1.. {
        let sent = client.transact_write_items().set_transact_items(Some(actions.clone())).send().await;
        let Err(error) = sent else { break };
        match refusal(&error) {
            Some(Refused::Condition(done)) => return Err(ActError::Conflict(done)),
            Some(Refused::Busy) if attempt < TRIES => pause(attempt).await,
            _ => return Err(StoreError::unavailable("TransactWriteItems")(error).into()),
        }
    }
    Ok(())
}

enum Refused {
    /// What was done last with the message at fault.
    Condition(Option<Box<Action>>),
    Busy,
}

fn refusal<R>(error: &SdkError<TransactWriteItemsError, R>) -> Option<Refused> {
    let reasons = match error.as_service_error()? {
        TransactWriteItemsError::TransactionCanceledException(cancelled) => cancelled.cancellation_reasons(),
        TransactWriteItemsError::TransactionInProgressException(_) => return Some(Refused::Busy),
        _ => return None,
    };
    let mut busy = false;
    for reason in reasons {
        match reason.code() {
            Some("ConditionalCheckFailed") => {
                let message = reason.item().and_then(|item| ParkedMessage::from_item(item.clone()).ok());
                let done = message.and_then(|message| message.history.into_iter().next_back().map(Box::new));
                return Some(Refused::Condition(done));
            }
            Some("TransactionConflict") => busy = true,
            _ => {}
        }
    }
    busy.then_some(Refused::Busy)
}
