//! The two kinds of events that the function is invoked with.

use aws_lambda_events::dynamodb;
use aws_lambda_events::sqs::SqsEvent;
use serde::Deserialize;
use serde::de::Error;
use serde_json::Value;

/// An event, by the `eventSource` of its first record: both have the same outer shape.
#[derive(Deserialize)]
#[serde(try_from = "Value")]
pub enum Incoming {
    /// A batch of the events table's stream.
    Stream(dynamodb::Event),
    /// Messages of the retries queue.
    Retries(SqsEvent),
}

impl TryFrom<Value> for Incoming {
    type Error = serde_json::Error;

    fn try_from(event: Value) -> Result<Self, serde_json::Error> {
        match event["Records"][0]["eventSource"].as_str() {
            Some("aws:dynamodb") => serde_json::from_value(event).map(Self::Stream),
            Some("aws:sqs") => serde_json::from_value(event).map(Self::Retries),
            _ => Err(serde_json::Error::custom("records neither of a stream nor of a queue")),
        }
    }
}
