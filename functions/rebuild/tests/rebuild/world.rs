//! An installation with orders, some of whose documents a release before has written.

use std::collections::BTreeMap;
use std::time::Duration;

use bench::Bench;
use bench::platform::{environment, register_operator};
use kernel::context::ReadModel;
use kernel::day::Day;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{AggregateId, StreamId, TenantId};
use kernel::money::Money;
use kernel::projection::Tally;
use orders::commands::{CancelOrder, Command, Line, SubmitOrder};
use orders::projection::OrderView;
use read_model_updater::Updater;
use rebuild::Rebuild;
use serde_json::{Value, json};
use store::event_store::Streams;
use store::jobs::{Job, Task};
use store::read_models::{ReadModels, Totals};
use subscriber::BatchSubscriber as _;
use testkit::{Aws, TABLES};
use tokio::time::Instant;

pub struct World {
    pub aws: Aws,
    pub bench: Bench,
    pub rebuild: Rebuild,
}

pub fn submit(amount: i64) -> Command {
    let unit_price = Money { amount, currency: "EUR".into() };
    let line = Line { sku: "TEA".into(), quantity: std::num::NonZeroU32::MIN.saturating_add(2), unit_price };
    let customer = AggregateId::parse("C-1").expect("an id");
    SubmitOrder { customer, lines: vec![line], on_account: true, pay_within_seconds: None }.into()
}

