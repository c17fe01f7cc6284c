//! What a policy remembers to decide by, and what its days are worth.

use kernel::ids::AggregateId;
use kernel::timestamp::Timestamp;
use serde::{Deserialize, Serialize};

use crate::day::Day;

/// How far a policy has come.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has bound it.
    #[default]
    Unknown,
    Active(Cover),
    Cancelled,
}

/// What is insured: from which day on, until which, and at what price.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cover {
    /// What the whole period costs.
    pub premium: i64,
    pub currency: String,
    /// Where the premium is paid from; `None`: elsewhere.
    pub account: Option<AggregateId>,
    pub from: Day,
    pub until: Day,
    /// The first day that costs this premium.
    pub since: Day,
}

impl Cover {
    /// The first day that a change is for: the next one, for the day itself was insured already. No change reaches back
    /// behind the one before it, however long its command was on its way.
    pub(crate) fn next_day(&self, now: Timestamp) -> Day {
        Day::of(now).next().clamp(self.since, self.until)
    }

    /// What the days from `day` on cost at this premium for the whole period: their share, rounded up to the smallest unit.
    ///
    /// That rounds refunds in the holder's favour. A change of the premium costs the difference of two shares, so a share that
    /// was once paid is what is given back, to the last cent.
    pub(crate) fn share(&self, premium: i64, day: Day) -> i64 {
        let (left, all) = (day.days_until(self.until), self.from.days_until(self.until));
        // 10^12 cents at most, for four million days at most: within 64 bits.
        (premium * left + all - 1) / all
    }
}
