//! The time within an invocation.

use kernel::timestamp::Timestamp;
use tokio::time::Instant;

/// Wall-clock time as of the invocation's start, moved on by the runtime's own clock: so it never runs backwards within an
/// invocation, and stands still where a test has the runtime's clock stand still.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    began: Timestamp,
    pub started: Instant,
}

impl Clock {
    /// `now` is the wall-clock time of this moment.
    pub fn start(now: Timestamp) -> Self {
        Self { began: now, started: Instant::now() }
    }

    pub fn now(self) -> Timestamp {
        self.began.plus(self.started.elapsed())
    }
}
