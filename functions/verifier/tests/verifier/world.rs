//! An installation in which everything has happened that a verification asks about.

use std::collections::BTreeMap;
use std::time::Duration;

use accounts::commands::OpenAccount;
use aws_lambda_events::sqs::SqsEvent;
use aws_sdk_dynamodb::types::AttributeValue;
use bench::http::{self, Answer};
use bench::platform::{environment, own_queue, register_operator, register_tenant, topic, updates};
use bench::{Installation, VISIBILITY};
use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use lambda::run::Wake;
use orders::commands::{CancelOrder, Command, Line, SubmitOrder};
use payments::commands::RecordCharge;
use policies::commands::BindPolicy;
use read_model_updater::Updater;
use rebuild::Rebuild;
use serde_json::{Value, json};
use store::findings::{Finding, Kind, State};
use store::jobs::{Job, Task};
use subscriber::Runner;
use testkit::{Aws, TABLES};
use tokio::time::Instant;
use verifier::Verifier;

/// What is older than that is judged.
pub const SETTLED: u64 = 120;

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_mins(10);

pub struct World {
    // In boxes: a world is part of many a test's future.
    pub it: Box<Installation>,
    pub verifier: Box<Verifier>,
    rebuild: Box<Rebuild>,
    updater: Box<Runner<Updater>>,
}

