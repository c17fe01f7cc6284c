//! Whether and when the segments of a job go on: while the lease is theirs and there is time, and no faster than the job's pace.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use lambda::clock::Clock;
use store::StoreError;
use store::jobs::{Job, Jobs};
use store::lease::Lease;
use tokio::time::{Instant, sleep, sleep_until};

/// How long a job is somebody's.
pub(crate) const LEASE: Duration = Duration::from_mins(2);

/// How often the lease is kept for longer, which is also how soon a cancelled job stops.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// What of an invocation is kept back when a page is begun.
const RESERVE: Duration = Duration::from_secs(20);

/// Commits of a page.
const PAGE: u32 = 500;

/// Seconds that a page is worth, where there is a pace.
const PACED: u32 = 5;

/// The way of a job's segments.
pub(crate) struct Gate {
    began: Instant,
    finish_by: Instant,
    pace: Option<u32>,
    page: u32,
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
        let page = job.pace.map_or(PAGE, |pace| pace.saturating_mul(PACED).clamp(1, PAGE));
        let state = Mutex::new(State { stopped: false, next: now });
        Self { began: now, finish_by: finish_by - reserve, pace: job.pace, page, state }
    }

    /// Waits for a segment's turn, for a page. Gives whether to go on.
    pub async fn pass(&self) -> bool {
        let turn = {
            let mut state = self.state();
            let turn = state.next.max(Instant::now());
            state.next = turn + self.time_of(self.page);
            turn
        };
        if turn > Instant::now() {
            sleep_until(turn.min(self.finish_by)).await;
        }
        !self.state().stopped && Instant::now() < self.finish_by
    }

    /// The most commits of a page: so few that a slow pace is kept. DynamoDB gives less if they are more than 1 MB.
    pub fn page(&self) -> i32 {
        i32::try_from(self.page).unwrap_or(i32::MAX)
    }

    /// So many items were taken by whom was let pass.
    pub fn took(&self, items: usize) {
        let (taken, counted) = (self.time_of(u32::try_from(items).unwrap_or(u32::MAX)), self.time_of(self.page));
        let mut state = self.state();
        state.next = state.next + taken - counted.min(state.next.duration_since(self.began) + taken);
    }

    /// How long so many items take at the job's pace.
    fn time_of(&self, items: u32) -> Duration {
        self.pace.map_or(Duration::ZERO, |pace| Duration::from_secs(1) * items / pace.max(1))
    }

    /// Keeps the lease, until it is lost: to somebody else, or because the job is cancelled. Nobody goes on then.
    pub async fn keep(&self, jobs: &Jobs, job: &Job, lease: Lease, clock: Clock) -> Result<(), StoreError> {
        loop {
            sleep(KEEP_EVERY).await;
            if !jobs.keep(job.id(), lease, clock.now().plus(LEASE)).await? {
                break;
            }
        }
        self.state().stopped = true;
        tracing::info!(job = job.id(), "cancelled, or somebody else's");
        std::future::pending().await
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
