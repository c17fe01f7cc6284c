//! An installation in process: the functions that ship, on an AWS in memory and on virtual time, with everything metered
//! that AWS would bill.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::io::Write as _;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bench::Request;
use bench::http::client;
use bench::live::is_pushed;
use bench::platform::{
    RECEIPT_KEY, commands, dead_retries, dispatched, environment, own_queue, receipt_secret, register_client,
    register_tenant, retries, topic, updates,
};
use command_handler::{CommandHandler, Deciding};
use ingest::Ingest;
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use lambda::telemetry;
use lambda_http::{Body, Response};
use publisher::{Clients, Publisher};
use push::Push;
use query::Query;
use read_model_updater::Updater;
use redrive::Redrive;
use serde_json::{Value, json};
use store::findings::{Kind, State};
use store::jobs::{Job, Task};
use subscriber::Runner;
use testkit::{Aws, Log, TABLES};
use tokio::time::Instant;
use verifier::Verifier;
use webhook_dispatcher::WebhookDispatcher;

use crate::assumptions::{ACCESS_LOG_BYTES, CALL, CPU_EACH, GATHERED, LINE_OVERHEAD_BYTES, MEMORY_OF_A_CORE};
use crate::metering::{Metering, chunks, requests_to};
use crate::templates::{CONTEXTS, Templates};
use crate::usage::{Meter, Usage, number};

const PUBLIC_URL: &str = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com";
const SOURCE: &str = "https://shop.example/checkout";
/// The queues besides those of the contexts, however many others somebody adds.
const OTHERS: [&str; 3] = ["publisher", "read_model_subscription", "read_model_updater"];
/// The function in the dimensions of all metrics that this process counts.
const FUNCTION: &str = "this-process";
const CLIENT: &str = "5h4k2j9s8d7f6g5h4j3k2l1m0n";
/// What Lambda hands to a function at once, as in `template.yaml`, and receives at once.
const BATCH: usize = 10;
/// What a function has, and how long a message stays hidden from others meanwhile.
const TIMEOUT: Duration = Duration::from_secs(30);
const VISIBILITY: Duration = Duration::from_mins(3);

pub struct Installation {
    pub aws: Aws,
    pub templates: Templates,
    metering: Metering,
    log: Log,
    /// How much of the log was metered already: bytes and lines.
    logged: (usize, usize),
    functions: Functions,
}

struct Functions {
    ingest: Ingest,
    handlers: BTreeMap<&'static str, CommandHandler>,
    publisher: Publisher,
    push: Push,
    updater: Runner<Updater>,
    dispatcher: Runner<WebhookDispatcher>,
    query: Query,
    redrive: Redrive,
    verifier: Verifier,
}

impl Installation {
    /// One with a tenant, and nothing in it. It takes over this process's logs and metrics, so there is one a process.
    pub fn begin() -> Self {
        let aws = Aws::new();
        aws.subscribe(&topic(), &updates(), None);
        aws.subscribe(&topic(), &dispatched(), None);
        aws.every_call_takes(CALL);
        register_client(&aws, CLIENT, "acme");
        let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": [SOURCE] }]);
        register_tenant(&aws, "acme", &json!({ "grants": grants }));
        let own = [("METRICS_FUNCTION", FUNCTION), ("PUBLIC_URL", PUBLIC_URL)];
        let environment = environment().with(own).with(own_queue(&retries(), &dead_retries()));
        let log = Log::default();
        // A failed assertion is to be seen on the terminal, not in that log.
        let hook = std::panic::take_hook();
        telemetry::start_to(&environment, log.clone()).expect("settings");
        std::panic::set_hook(hook);
        let functions = Functions::of(&aws, &environment);
        let metering = Metering::begin(&aws);
        Self { aws, templates: Templates::with(&CONTEXTS), metering, log, logged: (0, 0), functions }
    }

    /// What was used since this was last asked, logs included.
    pub fn take_usage(&mut self) -> Usage {
        let text = self.log.text();
        let (bytes, lines) = (text.len(), text.lines().count());
        let (bytes_before, lines_before) = std::mem::replace(&mut self.logged, (bytes, lines));
        self.metering.add(Meter::LogBytes, number(bytes - bytes_before));
        self.metering.add(Meter::LogBytes, number(lines - lines_before) * LINE_OVERHEAD_BYTES);
        self.metering.take()
    }

    /// Every line that was logged so far.
    pub fn log_lines(&self) -> Vec<Value> {
        self.log.lines()
    }

    // What clients do

    /// Sends commands in one request, and gives the paths of their operations.
    pub async fn submit(&self, commands: &[Value]) -> Vec<String> {
        let (media_type, body) = match commands {
            [command] => ("application/cloudevents+json", command.to_string()),
            commands => ("application/cloudevents-batch+json", json!(commands).to_string()),
        };
        let request = request("POST", "/commands", media_type, Some(&body));
        let work = Box::pin(self.functions.ingest.handle(request, self.now()));
        let answer = self.answer("Ingest", commands.len(), 202, work).await;
        let operations = answer["operations"].as_array().map_or_else(|| vec![&answer], |all| all.iter().collect());
        operations.iter().map(|operation| format!("/operations/{}", text(&operation["id"]))).collect()
    }

