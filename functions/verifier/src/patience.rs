//! When something is to have arrived: after the slowest lawful way.

use std::time::Duration;

use kernel::timestamp::Timestamp;

/// An event's way to its read models and effects: six hours in the stream of the events table, then redriven for a day, then
/// parked.
const DELIVERY: Duration = Duration::from_hours(48);

/// A command's way to a record: redrive parks what has been among the dead letters for ten days.
const COMMAND: Duration = Duration::from_hours(11 * 24);

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
}

impl Patience {
    /// With `settled_after`, in seconds, everything is to have arrived by then.
    pub fn at(now: Timestamp, settled_after: Option<u64>, retention: Duration) -> Self {
        let or = |usual| settled_after.map_or(usual, |seconds| Duration::from_secs(seconds.max(LEAST)));
        Self { now, delivery: or(DELIVERY), command: or(COMMAND), person: or(PERSON), retention }
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

    /// Whether a person should have seen to it.
    pub fn is_forgotten(&self, at: Timestamp) -> bool {
        at.plus(self.person) <= self.now
    }

    /// Whether a record that was written then, or later, must still be there.
    pub fn is_kept(&self, at: Timestamp) -> bool {
        at.plus(self.retention) > self.now.plus(MARGIN)
    }

    pub fn is_past(&self, at: Timestamp) -> bool {
        at <= self.now
    }
}
