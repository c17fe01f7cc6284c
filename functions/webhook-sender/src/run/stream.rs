//! Sending what is due of one stream, in order.

use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use lambda::telemetry::{chain, event_span, metric, record_lag};
use store::StoreError;
use store::webhooks::progress::{Again, Position, Progress};
use store::webhooks::{Endpoint, Health, Span};
use tracing::Instrument as _;

use super::Run;
use crate::answer::{Refused, Why, read};
use crate::request;

/// Commits of a stream that are read at once.
const COMMITS: i32 = 10;

/// Events of a stream that are sent before the others have their turn.
const TURN: usize = 50;

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

impl Run<'_> {
    /// Delivers what is due of a stream. Gives whether there was anything.
    pub(super) async fn stream(&self, stream: &StreamId) -> Result<bool, StoreError> {
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
                record_lag(metric::WEBHOOK_LAG, std::iter::once(event.time), now);
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
}
