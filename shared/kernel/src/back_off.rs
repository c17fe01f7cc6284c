//! Exponential back-off: how long to wait before something is tried again. Who waits draws a share of the wait, so that
//! those who failed together do not come back together.

use std::time::Duration;

/// A limit of waits that doubles with each failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackOff {
    /// The limit of the first wait.
    pub first: Duration,
    pub longest: Duration,
}

impl BackOff {
    /// `longest_millis` is a limit in milliseconds, as `first_millis` is.
    pub const fn of_millis(first_millis: u64, longest_millis: u64) -> Self {
        Self { first: Duration::from_millis(first_millis), longest: Duration::from_millis(longest_millis) }
    }

    /// The limit of the wait after so many doublings.
    pub fn limit(self, doublings: u32) -> Duration {
        self.first.saturating_mul(1 << doublings.min(30)).min(self.longest)
    }

    /// "Full jitter": a share, from 0 to 1, of the limit.
    pub fn full_jitter(self, doublings: u32, share: f64) -> Duration {
        self.limit(doublings).mul_f64(share)
    }

    /// "Equal jitter": half of the limit, and a share, from 0 to 1, of the other half.
    pub fn equal_jitter(self, doublings: u32, share: f64) -> Duration {
        let half = self.limit(doublings) / 2;
        half + half.mul_f64(share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACK_OFF: BackOff = BackOff::of_millis(10, 300);

    #[test]
    fn the_limit_doubles_until_it_is_the_longest() {
        let limits = [0, 1, 4, 5, 40, u32::MAX].map(|doublings| BACK_OFF.limit(doublings).as_millis());
        assert_eq!(limits, [10, 20, 160, 300, 300, 300]);
    }

    #[test]
    fn full_jitter_may_wait_not_at_all_and_equal_jitter_waits_half_at_least() {
        let millis = |wait: Duration| wait.as_millis();
        assert_eq!([0.0, 0.5, 1.0].map(|share| millis(BACK_OFF.full_jitter(2, share))), [0, 20, 40]);
        assert_eq!([0.0, 0.5, 1.0].map(|share| millis(BACK_OFF.equal_jitter(2, share))), [20, 30, 40]);
    }
}
