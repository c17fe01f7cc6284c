//! A message as SQS has it.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::attributes::{self, Attributes};

/// A message that a queue holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Message {
    pub id: String,
    pub queue_url: String,
    pub body: String,
    /// `MessageGroupId`.
    pub group: Option<String>,
    /// `MessageDeduplicationId`.
    pub deduplication_id: Option<String>,
    pub attributes: Attributes,
    /// The system attribute `AWSTraceHeader`.
    pub trace_header: Option<String>,
    /// FIFO queues only; grows with every message.
    pub sequence_number: Option<String>,
    pub sent: SystemTime,
    pub first_received: Option<SystemTime>,
    /// How often it has been received so far, among the dead letters as well as before.
    pub receive_count: u32,
    /// Of the last receive.
    pub receipt_handle: Option<String>,
    /// The ARN of the queue whose redrive policy moved it here.
    pub dead_letter_source: Option<String>,
}

impl Message {
    pub(crate) fn new(queue_url: &str, body: String, sent: SystemTime) -> Self {
        Self {
            id: String::new(),
            queue_url: queue_url.to_owned(),
            body,
            group: None,
            deduplication_id: None,
            attributes: Attributes::new(),
            trace_header: None,
            sequence_number: None,
            sent,
            first_received: None,
            receive_count: 0,
            receipt_handle: None,
            dead_letter_source: None,
        }
    }

    /// An attribute's value.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.get(name).map(|attribute| attribute.value.as_str())
    }

    /// What SQS counts against its limits.
    pub(crate) fn size(&self) -> usize {
        self.body.len() + attributes::size(&self.attributes)
    }

    /// What SQS itself says of the message, all values text.
    pub(crate) fn system_attributes(&self) -> BTreeMap<&'static str, String> {
        let millis = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis().to_string();
        let mut attributes = BTreeMap::from([
            ("ApproximateReceiveCount", self.receive_count.max(1).to_string()),
            ("ApproximateFirstReceiveTimestamp", millis(self.first_received.unwrap_or(self.sent))),
            ("SenderId", "AIDATESTKIT".to_owned()),
            ("SentTimestamp", millis(self.sent)),
        ]);
        let optional = [
            ("MessageGroupId", &self.group),
            ("MessageDeduplicationId", &self.deduplication_id),
            ("SequenceNumber", &self.sequence_number),
            ("AWSTraceHeader", &self.trace_header),
            ("DeadLetterQueueSourceArn", &self.dead_letter_source),
        ];
        attributes.extend(optional.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))));
        attributes
    }
}
