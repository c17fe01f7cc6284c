//! A day of the calendar, in UTC: what reports count by.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::timestamp::Timestamp;

/// Days since 1970 UTC; as text RFC 3339's `full-date`, such as 2026-01-31, which sorts as it passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Day(u64);

const MILLIS: u64 = 24 * 60 * 60 * 1000;

impl Day {
    /// The day that this moment belongs to.
    pub fn of(moment: Timestamp) -> Self {
        Self(moment.millis() / MILLIS)
    }

    /// Parses a day as this type writes it. `None` when it is not that, or before 1970.
    pub fn parse(text: &str) -> Option<Self> {
        let day = Self::of(Timestamp::parse(&format!("{text}T00:00:00Z"))?);
        (day.to_string() == text).then_some(day)
    }

    /// How many days after `earlier` this is; 0 when it is not.
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let midnight = Timestamp::from_millis(self.0 * MILLIS).to_string();
        f.write_str(midnight.split('T').next().unwrap_or_default())
    }
}

impl JsonSchema for Day {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Day".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "string", "format": "date" })
    }
}

impl TryFrom<String> for Day {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or("not a day since 1970, such as 2026-01-31")
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> Day {
        Day::parse(text).unwrap_or_else(|| panic!("{text} is no day"))
    }

    #[test]
    fn a_day_begins_and_ends_at_midnight_utc() {
        for (moment, expected) in [
            ("2026-01-31T00:00:00Z", "2026-01-31"),
            ("2026-01-31T23:59:59.999Z", "2026-01-31"),
            ("2026-02-01T00:30:00+01:00", "2026-01-31"),
            ("9999-12-31T23:59:59.999Z", "9999-12-31"),
        ] {
            let moment = Timestamp::parse(moment).expect("a moment");
            assert_eq!(Day::of(moment).to_string(), expected);
        }
    }

    #[test]
    fn a_day_is_written_in_one_way_only() {
        assert_eq!(day("2024-02-29").to_string(), "2024-02-29");
        for other in ["2026-02-29", "2026-1-31", "1969-12-31", "2026-01-31T00:00:00Z", "+2026-01-31", "today", ""] {
            assert_eq!(Day::parse(other), None, "{other}");
        }
    }

    #[test]
    fn days_are_counted_across_a_leap_day() {
        assert_eq!(day("2024-03-01").since(day("2024-02-28")), 2);
        assert_eq!(day("2024-02-28").since(day("2024-03-01")), 0);
    }
}
