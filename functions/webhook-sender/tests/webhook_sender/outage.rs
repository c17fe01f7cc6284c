//! An endpoint that is down for a day.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kernel::timestamp::Timestamp;

use crate::world::{HOUR, MINUTE, Reply, World, assert_in_order};

/// Requests a second that the endpoint takes when it is up again.
const PACE: usize = 10;

#[tokio::test(start_paused = true)]
async fn what_an_endpoint_missed_in_a_day_it_gets_within_the_hour() {
    const STREAMS: u64 = 250;
    const ROUNDS: u64 = 40;
    let it = World::new();
    it.aws.keep_no_calls();
    it.register("acme", "down.example").await;
    it.register("acme", "up.example").await;
    // The last run of the sender within the day may end a minute after it.
    let up_again = it.now().plus(24 * HOUR).plus(2 * MINUTE);
    let second: Mutex<(u64, usize)> = Mutex::default();
    let in_vain = Arc::new(Mutex::new(0));
    let vain = Arc::clone(&in_vain);
    it.answering("down.example", move |_, now: Timestamp| {
        if now < up_again {
            return Reply::Status(503);
        }
        let mut second = second.lock().expect("no panic");
        if second.0 != now.seconds() {
            *second = (now.seconds(), 0);
        }
        second.1 += 1;
        if second.1 <= PACE {
            return Reply::Status(200);
        }
        *vain.lock().expect("no panic") += 1;
        Reply::Busy(1)
    });
    let mut streams = BTreeMap::new();
    let mut latest = Duration::ZERO;
    for round in 0..ROUNDS {
        let before = it.got("up.example").len();
        for stream in 0..STREAMS {
            let stream = format!("acme/orders/O-{stream}");
            it.happen(&stream, "OrderChanged");
            streams.insert(stream, round + 1);
        }
        let began = it.now();
        it.pass(24 * HOUR / u32::try_from(ROUNDS).expect("few")).await;
        let got = it.got("up.example");
        latest = latest.max(got[before..].iter().map(|got| got.at.since(began)).max().unwrap_or_default());
    }
    assert_in_order(&it.taken("up.example"), &streams);
    assert!(latest < Duration::from_secs(20), "the other endpoint got its events {latest:?} late");
    assert_eq!(it.taken("down.example"), [] as [&str; 0]);

    // The pause of an endpoint that fails is half an hour at most.
    it.pass(32 * MINUTE).await;
    let began = it.now();
    it.pass(30 * MINUTE).await;
    let taken = it.taken("down.example");
    assert_eq!(taken.len(), usize::try_from(STREAMS * ROUNDS).expect("few"), "after an hour, from {began}");
    assert_in_order(&taken, &streams);
    let in_vain = *in_vain.lock().expect("no panic");
    assert!(in_vain < taken.len(), "{in_vain} requests in vain for {}", taken.len());
}
