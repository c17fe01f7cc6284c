//! Delivering to one endpoint, by who has its lease.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use store::StoreError;
use store::webhooks::progress::Progress;
use store::webhooks::{Endpoint, Errand, Health, Left, Off, What};
use tokio::time::{Instant, sleep};

use crate::{IDLE, SURE, WebhookSender, patience};

mod refusal;
mod stream;

/// Streams whose events are sent side by side, at most.
const SIDE_BY_SIDE: usize = 10;

/// Streams that are asked for at once.
const PAGE: i32 = 50;

/// Rows that an errand reads at once.
const ERRAND_PAGE: i32 = 1000;

/// A wait that is shorter is waited for.
const SHORT: Duration = Duration::from_secs(3);

/// How long the index may lag behind where something must be there.
const LAG: Duration = Duration::from_secs(2);

/// One function's deliveries to an endpoint.
pub(crate) struct Run<'a> {
    sender: &'a WebhookSender,
    /// As it was read last.
    pub endpoint: Endpoint,
    clock: Clock,
    /// No request is made after.
    stop_by: Instant,
    /// Nothing has happened that anybody knows of.
    to_be_sure: bool,
    /// Whether there was anything to do.
    delivered: bool,
    state: Mutex<State>,
}

/// What is known of the endpoint by now.
struct State {
    health: Health,
    not_before: Option<Timestamp>,
    off: Option<Off>,
    /// Its settings are other ones by now.
    stale: bool,
}

/// When there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Now,
    At(Timestamp),
    /// Nothing is due.
    Nothing,
    /// It is off.
    Off,
}

impl State {
    fn of(endpoint: &Endpoint) -> Self {
        Self { health: endpoint.health.clone(), not_before: None, off: None, stale: false }
    }
}

impl<'a> Run<'a> {
    pub fn new(
        sender: &'a WebhookSender,
        endpoint: Endpoint,
        clock: Clock,
        stop_by: Instant,
        to_be_sure: bool,
    ) -> Self {
        let state = Mutex::new(State::of(&endpoint));
        Self { sender, endpoint, clock, stop_by, to_be_sure, delivered: false, state }
    }

    /// Goes on with the endpoint as it is now, for somebody has come. What was learned of it counts, unless it was changed.
    pub fn go_on_with(&mut self, endpoint: Endpoint) {
        self.to_be_sure = false;
        if !endpoint.is_as(&self.endpoint) {
            *self.state() = State::of(&endpoint);
        }
        self.endpoint = endpoint;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    pub fn is_out_of_time(&self) -> bool {
        Instant::now() >= self.stop_by
    }

    /// Whether no further request may be made now.
    fn must_stop(&self) -> bool {
        let state = self.state();
        state.not_before.is_some() || state.off.is_some() || state.stale || self.is_out_of_time()
    }

    /// Delivers what is due, as long as there is time.
    pub async fn deliver(&mut self) -> Result<Next, StoreError> {
        if self.endpoint.off.is_some() {
            return Ok(Next::Off);
        }
        let mut must_be_there = false;
        if let Some(errand) = self.endpoint.errand.take() {
            (self.delivered, must_be_there) = (true, true);
            if !self.run(errand).await? {
                return Ok(Next::Now);
            }
        }
        loop {
            let due = self.sender.webhooks.due(&self.endpoint.id, self.now(), PAGE).await?;
            // One that fails is asked by one request at a time.
            let width = if self.state().health.failures >= patience::FAILS { 1 } else { SIDE_BY_SIDE };
            let streams: Vec<_> = due.now.iter().map(|stream| self.stream(stream)).collect();
            let moved: Vec<Result<bool, StoreError>> = iter(streams).buffer_unordered(width).collect().await;
            let moved = moved.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().any(|moved| moved);
            self.delivered |= moved;
            let (is_off, is_stale, not_before) = {
                let state = self.state();
                (state.off.is_some(), state.stale, state.not_before)
            };
            if is_off {
                return Ok(Next::Off);
            }
            if let Some(time) = not_before {
                let wait = time.since(self.now());
                if wait > SHORT || Instant::now() + wait >= self.stop_by {
                    return Ok(Next::At(time));
                }
                sleep(wait).await;
                self.state().not_before = None;
            }
            if is_stale || self.is_out_of_time() {
                return Ok(Next::Now);
            }
            if !moved && not_before.is_none() {
                // What the index says is not so any more, or what is so it does not say yet.
                let lags = !due.now.is_empty() || must_be_there;
                let next = if lags { Some(self.now().plus(LAG)) } else { due.next };
                return Ok(next.map_or(Next::Nothing, Next::At));
            }
            must_be_there = false;
            // Whoever has changed it by now is not kept waiting.
            let endpoint = self.sender.webhooks.endpoint(&self.endpoint.id).await?;
            if endpoint.is_none_or(|endpoint| !endpoint.is_as(&self.endpoint)) {
                return Ok(Next::Now);
            }
        }
    }

    /// What is left behind, and in how long the endpoint must be woken, if it must and nobody has seen to that.
    pub fn left(&self, next: Next) -> (Left, Option<Duration>) {
        let now = self.now();
        let State { health, not_before, off, .. } = &*self.state();
        // The index may have lagged behind what somebody was woken for.
        let sure = now.plus(if self.to_be_sure && !self.delivered { IDLE } else { SURE });
        let look_at = match next {
            Next::Now => now,
            Next::At(time) if not_before.is_some() => time,
            Next::At(time) => time.min(sure),
            Next::Nothing => sure,
            Next::Off => now.plus(IDLE),
        };
        let mut health = health.clone();
        let wake = match next {
            Next::Now => Some(Duration::ZERO),
            Next::At(time) if health.woken_at != Some(time) => {
                health.woken_at = Some(time);
                Some(time.since(now))
            }
            Next::At(_) | Next::Nothing | Next::Off => None,
        };
        (Left { health, not_before: *not_before, off: off.clone(), look_at }, wake)
    }

    /// Does an errand. Gives whether it is done.
    async fn run(&self, errand: Errand) -> Result<bool, StoreError> {
        let (webhooks, id) = (&self.sender.webhooks, &self.endpoint.id);
        let mut at = errand;
        loop {
            let (rows, more) = webhooks.list(id, at.behind.as_deref(), ERRAND_PAGE).await?;
            let writes: Vec<_> = rows.iter().map(|row| self.run_for(at.what, row)).collect();
            let written: Vec<_> = iter(writes).buffer_unordered(SIDE_BY_SIDE).collect().await;
            written.into_iter().collect::<Result<(), StoreError>>()?;
            let behind = rows.last().filter(|_| more).map(|row| row.stream.to_string());
            let next = behind.map(|behind| Errand { what: at.what, behind: Some(behind) });
            webhooks.errand_is_at(id, &at, next.as_ref()).await?;
            let Some(next) = next else { return Ok(true) };
            at = next;
            if self.is_out_of_time() {
                return Ok(false);
            }
        }
    }

    async fn run_for(&self, what: What, row: &Progress) -> Result<(), StoreError> {
        let (webhooks, id) = (&self.sender.webhooks, &self.endpoint.id);
        match what {
            What::Retry if row.failing.is_some() => webhooks.retry(id, &row.stream, self.now()).await,
            // What was sent of a time was sent then or later.
            What::Resend(span) if row.sent_at.is_some_and(|time| time >= span.from) => {
                webhooks.resend(id, &row.stream, span, self.now()).await
            }
            What::Retry | What::Resend(_) => Ok(()),
        }
    }
}