    pub async fn read(&self, path: &str) -> Value {
        let request = request("GET", path, "application/json", None);
        let work = Box::pin(self.functions.query.handle(request, self.now()));
        self.answer("Query", 1, 200, work).await
    }

    async fn answer(
        &self,
        function: &str,
        size: usize,
        expected: u16,
        work: impl Future<Output = Response<Body>>,
    ) -> Value {
        self.metering.add(Meter::ApiRequests, 1.0);
        self.metering.add(Meter::LogBytes, ACCESS_LOG_BYTES);
        let response = self.invoke(function, size, work).await;
        let body = String::from_utf8_lossy(response.body().as_ref()).into_owned();
        assert_eq!(response.status(), expected, "{body}");
        serde_json::from_str(&body).expect("answers are JSON")
    }

    // What Lambda does

    /// Handles, publishes and projects until nothing is left to do. A batch of commands goes all the way before the next.
    pub async fn settle(&self) {
        while self.handle().await {
            self.push().await;
            self.publish_and_project().await;
        }
    }

    /// Handles one batch of commands. Says whether there was one.
    pub async fn handle(&self) -> bool {
        for (context, handler) in &self.functions.handlers {
            let queue = commands(context);
            let name = format!("{context}CommandHandler");
            let handle = async |event, now, until| Box::pin(handler.handle(event, now, until)).await;
            if self.poll(&queue, &name, BATCH, handle).await {
                return true;
            }
        }
        false
    }

    /// Publishes and projects what was committed since the last time.
    pub async fn publish_and_project(&self) {
        self.publish().await;
        self.update().await;
    }

    async fn update(&self) {
        let handle = async |event, now, until| Box::pin(self.functions.updater.handle(event, now, until)).await;
        while self.poll(&updates(), "ReadModelUpdater", BATCH, handle).await {}
    }

    /// What the webhook dispatcher has gathered meanwhile. No tenant has an endpoint.
    pub async fn dispatch(&self) {
        let handle = async |event, now, until| Box::pin(self.functions.dispatcher.handle(event, now, until)).await;
        while self.poll(&dispatched(), "ReadModelUpdater", GATHERED, handle).await {}
    }

    /// One run of redrive, which finds nothing.
    pub async fn redrive(&self) {
        let request = redrive::Request::default();
        let work = Box::pin(self.functions.redrive.run(&request, self.now(), Instant::now() + TIMEOUT));
        let report = self.invoke("Redrive", 1, work).await;
        assert_eq!(report.broken_off(), None);
    }

    /// A verification of everything, which finds nothing. Gives how many streams and commits there are.
    pub async fn verify(&self) -> (usize, usize) {
        const SETTLED: Duration = Duration::from_mins(1);
        tokio::time::advance(SETTLED).await;
        let settled_after = Some(SETTLED.as_secs());
        let task = Task::Verification { tenant: None, stream: None, operation: None, settled_after };
        let job = Job::new(task, 8, None, "user:desk", self.now());
        let Verifier { jobs, findings, .. } = &self.functions.verifier;
        jobs.add(&job).await.expect("noted");
        let commits = self.aws.items(TABLES.events);
        let work = Box::pin(self.functions.verifier.work(self.now(), Instant::now() + 30 * TIMEOUT));
        self.invoke("Verifier", commits.len(), work).await.expect("worked");
        let ended = jobs.find(job.id()).await.expect("an answer").expect("a job");
        assert!(ended.ended_at.is_some(), "it has not ended");
        for kind in Kind::ALL {
            assert_eq!(findings.list(kind, &State::ALL, None).await.expect("findings"), []);
        }
        let streams: BTreeSet<&str> = commits.iter().map(|commit| text(&commit["stream_id"])).collect();
        (streams.len(), commits.len())
    }

    /// One round of a queue's event source: a receive, an invocation, a delete. Says whether there was anything.
    async fn poll(
        &self,
        queue: &str,
        function: &str,
        batch: usize,
        handle: impl AsyncFnOnce(SqsEvent, Timestamp, Instant) -> SqsBatchResponse,
    ) -> bool {
        let handled = self.aws.poll(queue, batch, VISIBILITY, async |event: SqsEvent| {
            let records = event.records.len();
            let bytes = event.records.iter().filter_map(|message| message.body.as_deref()).map(str::len).sum();
            let calls = records.div_ceil(BATCH);
            let (receives, deletes) = (chunks(bytes).max(calls), calls);
            self.metering.add(requests_to(queue), number(receives + deletes));
            let work = handle(event, self.now(), Instant::now() + TIMEOUT);
            let response = self.invoke(function, records, work).await;
            assert!(response.batch_item_failures.is_empty(), "nothing fails in a measurement");
            response
        });
        handled.await > 0
    }

    /// Hands the publisher what was committed since the last time. Lambda's own reads of a stream are free.
    async fn publish(&self) {
        let event = self.aws.stream_event(TABLES.events);
        let events = event["Records"].as_array().map_or(0, Vec::len);
        let batch = serde_json::from_value(event).expect("an event of the stream");
        let work = Box::pin(self.functions.publisher.handle_stream(batch, self.now()));
        self.invoke("Publisher", events, work).await.expect("published");
    }

