//! What travels with a message that has failed.

use std::collections::HashMap;

use aws_sdk_sqs::types::MessageAttributeValue;
use kernel::timestamp::Timestamp;

/// What travels with a message that has failed, as message attributes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Failure {
    /// How often it was sent back to its queue.
    pub attempts: u32,
    pub first_failed_at: Option<Timestamp>,
    /// When it was last sent back.
    pub redriven_at: Option<Timestamp>,
    /// The last error, if whoever failed could tell.
    pub error: Option<String>,
}

/// Names of the message attributes.
mod attribute {
    pub const ATTEMPTS: &str = "attempts";
    pub const FIRST_FAILED_AT: &str = "firstfailedat";
    pub const REDRIVEN_AT: &str = "redrivenat";
    pub const ERROR: &str = "error";
}

/// Most bytes of an error that travel.
const MAX_ERROR: usize = 2 * 1024;

impl Failure {
    /// Reads attributes by name. What cannot be read counts as absent: it decides when a message is tried again, never
    /// whether.
    pub fn read<'a>(attribute: impl Fn(&str) -> Option<&'a str>) -> Self {
        Self {
            attempts: attribute(attribute::ATTEMPTS).and_then(|text| text.parse().ok()).unwrap_or_default(),
            first_failed_at: attribute(attribute::FIRST_FAILED_AT).and_then(Timestamp::parse),
            redriven_at: attribute(attribute::REDRIVEN_AT).and_then(Timestamp::parse),
            error: attribute(attribute::ERROR).map(str::to_owned),
        }
    }

    pub(crate) fn attributes(&self) -> HashMap<String, MessageAttributeValue> {
        let error = self.error.as_deref().map(sendable).filter(|error| !error.is_empty());
        [
            (attribute::ATTEMPTS, Some(self.attempts.to_string())),
            (attribute::FIRST_FAILED_AT, self.first_failed_at.map(|time| time.to_string())),
            (attribute::REDRIVEN_AT, self.redriven_at.map(|time| time.to_string())),
            (attribute::ERROR, error),
        ]
        .into_iter()
        .filter_map(|(name, value)| {
            let value = MessageAttributeValue::builder().data_type("String").string_value(value?).build();
            Some((name.to_owned(), value.expect("all that is required is there")))
        })
        .collect()
    }
}

/// An error in characters that SQS carries, clipped.
fn sendable(error: &str) -> String {
    let carried = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    let mut error: String = error.chars().filter(carried).collect();
    error.truncate(error.floor_char_boundary(MAX_ERROR));
    error
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_travels_is_read_as_it_was_written() {
        let failure = Failure {
            attempts: 3,
            first_failed_at: Some(Timestamp::from_millis(1_790_000_000_000)),
            redriven_at: Some(Timestamp::from_millis(1_790_000_300_000)),
            error: Some("no answer".to_owned()),
        };
        let attributes = failure.attributes();
        assert_eq!(Failure::read(|name| attributes.get(name)?.string_value()), failure);
        assert_eq!(Failure::read(|_| None), Failure::default());
        assert_eq!(Failure::read(|_| Some("nonsense")).attempts, 0);
    }

    #[test]
    fn an_error_is_clipped_to_what_sqs_carries() {
        let failure =
            Failure { error: Some(format!("a\u{0}b\u{ffff}{}", "é".repeat(MAX_ERROR))), ..Failure::default() };
        let attributes = failure.attributes();
        let error = attributes[attribute::ERROR].string_value().expect("text");
        assert!(error.starts_with("abé") && error.len() <= MAX_ERROR);
        let nothing = Failure { error: Some("\u{0}".to_owned()), ..Failure::default() };
        assert!(!nothing.attributes().contains_key(attribute::ERROR), "an empty attribute would be refused");
    }
}
