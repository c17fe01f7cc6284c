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
use store::webhooks::progress::{Again, Failing, Position, Progress};
use store::webhooks::{Endpoint, Errand, Health, Left, Off, Span, What};
use tokio::time::{Instant, sleep};
use tracing::Instrument as _;

use crate::answer::{Refused, Why, read};
use crate::{IDLE, SURE, WebhookSender, patience, request};

/// Streams whose events are sent side by side, at most.
const SIDE_BY_SIDE: usize = 10;

/// Streams that are asked for at once.
const PAGE: i32 = 50;

/// Rows that an errand reads at once.
const ERRAND_PAGE: i32 = 1000;

/// Commits of a stream that are read at once.
const COMMITS: i32 = 10;

/// Events of a stream that are sent before the others have their turn.
const TURN: usize = 50;

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

/// What became of what is sent of a stream.
enum Sent {
    /// All there is.
    All,
    /// There is no time for more, the endpoint must not be asked, or others have their turn.
    Some,
    Refused(Refused),
}

/// A way through a stream.
#[derive(Default)]
struct Walk {
    sent: usize,
    /// Whether there was an event that the endpoint does not want.
    skipped: bool,
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

    /// Goes on with the endpoint as it is now. What was learned of it counts, unless somebody has changed it.
    pub fn go_on_with(&mut self, endpoint: Endpoint) {
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

    /// Delivers what is due of a stream. Gives whether there was anything.
    async fn stream(&self, stream: &StreamId) -> Result<bool, StoreError> {
        if self.must_stop() {
            return Ok(false);
        }
        let (webhooks, id) = (&self.sender.webhooks, &self.endpoint.id);
        // The index that has named it may lag behind.
        let Some(mut progress) = webhooks.find(id, stream).await? else { return Ok(false) };
        if progress.due.is_none_or(|due| due > self.now()) {
            return Ok(false);
        }
        let mut walk = Walk::default();
        let sent = match self.send(&mut progress, &mut walk).await {
            // What cannot be read stays so: it is no outage, and no other stream's business.
            Err(error @ StoreError::Corrupt { .. }) => {
                tracing::error!(endpoint = id.id, error = chain(&error), "an event cannot be read");
                Sent::Refused(Refused { why: Why::NotSent, answer: "the event cannot be read here".to_owned() })
            }
            sent => sent?,
        };
        // What was passed over may be wanted by now; then nothing was done.
        if walk.skipped {
            let endpoint = webhooks.endpoint(id).await?;
            if endpoint.is_none_or(|endpoint| !endpoint.has_settings_of(&self.endpoint)) {
                self.state().stale = true;
                return Ok(true);
            }
        }
        match sent {
            Sent::All => webhooks.caught_up(id, &progress, self.now()).await?,
            Sent::Some => webhooks.keep(id, &progress).await?,
            Sent::Refused(refused) => {
                self.refused(&mut progress, refused);
                webhooks.keep(id, &progress).await?;
            }
        }
        Ok(true)
    }

    /// Sends what is to be sent again, and then what is new.
    async fn send(&self, progress: &mut Progress, walk: &mut Walk) -> Result<Sent, StoreError> {
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
            let sent = self.walk(progress, walk, &mut at, Some((again.span, done.version))).await;
            progress.again = Some(Again { at: Some(at), ..again });
            match sent? {
                Sent::All => progress.again = None,
                other => return Ok(other),
            }
        }
        let mut at = done;
        let sent = self.walk(progress, walk, &mut at, None).await;
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
        walk: &mut Walk,
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
                    let is_in = event.version > at.version && only.is_none_or(|(span, _)| span.has(event.time));
                    if is_in && self.endpoint.settings.wants(&event) {
                        if walk.sent >= TURN || self.must_stop() {
                            return Ok(Sent::Some);
                        }
                        if let Err(refused) = self.post(&event).instrument(event_span(&event)).await {
                            return Ok(Sent::Refused(refused));
                        }
                        walk.sent += 1;
                        progress.sent_at = Some(self.now());
                        progress.failing = None;
                    } else {
                        walk.skipped |= is_in;
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
            request.map_err(|_| Refused { why: Why::NotSent, answer: "the URL makes no request".to_owned() })?;
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
                state.health = Health { succeeded_at: Some(now), last_answer, woken_at, ..Health::default() };
            }
            Err(refused) => {
                metrics::counter!(metric::WEBHOOKS_FAILED).increment(1);
                tracing::warn!(endpoint = id.id, answer = refused.answer, "not taken");
            }
        }
        answered
    }

    /// Draws the consequences for the endpoint, and for the stream.
    fn refused(&self, progress: &mut Progress, Refused { why, answer }: Refused) {
        let now = self.now();
        let mut state = self.state();
        if why == Why::NotSent {
            return self.fails(&mut state, progress, answer);
        }
        state.health.refused = state.health.refused.saturating_add(1);
        state.health.last_answer = Some(answer.clone());
        let failing_since = *state.health.failing_since.get_or_insert(now);
        if why == Why::Gone {
            return self.switch_off(&mut state, "the endpoint answered 410: it wants nothing any more".to_owned());
        }
        if state.health.refused >= patience::LOST_REQUESTS && now.since(failing_since) >= patience::LOST {
            return self
                .switch_off(&mut state, format!("the endpoint has taken nothing for five days; last: {answer}"));
        }
        // What others met at the same time is no further failure.
        if state.not_before.is_some() {
            return;
        }
        if let Why::Busy(until) = why {
            let failures = state.health.failures.max(patience::FAILS);
            state.not_before = Some(until.unwrap_or(now.plus(patience::of_endpoint(failures, fastrand::f64()))));
            return;
        }
        if progress.failing.is_none() || state.health.failures >= patience::FAILS {
            state.health.failures = state.health.failures.saturating_add(1);
        }
        if state.health.failures >= patience::FAILS {
            state.not_before = Some(now.plus(patience::of_endpoint(state.health.failures, fastrand::f64())));
            // Another stream is asked next: this may be one of several that are refused, and the endpoint takes the others.
            progress.due = Some(now);
            return;
        }
        self.fails(&mut state, progress, answer);
    }

    /// The next event of a stream has one attempt more behind it.
    fn fails(&self, state: &mut State, progress: &mut Progress, answer: String) {
        let (now, share) = (self.now(), fastrand::f64());
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
            // It is this stream's, and not the endpoint's.
            (state.health.failures, state.health.refused, state.health.failing_since) = (0, 0, None);
        }
        progress.failing = Some(Failing { attempts, since, at: now, answer, held });
        progress.due = wait.map(|wait| now.plus(wait));
    }

    fn switch_off(&self, state: &mut State, because: String) {
        if state.off.is_none() {
            metrics::counter!(metric::WEBHOOKS_SWITCHED_OFF).increment(1);
            let id = &self.endpoint.id;
            tracing::error!(tenant = %id.tenant, endpoint = id.id, because, "switched off");
            state.off = Some(Off { at: self.now(), because });
        }
    }
}
