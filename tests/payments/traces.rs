//! The trace of an order with its payment: all that followed from it, for its client and for operators.

use std::collections::BTreeMap;

use bench::Request;
use bench::http::client;
use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_client, register_operator, register_tenant};
use kernel::ids::StreamId;
use kernel::receipt::Receipt;
use operator::Desk;
use payment_provider::Mode;
use query::Query;
use read_model_updater::Updater;
use serde_json::{Value, json};
use store::event_store::Streams;
use subscriber::BatchSubscriber as _;
use testkit::TABLES;
use tokio::time::Instant;
use trace::MOST_CALLS;

use crate::world::World;

const LONG: u32 = 30 * 60;
const SHORT: u32 = 20;

/// A world whose orders can be asked for.
struct Traced {
    world: World,
    query: Query,
    desk: Desk,
}

impl Traced {
    fn new() -> Self {
        let world = World::new();
        let aws = &world.it.aws;
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        for (tenant, shop, desk) in [("acme", "shop", "desk"), ("globex", "neighbour", "their-desk")] {
            register_client(aws, shop, tenant);
            register_tenant(aws, tenant, &json!({}));
            register_operator(aws, &format!("client:{desk}"), Some(tenant));
        }
        let (environment, secrets) = (environment(), aws.secrets_manager());
        let query = Query::from_environment(&environment, aws.dynamodb(), secrets.clone()).expect("settings");
        let desk = Desk::from_environment(&environment, aws.dynamodb(), aws.sqs(), secrets, aws.cloudwatch());
        let desk = desk.expect("settings");
        Self { world, query, desk }
    }

    /// What is told to the client, and how many calls that took.
    async fn for_client(&self, receipt: &Receipt) -> (Value, usize) {
        let ask = async || {
            let request = Request::get(format!("/operations/{receipt}/trace")).by(client("shop", "waybill/read"));
            request.answered(|request| self.query.handle(request, self.world.it.now())).await.ok().json()
        };
        ask().await;
        self.world.it.aws.forget_calls();
        (ask().await, self.world.it.aws.calls().len())
    }

    /// The same for operators.
    async fn for_operators(&self, receipt: &Receipt) -> (Value, usize) {
        let ask = async || {
            let request = Request::get(format!("/traces/{receipt}")).by(client("desk", "waybill/operate"));
            request.answered(|request| self.desk.handle(request, self.world.it.now())).await.ok().json()
        };
        ask().await;
        self.world.it.aws.forget_calls();
        (ask().await, self.world.it.aws.calls().len())
    }

    /// Brings the read models up to date.
    async fn project(&self) {
        let updater = Updater::from_environment(&environment(), self.world.it.aws.dynamodb()).expect("settings");
        for context in ["orders", "payments"] {
            let streams = Streams::new(self.world.it.aws.dynamodb(), TABLES.events);
            let stream = StreamId::parse(&format!("acme/{context}/O-1")).expect("a stream");
            let events = streams.after(&stream, 0).await.expect("events");
            let end = Instant::now() + std::time::Duration::from_secs(25);
            assert!(updater.handle_batch(&events, end).await.is_empty());
        }
    }

    /// Type and outcome of all commands on record.
    fn on_record(&self) -> Vec<(String, String)> {
        let all = self.world.it.outcomes("orders").into_iter().chain(self.world.it.outcomes("payments"));
        let mut all: Vec<_> = all.map(|(ty, _, outcome)| (ty, outcome)).collect();
        all.sort();
        all
    }
}

/// All commands, each behind the one that it follows from.
fn lines(told: &Value) -> Vec<&Value> {
    let caused = told["caused"].as_array().expect("a list").iter().flat_map(lines);
    std::iter::once(told).chain(caused).collect()
}

fn depth(told: &Value) -> usize {
    1 + told["caused"].as_array().expect("a list").iter().map(depth).max().unwrap_or_default()
}