pub fn cancel() -> Command {
    CancelOrder { reason: None }.into()
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        register_operator(&aws, "user:olga", None);
        register_operator(&aws, "user:tina", Some("acme"));
        let rebuild = Rebuild::from_environment(&environment(), aws.dynamodb(), aws.sqs()).expect("settings");
        Self { bench: Bench::on(aws.clone(), &orders::CONTEXT), rebuild, aws }
    }

    /// So many orders, `O-0` and so on; every third one is cancelled.
    pub async fn orders(&self, count: usize) {
        for nth in 0..count {
            let order = format!("O-{nth}");
            self.bench.send(&order, &format!("s-{nth}"), submit(100)).await;
            if nth % 3 == 0 {
                self.bench.send(&order, &format!("c-{nth}"), cancel()).await;
            }
        }
        self.deliver().await;
    }

    pub async fn deliver(&self) {
        while !self.aws.is_empty(&self.bench.queue) {
            self.bench.deliver().await;
        }
    }

    pub fn updater(&self, read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>) -> Updater {
        Updater {
            streams: Streams::new(self.aws.dynamodb(), TABLES.events),
            read_models: ReadModels::new(self.aws.dynamodb(), TABLES.read_models),
            read_models_of,
        }
    }

    /// The updater of a release gets all events of these orders.
    pub async fn project(&self, updater: &Updater, orders: impl IntoIterator<Item = usize>) {
        let streams = orders.into_iter().map(|nth| format!("O-{nth}"));
        let events: Vec<RecordedEvent> = streams.flat_map(|order| self.bench.recorded(&order)).collect();
        for some in events.chunks(20) {
            let failures = updater.handle_batch(some, Instant::now() + Duration::from_mins(1)).await;
            assert!(failures.is_empty(), "{failures:?}");
        }
    }

    /// A rebuild is asked for.
    pub async fn ask(&self, task: Task, segments: u32, pace: Option<u32>) -> String {
        let job = Job::new(task, segments, pace, "user:olga", self.aws.now().into());
        self.rebuild.jobs.add(&job).await.expect("noted");
        job.id().to_owned()
    }

    /// One invocation.
    pub async fn work(&self) {
        let finish_by = Instant::now() + Duration::from_mins(10);
        self.rebuild.work(self.aws.now().into(), finish_by).await.expect("worked");
    }

    /// A rebuild of everything, in one invocation; gives its counts.
    pub async fn rebuilt(&self) -> BTreeMap<String, u64> {
        let job = self.ask(all(), 3, None).await;
        self.work().await;
        self.counts(&job).await
    }

    pub async fn job(&self, id: &str) -> Job {
        self.rebuild.jobs.find(id).await.expect("an answer").expect("a job")
    }

    pub async fn counts(&self, job: &str) -> BTreeMap<String, u64> {
        let mut counts = BTreeMap::new();
        for segment in self.rebuild.jobs.segments(job).await.expect("segments").into_values() {
            for (name, count) in segment.counts {
                *counts.entry(name).or_default() += count;
            }
        }
        counts
    }

    pub fn row(&self, order: &str) -> Option<Value> {
        let mut rows = self.aws.items(TABLES.read_models).into_iter();
        rows.find(|row| row["id"] == order && row["collection_key"] == "acme#orders")
    }

    /// Puts a document of an order that is not what its events say.
    pub fn bend(&self, order: &str, bend: impl FnOnce(&mut Value)) {
        let mut row = self.row(order).expect("a document");
        bend(&mut row);
        self.aws.insert(TABLES.read_models, &row);
    }

    /// Somebody adds this to a total of orders: of all time, or of the day of the first one.
    pub fn bend_total(&self, is_of_day: bool, name: &str, amount: i64) {
        let key = if is_of_day { "acme#orders#totals#days" } else { "acme#orders#totals#all" };
        let mut items = self.aws.items(TABLES.read_models).into_iter();
        let mut item = items.find(|item| item["collection_key"] == key).expect("a total");
        let name = format!("sum:{name}");
        item[&name] = json!(item[&name].as_i64().unwrap_or_default() + amount);
        self.aws.insert(TABLES.read_models, &item);
    }

    pub async fn totals(&self) -> Totals {
        let tenant = TenantId::parse("acme").expect("a tenant");
        self.rebuild.read_models.report(&tenant, "orders").await.expect("totals")
    }

    /// Every document is what its events make of it, and the totals are the sum over all documents.
    pub async fn hold(&self) {
        let (mut expected, mut by_day) = (Totals::new(), BTreeMap::<Day, Totals>::new());
        let mut streams: Vec<String> = self.aws.items(TABLES.events).iter().map(stream_of).collect();
        streams.dedup();
        for stream in &streams {
            let order = stream.rsplit('/').next().expect("an order");
            let events = self.bench.recorded(order);
            let projected = OrderView.project(None, &events).expect("a document");
            let row = self.row(order).unwrap_or_else(|| panic!("{order} has no document"));
            assert_eq!(
                (&row["document"], &row["version"], &row["layout"]),
                (&json!(projected.document), &json!(events.len()), &json!(OrderView.layout())),
                "{order}"
            );
            for Tally { name, amount, day } in projected.tallies {
                if let Some(day) = day {
                    *by_day.entry(day).or_default().entry(name.clone()).or_default() += amount;
                }
                *expected.entry(name).or_default() += amount;
            }
        }
        assert_eq!(self.totals().await, expected);
        let (tenant, days) = (TenantId::parse("acme").expect("a tenant"), day("1970-01-01")..=day("2999-12-31"));
        let report = self.rebuild.read_models.report_by_day(&tenant, "orders", &days).await;
        assert_eq!(report.expect("totals"), by_day);
    }
}

fn day(text: &str) -> Day {
    Day::parse(text).expect("a day")
}

fn stream_of(commit: &Value) -> String {
    commit["stream_id"].as_str().expect("a stream").to_owned()
}

/// Of the order's own stream, in all that it shows in.
pub fn of_stream(order: &str) -> Task {
    Task::Rebuild { collection: None, tenant: None, stream: Some(format!("acme/orders/{order}")), dry_run: false }
}

/// Of the totals of all orders.
pub fn totals() -> Task {
    Task::Recount { tenant: TenantId::parse("acme").expect("a tenant"), collection: "orders".to_owned() }
}

/// Of all orders.
pub fn all() -> Task {
    Task::Rebuild { collection: Some("orders".to_owned()), tenant: None, stream: None, dry_run: false }
}
