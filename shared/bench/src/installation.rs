//! [`Installation`]: all that moves by itself between a command's queue and what follows from it, on virtual time.

use std::cell::RefCell;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use command_handler::CommandHandler;
use kernel::command::Command;
use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::message::Message as Payload;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use listener::Listener;
use notifier::Notifier;
use publisher::{Clients, Publisher};
use serde_json::{Value, json};
use subscriber::Runner;
use testkit::{Aws, TABLES};
use timekeeper::Timekeeper;
use tokio::time::Instant;

use crate::handling::{VISIBILITY, events, text};
use crate::{platform, sealing};

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);

/// Contexts with their handlers, and publisher, listener, timekeeper and notifier between them.
pub struct Installation {
    pub aws: Aws,
    handlers: Vec<CommandHandler>,
    // In boxes: an installation is part of many a test's future.
    publisher: Box<Publisher>,
    listener: Box<Runner<Listener>>,
    timekeeper: Box<Timekeeper>,
    notifier: Notifier,
    /// Records of the two streams that their function has not handled yet.
    committed: RefCell<Vec<Value>>,
    ended: RefCell<Vec<Value>>,
}

impl Installation {
    pub fn of(contexts: &'static [Context]) -> Self {
        Self::on(Aws::new(), contexts)
    }

    /// Functions are wired as they themselves do it, whether the contexts are in the catalog or a test's own.
    pub fn on(aws: Aws, contexts: &'static [Context]) -> Self {
        aws.subscribe(&platform::topic(), &platform::heard(), None);
        let environment = platform::environment();
        let handler = |context: &'static Context| {
            let (queue, dead_letters) = (platform::commands(context.name), platform::dead_commands(context.name));
            let environment = environment.with(platform::own_queue(&queue, &dead_letters));
            let environment = environment.with([("CONTEXT", catalog::CONTEXTS[0].name)]);
            let handler = CommandHandler::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("settings");
            CommandHandler { context, ..handler }
        };
        let at = |queue: String, dead_letters: String| environment.with(platform::own_queue(&queue, &dead_letters));
        let clients = Clients { sns: aws.sns(), sqs: aws.sqs(), dynamodb: aws.dynamodb(), streams: aws.streams() };
        let publisher =
            Publisher::from_environment(&at(platform::retries(), platform::dead_retries()), clients).expect("settings");
        let heard = at(platform::heard(), platform::dead_heard());
        let listener = Listener::from_environment(&heard, aws.sqs()).expect("settings");
        let listener = Listener { contexts, ..listener };
        let timers = at(platform::timers(), platform::dead_timers());
        let notifier = Notifier::from_environment(&environment, aws.sqs()).expect("settings");
        Self {
            handlers: contexts.iter().map(handler).collect(),
            publisher: publisher.into(),
            listener: Box::new(Runner::from_environment(listener, &heard, aws.sqs()).expect("settings")),
            timekeeper: Box::new(Timekeeper::from_environment(&timers, aws.dynamodb(), aws.sqs()).expect("settings")),
            notifier: Notifier { contexts, ..notifier },
            committed: RefCell::default(),
            ended: RefCell::default(),
            aws,
        }
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Queues a command of the tenant `acme` for the aggregate, as ingest does.
    pub async fn send(&self, context: &str, aggregate: &str, id: &str, payload: impl Payload) -> Receipt {
        let kind = payload.message_type();
        let event = sealing::event(context, id, kind.name, kind.written.expect("a version that is written"));
        let event = event.subject(aggregate).data_raw(payload.into_json());
        let (receipt, body) = sealing::seal("acme", event, self.now());
        let command = Command::open(body.as_bytes(), context).expect("a command");
        let send = self.aws.sqs().send_message().queue_url(platform::commands(context)).message_body(body);
        let send = send.message_group_id(command.stream.message_group());
        send.message_deduplication_id(receipt.command_key.to_string()).send().await.expect("queued");
        receipt
    }

    /// Lets the command handlers do what there is for them, once. Gives how many commands that were.
    pub async fn handle(&self) -> usize {
        let mut moved = 0;
        for handler in &self.handlers {
            let queue = platform::commands(handler.context.name);
            let handle = async |batch: SqsEvent| handler.handle(batch, self.now(), Instant::now() + TIMEOUT).await;
            moved += self.aws.poll(&queue, 10, VISIBILITY, handle).await;
        }
        moved
    }

    /// Lets every function do what there is for it, once. Gives whether there was anything.
    pub async fn step(&self) -> bool {
        let mut moved = self.handle().await;
        moved += self.publish().await;
        let retry =
            async |batch: SqsEvent| self.publisher.handle_retries(batch, self.now(), Instant::now() + TIMEOUT).await;
        moved += self.aws.poll(&platform::retries(), 10, VISIBILITY, retry).await;
        let listen = async |batch: SqsEvent| self.listener.handle(batch, self.now(), Instant::now() + TIMEOUT).await;
        moved += self.aws.poll(&platform::heard(), 10, VISIBILITY, listen).await;
        let due = async |batch: SqsEvent| self.timekeeper.hand_in(batch, self.now(), Instant::now() + TIMEOUT).await;
        moved += self.aws.poll(&platform::timers(), 10, VISIBILITY, due).await;
        moved += self.notify().await;
        moved > 0
    }

    /// Until nothing moves any more unless time passes.
    pub async fn settle(&self) {
        while self.step().await {}
    }

    /// Time passes, with the timekeeper's sweep every minute. Minutes in which nothing can happen are passed over.
    pub async fn pass(&self, time: Duration) {
        self.pass_until(time, || false).await;
    }

