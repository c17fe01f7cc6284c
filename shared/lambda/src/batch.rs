//! Partial batch responses: which messages of an SQS batch go back to their queue.

use aws_lambda_events::sqs::{BatchItemFailure, SqsBatchResponse};

/// Exactly these messages failed. Ids go back as they were received: an unknown or empty one would fail the whole
/// batch.
pub fn failures(message_ids: impl IntoIterator<Item = String>) -> SqsBatchResponse {
    let failure = |item_identifier| {
        let mut failure = BatchItemFailure::default();
        failure.item_identifier = item_identifier;
        failure
    };
    let mut response = SqsBatchResponse::default();
    response.batch_item_failures = message_ids.into_iter().map(failure).collect();
    response
}
