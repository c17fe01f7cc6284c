//! When something is to have arrived: after the slowest lawful way.

use std::time::Duration;

use kernel::operation::LONGEST_WAY;
use kernel::timestamp::Timestamp;

/// An event's way to its read models and effects: six hours in the stream of the events table, then redriven for a day, then
/// parked.
const DELIVERY: Duration = Duration::from_hours(48);

/// What waits for a person for so long is forgotten.
const PERSON: Duration = Duration::from_hours(7 * 24);

/// Items of one transaction become readable one after the other.
const TRANSACTION: Duration = Duration::from_mins(1);

/// A record may be deleted once it has expired. Clocks differ.
const MARGIN: Duration = Duration::from_hours(24);

/// The least that somebody may ask for: less would judge what is on its way.
pub(crate) const LEAST: u64 = 60;

/// What is to have arrived by a moment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    now: Timestamp,
    delivery: Duration,
    command: Duration,
    person: Duration,
    /// How long records are kept.
    retention: Duration,
    /// Since when they are kept so long.
    retained_since: Timestamp,
}

/// How long records were kept at least, whatever was set.
const LEAST_RETENTION: Duration = Duration::from_hours(28 * 24 + 24);

/// A timer that is due so soon may be handed in while it is looked at.
const SOON: Duration = Duration::from_mins(15);

impl Patience {
    /// With `settled_after`, in seconds, everything is to have arrived by then.
    pub fn at(now: Timestamp, settled_after: Option<u64>, retention: Duration, retained_since: Timestamp) -> Self {
        let or = |usual| settled_after.map_or(usual, |seconds| Duration::from_secs(seconds.max(LEAST)));
        Self { now, delivery: or(DELIVERY), command: or(LONGEST_WAY), person: or(PERSON), retention, retained_since }
    }

    /// The same, with everything to have arrived after so many seconds.
    pub fn settled_after(self, seconds: u64) -> Self {
        Self::at(self.now, Some(seconds), self.retention, self.retained_since)
    }

    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// A time that is not reached.
    pub fn never(&self) -> Timestamp {
        self.now.plus(Duration::from_hours(24 * 366 * 100))
    }

    /// Whether what was written then can be read whole.
    pub fn is_written(&self, at: Timestamp) -> bool {
        at.plus(TRANSACTION.min(self.delivery)) <= self.now
    }

    /// Whether what was committed then is published, projected and carried out.
    pub fn is_delivered(&self, at: Timestamp) -> bool {
        at.plus(self.delivery) <= self.now
    }

    /// Whether a command that was handed in then has a record, or is no longer said to be retried.
    pub fn is_handled(&self, at: Timestamp) -> bool {
        at.plus(self.command) <= self.now
    }

    /// Whether a command that follows from what was written then must have a record now.
    pub fn is_on_record(&self, at: Timestamp) -> bool {
        self.is_delivered(at) && self.is_handled(at) && self.is_kept(at)
    }

    /// Whether a person should have seen to it.
    pub fn is_forgotten(&self, at: Timestamp) -> bool {
        at.plus(self.person) <= self.now
    }

    /// Whether a record that was written then, or later, must still be there.
    pub fn is_kept(&self, at: Timestamp) -> bool {
        let kept = if at < self.retained_since { LEAST_RETENTION } else { self.retention };
        at.plus(kept) > self.now.plus(MARGIN)
    }

    /// Whether what is due then must still wait.
    pub fn is_far(&self, due: Timestamp) -> bool {
        due > self.now.plus(SOON)
    }
}