fn verifier_on(aws: &Aws) -> Verifier {
    Verifier::from_environment(&environment(), aws.dynamodb(), aws.sqs()).expect("settings")
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

/// An order that is paid for by a payment process, or on account.
pub fn submit(on_account: bool) -> Command {
    let unit_price = Money { amount: 450, currency: "EUR".to_owned() };
    let line = Line { sku: "TEA".to_owned(), quantity: 1.try_into().expect("not zero"), unit_price };
    SubmitOrder { customer: id("C-7"), lines: vec![line], on_account, pay_within_seconds: None }.into()
}

pub fn cancel() -> Command {
    CancelOrder { reason: None }.into()
}

pub fn charge() -> payments::commands::Command {
    RecordCharge { charge: "ch-1".to_owned() }.into()
}

pub fn bind(number: &str) -> policies::commands::Command {
    let (from, until) = ("2026-01-01".to_owned(), "2027-01-01".to_owned());
    let (holder, account) = (id("C-7"), Some(id("A-1")));
    BindPolicy { number: number.to_owned(), holder, premium: 1_000, currency: "EUR".to_owned(), from, until, account }
        .into()
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        register_operator(&aws, "user:olga", None);
        register_operator(&aws, "user:tina", Some("acme"));
        register_tenant(&aws, "acme", &json!({}));
        aws.subscribe(&topic(), &updates(), None);
        let updating = environment().with(own_queue(&updates(), &bench::platform::dead_updates()));
        let updater = Updater::from_environment(&updating, aws.dynamodb()).expect("settings");
        let updater = Runner::from_environment(updater, &updating, aws.sqs()).expect("settings");
        let rebuild = Rebuild::from_environment(&environment(), aws.dynamodb(), aws.sqs()).expect("settings");
        let verifier = Verifier { every: None, ..verifier_on(&aws) };
        let it = Box::new(Installation::on(aws, catalog::CONTEXTS));
        Self { it, verifier: verifier.into(), rebuild: rebuild.into(), updater: updater.into() }
    }

    /// As it is deployed.
    pub fn another_verifier(&self) -> Verifier {
        verifier_on(&self.it.aws)
    }

    /// A world with orders that are paid, cancelled, or wait to be paid, an account and a policy; some minutes old.
    pub async fn busy() -> Self {
        let world = Self::new();
        // What contexts hear is known from the first verification on.
        Box::pin(world.history("old")).await;
        Box::pin(world.verify()).await;
        Box::pin(world.history("new")).await;
        world
    }

    async fn history(&self, name: &str) {
        let it = &self.it;
        let named = |what: &str| format!("{what}-{name}");
        let send = async |context: &str, aggregate: String, payload| {
            it.send(context, &aggregate, &named(&aggregate), payload).await
        };
        if name == "old" {
            let open = OpenAccount { holder: id("C-7"), currency: "EUR".to_owned(), overdraft: 1_000_000 };
            it.send("accounts", "A-1", "open", accounts::commands::Command::from(open)).await;
            self.settle().await;
        }
        it.send("policies", &named("P"), &named("bind"), bind(&named("N").to_uppercase())).await;
        send("orders", named("account"), submit(true)).await;
        send("orders", named("waiting"), submit(false)).await;
        for order in ["paid", "refused"] {
            send("orders", named(order), submit(false)).await;
        }
        self.settle().await;
        it.send("payments", &named("paid"), &named("charge"), charge()).await;
        // The confirmation comes too late.
        it.send("orders", &named("refused"), &named("cancel"), cancel()).await;
        it.send("payments", &named("refused"), &named("charge-refused"), charge()).await;
        self.settle().await;
        self.pass().await;
    }

    /// Until what has happened is old enough to be judged.
    pub async fn pass(&self) {
        Box::pin(self.it.pass(Duration::from_secs(SETTLED + 60))).await;
        self.settle().await;
    }

    /// Until nothing moves any more.
    pub async fn settle(&self) {
        while self.step().await {}
    }

    async fn step(&self) -> bool {
        let moved = Box::pin(self.it.step()).await;
        let update = async |batch: SqsEvent| self.updater.handle(batch, self.it.now(), Instant::now() + TIMEOUT).await;
        let updated = self.it.aws.poll(&updates(), 10, VISIBILITY, update).await;
        moved || updated > 0
    }

    /// A verification of everything that is older than [`SETTLED`]. Gives what it counted.
    pub async fn verify(&self) -> BTreeMap<String, u64> {
        let settled_after = Some(SETTLED);
        self.verify_that(Task::Verification { tenant: None, stream: None, operation: None, settled_after }).await
    }

    pub async fn verify_that(&self, task: Task) -> BTreeMap<String, u64> {
        tokio::time::advance(Duration::from_secs(1)).await;
        let job = Job::new(task, 3, None, "user:olga", self.it.now());
        self.verifier.jobs.add(&job).await.expect("noted");
        self.work().await;
        let ended = self.verifier.jobs.find(job.id()).await.expect("an answer").expect("a job");
        assert!(ended.ended_at.is_some(), "it has not ended");
        let mut counts = BTreeMap::new();
        for segment in self.verifier.jobs.segments(job.id()).await.expect("segments").into_values() {
            for (name, count) in segment.counts {
                *counts.entry(name).or_default() += count;
            }
        }
        counts
    }

    /// One invocation of the verifier.
    pub async fn work(&self) {
        Box::pin(self.verifier.work(self.now(), Instant::now() + TIMEOUT)).await.expect("worked");
    }

    /// One invocation of the rebuild.
    pub async fn rebuild(&self) {
        Box::pin(self.rebuild.work(self.now(), Instant::now() + TIMEOUT)).await.expect("worked");
    }

    /// A job of the rebuild, to its end.
    pub async fn asked_of_rebuild(&self, task: Task) {
        let job = Job::new(task, 1, None, "user:olga", self.now());
        self.rebuild.jobs.add(&job).await.expect("noted");
        self.rebuild().await;
    }

    pub fn now(&self) -> Timestamp {
        self.it.now()
    }

    /// Findings that are open, in the order of their kinds.
    pub async fn open(&self) -> Vec<Finding> {
        self.findings(&[State::Open]).await
    }

    pub async fn findings(&self, states: &[State]) -> Vec<Finding> {
        let mut findings = Vec::new();
        for kind in Kind::ALL {
            findings.extend(self.verifier.findings.list(kind, states, None).await.expect("findings"));
        }
        findings
    }

    /// What a platform operator asks for.
    pub async fn ask(&self, method: &'static str, target: &str, body: &str) -> Answer {
        self.ask_by("olga", "waybill/operate", method, target, body).await
    }

    /// As the function's own event, to the answer that the gateway gets, which `openapi.yaml` describes.
    pub async fn ask_by(&self, principal: &str, scope: &str, method: &'static str, target: &str, body: &str) -> Answer {
        let claims = json!({ "sub": principal, "client_id": "console", "scope": scope });
        let request = http::Request::get(target).method(method).by(claims).media_type("application/json").body(body);
        let Wake::<Value>::Http(event) = serde_json::from_value(request.event()).expect("a request") else {
            panic!("it is a request of the API");
        };
        let handle = |request| self.verifier.handle(request, self.now());
        let path = target.split('?').next().unwrap_or_default();
        Box::pin(Answer::served(event.get(), handle)).await.hold(method, path)
    }

    // What is stored, and damage to it

    pub fn items(&self, table: &str) -> Vec<Value> {
        self.it.aws.items(table)
    }

    /// The one item of a table that is wanted.
    #[track_caller]
    pub fn item(&self, table: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let mut items = self.items(table).into_iter().filter(&wanted);
        let item = items.next().unwrap_or_else(|| panic!("{table} has none"));
        assert!(items.next().is_none(), "{table} has more than one");
        item
    }

    pub fn put(&self, table: &str, item: &Value) {
        self.it.aws.insert(table, item);
    }

    pub async fn delete(&self, table: &str, item: &Value) {
        let keys: &[&str] = match table {
            _ if table == TABLES.events => &["stream_id", "commit_number"],
            _ if table == TABLES.operations => &["operation_key"],
            _ if table == TABLES.read_models => &["collection_key", "id"],
            _ if table == TABLES.guards => &["guard_key"],
            _ if table == TABLES.timers => &["timer_key"],
            _ => &["parked_key", "id"],
        };
        let mut delete = self.it.aws.dynamodb().delete_item().table_name(table);
        for key in keys {
            let value = match &item[*key] {
                Value::Number(number) => AttributeValue::N(number.to_string()),
                text => AttributeValue::S(text.as_str().expect("a text").to_owned()),
            };
            delete = delete.key(*key, value);
        }
        delete.send().await.expect("deleted");
    }

    pub fn row(&self, collection: &str, id: &str) -> Value {
        let key = format!("acme#{collection}");
        self.item(TABLES.read_models, |row| row["collection_key"] == *key && row["id"] == *id)
    }

    pub fn commit(&self, stream: &str, number: u64) -> Value {
        self.item(TABLES.events, |commit| commit["stream_id"] == *stream && commit["commit_number"] == number)
    }

    /// The record of a command of this type for this aggregate.
    pub fn record(&self, ty: &str, subject: &str) -> Value {
        self.item(TABLES.operations, |record| record["command_type"] == *ty && record["subject"] == *subject)
    }

    /// Sends a command and lets it be handled, while nothing of it is published.
    pub async fn unpublished(
        &self,
        context: &str,
        aggregate: &str,
        id: &str,
        payload: impl kernel::message::Message,
    ) -> Receipt {
        let receipt = self.it.send(context, aggregate, id, payload).await;
        while self.it.handle().await > 0 {}
        // The stream of the table is read, and nobody has got it.
        drop(self.it.aws.stream_event(TABLES.events));
        receipt
    }
}
