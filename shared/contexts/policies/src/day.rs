//! Days of the calendar, as in 2026-01-31. Of any year: a policy may have begun before 1970, and moments do not.

use std::fmt;
use std::time::Duration;

use kernel::timestamp::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use time::format_description::well_known::Iso8601;
use time::{Date, OffsetDateTime};

/// A day of the calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline)]
pub struct Day(Date);

impl Day {
    pub fn parse(text: &str) -> Option<Self> {
        Date::parse(text, &Iso8601::DATE).ok().map(Self)
    }

    /// In UTC.
    pub fn of(moment: Timestamp) -> Self {
        Self((OffsetDateTime::UNIX_EPOCH + Duration::from_millis(moment.millis())).date())
    }

    /// The day after. There is none after the end of the year 9999.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.next_day().unwrap_or(self.0))
    }

    /// How many days there are until `other`, without it.
    pub fn days_until(self, other: Self) -> i64 {
        (other.0 - self.0).whole_days()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl TryFrom<String> for Day {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text} is no day of the calendar"))
    }
}

impl From<Day> for String {
    fn from(day: Day) -> String {
        day.to_string()
    }
}