fn commands(told: &[&Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or("none").to_owned();
    let mut all: Vec<_> =
        told.iter().map(|line| (text(&line["operation"]["type"]), text(&line["operation"]["status"]))).collect();
    all.sort();
    all
}

/// What an order goes through.
async fn course(mode: Mode, pay_within_seconds: u32) -> (Traced, Receipt) {
    let traced = Traced::new();
    let receipt = traced.world.submit(pay_within_seconds).await;
    traced.world.provider.set_mode(None, mode);
    if mode == Mode::Silent {
        traced.world.run_until("PaymentGivenUp").await;
        traced.world.provider.set_mode(None, Mode::Fine);
    }
    traced.world.run().await;
    traced.project().await;
    (traced, receipt)
}

#[tokio::test(start_paused = true)]
async fn all_that_followed_from_an_order_is_in_its_trace_and_nothing_else() {
    for (mode, pay_within_seconds) in [(Mode::Fine, LONG), (Mode::Declined, LONG), (Mode::Silent, SHORT)] {
        let (traced, receipt) = Box::pin(course(mode, pay_within_seconds)).await;
        for (told, calls) in [traced.for_client(&receipt).await, traced.for_operators(&receipt).await] {
            let all = lines(&told);
            assert_eq!(commands(&all), traced.on_record(), "{told:#}");
            assert_eq!(told["complete"], true, "{told:#}");
            assert!(calls <= MOST_CALLS * depth(&told), "{calls} calls for {} levels", depth(&told));
            for line in &all {
                for document in line["documents"].as_array().expect("a list") {
                    assert_ne!(document["reached"], false, "{line:#}");
                }
                if let Some(stream) = line["stream"].as_str() {
                    assert!(stream.starts_with("acme/"), "{line:#}");
                }
                assert_ne!(line["published"], false, "{line:#}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn each_command_says_what_it_follows_from() {
    let (traced, receipt) = Box::pin(course(Mode::Fine, LONG)).await;
    let (told, _) = traced.for_client(&receipt).await;
    let causes: BTreeMap<_, _> =
        lines(&told).iter().filter_map(|line| Some((line["type"].as_str()?, line["cause"].as_str()?))).collect();
    let expected = [("ConfirmOrder", "sent"), ("RecordCharge", "outcome"), ("StartPayment", "heard")];
    assert_eq!(causes, BTreeMap::from(expected), "{told:#}");
    let start = &told["caused"][0];
    let timer = &start["timers"][0];
    assert_eq!((&timer["name"], &timer["status"]), (&json!("time-limit"), &json!("gone")), "the payment came in time");
    let due = start["events"][0]["time"].as_str().and_then(kernel::timestamp::Timestamp::parse).expect("a time");
    assert_eq!(timer["due"], json!(due.plus(std::time::Duration::from_secs(LONG.into()))));

    let (traced, receipt) = Box::pin(course(Mode::Silent, SHORT)).await;
    let (told, _) = traced.for_client(&receipt).await;
    let given_up = lines(&told).into_iter().find(|line| line["type"] == "GiveUpPayment").expect("it was given up");
    assert_eq!((&given_up["cause"], &given_up["timer"]), (&json!("timer"), &json!("time-limit")));
    assert_eq!(told["caused"][0]["timers"][0]["status"], "handed-in");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_waits_says_until_when() {
    let traced = Traced::new();
    let receipt = traced.world.submit(LONG).await;
    traced.world.provider.set_mode(None, Mode::Silent);
    traced.world.run_until("ChargeRequested").await;
    while traced.world.it.step().await {}
    let (told, _) = traced.for_operators(&receipt).await;
    let start = &told["caused"][0];
    assert_eq!(start["timers"][0]["status"], "waiting", "{told:#}");
    assert_eq!(start["caused"], json!([]), "nobody has told yet what came out");
    assert_eq!(start["published"], true, "the timer is set by whoever has published");
}

#[tokio::test(start_paused = true)]
async fn a_neighbours_client_and_operator_find_nothing() {
    let (traced, receipt) = Box::pin(course(Mode::Fine, LONG)).await;
    let (told, _) = traced.for_operators(&receipt).await;
    for line in lines(&told) {
        let id = line["id"].as_str().expect("an id");
        let request = Request::get(format!("/operations/{id}/trace")).by(client("neighbour", "waybill/read"));
        let answer = request.answered(|request| traced.query.handle(request, traced.world.it.now())).await;
        answer.refused("not-found");
        let request = Request::get(format!("/traces/{id}")).by(client("their-desk", "waybill/operate"));
        let answer = request.answered(|request| traced.desk.handle(request, traced.world.it.now())).await;
        answer.refused("not-found");
        let request = Request::get(format!("/traces/{id}")).by(client("desk", "waybill/operate"));
        let own = request.answered(|request| traced.desk.handle(request, traced.world.it.now())).await.ok();
        assert_eq!(own.json()["correlation"], receipt.command_key.to_string(), "each leads back to what began it");
    }
}
