//! Whether and when the segments of a job go on: while the lease is theirs and there is time, and no faster than the job's pace.

use std::sync::Mutex;
use std::time::Duration;

use lambda::clock::Clock;
use store::StoreError;
use store::jobs::{Job, Jobs, Lease};
use tokio::time::{Instant, sleep, sleep_until};

/// How long a job is somebody's.
pub(crate) const LEASE: Duration = Duration::from_mins(2);

/// How often the lease is kept for longer, which is also how soon a cancelled job stops.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// What of an invocation is kept back when a page is begun.
const RESERVE: Duration = Duration::from_secs(20);

/// The way of a job's segments.
pub(crate) struct Gate {
    finish_by: Instant,
    pace: Option<u32>,
    state: Mutex<State>,
}

struct State {
    stopped: bool,
    /// When the next item may be taken, by the job's pace.
    next: Instant,
}

impl Gate {
    pub fn of(job: &Job, finish_by: Instant) -> Self {
        let now = Instant::now();
        let reserve = RESERVE.min(finish_by.saturating_duration_since(now) / 2);
        Self { finish_by: finish_by - reserve, pace: job.pace, state: Mutex::new(State { stopped: false, next: now }) }
    }

    /// Waits for a segment's turn. Gives whether to go on.
    pub async fn pass(&self) -> bool {
        let next = self.state().next;
        if next > Instant::now() {
            sleep_until(next.min(self.finish_by)).await;
        }
        !self.state().stopped && Instant::now() < self.finish_by
    }

    /// So many items were taken.
    pub fn took(&self, items: usize) {
        let Some(pace) = self.pace else { return };
        let items = u32::try_from(items).unwrap_or(u32::MAX);
        let mut state = self.state();
        state.next = state.next.max(Instant::now()) + Duration::from_secs(1) * items / pace.max(1);
    }

    /// Keeps the lease, until it is lost: to somebody else, or because the job is cancelled. Nobody goes on then.
    pub async fn keep(&self, jobs: &Jobs, job: &Job, lease: &Mutex<Lease>, clock: Clock) -> Result<(), StoreError> {
        loop {
            sleep(KEEP_EVERY).await;
            let mine = *lock(lease);
            match jobs.keep(job.id(), mine, clock.now().plus(LEASE)).await? {
                Some(kept) => *lock(lease) = kept,
                None => break,
            }
        }
        self.state().stopped = true;
        tracing::info!(job = job.id(), "cancelled, or somebody else's");
        std::future::pending().await
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        lock(&self.state)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
