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

/// How long calls take, on tokio's clock.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    least: Duration,
    most: Duration,
    random: Option<fastrand::Rng>,
}

impl Latency {
    pub fn always(latency: Duration) -> Self {
        Self { least: latency, most: latency, random: None }
    }

    pub fn between(least: Duration, most: Duration, seed: u64) -> Self {
        Self { least, most, random: Some(fastrand::Rng::with_seed(seed)) }
    }

    pub fn draw(&mut self) -> Duration {
        match &mut self.random {
            None => self.least,
            Some(random) => {
                let more = u64::try_from(self.most.saturating_sub(self.least).as_millis()).unwrap_or_default();
                self.least + Duration::from_millis(random.u64(..=more))
            }
        }
    }
}
