//! A moment, to the millisecond. The kernel never asks a clock; it is told.

use std::borrow::Cow;
use std::fmt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

/// Milliseconds since 1970 UTC; as text RFC 3339 in UTC with three decimals, which sorts as it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Timestamp(u64);

/// The last millisecond that RFC 3339's four-digit year can say.
const LATEST: u64 = 253_402_300_799_999;

impl Timestamp {
    /// Moments after the year 9999 are drawn back to its end.
    pub fn from_millis(millis: u64) -> Self {
        Self(millis.min(LATEST))
    }

    pub fn millis(self) -> u64 {
        self.0
    }

    /// Whole seconds since 1970, as DynamoDB's time to live wants them.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// Parses RFC 3339, any offset. `None` when it is not that, or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        Some(Self::from_millis(u64::try_from(millis(text)?).ok()?))
    }

    /// The same, with moments before 1970 drawn to its beginning.
    pub fn parse_from_1970(text: &str) -> Option<Self> {
        Some(Self::from_millis(u64::try_from(millis(text)?).unwrap_or_default()))
    }

    /// Whether the text is a timestamp as this type writes it, and no other way to say the same moment.
    pub fn is_written(text: &str) -> bool {
        Self::parse(text).is_some_and(|moment| moment.to_string() == text)
    }

    #[must_use]
    pub fn plus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_add(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    #[must_use]
    pub fn minus(self, duration: Duration) -> Self {
        Self::from_millis(self.0.saturating_sub(u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)))
    }

    /// How long after `earlier` this is; zero when it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

/// Milliseconds since 1970, or before it.
fn millis(rfc3339: &str) -> Option<i128> {
    Some(OffsetDateTime::parse(rfc3339, &Rfc3339).ok()?.unix_timestamp_nanos() / 1_000_000)
}

impl From<SystemTime> for Timestamp {
    fn from(time: SystemTime) -> Self {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(u64::try_from(since_epoch.as_millis()).unwrap_or(u64::MAX))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 1_000_000;
        let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).map_err(|_| fmt::Error)?;
        // By hand: each command has eight of them, and the formatter takes thrice as long.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        write_digits(&mut text[0..4], moment.year().unsigned_abs());
        write_digits(&mut text[5..7], u8::from(moment.month()).into());
        write_digits(&mut text[8..10], moment.day().into());
        write_digits(&mut text[11..13], moment.hour().into());
        write_digits(&mut text[14..16], moment.minute().into());
        write_digits(&mut text[17..19], moment.second().into());
        write_digits(&mut text[20..23], moment.millisecond().into());
        f.write_str(str::from_utf8(&text).map_err(|_| fmt::Error)?)
    }
}

/// The number's last digits, as many as there is room for.
fn write_digits(room: &mut [u8], mut number: u32) {
    for digit in room.iter_mut().rev() {
        *digit = b"0123456789"[number as usize % 10];
        number /= 10;
    }
}

impl JsonSchema for Timestamp {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        // With years whose every moment, at any offset, is one of ours, and without leap seconds, of which parsers
        // know different ones.
        let pattern = "^(197[1-9]|19[89][0-9]|[2-9][0-9]{3})-[0-9-]{5}[Tt][0-9:]{6}[0-5]";
        json_schema!({ "type": "string", "format": "date-time", "pattern": pattern })
    }
}

impl TryFrom<String> for Timestamp {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not an RFC 3339 timestamp since 1970")
    }
}

impl From<Timestamp> for String {
    fn from(timestamp: Timestamp) -> String {
        timestamp.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_reads_back_and_any_offset_is_understood() {
        let noon = Timestamp::parse("2026-11-22T12:00:00.250Z").expect("a timestamp");
        assert_eq!(noon.to_string(), "2026-11-22T12:00:00.250Z");
        assert_eq!(Timestamp::parse("2026-11-22T13:00:00.25+01:00"), Some(noon));
        assert_eq!(Timestamp::parse("yesterday"), None);
        assert!(Timestamp::is_written("2026-11-22T12:00:00.250Z"));
        for other in
            ["2026-11-22T12:00:00.25Z", "2026-11-22T12:00:00.2500Z", "2026-11-22T13:00:00.250+01:00", "yesterday"]
        {
            assert!(!Timestamp::is_written(other), "{other}");
        }
    }

    proptest::proptest! {
        #[test]
        fn every_moments_text_reads_back_and_sorts_as_it_passes(one in 0..=LATEST, other in 0..=LATEST) {
            let [one, other] = [one, other].map(Timestamp::from_millis);
            let [text, others] = [one, other].map(|moment| moment.to_string());
            proptest::prop_assert_eq!(Timestamp::parse(&text), Some(one));
            proptest::prop_assert_eq!(text.cmp(&others), one.cmp(&other));
        }
    }

    #[test]
    fn before_1970_there_is_no_time_or_its_beginning() {
        for text in ["1969-12-31T23:59:59Z", "1970-01-01T00:59:59+01:00", "0001-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text), None, "{text}");
            assert_eq!(Timestamp::parse_from_1970(text), Some(Timestamp::from_millis(0)), "{text}");
        }
        assert_eq!(Timestamp::parse_from_1970("1970-01-01"), None);
        let noon = "2026-11-22T12:00:00.250Z";
        assert_eq!(Timestamp::parse_from_1970(noon), Timestamp::parse(noon));
    }

    #[test]
    fn the_end_of_time_can_still_be_written() {
        assert_eq!(Timestamp::from_millis(u64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
    }
}
