//! Ten thousand dead letters.

use std::time::Duration;

use redrive::{Canary, Request};

use crate::world::World;

const STREAMS: usize = 2_000;
const EACH: usize = 5;

#[tokio::test(start_paused = true)]
async fn ten_thousand_dead_letters_cost_less_than_four_tenths_of_a_call_each() {
    let world = World::new();
    world.bury_many(STREAMS, EACH, 0).await;

    // The handler takes the canary, and no more: its calls are not to be counted.
    let request = Request::default();
    let handled = async {
        tokio::time::sleep(Duration::from_millis(250)).await;
        assert!(world.handle().await > 0, "the canaries");
        let calls = world.aws.calls().len();
        std::future::pending::<()>().await;
        calls
    };
    let report = tokio::select! {
        report = world.run_alone(&request) => report.queues[0].clone(),
        _ = handled => unreachable!("it waits for ever"),
    };
    let total = STREAMS * EACH;
    let calls = world.aws.calls().len();
    #[expect(clippy::cast_precision_loss, reason = "a ratio")]
    let each = calls as f64 / total as f64;
    println!("{total} dead letters, {calls} calls, {each:.3} calls each: {report:?}");
    assert_eq!((report.canary, report.found, report.redriven), (Some(Canary::Passed), 10_000, 10_000));
    assert_eq!(world.dead(), 0);
    assert!(each <= 0.4, "{each} calls each");
    // 100 a second, as the pace says: no stampede.
    let sent = world.aws.messages(&world.queue);
    let (first, last) = (sent.first().expect("sent").sent, sent.last().expect("sent").sent);
    let took = last.duration_since(first).expect("in order");
    assert!(took >= Duration::from_secs(95), "{took:?} for {total}");
}
