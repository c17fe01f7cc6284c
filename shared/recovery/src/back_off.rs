//! How long a message that failed waits in its queue before it is received again.

use std::time::Duration;

/// Seconds to wait after a message's first receive, its second, and so on.
///
/// - A hiccup costs a second.
/// - Within the first half minute no wait is longer than five seconds. An outage of that length is over for everybody ten
///   seconds after its end: half of a call's time-out ([`lambda::aws::IN_THE_BACKGROUND`]), five seconds, and the work.
/// - Then waits double, so that a longer outage costs few invocations, and the dead letters begin after six minutes or
///   seven. Each attempt adds its own time; all together it stays below a quarter of an hour.
///
/// SQS would hide a message for twelve hours at most.
const WAITS: [u32; 14] = [1, 2, 4, 5, 5, 5, 5, 5, 5, 15, 30, 60, 120, 180];

/// How often a queue hands a message out: in `template.yaml` the queues' `maxReceiveCount` and their consumers'
/// `MAX_RECEIVES`.
#[expect(clippy::cast_possible_truncation, reason = "a table of a few entries")]
pub const MAX_RECEIVES: u32 = WAITS.len() as u32 + 1;

/// The least share of a wait, in per cent.
const LEAST_SHARE: u32 = 75;

/// What share of its wait a batch takes, in per cent. It differs by batch, so that what failed together does not come
/// back together.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share(u32);

impl Share {
    pub fn draw() -> Self {
        Self(fastrand::u32(LEAST_SHARE..=100))
    }

    /// The wait of a message that was received so often, in whole seconds, and never none.
    pub fn of_wait_after(self, receives: u32) -> Duration {
        let nth = (receives.max(1) as usize).min(WAITS.len());
        Duration::from_secs((WAITS[nth - 1] * self.0).div_ceil(100).into())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;
    use testkit::template_values;

    use super::*;

    fn waits(share: u32) -> Vec<u64> {
        (1..MAX_RECEIVES).map(|receives| Share(share).of_wait_after(receives).as_secs()).collect()
    }

    #[test]
    fn the_first_wait_is_a_second_and_the_later_ones_are_the_tables() {
        assert_eq!(waits(100), WAITS.map(u64::from));
        assert_eq!(waits(LEAST_SHARE), [1, 2, 3, 4, 4, 4, 4, 4, 4, 12, 23, 45, 90, 135]);
        for odd in [0, MAX_RECEIVES, u32::MAX] {
            let wait = Share(100).of_wait_after(odd).as_secs();
            assert_eq!(wait, if odd == 0 { 1 } else { 180 }, "after {odd} receives");
        }
    }

    #[test]
    fn no_wait_within_the_first_half_minute_is_longer_than_five_seconds() {
        let mut waited = 0;
        for (least, most) in waits(LEAST_SHARE).into_iter().zip(WAITS) {
            assert!(waited >= 30 || most <= 5, "{most} s after as little as {waited} s");
            waited += least;
        }
    }

    #[test]
    fn dead_letters_begin_after_five_minutes_and_within_a_quarter_of_an_hour() {
        let (soonest, latest): (u64, u64) = (waits(LEAST_SHARE).iter().sum(), waits(100).iter().sum());
        // Each receive may take all of an invocation's time.
        let attempts = 28 * u64::from(MAX_RECEIVES);
        assert!(soonest >= 5 * 60 && latest + attempts <= 15 * 60, "from {soonest} s to {latest} s and {attempts} s");
    }

    #[test]
    fn shares_differ() {
        let shares: std::collections::HashSet<u32> = (0..100).map(|_| Share::draw().0).collect();
        assert!(shares.len() > 5 && shares.iter().all(|share| (LEAST_SHARE..=100).contains(share)), "{shares:?}");
    }

    #[test]
    fn the_template_says_how_many_receives_there_are() {
        let queues = template_values("maxReceiveCount");
        let consumers = template_values("MAX_RECEIVES");
        // Of commands, of subscribers, of what is to be published once more, of timers, of webhooks, and of partners' events.
        assert_eq!(queues, vec![Value::from(MAX_RECEIVES); 6]);
        assert_eq!(consumers, vec![Value::from(MAX_RECEIVES.to_string()); 6]);
    }
}
