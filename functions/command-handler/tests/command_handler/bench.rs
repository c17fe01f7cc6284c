//! What every test begins with: a queue, a handler, and eyes on the tables.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use command_handler::{CommandHandler, Deciding};
use kernel::cloud_event::{Builder, CloudEvent};
use kernel::command::{Command, Principal, PrincipalKind, Repair};
use kernel::context::Context;
use kernel::ids::{CommandKey, StreamId, TenantId};
use kernel::message::Message as Payload;
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use lambda::settings::Environment;
use recovery::DeadLetters;
use recovery::back_off::MAX_RECEIVES;
use recovery::batch::GivingBack;
use serde_json::Value;
use store::event_store::Commit;
use store::parked::{Decision, Parked, ParkedMessage};
use store::{EventStore, Tables};
use testkit::{Aws, Message, TABLES};
use tokio::time::Instant;

pub const TRACEPARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// 90 days and the longest way.
pub const RETENTION: Duration = Duration::from_hours(24 * (90 + 28));
/// The queue's visibility timeout.
pub const VISIBILITY: Duration = Duration::from_mins(3);
/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);

/// The handler of one context, at its queue.
pub struct Bench {
    pub aws: Aws,
    pub handler: CommandHandler,
    pub queue: String,
    pub dead_letters: String,
    receipts: ReceiptKeys,
}

impl Bench {
    pub fn of(context: &'static Context) -> Self {
        Self::on(Aws::new(), context)
    }

    /// Another build, or another instance, at the same queue and tables.
    pub fn on(aws: Aws, context: &'static Context) -> Self {
        let tables = Tables {
            events: TABLES.events.to_owned(),
            operations: TABLES.operations.to_owned(),
            parked: TABLES.parked.to_owned(),
            guards: TABLES.guards.to_owned(),
        };
        let (queue, dead_letters) = queues(context.name);
        let handler = CommandHandler {
            context,
            parked: Parked::new(aws.dynamodb(), TABLES.parked, TABLES.operations),
            giving_back: GivingBack {
                sqs: aws.sqs(),
                queue_url: queue.clone(),
                dead_letters: DeadLetters::new(aws.sqs(), dead_letters.clone()),
                max_receives: MAX_RECEIVES,
            },
            events: EventStore::new(aws.dynamodb(), tables),
            retention: RETENTION,
            deciding: Deciding::default(),
        };
        Self { aws, handler, queue, dead_letters, receipts: ReceiptKeys::parse(&"k".repeat(32)).expect("keys") }
    }

    /// As the function itself wires it.
    pub fn from_environment(context: &'static str) -> Self {
        let aws = Aws::new();
        let (queue, dead_letters) = queues(context);
        let environment = Environment::of([
            ("CONTEXT", context),
            ("EVENTS_TABLE", TABLES.events),
            ("OPERATIONS_TABLE", TABLES.operations),
            ("PARKED_TABLE", TABLES.parked),
            ("GUARDS_TABLE", TABLES.guards),
            ("OPERATION_RETENTION_DAYS", "90"),
            ("QUEUE", &queue),
            ("DEAD_LETTERS", &dead_letters),
            ("MAX_RECEIVES", &MAX_RECEIVES.to_string()),
        ]);
        let handler = CommandHandler::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("settings");
        Self { handler, ..Self::on(aws, catalog::context(context).expect("a context")) }
    }

    pub fn orders() -> Self {
        Self::from_environment("orders")
    }

    pub fn probe() -> Self {
        Self::of(&crate::probe::CONTEXT)
    }

    // Into the queue

    /// Queues a command for the aggregate as ingest does, and gives what ingest would have answered.
    pub async fn send(&self, aggregate: &str, id: &str, payload: impl Payload) -> Receipt {
        let kind = payload.message_type();
        let version = kind.written.expect("a version that is written");
        let event = self.event(id, kind.name, version).subject(aggregate).data_raw(payload.into_json());
        self.send_event(event).await
    }

    /// A command's CloudEvent of any type and version, without subject and data.
    pub fn event(&self, id: &str, ty: &str, version: u32) -> Builder {
        let schema = format!("https://api.example/schemas/{}/{ty}/{version}", self.handler.context.name);
        CloudEvent::builder(id, "/tests", ty).dataschema(schema)
    }

    pub async fn send_event(&self, event: Builder) -> Receipt {
        let (receipt, body) = self.seal(event);
        let key = receipt.command_key.to_string();
        let subject = Command::open(body.as_bytes(), self.handler.context.name).expect("a command").stream;
        // Not the key alone: here a repeat comes through the queue's own deduplication.
        let deduplication_id = format!("{key}:{}", self.aws.count("SendMessage"));
        self.send_raw(&subject.to_string(), &deduplication_id, &body).await;
        receipt
    }

    /// The message that ingest would make of the event.
    pub fn seal(&self, event: Builder) -> (Receipt, String) {
        self.seal_for("acme", event)
    }

    /// The same for another tenant.
    pub fn seal_for(&self, tenant: &str, event: Builder) -> (Receipt, String) {
        let event = event.build().expect("a CloudEvent");
        let data = event.json().map(|json| serde_json::from_str(json).expect("JSON")).unwrap_or_default();
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let key = CommandKey::of(&tenant, event.source(), event.id());
        let receipt = self.receipts.seal(&tenant, self.aws.now().into(), key, Digest::of(&event, &data));
        let principal = Principal { id: "shop".to_owned(), kind: PrincipalKind::ServiceAccount };
        let sealed = Command::seal(event, &tenant, None, &principal, &receipt, TRACEPARENT).expect("a command");
        (receipt, sealed.to_json())
    }