    /// Hands push what has ended since the last time. Nobody is connected.
    pub async fn push(&self) {
        let mut event = self.aws.stream_event(TABLES.operations);
        let ended = event["Records"].as_array_mut().map(std::mem::take).unwrap_or_default();
        let ended: Vec<Value> = ended.into_iter().filter(is_pushed).collect();
        let size = ended.len();
        let batch = serde_json::from_value(json!({ "Records": ended })).expect("an event of the stream");
        let work = Box::pin(self.functions.push.handle(batch, self.now(), Instant::now() + TIMEOUT));
        self.invoke("Push", size, work).await.expect("nobody is to be told");
    }

    /// An invocation: a request, billed time, and what Lambda itself logs of it.
    async fn invoke<T>(&self, function: &str, size: usize, work: impl Future<Output = T>) -> T {
        let memory = self.templates.memory(function);
        let started = Instant::now();
        let answer = work.await;
        let cpu = CPU_EACH.as_secs_f64() * number(size) * MEMORY_OF_A_CORE / memory;
        let milliseconds = ((started.elapsed().as_secs_f64() + cpu) * 1000.0).ceil();
        self.metering.add(Meter::LambdaRequests, 1.0);
        self.metering.add(Meter::GigabyteSeconds, milliseconds / 1000.0 * memory / 1024.0);
        self.metering.add(Meter::LogBytes, self.templates.lambda_log_bytes());
        self.log_metrics(function);
        answer
    }

    /// What an invocation has counted. A process has one name for its metrics, and here it stands in for all functions: so
    /// the function's own name is put in its place.
    fn log_metrics(&self, function: &str) {
        let mut counted = Vec::new();
        telemetry::flush_metrics_to(&mut counted);
        let counted = String::from_utf8(counted).expect("metrics are text");
        let name = match function {
            "Ingest" => "ingest",
            "Publisher" => "publisher",
            "ReadModelUpdater" => "read-model-updater",
            "Query" => "query",
            "Push" => "push",
            "Redrive" => "redrive",
            "Verifier" => "verifier",
            _ => "command-handler",
        };
        self.log.clone().write_all(counted.replace(FUNCTION, &format!("waybill-{name}")).as_bytes()).expect("memory");
    }

    fn now(&self) -> Timestamp {
        self.aws.now().into()
    }
}

impl Functions {
    fn of(aws: &Aws, environment: &Environment) -> Self {
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        let handler = |context: &'static str| {
            let environment = environment.with([("CONTEXT", context)]);
            let handler = CommandHandler::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("settings");
            // Virtual time stands still while a thread decides.
            (context, CommandHandler { deciding: Deciding::Inline, ..handler })
        };
        let updater = Updater::from_environment(environment, aws.dynamodb()).expect("settings");
        let of_webhooks = environment.with([("TABLE", TABLES.webhooks)]);
        let dispatcher = WebhookDispatcher::from_environment(&of_webhooks, aws.dynamodb(), aws.sqs());
        let clients = Clients { sns: aws.sns(), sqs: aws.sqs(), dynamodb: aws.dynamodb(), streams: aws.streams() };
        let mut redrive = Redrive::from_environment(environment, aws.dynamodb(), aws.sqs()).expect("settings");
        redrive.ways.retain(|route| CONTEXTS.contains(&route.name.as_str()) || OTHERS.contains(&route.name.as_str()));
        let verifier = Verifier::from_environment(environment, aws.dynamodb(), aws.sqs()).expect("settings");
        Self {
            ingest: Ingest::from_environment(environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager())
                .expect("settings"),
            handlers: CONTEXTS.map(handler).into(),
            publisher: Publisher::from_environment(environment, clients).expect("settings"),
            push: Push::from_environment(environment, aws.dynamodb(), aws.connections()).expect("settings"),
            updater: Runner::from_environment(updater, environment, aws.sqs()).expect("settings"),
            dispatcher: Runner::from_environment(dispatcher.expect("settings"), environment, aws.sqs())
                .expect("settings"),
            query: Query::from_environment(environment, aws.dynamodb(), aws.secrets_manager()).expect("settings"),
            redrive,
            verifier: Verifier { every: None, ..verifier },
        }
    }
}

/// A request as the HTTP API hands it to a function.
fn request(method: &'static str, target: &str, content_type: &str, body: Option<&str>) -> lambda_http::Request {
    let target = target.strip_prefix(PUBLIC_URL).unwrap_or(target);
    let request = Request::get(target).method(method).header("content-type", content_type);
    request.by(client(CLIENT, "waybill/submit waybill/read")).body(body.unwrap_or_default()).into_http()
}

/// A command as a client sends it.
pub fn command(ty: &str, id: &str, subject: &str, data: &Value) -> Value {
    json!({
        "specversion": "1.0", "id": id, "source": SOURCE, "type": ty, "subject": subject,
        "time": "2026-01-15T09:30:00Z", "datacontenttype": "application/json", "data": data,
    })
}

pub fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}
