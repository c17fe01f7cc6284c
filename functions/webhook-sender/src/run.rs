//! Delivering to one endpoint, by who has its lease.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::stream::{StreamExt as _, iter};
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::{chain, event_span, metric, record_lag};
use store::StoreError;
use store::webhooks::progress::{Failing, Position, Progress};
use store::webhooks::{Endpoint, Errand, Health, Left, Off, Span, What};
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use crate::answer::{Refused, Why, read};
use crate::{IDLE, SURE, WebhookSender, patience, request};

/// Streams whose events are sent side by side, at most.
const SIDE_BY_SIDE: usize = 10;

/// Streams that are asked for at once.
const PAGE: i32 = 50;

/// Commits of a stream that are read at once.
const COMMITS: i32 = 10;

/// A wait that is shorter is waited for.
const SHORT: Duration = Duration::from_secs(3);

/// One function's deliveries to an endpoint.
pub(crate) struct Run<'a> {
    sender: &'a WebhookSender,
    pub endpoint: Endpoint,
    clock: Clock,
    /// No request is made after.
    stop_by: Instant,
    state: Mutex<State>,
}

/// What is known of the endpoint by now.
struct State {
    health: Health,
    not_before: Option<Timestamp>,
    off: Option<Off>,
}

/// When there is more to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Next {
    Now,
    At(Timestamp),
    /// Nothing is left: something was delivered, or there was nothing.
    Nothing {
        delivered: bool,
    },
    /// The store did not answer.
    Unknown,
}

/// What became of what is sent of a stream.
enum Sent {
    /// All there is.
    All,
    /// There is no time for more, or the endpoint must not be asked.
    Some,
    Refused(Refused),
}

