//! Optimistic concurrency: a command that is to take effect only while its aggregate is as its sender read it.

use crate::cloud_event::{CloudEvent, Value};
use crate::domain_event::extension;

/// Why an event's `expectedversion` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("expectedversion must be a whole number from 0, where 0 stands for an aggregate that is not there yet")]
pub struct InvalidVersion;

/// The version that the event's extension `expectedversion` names, as an integer or as its digits: binary mode has text
/// only, and an integer of `CloudEvents` ends at 2³¹ − 1. `None`: the command takes its aggregate as it is.
pub fn expected_version(event: &CloudEvent) -> Result<Option<u64>, InvalidVersion> {
    match event.extension(extension::EXPECTED_VERSION) {
        None => Ok(None),
        Some(Value::Integer(version)) => u64::try_from(*version).map(Some).map_err(|_| InvalidVersion),
        Some(Value::String(digits)) => parse(digits).map(Some).ok_or(InvalidVersion),
        Some(Value::Boolean(_)) => Err(InvalidVersion),
    }
}

/// A version in its one decimal form: no sign, no leading zeros. What this gives can be written as the extension again.
pub fn parse(digits: &str) -> Option<u64> {
    let version: u64 = digits.parse().ok()?;
    (version.to_string() == digits).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(value: impl Into<Value>) -> Result<Option<u64>, InvalidVersion> {
        let event = CloudEvent::builder("c-1", "/shop", "Note").extension(extension::EXPECTED_VERSION, value);
        expected_version(&event.build().expect("a CloudEvent"))
    }

    #[test]
    fn a_version_is_an_integer_or_its_digits() {
        assert_eq!((of(0), of(7), of("0"), of("7")), (Ok(Some(0)), Ok(Some(7)), Ok(Some(0)), Ok(Some(7))));
        assert_eq!(of("18446744073709551615"), Ok(Some(u64::MAX)));
        assert_eq!(expected_version(&CloudEvent::builder("c-1", "/shop", "Note").build().expect("an event")), Ok(None));
    }

    #[test]
    fn what_is_no_count_of_events_is_no_version() {
        assert_eq!((of(-1), of(true)), (Err(InvalidVersion), Err(InvalidVersion)));
        for text in ["-1", "+1", "01", " 1", "1 ", "1.0", "1e2", "0x1", "one", "*", "\"1\"", "18446744073709551616"] {
            assert_eq!(of(text), Err(InvalidVersion), "{text:?}");
        }
    }
}
