//! How long to wait for what, and when to give up.

use std::time::Duration;

use kernel::back_off::BackOff;

/// Waits before the attempts at an event, as Standard Webhooks 1.0.0 recommends them ("Retries"): three days in all.
const WAITS: [Duration; 9] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(14),
    Duration::from_hours(20),
    Duration::from_hours(24),
];

/// Waits before the next request to an endpoint that fails as a whole.
const ENDPOINT: BackOff = BackOff::of_millis(5_000, 30 * 60 * 1000);

/// So many failures on end, of as many streams, say that the endpoint fails, and not what it is sent.
pub(crate) const FAILS: u32 = 3;

/// An endpoint that has taken nothing for so long is switched off.
pub(crate) const LOST: Duration = Duration::from_hours(5 * 24);

/// And so many requests have come to nothing meanwhile: one after days of silence says little.
pub(crate) const LOST_REQUESTS: u32 = 20;

/// How long to wait after so many attempts at an event; `None`: there were enough. `share`, from 0 to 1, spreads those that
/// failed together.
pub(crate) fn before_next(attempts: u32, share: f64) -> Option<Duration> {
    let wait = WAITS.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    Some(wait.mul_f64(0.9 + 0.2 * share))
}

/// The same of an event of an endpoint that has taken nothing since the first of them: it may be the endpoint, which is tried
/// every half an hour at least.
pub(crate) fn at_most_half_an_hour(attempts: u32, share: f64) -> Duration {
    before_next(attempts, share).unwrap_or(ENDPOINT.longest).min(ENDPOINT.longest)
}

/// How long to wait after so many failures of an endpoint that fails as a whole.
pub(crate) fn of_endpoint(failures: u32, share: f64) -> Duration {
    ENDPOINT.equal_jitter(failures.saturating_sub(FAILS), share)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_is_tried_ten_times_over_three_days() {
        let waits: Vec<_> = (1..).map_while(|attempts| before_next(attempts, 0.5)).collect();
        assert_eq!(waits.len(), 9);
        let hours = waits.iter().sum::<Duration>().as_secs() / 3600;
        assert!((72..80).contains(&hours), "{hours}");
        let spread = [0.0, 1.0].map(|share| before_next(2, share).expect("a wait").as_secs());
        assert_eq!(spread, [270, 330]);
    }

    #[test]
    fn an_endpoint_that_fails_is_tried_every_half_an_hour_at_least() {
        assert_eq!(of_endpoint(FAILS, 1.0), Duration::from_secs(5));
        assert_eq!(of_endpoint(1000, 1.0), Duration::from_mins(30));
        assert_eq!([1, 5, 100].map(|attempts| at_most_half_an_hour(attempts, 0.5).as_secs()), [5, 1800, 1800]);
    }
}
