//! Positions in the stream of the events table, and which commits stand there: the way back for a batch that Lambda
//! gave up. Lambda keeps the positions only, and the stream forgets them after 24 hours; the events table does not
//! forget.

use std::collections::HashMap;
use std::error::Error;

use aws_sdk_dynamodb::error::SdkError;
pub use aws_sdk_dynamodbstreams::Client;
use aws_sdk_dynamodbstreams::operation::get_records::GetRecordsError;
use aws_sdk_dynamodbstreams::operation::get_shard_iterator::GetShardIteratorError;
use aws_sdk_dynamodbstreams::types::{AttributeValue, OperationType, ShardIteratorType, StreamRecord};
use serde::{Deserialize, Serialize};

use crate::error::StoreError;

/// Where a commit is: its key in the events table.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct CommitReference {
    pub stream_id: String,
    pub commit_number: u64,
}

/// A stretch of one shard, both ends included; named as in Lambda's on-failure record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Positions {
    pub stream_arn: String,
    pub shard_id: String,
    pub start_sequence_number: String,
    pub end_sequence_number: String,
}

/// What a look at some positions brought.
#[derive(Debug, PartialEq, Eq)]
pub struct Found {
    /// The commits that were new there, in order.
    pub commits: Vec<CommitReference>,
    /// Where to go on, if that was not all. It begins with the last record that was read.
    pub rest: Option<Positions>,
}

/// Why positions were not read.
#[derive(Debug, thiserror::Error)]
pub enum PositionsError {
    /// Trying again does not help.
    #[error("the stream does not have these positions, or no longer")]
    Forgotten { source: Option<Box<dyn Error + Send + Sync>> },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many records one look reads, give or take a page: ten may be in one invocation.
const ENOUGH: usize = 1_000;

/// The API may answer without a record and still have more. Not that often, right behind a position it has found.
const MOST_EMPTY_PAGES: usize = 20;

/// Reads the stream by positions.
#[derive(Debug, Clone)]
pub struct StreamPositions {
    client: Client,
}

impl StreamPositions {
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    /// The commits at these positions.
    ///
    /// Records of other batches may stand between those of the one that was given up, for Lambda reads several batches
    /// of a shard side by side. Nothing tells them apart, so they are found too.
    pub async fn read(&self, positions: &Positions) -> Result<Found, PositionsError> {
        let end = place(&positions.end_sequence_number);
        let mut iterator = self.iterator(positions).await?;
        let (mut commits, mut records, mut empty_pages) = (Vec::new(), 0, 0);
        while let Some(here) = iterator {
            let page = self.client.get_records().shard_iterator(here).send().await.map_err(not_read)?;
            let mut last = None;
            for record in page.records.unwrap_or_default() {
                let Some(StreamRecord { sequence_number: Some(number), keys, .. }) = record.dynamodb else { continue };
                if place(&number) > end {
                    return Ok(Found { commits, rest: None });
                }
                if record.event_name == Some(OperationType::Insert) {
                    commits.push(reference(&keys.unwrap_or_default()).ok_or_else(not_a_commit)?);
                }
                if place(&number) == end {
                    return Ok(Found { commits, rest: None });
                }
                records += 1;
                last = Some(number);
            }
            match last {
                Some(last) if records >= ENOUGH => {
                    let rest = Positions { start_sequence_number: last, ..positions.clone() };
                    return Ok(Found { commits, rest: Some(rest) });
                }
                Some(_) => {}
                None if empty_pages == MOST_EMPTY_PAGES => break,
                None => empty_pages += 1,
            }
            iterator = page.next_shard_iterator;
        }
        Err(PositionsError::Forgotten { source: None })
    }

    async fn iterator(&self, positions: &Positions) -> Result<Option<String>, PositionsError> {
        let answer = self
            .client
            .get_shard_iterator()
            .stream_arn(&positions.stream_arn)
            .shard_id(&positions.shard_id)
            .shard_iterator_type(ShardIteratorType::AtSequenceNumber)
            .sequence_number(&positions.start_sequence_number)
            .send()
            .await;
        let answer = answer.map_err(|error| match error.as_service_error() {
            Some(
                GetShardIteratorError::TrimmedDataAccessException(_)
                | GetShardIteratorError::ResourceNotFoundException(_),
            ) => PositionsError::Forgotten { source: Some(error.into()) },
            _ => StoreError::unavailable("GetShardIterator")(error).into(),
        })?;
        Ok(answer.shard_iterator)
    }
}

fn not_read<R: std::fmt::Debug + Send + Sync + 'static>(error: SdkError<GetRecordsError, R>) -> PositionsError {
    match error.as_service_error() {
        Some(GetRecordsError::TrimmedDataAccessException(_) | GetRecordsError::ResourceNotFoundException(_)) => {
            PositionsError::Forgotten { source: Some(error.into()) }
        }
        _ => StoreError::unavailable("GetRecords")(error).into(),
    }
}

fn not_a_commit() -> StoreError {
    StoreError::corrupt("commit's key")("no stream_id or commit_number")
}

fn reference(keys: &HashMap<String, AttributeValue>) -> Option<CommitReference> {
    let stream_id = keys.get("stream_id")?.as_s().ok()?.clone();
    let commit_number = keys.get("commit_number")?.as_n().ok()?.parse().ok()?;
    Some(CommitReference { stream_id, commit_number })
}

/// Sequence numbers are numbers of 21 to 40 digits, which may differ in length.
fn place(sequence_number: &str) -> (usize, &str) {
    let digits = sequence_number.trim_start_matches('0');
    (digits.len(), digits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_in_the_order_of_numbers() {
        assert!(place("99") < place("100"));
        assert!(place("100") < place("101"));
        assert_eq!(place("0100"), place("100"));
    }
}