impl<'a> Run<'a> {
    pub fn new(sender: &'a WebhookSender, endpoint: Endpoint, clock: Clock, stop_by: Instant) -> Self {
        let state = State { health: endpoint.health.clone(), not_before: None, off: None };
        Self { sender, endpoint, clock, stop_by, state: Mutex::new(state) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_out_of_time(&self) -> bool {
        Instant::now() >= self.stop_by
    }

    /// Whether no further request may be made now.
    fn must_stop(&self) -> bool {
        let state = self.state();
        state.not_before.is_some() || state.off.is_some() || self.is_out_of_time()
    }

    /// Delivers what is due, as long as there is time.
    pub async fn deliver(&mut self) -> Result<Next, StoreError> {
        if self.endpoint.off.is_some() || self.endpoint.removed {
            return Ok(Next::Now);
        }
        if let Some(errand) = self.endpoint.errand.take()
            && !self.run(errand).await?
        {
            return Ok(Next::Now);
        }
        let mut delivered = false;
        loop {
            let due = self.sender.webhooks.due(&self.endpoint.id, self.clock.now(), PAGE).await?;
            // One that fails is asked by one request at a time.
            let width = if self.state().health.failures >= patience::FAILS { 1 } else { SIDE_BY_SIDE };
            let streams: Vec<_> = due.now.iter().map(|stream| self.stream(stream)).collect();
            let moved: Vec<Result<bool, StoreError>> = iter(streams).buffer_unordered(width).collect().await;
            let moved = moved.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().any(|moved| moved);
            delivered |= moved;
            if self.state().off.is_some() {
                return Ok(Next::At(self.clock.now().plus(IDLE)));
            }
            let not_before = self.state().not_before;
            if let Some(time) = not_before {
                let wait = time.since(self.clock.now());
                if wait > SHORT || Instant::now() + wait >= self.stop_by {
                    return Ok(Next::At(time));
                }
                sleep(wait).await;
                self.state().not_before = None;
            } else if self.is_out_of_time() {
                return Ok(Next::Now);
            } else if !moved {
                return Ok(due.next.map_or(Next::Nothing { delivered }, Next::At));
            }
        }
    }

    /// What is left behind, and in how long the endpoint must be woken, if it must and nobody has seen to that.
    pub fn left(&self, next: Next) -> (Left, Option<Duration>) {
        let now = self.clock.now();
        let State { health, not_before, off } = &*self.state();
        let look_at = match next {
            Next::Now => now,
            Next::At(time) => time.min(now.plus(IDLE)),
            Next::Nothing { delivered: true } | Next::Unknown => now.plus(SURE),
            Next::Nothing { delivered: false } => now.plus(IDLE),
        };
        let mut health = health.clone();
        let wake = match next {
            Next::Now => Some(Duration::ZERO),
            Next::At(time) if off.is_none() && health.woken_at != Some(time) => {
                health.woken_at = Some(time);
                Some(time.since(now))
            }
            Next::At(_) | Next::Nothing { .. } | Next::Unknown => None,
        };
        (Left { health, not_before: *not_before, off: off.clone(), look_at }, wake)
    }

    /// Does an errand. Gives whether it is done.
    async fn run(&self, errand: Errand) -> Result<bool, StoreError> {
        let (webhooks, id) = (&self.sender.webhooks, &self.endpoint.id);
        let mut at = errand;
        loop {
            let (rows, more) = webhooks.list(id, at.behind.as_deref(), PAGE).await?;
            for Progress { stream, failing, .. } in &rows {
                match at.what {
                    What::Retry if failing.is_some() => webhooks.retry(id, stream, self.clock.now()).await?,
                    What::Retry => {}
                    What::Resend(span) => webhooks.resend(id, stream, span, self.clock.now()).await?,
                }
            }
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

    /// Delivers what is due of a stream. Gives whether there was anything.
    async fn stream(&self, stream: &StreamId) -> Result<bool, StoreError> {
        if self.must_stop() {
            return Ok(false);
        }
        let (webhooks, id) = (&self.sender.webhooks, &self.endpoint.id);
        // The index that has named it may lag behind.
        let Some(mut progress) = webhooks.find(id, stream).await? else { return Ok(false) };
        if progress.due.is_none_or(|due| due > self.clock.now()) {
            return Ok(false);
        }
        let sent = match self.send(&mut progress).await {
            // What cannot be read stays so: it is no outage, and no other stream's business.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(endpoint = %id, error = chain(&error), "an event cannot be read");
                Sent::Refused(Refused { why: Why::Failed, answer: "the event cannot be read here".to_owned() })
            }
            sent => sent?,
        };
        match sent {
            Sent::All => drop(webhooks.caught_up(id, &progress, self.clock.now()).await?),
            Sent::Some => webhooks.keep(id, &progress).await?,
            Sent::Refused(refused) => {
                self.refused(&mut progress, refused);
                webhooks.keep(id, &progress).await?;
            }
        }
        Ok(true)
    }

    /// Sends what is to be sent again, and then what is new.
    async fn send(&self, progress: &mut Progress) -> Result<Sent, StoreError> {
        let done = match progress.done {
            Some(done) => done,
            None => self.before(&progress.stream, self.endpoint.settings.since).await?,
        };
        progress.done = Some(done);
        if let Some(again) = progress.again.clone() {
            let mut at = match again.at {
                Some(at) => at,
                None => self.before(&progress.stream, again.span.from).await?,
            };
            let sent = self.walk(progress, &mut at, Some((again.span, done.version))).await;
            progress.again = Some(store::webhooks::progress::Again { at: Some(at), ..again });
            match sent? {
                Sent::All => progress.again = None,
                other => return Ok(other),
            }
        }
        let mut at = done;
        let sent = self.walk(progress, &mut at, None).await;
        progress.done = Some(at);
        sent
    }

    /// The place behind all that happened before this time.
    async fn before(&self, stream: &StreamId, time: Timestamp) -> Result<Position, StoreError> {
        let Some(last) = self.sender.streams.last_before(stream, time).await? else { return Ok(Position::default()) };
        Ok(Position { version: last.last_version()?, commit: last.commit_number })
    }

    /// Sends what comes behind a place, in order, and moves the place; only what is of a time, and up to a version, where that
    /// is given.
    async fn walk(
        &self,
        progress: &mut Progress,
        at: &mut Position,
        only: Option<(Span, u64)>,
    ) -> Result<Sent, StoreError> {
        loop {
            let (commits, next) = self.sender.streams.commits(&progress.stream, at.commit, COMMITS).await?;
            for commit in commits {
                for event in commit.events()? {
                    if only.is_some_and(|(_, last)| event.version > last) {
                        return Ok(Sent::All);
                    }
                    let is_wanted = self.endpoint.settings.wants(&event)
                        && event.version > at.version
                        && only.is_none_or(|(span, _)| span.has(event.time));
                    if is_wanted {
                        if self.must_stop() {
                            return Ok(Sent::Some);
                        }
                        if let Err(refused) = self.post(&event).instrument(event_span(&event)).await {
                            return Ok(Sent::Refused(refused));
                        }
                        progress.sent_at = Some(self.clock.now());
                        progress.failing = None;
                    }
                    at.version = at.version.max(event.version);
                }
                at.commit = commit.commit_number;
            }
            if next.is_none() {
                return Ok(Sent::All);
            }
        }
    }

    async fn post(&self, event: &RecordedEvent) -> Result<(), Refused> {
        let Endpoint { id, settings, .. } = &self.endpoint;
        let request = request::of(event, settings, &self.sender.public_url, self.clock.now());
        let request =
            request.map_err(|_| Refused { why: Why::Failed, answer: "the URL makes no request".to_owned() })?;
        let answered = read(self.sender.web.send(request).await, self.clock.now());
        let now = self.clock.now();
        match &answered {
            Ok(()) => {
                metrics::counter!(metric::WEBHOOKS_DELIVERED).increment(1);
                record_lag(metric::WEBHOOK_LAG, std::slice::from_ref(event), now);
                tracing::info!(endpoint = id.id, "delivered");
                let mut state = self.state();
                let woken_at = state.health.woken_at;
                let last_answer = Some("taken".to_owned());
                state.health =
                    Health { failures: 0, failing_since: None, succeeded_at: Some(now), last_answer, woken_at };
            }
            Err(refused) => {
                metrics::counter!(metric::WEBHOOKS_FAILED).increment(1);
                tracing::warn!(endpoint = id.id, answer = refused.answer, "not taken");
            }
        }
        answered
    }

    /// Draws the consequences for the stream, and for the endpoint.
    fn refused(&self, progress: &mut Progress, refused: Refused) {
        let (now, share) = (self.clock.now(), fastrand::f64());
        let Refused { why, answer } = refused;
        let mut state = self.state();
        let is_first = progress.failing.is_none();
        let failing_since = *state.health.failing_since.get_or_insert(now);
        state.health.last_answer = Some(answer.clone());
        if why == Why::Gone {
            return self.switch_off(&mut state, "the endpoint answered 410: it wants nothing any more".to_owned());
        }
        if now.since(failing_since) >= patience::LOST {
            return self
                .switch_off(&mut state, format!("the endpoint has taken nothing for five days; last: {answer}"));
        }
        // What others met at the same time is no further failure.
        if state.not_before.is_some() {
            return;
        }
        if let Why::Busy(until) = why {
            let failures = state.health.failures.max(patience::FAILS);
            state.not_before = Some(until.unwrap_or(now.plus(patience::of_endpoint(failures, share))));
            return;
        }
        if is_first || state.health.failures >= patience::FAILS {
            state.health.failures = state.health.failures.saturating_add(1);
        }
        if state.health.failures >= patience::FAILS {
            state.not_before = Some(now.plus(patience::of_endpoint(state.health.failures, share)));
            return;
        }
        let before = progress.failing.take();
        let since = before.as_ref().map_or(now, |failing| failing.since);
        let attempts = before.map_or(0, |failing| failing.attempts) + 1;
        let takes_others = state.health.succeeded_at.is_some_and(|time| time >= since);
        let wait = match patience::before_next(attempts, share) {
            wait if takes_others => wait,
            _ => Some(patience::at_most_half_an_hour(attempts, share)),
        };
        let held = wait.is_none();
        if held {
            metrics::counter!(metric::WEBHOOKS_HELD).increment(1);
            tracing::error!(tenant = %progress.stream.tenant, endpoint = self.endpoint.id.id, answer, "held");
        }
        progress.failing = Some(Failing { attempts, since, at: now, answer, held });
        progress.due = wait.map(|wait| now.plus(wait));
    }

    fn switch_off(&self, state: &mut State, because: String) {
        if state.off.is_none() {
            metrics::counter!(metric::WEBHOOKS_SWITCHED_OFF).increment(1);
            let id = &self.endpoint.id;
            tracing::error!(tenant = %id.tenant, endpoint = id.id, because, "switched off");
            state.off = Some(Off { at: self.clock.now(), because });
        }
    }
}
