//! Every step failed in turn: each call to AWS, of whatever function, once refused, once answered to nobody, once never
//! answered. The calls are found by the test itself.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use bench::Installation;
use testkit::{Attempt, Fault};

use crate::{dispatch, happened, installation, watched};

/// What goes wrong with a call. The SDK's own retries of it are refused, so that the function fails.
#[derive(Debug, Clone, Copy)]
pub enum Ill {
    /// It did not happen.
    Refused,
    /// It happened, and nobody hears of it.
    AnswerLost,
}

/// From this call on, for so many attempts, it is ill.
pub fn afflict(installation: &Installation, nth: usize, ill: Ill) -> Arc<AtomicUsize> {
    /// As often as the SDK tries.
    const ATTEMPTS: usize = 3;
    let count = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&count);
    let mut left = 0;
    installation.aws.inject(move |_: &Attempt<'_>| {
        let this = counter.fetch_add(1, Ordering::Relaxed);
        if this == nth {
            left = ATTEMPTS;
        }
        if left == 0 {
            return Fault::None;
        }
        left -= 1;
        match ill {
            Ill::AnswerLost if this == nth => Fault::LoseAnswer,
            Ill::Refused | Ill::AnswerLost => Fault::refuse(500, "InternalServerError"),
        }
    });
    count
}

/// The life of a parcel with that call ill. Gives how many calls it took.
async fn life(parcel: &str, expected: (&[&str], &[&str]), nth: usize, ill: Ill) -> usize {
    let it = installation();
    let count = afflict(&it, nth, ill);
    dispatch(&it, parcel, 0).await;
    let (of_parcel, of_watch) = expected;
    let is_over = || watched(&it, parcel) == of_watch && it.timers().is_empty();
    it.pass_until(Duration::from_mins(40), is_over).await;
    // Whatever comes again comes by then.
    it.pass(Duration::from_mins(10)).await;
    assert_eq!(happened(&it, parcel), of_parcel, "call {nth} {ill:?}\n{}", it.aws.calls());
    assert_eq!(watched(&it, parcel), of_watch, "call {nth} {ill:?}\n{}", it.aws.calls());
    assert_eq!(it.timers(), [] as [String; 0], "call {nth} {ill:?}");
    count.load(Ordering::Relaxed)
}

/// With each call of the life ill in turn.
async fn every_life(parcel: &str, expected: (&[&str], &[&str])) {
    for ill in [Ill::Refused, Ill::AnswerLost] {
        // The first call queues the client's command, which is the client's to repeat.
        let mut nth = 1;
        while nth < life(parcel, expected, nth, ill).await {
            nth += 1;
        }
        assert!(nth > 10, "{nth} calls are too few for a life");
    }
}

#[tokio::test(start_paused = true)]
async fn a_process_ends_as_it_should_whichever_call_fails() {
    every_life("P-1", (&["Dispatched", "Released"], &["Watched", "Finished"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_told_whichever_call_fails() {
    every_life("held-1", (&["Dispatched"], &["Watched", "Refused"])).await;
}

#[tokio::test(start_paused = true)]
async fn a_timer_is_handed_in_whichever_call_fails() {
    every_life("silent-1", (&["Dispatched"], &["Watched", "TimedOut"])).await;
}
