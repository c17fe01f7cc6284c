//! `GET /flow`: how commands flow through each context.

use std::time::{Duration, SystemTime};

use kernel::timestamp::Timestamp;
use serde_json::{Value, json};
use testkit::{Fault, Service};

use crate::api::{Api, client, get, user};

const HANDLER: &str = "command-handler";

/// The function counts this for the context in the minute that is so many before this one.
fn count(api: &Api, ago: u64, function: &str, context: &str, (name, value): (&str, f64)) {
    let dimensions = [("Function", function), ("Context", context)];
    api.aws.put_metric(("Waybill", name), &dimensions, before(api, ago), value);
}

/// SQS tells this of the context's command queue.
fn tell(api: &Api, ago: u64, context: &str, (name, value): (&str, f64)) {
    let queue = format!("{context}-commands.fifo");
    api.aws.put_metric(("AWS/SQS", name), &[("QueueName", &queue)], before(api, ago), value);
}

fn before(api: &Api, minutes: u64) -> SystemTime {
    api.aws.now() - Duration::from_mins(minutes)
}

async fn look(api: &Api) -> Value {
    api.send(get("/flow").by(client("root"))).await.ok().json()
}

fn context<'a>(flow: &'a Value, name: &str) -> &'a Value {
    let contexts = flow["contexts"].as_array().expect("contexts");
    contexts.iter().find(|context| context["context"] == name).unwrap_or_else(|| panic!("no {name} in {flow:#}"))
}

/// An hour in which nothing was but this, each in the minute that is so many before the last.
fn hour(nothing: &Value, but: &[(usize, u64)]) -> Value {
    let mut steps = vec![nothing.clone(); 60];
    for (ago, value) in but {
        steps[59 - ago] = json!(value);
    }
    Value::Array(steps)
}

#[tokio::test(start_paused = true)]
async fn each_number_is_in_its_context_and_its_minute() {
    let api = Api::new();
    count(&api, 0, "ingest", "orders", ("Accepted", 2.0));
    count(&api, 0, "connections", "orders", ("Accepted", 3.0));
    count(&api, 59, "ingest", "orders", ("Accepted", 7.0));
    count(&api, 60, "ingest", "orders", ("Accepted", 100.0));
    count(&api, 5, HANDLER, "orders", ("Succeeded", 4.0));
    count(&api, 5, HANDLER, "orders", ("Succeeded", 1.0));
    count(&api, 6, HANDLER, "orders", ("Rejected", 1.0));
    count(&api, 7, HANDLER, "orders", ("Parked", 1.0));
    count(&api, 7, "redrive", "orders", ("Parked", 2.0));
    count(&api, 8, HANDLER, "payments", ("Succeeded", 9.0));
    for (name, value) in [
        ("ApproximateNumberOfMessagesVisible", 40.0),
        ("ApproximateNumberOfMessagesNotVisible", 2.0),
        ("ApproximateAgeOfOldestMessage", 31.0),
    ] {
        tell(&api, 1, "orders", (name, value));
    }
    tell(&api, 2, "orders", ("ApproximateNumberOfMessagesVisible", 0.0));
    tell(&api, 2, "orders", ("ApproximateNumberOfMessagesVisible", 5.0));

    let (zero, null) = (json!(0), json!(null));
    let flow = look(&api).await;
    let this_minute = api.now().seconds() / 60 * 60;
    assert_eq!(flow["from"], json!(Timestamp::from_millis((this_minute - 59 * 60) * 1000)));
    assert_eq!(flow["stepSeconds"], 60);
    let expected = json!({
        "context": "orders",
        "accepted": hour(&zero, &[(0, 5), (59, 7)]),
        "succeeded": hour(&zero, &[(5, 5)]),
        "rejected": hour(&zero, &[(6, 1)]),
        "parked": hour(&zero, &[(7, 3)]),
        "depth": hour(&null, &[(1, 42), (2, 5)]),
        "lagSeconds": hour(&null, &[(1, 31)]),
    });
    assert_eq!(*context(&flow, "orders"), expected);
    assert_eq!(context(&flow, "payments")["succeeded"], hour(&zero, &[(8, 9)]));
}