    /// The same, until then at the latest.
    pub async fn pass_until(&self, time: Duration, done: impl Fn() -> bool) {
        const MINUTE: Duration = Duration::from_mins(1);
        let end = Instant::now() + time;
        self.settle().await;
        while Instant::now() < end && !done() {
            let step = if self.is_idle() { self.until_a_timer().unwrap_or(time).max(MINUTE) } else { MINUTE };
            tokio::time::advance(step.min(end - Instant::now())).await;
            // What fails is done by the next one.
            let _ = self.timekeeper.sweep(self.now(), Instant::now() + TIMEOUT).await;
            self.settle().await;
        }
    }

    /// Whether no message is in any queue.
    fn is_idle(&self) -> bool {
        let of_contexts = self.handlers.iter().map(|handler| platform::commands(handler.context.name));
        of_contexts.chain([platform::heard(), platform::timers()]).all(|queue| self.aws.is_empty(&queue))
    }

    /// How long until the sweep has a timer to look at; `None` if none is set.
    fn until_a_timer(&self) -> Option<Duration> {
        let timers = self.aws.items(TABLES.timers);
        let first = timers.iter().filter_map(|timer| timer["look_at"].as_u64()).min()?;
        Some(Timestamp::from_millis(first).since(self.now()))
    }

    /// The publisher at the events table's stream: the batch comes again until it succeeds.
    pub async fn publish(&self) -> usize {
        let batch = taken(&self.aws, TABLES.events, &self.committed, |_| true);
        if batch.is_empty() {
            return 0;
        }
        let event = serde_json::from_value(json!({ "Records": batch })).expect("an event of the stream");
        match self.publisher.handle_stream(event, self.now()).await {
            Ok(()) => self.committed.borrow_mut().clear(),
            Err(_) => tokio::time::advance(Duration::from_millis(500)).await,
        }
        batch.len()
    }

    /// Publishes a commit once more, past the stream, as from the publisher's retries.
    pub async fn publish_again(&self, stream: &str, commit_number: u64) {
        let body = json!({ "stream_id": stream, "commit_number": commit_number }).to_string();
        self.aws.put(&platform::retries(), None, None, &body);
        let retry =
            async |batch: SqsEvent| self.publisher.handle_retries(batch, self.now(), Instant::now() + TIMEOUT).await;
        assert_eq!(self.aws.poll(&platform::retries(), 10, VISIBILITY, retry).await, 1);
        assert!(self.aws.is_empty(&platform::retries()), "the commit is given back\n{}", self.aws.calls());
    }

    /// The notifier at the operations table's stream, behind its filter in `template.yaml`.
    async fn notify(&self) -> usize {
        let batch = taken(&self.aws, TABLES.operations, &self.ended, is_told);
        if batch.is_empty() {
            return 0;
        }
        let event = serde_json::from_value(json!({ "Records": batch })).expect("an event of the stream");
        match self.notifier.handle(event).await {
            Ok(()) => self.ended.borrow_mut().clear(),
            Err(_) => tokio::time::advance(Duration::from_millis(500)).await,
        }
        batch.len()
    }

    /// Whether all that is committed is published, and all that has ended is told.
    pub fn is_published(&self) -> bool {
        [(TABLES.events, &self.committed), (TABLES.operations, &self.ended)].into_iter().all(|(table, waiting)| {
            let passes = |record: &Value| table == TABLES.events || is_told(record);
            taken(&self.aws, table, waiting, passes).is_empty()
        })
    }

    // What is in the tables

    /// The events of a stream, in order.
    pub fn recorded(&self, stream: &str) -> Vec<RecordedEvent> {
        let stream = StreamId::parse(stream).expect("a stream id").to_string();
        let commits = self.aws.items(TABLES.events).into_iter().filter(|commit| commit["stream_id"] == stream);
        commits.flat_map(events).collect()
    }

    /// The types of a stream's events, in order.
    pub fn events(&self, stream: &str) -> Vec<String> {
        self.recorded(stream).into_iter().map(|event| event.event.ty).collect()
    }

    /// Type, subject and outcome of each command on record, in order.
    pub fn outcomes(&self, context: &str) -> Vec<(String, String, String)> {
        let records = self.aws.items(TABLES.operations).into_iter().filter(|record| record["context"] == context);
        let mut outcomes: Vec<_> = records
            .map(|record| (text(&record["command_type"]), text(&record["subject"]), text(&record["outcome"])))
            .collect();
        outcomes.sort();
        outcomes
    }

    /// The timers that are set, by their keys.
    pub fn timers(&self) -> Vec<String> {
        let mut keys: Vec<_> = self.aws.items(TABLES.timers).iter().map(|timer| text(&timer["timer_key"])).collect();
        keys.sort();
        keys
    }
}

/// What passes the filter before the notifier, in `template.yaml`: a record of the operations table's stream.
pub fn is_told(record: &Value) -> bool {
    let image = &record["dynamodb"]["NewImage"];
    let outcome = image["outcome"]["S"].as_str().unwrap_or_default();
    matches!(outcome, "rejected" | "discarded") && image["reply_to"]["M"]["stream"]["S"].is_string()
}

/// What a function gets from a table's stream: what is new, behind what it has not handled yet.
fn taken(aws: &Aws, table: &str, waiting: &RefCell<Vec<Value>>, passes: impl Fn(&Value) -> bool) -> Vec<Value> {
    let mut event = aws.stream_event(table);
    let records = event["Records"].as_array_mut().map(std::mem::take).unwrap_or_default();
    let mut waiting = waiting.borrow_mut();
    waiting.extend(records.into_iter().filter(passes));
    waiting.clone()
}
