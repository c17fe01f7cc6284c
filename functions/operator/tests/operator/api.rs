//! The API under test: the operators' desk, an AWS of its own, and what failing would have left there.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
pub use bench::Answer;
use bench::Request;
pub use bench::platform::{PUBLIC_URL, RETENTION};
use bench::platform::{RECEIPT_KEY, environment, receipt_secret, register_operator, register_schema};
use bench::sealing::seal;
use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use kernel::operation::{Operation, Status};
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use messaging::Queues;
use messaging::queues::QueuePair;
use operator::Desk;
use recovery::{Failure, summary};
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::operations::{OperationRecord, Operations};
use store::parked::{ParkResult, Parked, ParkedMessage, Summary};
use testkit::{Aws, Message, TABLES};

pub struct Api {
    pub aws: Aws,
    pub desk: Desk,
    pub parked: Parked,
    pub operations: Operations,
}

/// By `desk`, an operator of the tenant `demo`, unless said otherwise.
pub fn get(target: impl Into<String>) -> Request {
    Request::get(target).by(client("desk"))
}

pub fn post(target: impl Into<String>, body: &Value) -> Request {
    get(target).method("POST").media_type("application/json").body(body.to_string())
}

/// The claims of a machine client.
pub fn client(id: &str) -> Value {
    bench::http::client(id, "waybill/operate")
}

/// The claims of somebody who signed in at the console.
pub fn user(sub: &str, tenant: Option<&str>) -> Value {
    bench::http::user("the-console", sub, tenant, "waybill/operate")
}

/// A command that ingest has queued.
#[derive(Debug, Clone)]
pub struct Queued {
    pub command: Command,
    pub body: String,
}

impl Queued {
    /// An order of the tenant, accepted at this time.
    pub fn order(tenant: &str, subject: &str, data: &Value, at: Timestamp) -> Self {
        let id = format!("order {subject} at {at}");
        let event = CloudEvent::builder(id, "https://shop.example/checkout", "SubmitOrder")
            .subject(subject)
            .dataschema(format!("{PUBLIC_URL}/schemas/orders/SubmitOrder/1"))
            .datacontenttype("application/json")
            .data_json(data)
            .build();
        Self::sealed(tenant, event.expect("an event"), "orders", at)
    }

    pub fn sealed(tenant: &str, event: CloudEvent, context: &str, at: Timestamp) -> Self {
        Self::read(seal(tenant, event.into_builder(), at).1, context)
    }

    pub fn read(body: String, context: &str) -> Self {
        Self { command: Command::open(body.as_bytes(), context).expect("a command"), body }
    }

    pub fn operation(&self) -> String {
        self.command.receipt.to_string()
    }

    pub fn key(&self) -> String {
        self.command.receipt.command_key.to_string()
    }
}

/// An order that is as its schema wants it.
pub fn good_order() -> Value {
    let event: Value =
        serde_json::from_str(include_str!("../../../../events/orders/submit-order.json")).expect("a sample event");
    event["data"].clone()
}

/// One that is not.
pub fn bad_order() -> Value {
    json!({ "customer": "C 7", "lines": [] })
}

