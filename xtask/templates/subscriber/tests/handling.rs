//! Recorded events, by the runner, on an AWS in process.

use std::time::Duration;

use __crate__::__Name__;
use lambda::settings::Environment;
use serde_json::Value;
use subscriber::Runner;
use testkit::{Aws, Metrics};
use tokio::time::Instant;

/// Two events of one order, as Lambda hands them over.
const RECORDED: &str = include_str!("../../../events/aws/read-model-updater.json");

fn queue() -> String {
    Aws::queue_url("__name__-updates")
}

/// Handles what is in the queue. Says how much stays there.
async fn handle(aws: &Aws) -> usize {
    let (queue, dead_letters) = (queue(), Aws::queue_url("__name__-dead-letters"));
    let environment = Environment::of([("QUEUE", &*queue), ("DEAD_LETTERS", &dead_letters), ("MAX_RECEIVES", "15")]);
    let runner = Runner::from_environment(__Name__, &environment, aws.sqs()).expect("settings that do");
    let finish_by = Instant::now() + Duration::from_secs(28);
    let now = aws.now().into();
    aws.poll(&queue, 10, Duration::from_mins(3), async |event| runner.handle(event, now, finish_by).await).await;
    aws.messages(&queue).len()
}

#[tokio::test(start_paused = true)]
async fn a_repeat_changes_nothing() {
    let (aws, metrics) = (Aws::new(), Metrics::default());
    let recorded: Value = serde_json::from_str(RECORDED).expect("JSON");
    let mut longest = Vec::new();
    for _ in 0..2 {
        for record in recorded["Records"].as_array().expect("records").iter().rev() {
            aws.put(&queue(), Some("demo"), None, record["body"].as_str().expect("a body"));
        }
        let guard = metrics.begin();
        assert_eq!(handle(&aws).await, 0);
        drop(guard);
        longest.push(metrics.values("StreamLength").into_iter().fold(0.0, f64::max));
    }
    assert_eq!(longest, [2.0, 2.0]);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_event_stays_for_whoever_repairs() {
    let aws = Aws::new();
    aws.put(&queue(), None, None, "{");
    assert_eq!(handle(&aws).await, 1);
}
