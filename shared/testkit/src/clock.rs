//! The world's time: tokio's, so that it stands still and jumps with the test's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    start: SystemTime,
    since: Instant,
}

impl Clock {
    pub fn starting_at(start: SystemTime) -> Self {
        Self { start, since: Instant::now() }
    }

    pub fn now(&self) -> SystemTime {
        self.start + self.since.elapsed()
    }

    fn since_epoch(&self) -> Duration {
        self.now().duration_since(UNIX_EPOCH).unwrap_or_default()
    }
}

impl dynoxide::storage_backend::Clock for Clock {
    fn now_unix_secs(&self) -> u64 {
        self.since_epoch().as_secs()
    }

    fn now_unix_secs_f64(&self) -> f64 {
        self.since_epoch().as_secs_f64()
    }
}