impl Api {
    /// With the operators `desk` (of the tenant `demo`), `neighbour` (of `other`) and `root` (the platform's).
    pub fn new() -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        let desk = Self::cold(&aws);
        let parked = Parked::new(aws.dynamodb(), TABLES.parked, TABLES.operations);
        let operations = Operations::new(aws.dynamodb(), TABLES.operations);
        let api = Self { aws, desk, parked, operations };
        register_operator(&api.aws, "client:desk", Some("demo"));
        register_operator(&api.aws, "client:neighbour", Some("other"));
        register_operator(&api.aws, "client:root", None);
        api
    }

    /// As a fresh Lambda environment would start it.
    fn cold(aws: &Aws) -> Desk {
        let (secrets, cloudwatch) = (aws.secrets_manager(), aws.cloudwatch());
        Desk::from_environment(&environment(), aws.dynamodb(), aws.sqs(), secrets, cloudwatch).expect("good settings")
    }

    pub fn register_schema(&self, tenant: &str, uri: &str, command_type: &str, document: &str) {
        register_schema(&self.aws, tenant, uri, command_type, document);
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Asks, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        request.answered(|request| self.desk.handle(request, self.now())).await
    }

    pub async fn get(&self, target: impl Into<String>) -> Answer {
        self.send(get(target)).await
    }

    pub async fn resubmit(&self, id: &str, body: Value) -> Answer {
        self.send(post(format!("/parked/{id}/resubmit"), &body)).await
    }

    pub async fn discard(&self, id: &str, reason: &str) -> Answer {
        self.send(post(format!("/parked/{id}/discard"), &json!({ "reason": reason }))).await
    }

    pub async fn detail(&self, id: &str) -> Value {
        self.get(format!("/parked/{id}")).await.ok().json()
    }

    /// Ids of all that `desk` is listed with this query.
    pub async fn ids(&self, query: &str) -> Vec<String> {
        let list = self.send(get(format!("/parked?{query}&limit=100")).by(client("root"))).await.ok().json();
        let items = list["items"].as_array().expect("items");
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    // What happened before

    /// The handler could not handle the command, and parked it. Gives the parking's id.
    pub async fn parks(&self, queued: &Queued) -> String {
        self.parks_because(queued, "unreadable", "the data cannot be read").await
    }

    pub async fn parks_because(&self, queued: &Queued, reason: &str, error: &str) -> String {
        let (context, header) = (&queued.command.stream.context, queued.command.header());
        let summary = summary::of_command(context, &header, self.cause(Reason::of(reason), error));
        let message = ParkedMessage::new(summary, queued.body.clone());
        let record = OperationRecord {
            outcome: Status::Parked,
            problem: Some(Problem::parked(reason).to_json()),
            ..OperationRecord::of(&queued.command, self.now())
        };
        let parking = self.parked.park_command(&message, &record).await.expect("an answer");
        assert_eq!(parking, ParkResult::Parked);
        parking_id(&message.summary)
    }

    fn cause(&self, reason: Reason, error: &str) -> summary::Cause {
        summary::Cause::of(reason, error.to_owned(), &Failure::default(), self.now())
    }

    /// Something lay in a queue that is no command. Gives the parking's id.
    pub async fn parks_stranger(&self, queue: &str, body: &str) -> String {
        self.parks_other(queue, Reason::NotACommand, body).await
    }

    /// The updater used up its attempts at a domain event. Gives the parking's id, and the message.
    pub async fn parks_event(&self, stream: &str) -> (String, String) {
        let body = domain_event(stream, self.now());
        (self.parks_other("read_model_updater", Reason::AttemptsUsedUp, &body).await, body)
    }

    async fn parks_other(&self, queue: &str, reason: Reason, body: &str) -> String {
        let unique = format!("{:08}-5b3e-4d6f-8a21-0c9e8d7b6a54", self.aws.items(TABLES.parked).len());
        let cause = self.cause(reason, "it is not a CloudEvent");
        let summary = summary::of_message(queue, (self.now(), &unique), body, cause);
        let message = ParkedMessage::new(summary, body.to_owned());
        self.parked.park(&message).await.expect("parked");
        parking_id(&message.summary)
    }

    // What is there after

    /// What is in the queue of that name.
    pub fn queued(&self, name: &str) -> Vec<Message> {
        self.aws.messages(&queue(name))
    }

    #[track_caller]
    pub fn only_queued(&self, name: &str) -> Message {
        let messages = self.queued(name);
        let [message] = &messages[..] else { panic!("not one message: {messages:#?}") };
        message.clone()
    }

    /// What the sender of the command sees.
    pub async fn operation(&self, queued: &Queued) -> Operation {
        let Command { receipt, stream, .. } = &queued.command;
        let record = self.operations.find(&stream.tenant, receipt.command_key).await.expect("an answer");
        record.expect("a record").seen_by(receipt, PUBLIC_URL)
    }

    /// Items and queues as they are, to tell whether something changed.
    pub fn everything(&self) -> (Vec<Value>, Vec<Value>, Vec<String>) {
        let queued = pairs().into_iter().flat_map(|pair| self.queued(&pair.name)).map(|message| message.body);
        (self.aws.items(TABLES.parked), self.aws.items(TABLES.operations), queued.collect())
    }
}

/// The id that a message is listed under.
pub fn parking_id(Summary { parked_key, id, revision, .. }: &Summary) -> String {
    BASE64.encode(format!("{revision}#{parked_key}#{id}"))
}

/// Every queue that has dead letters.
pub fn pairs() -> Vec<QueuePair> {
    Queues::new(Aws::queue_url("")).pairs(catalog::CONTEXTS.iter().map(|context| context.name))
}

fn pair(name: &str) -> QueuePair {
    pairs().into_iter().find(|pair| pair.name == name).unwrap_or_else(|| panic!("no queue is called {name}"))
}

pub fn queue(name: &str) -> String {
    pair(name).queue_url
}

pub fn dead_letters(name: &str) -> String {
    pair(name).dead_letters_url
}

/// A domain event as subscribers get it.
fn domain_event(stream: &str, time: Timestamp) -> String {
    let data = RawValue::from_string(json!({ "reason": "Ordered twice" }).to_string()).expect("JSON");
    let cause = Cause { operation: "A".repeat(74), correlation: "cart-7".to_owned(), ..Cause::default() };
    let event = EventData { ty: "OrderCancelled".to_owned(), schema: 1, data, cause };
    let stream = StreamId::parse(stream).expect("a stream");
    let recorded = RecordedEvent { stream, version: 2, time, event };
    recorded.to_cloud_event(PUBLIC_URL).to_json()
}

/// So many seconds after the start of some day.
pub fn second(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_768_435_200_000 + seconds * 1000)
}