#[tokio::test]
async fn where_nothing_is_known_counts_are_zero_and_the_rest_is_not_told() {
    let api = Api::new();
    let flow = look(&api).await;
    let contexts = flow["contexts"].as_array().expect("contexts");
    let names = contexts.iter().map(|context| context["context"].as_str().expect("a name"));
    assert!(names.eq(catalog::CONTEXTS.iter().map(|context| context.name)));
    for context in contexts {
        for name in ["accepted", "succeeded", "rejected", "parked"] {
            assert_eq!(context[name], hour(&json!(0), &[]));
        }
        for name in ["depth", "lagSeconds"] {
            assert_eq!(context[name], hour(&json!(null), &[]));
        }
    }
}

#[tokio::test]
async fn it_is_for_platform_operators() {
    let api = Api::new();
    for claims in [client("desk"), user("alice", Some("demo")), client("a-stranger")] {
        api.send(get("/flow").by(claims)).await.refused("not-permitted");
    }
    assert_eq!(api.aws.count("GetMetricData"), 0);
}

#[tokio::test]
async fn a_parameter_is_refused_before_anybody_is_asked() {
    let api = Api::new();
    api.send(get("/flow?hours=2").by(client("root"))).await.refused("bad-request");
    assert_eq!(api.aws.count("GetMetricData"), 0);
}

#[tokio::test(start_paused = true)]
async fn who_asks_within_twenty_seconds_is_told_the_same_and_costs_nothing() {
    let api = Api::new();
    let first = look(&api).await;
    count(&api, 0, "ingest", "orders", ("Accepted", 1.0));
    tokio::time::advance(Duration::from_millis(19_900)).await;
    assert_eq!(look(&api).await, first);
    assert_eq!(api.aws.count("GetMetricData"), 1);
    tokio::time::advance(Duration::from_millis(200)).await;
    let second = look(&api).await;
    let accepted = context(&second, "orders")["accepted"].as_array().expect("steps");
    assert_eq!(accepted.iter().filter_map(Value::as_u64).sum::<u64>(), 1);
    assert_eq!(api.aws.count("GetMetricData"), 2);
}

#[tokio::test(start_paused = true)]
async fn metrics_that_cannot_be_had_are_not_called_none() {
    for fault in [Fault::refuse(500, "InternalServiceFault"), Fault::Throttle, Fault::LoseRequest, Fault::Hang] {
        let api = Api::new();
        let inject = fault.clone();
        api.aws
            .inject(move |attempt| if attempt.service == Service::CloudWatch { inject.clone() } else { Fault::None });
        let answer = api.send(get("/flow").by(client("root"))).await;
        assert!(answer.header("retry-after").parse::<u32>().is_ok(), "{answer:#?}");
        assert!(!answer.text.contains("CloudWatch"), "it is nobody's business: {}", answer.text);
        answer.refused("unavailable");
        api.aws.heal();
        look(&api).await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_in_pages_is_put_together() {
    let api = Api::new();
    for ago in 0..60 {
        count(&api, ago, HANDLER, "orders", ("Succeeded", 1.0));
        tell(&api, ago, "payments", ("ApproximateAgeOfOldestMessage", 1.0));
    }
    let whole = look(&api).await;
    let paged = Api::new();
    for ago in 0..60 {
        count(&paged, ago, HANDLER, "orders", ("Succeeded", 1.0));
        tell(&paged, ago, "payments", ("ApproximateAgeOfOldestMessage", 1.0));
    }
    paged.aws.page_metrics(7);
    assert_eq!(look(&paged).await["contexts"], whole["contexts"]);
    assert_eq!(paged.aws.count("GetMetricData"), 120_usize.div_ceil(7));
}
