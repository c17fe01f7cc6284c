//! [`Bench`]: a context's command queue, the handler at it, and eyes on the tables.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use command_handler::CommandHandler;
use kernel::cloud_event::Builder;
use kernel::command::Command;
use kernel::context::Context;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::message::Message as Payload;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use store::event_store::Commit;
use testkit::{Aws, Message, TABLES};
use tokio::time::Instant;

use crate::{platform, sealing};

/// The visibility timeout of command queues.
pub const VISIBILITY: Duration = Duration::from_mins(3);
/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);

/// The handler of one context, at its queue. All commands are of the tenant `acme`.
pub struct Bench {
    pub aws: Aws,
    pub handler: CommandHandler,
    pub queue: String,
    pub dead_letters: String,
}

impl Bench {
    pub fn of(context: &'static Context) -> Self {
        Self::on(Aws::new(), context)
    }

    pub fn orders() -> Self {
        Self::of(catalog::context("orders").expect("a context"))
    }

    /// Another build, or another instance, at the same queue and tables. The handler is wired as the function itself does
    /// it, whether the context is in the catalog or a test's own.
    pub fn on(aws: Aws, context: &'static Context) -> Self {
        let (queue, dead_letters) = (platform::commands(context.name), platform::dead_commands(context.name));
        let environment = platform::environment().with(platform::own_queue(&queue, &dead_letters));
        let environment = environment.with([("CONTEXT", catalog::CONTEXTS[0].name)]);
        let handler = CommandHandler::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("settings");
        Self { handler: CommandHandler { context, ..handler }, aws, queue, dead_letters }
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    // Into the queue

    /// Queues a command for the aggregate as ingest does, and gives what ingest would have answered.
    pub async fn send(&self, aggregate: &str, id: &str, payload: impl Payload) -> Receipt {
        let kind = payload.message_type();
        let version = kind.written.expect("a version that is written");
        self.send_event(self.event(id, kind.name, version).subject(aggregate).data_raw(payload.into_json())).await
    }

    /// A command's CloudEvent of any type and version, without subject and data.
    pub fn event(&self, id: &str, ty: &str, version: u32) -> Builder {
        sealing::event(self.handler.context.name, id, ty, version)
    }

    pub async fn send_event(&self, event: Builder) -> Receipt {
        let (receipt, body) = self.seal(event);
        self.queue_again(&body).await;
        receipt
    }

    /// The message that ingest would make of the event.
    pub fn seal(&self, event: Builder) -> (Receipt, String) {
        sealing::seal("acme", event, self.now())
    }

    /// Queues a command's message, however often it was before: past the queue's own deduplication.
    pub async fn queue_again(&self, body: &str) {
        let command = Command::open(body.as_bytes(), self.handler.context.name).expect("a command");
        let deduplication_id = format!("{}:{}", command.receipt.command_key, self.aws.count("SendMessage"));
        self.send_raw(&command.stream.to_string(), &deduplication_id, body).await;
    }

    pub async fn send_raw(&self, group: &str, deduplication_id: &str, body: &str) {
        let send = self.aws.sqs().send_message().queue_url(&self.queue).message_body(body);
        let send = send.message_group_id(group).message_deduplication_id(deduplication_id).send().await;
        send.expect("queued");
    }

    // Out of the queue

    /// The next ten at most, as Lambda's poller takes them.
    pub fn receive(&self) -> Vec<Message> {
        self.aws.receive(&self.queue, 10, VISIBILITY)
    }

    /// One invocation. Gives the ids that it gives back.
    pub async fn handle(&self, messages: &[Message]) -> Vec<String> {
        self.handle_within(messages, TIMEOUT).await
    }

    pub async fn handle_within(&self, messages: &[Message], time: Duration) -> Vec<String> {
        let event: SqsEvent = serde_json::from_value(Aws::sqs_event(messages)).expect("an SQS event");
        let response = self.handler.handle(event, self.now(), Instant::now() + time).await;
        response.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect()
    }

    /// What Lambda's poller does after an invocation.
    pub fn acknowledge(&self, messages: &[Message], given_back: &[String]) {
        for message in messages.iter().filter(|message| !given_back.contains(&message.id)) {
            self.aws.delete(message);
        }
    }

    /// Receives, handles and acknowledges up to ten messages; nothing may be given back.
    pub async fn deliver(&self) {
        let messages = self.receive();
        let given_back = self.handle(&messages).await;
        assert_eq!(given_back, [] as [String; 0], "given back\n{}", self.aws.calls());
        self.acknowledge(&messages, &given_back);
    }

    /// What is given back becomes visible again, whenever that was to be.
    pub async fn wait_for_visibility(&self) {
        tokio::time::advance(VISIBILITY + Duration::from_secs(1)).await;
    }

    /// So many deliveries of what is in the queue, whatever comes of them.
    pub async fn deliver_in_vain(&self, times: u32) {
        for _ in 0..times {
            let messages = self.receive();
            let given_back = self.handle(&messages).await;
            self.acknowledge(&messages, &given_back);
            self.wait_for_visibility().await;
        }
    }

    /// Everything that is still in the queue.
    pub fn waiting(&self) -> Vec<Message> {
        self.aws.messages(&self.queue)
    }

    /// Everything that is in the dead-letter queue.
    pub fn dead_letters(&self) -> Vec<Message> {
        self.aws.messages(&self.dead_letters)
    }

    // What is in the tables

    pub fn record(&self, receipt: &Receipt) -> Option<Value> {
        let key = format!("acme#{}", receipt.command_key);
        self.aws.items(TABLES.operations).into_iter().find(|record| record["operation_key"] == key)
    }

    /// The outcome on record; `none` if there is no record.
    pub fn outcome(&self, receipt: &Receipt) -> String {
        self.record(receipt).map_or_else(|| "none".to_owned(), |record| text(&record["outcome"]))
    }

    /// The problem on record.
    pub fn problem(&self, receipt: &Receipt) -> Value {
        let record = self.record(receipt).expect("a record");
        serde_json::from_str(&text(&record["problem"])).expect("a problem")
    }

    pub fn stream(&self, aggregate: &str) -> StreamId {
        StreamId::parse(&format!("acme/{}/{aggregate}", self.handler.context.name)).expect("a stream id")
    }

    /// The aggregate's commits, as they are stored.
    pub fn commits(&self, aggregate: &str) -> Vec<Value> {
        let stream = self.stream(aggregate).to_string();
        self.aws.items(TABLES.events).into_iter().filter(|commit| commit["stream_id"] == stream).collect()
    }

    /// How many commits the aggregate has.
    pub fn commit_count(&self, aggregate: &str) -> usize {
        self.commits(aggregate).len()
    }

    /// The aggregate's events, in order. Neither commits nor versions have gaps.
    pub fn recorded(&self, aggregate: &str) -> Vec<RecordedEvent> {
        let mut all = Vec::new();
        for (commit, number) in self.commits(aggregate).into_iter().zip(1_u64..) {
            assert_eq!(commit["commit_number"], number, "a gap before {commit}");
            assert_eq!(commit["first_version"], all.len() + 1, "a gap before {commit}");
            all.extend(events(commit));
        }
        all
    }

    /// Type and operation of each event of the aggregate, in order.
    pub fn events(&self, aggregate: &str) -> Vec<(String, String)> {
        self.recorded(aggregate).into_iter().map(|event| (event.event.ty, event.event.cause.operation)).collect()
    }

    /// The operation of each event of the aggregate, in order.
    pub fn operations(&self, aggregate: &str) -> Vec<String> {
        self.events(aggregate).into_iter().map(|(_, operation)| operation).collect()
    }

    pub fn parked(&self) -> Vec<Value> {
        self.aws.items(TABLES.parked)
    }
}

/// All events of a commit, as it is stored.
pub fn events(commit: Value) -> Vec<RecordedEvent> {
    let read = serde_json::from_value::<Commit>(commit);
    let read = read.unwrap_or_else(|error| panic!("a commit cannot be read: {error}"));
    read.events().unwrap_or_else(|error| panic!("a commit's events cannot be read: {error}"))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}")).to_owned()
}
