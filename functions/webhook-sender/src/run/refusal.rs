//! What follows from a request that came to nothing, for the endpoint and for the stream.

use lambda::telemetry::metric;
use store::webhooks::Off;
use store::webhooks::progress::{Failing, Progress};

use super::{Run, State};
use crate::answer::{Refused, Why};
use crate::patience;

impl Run<'_> {
    /// Draws the consequences for the endpoint, and for the stream.
    pub(super) fn refused(&self, progress: &mut Progress, Refused { why, answer }: Refused) {
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