    pub async fn send_raw(&self, group: &str, deduplication_id: &str, body: &str) {
        let send = self.aws.sqs().send_message().queue_url(&self.queue).message_body(body);
        let send = send.message_group_id(group).message_deduplication_id(deduplication_id).send().await;
        send.expect("queued");
    }

    /// What an operator does with a parked command: it is resubmitted, repaired if there is other data for it. Gives the
    /// message to be queued.
    pub async fn resubmit(&self, receipt: &Receipt, data: Option<Value>) -> String {
        let key = ParkedMessage::key(TenantId::parse("acme").ok().as_ref(), self.handler.context.name);
        let id = ParkedMessage::id(receipt.accepted_at, receipt.command_key);
        let parked = self.handler.parked.find(&key, &id).await.expect("an answer").expect("a parked command");
        let event = CloudEvent::from_json(parked.message.as_bytes()).expect("a CloudEvent");
        let ann = Principal::read("user:ann");
        let data = data.map(|data| kernel::RawValue::from_string(data.to_string()).expect("JSON"));
        let repair = data.map(|data| Repair { data, by: &ann });
        let repaired = repair.is_some();
        let revised = Command::revised(event, parked.summary.revision + 1, repair).expect("a command").to_json();
        let decision = Decision { by: "ann", reason: None, at: self.aws.now().into() };
        let resubmitted = self.handler.parked.resubmit(&parked, revised, repaired, decision).await;
        resubmitted.expect("resubmitted").message
    }

    /// Queues a command's message, however often it was before.
    pub async fn queue_again(&self, body: &str) {
        let stream = Command::open(body.as_bytes(), self.handler.context.name).expect("a command").stream;
        self.send_raw(&stream.to_string(), &format!("again:{}", self.aws.count("SendMessage")), body).await;
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
        let response = self.handler.handle(event, self.aws.now().into(), Instant::now() + time).await;
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

    /// Everything that is in the dead-letter queue.
    pub fn dead_letters(&self) -> Vec<Message> {
        self.aws.messages(&self.dead_letters)
    }

    /// Everything that is still in the queue.
    pub fn waiting(&self) -> Vec<Message> {
        self.aws.messages(&self.queue)
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

    fn commits(&self, aggregate: &str) -> Vec<Value> {
        let stream = self.stream(aggregate).to_string();
        self.aws.items(TABLES.events).into_iter().filter(|commit| commit["stream_id"] == stream).collect()
    }

    pub fn stream(&self, aggregate: &str) -> StreamId {
        StreamId::parse(&format!("acme/{}/{aggregate}", self.handler.context.name)).expect("a stream id")
    }

    /// Type and operation of each event of the aggregate, in order. Neither commits nor versions have gaps.
    pub fn events(&self, aggregate: &str) -> Vec<(String, String)> {
        let mut all = Vec::new();
        for (commit, number) in self.commits(aggregate).iter().zip(1_u64..) {
            assert_eq!(commit["commit_number"], number, "a gap before {commit}");
            assert_eq!(commit["first_version"], all.len() + 1, "a gap before {commit}");
            let events: Vec<Value> = serde_json::from_str(&text(&commit["events"])).expect("events");
            all.extend(events.iter().map(|event| (text(&event["type"]), text(&event["operation"]))));
        }
        all
    }

    /// The aggregate's only event: as it is stored, and as it is published.
    pub fn only_event(&self, aggregate: &str) -> (Value, CloudEvent) {
        let commits = self.commits(aggregate);
        let [commit] = &commits[..] else { panic!("one commit, not {commits:#?}") };
        let stored: Value = serde_json::from_str(&text(&commit["events"])).expect("events");
        let recorded = serde_json::from_value::<Commit>(commit.clone()).expect("a commit").events().expect("events");
        let [event] = &recorded[..] else { panic!("one event, not {recorded:#?}") };
        (stored[0].clone(), event.to_cloud_event("https://api.example"))
    }

    /// The operation of each event of the aggregate, in order.
    pub fn operations(&self, aggregate: &str) -> Vec<String> {
        self.events(aggregate).into_iter().map(|(_, operation)| operation).collect()
    }

    /// How many commits the aggregate has.
    pub fn commit_count(&self, aggregate: &str) -> usize {
        self.commits(aggregate).len()
    }

    pub fn parked(&self) -> Vec<Value> {
        self.aws.items(TABLES.parked)
    }
}

/// The URLs of a context's queue and of its dead letters.
fn queues(context: &str) -> (String, String) {
    (Aws::queue_url(&format!("{context}-commands.fifo")), Aws::queue_url(&format!("{context}-dead-letters.fifo")))
}

pub fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("text, not {value}")).to_owned()
}

pub fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

/// The messages of one aggregate's group.
pub fn of_group(messages: &[Message], aggregate: &str) -> Vec<Message> {
    let of = |message: &&Message| message.group.as_ref().is_some_and(|group| group.ends_with(&format!("/{aggregate}")));
    messages.iter().filter(of).cloned().collect()
}

pub fn strings(receipts: &[Receipt]) -> Vec<String> {
    receipts.iter().map(ToString::to_string).collect()
}
