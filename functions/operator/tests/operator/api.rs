//! The API under test: the operators' desk, an AWS of its own, and what failing would have left there.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, Principal, PrincipalKind};
use kernel::domain_event::{Cause, RecordedEvent, StoredEvent};
use kernel::ids::{CommandKey, StreamId, TenantId};
use kernel::operation::{Operation, Status};
use kernel::parking::Reason;
use kernel::problem::Problem;
use kernel::receipt::{Digest, ReceiptKeys};
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use lambda_http::Body;
use lambda_http::http::{HeaderMap, StatusCode};
use messaging::Queues;
use messaging::queues::QueuePair;
use operator::Desk;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::operations::{OperationRecord, Operations};
use store::parked::{Parked, ParkedMessage, Parking, Summary};
use testkit::openapi::Description;
use testkit::{Aws, Message, TABLES, gateway};

pub const PUBLIC_URL: &str = "https://api.example";
/// 90 days and the longest way.
pub const RETENTION: Duration = Duration::from_hours((90 + 28) * 24);

const RECEIPT_KEY: &str = "a-secret-of-at-least-thirty-two-characters";
/// What API Gateway sends: the shape, the context and the claims of every request here.
const GATEWAY_EVENT: &str = include_str!("../../../../events/aws/operator.json");

pub struct Api {
    pub aws: Aws,
    pub desk: Desk,
    pub parked: Parked,
    pub operations: Operations,
}

/// A request in the making: by `desk`, an operator of the tenant `demo`, unless said otherwise.
#[derive(Clone)]
pub struct Request {
    pub method: &'static str,
    pub target: String,
    pub body: Option<String>,
    pub headers: Vec<(String, String)>,
    pub claims: Option<Value>,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub text: String,
}

pub fn get(target: impl Into<String>) -> Request {
    let claims = Some(client("desk"));
    Request { method: "GET", target: target.into(), body: None, headers: Vec::new(), claims }
}

pub fn post(target: impl Into<String>, body: &Value) -> Request {
    get(target).method("POST").body(body.to_string())
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    pub fn body(mut self, body: impl Into<String>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// By somebody else.
    pub fn by(mut self, claims: Value) -> Self {
        self.claims = Some(claims);
        self
    }

    pub fn without_claims(mut self) -> Self {
        self.claims = None;
        self
    }

    pub fn method(mut self, method: &'static str) -> Self {
        self.method = method;
        self
    }

    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    pub fn into_http(self) -> lambda_http::Request {
        let body = self.body.as_deref();
        let event = gateway::event(GATEWAY_EVENT, self.method, &self.target, self.claims.as_ref(), body);
        gateway::request(&event, &self.headers)
    }
}

/// The claims of a machine client: it is its own subject.
pub fn client(id: &str) -> Value {
    json!({ "client_id": id, "sub": id, "scope": "waybill/operate", "token_use": "access" })
}

/// The claims of somebody who signed in at the console.
pub fn user(sub: &str, tenant: Option<&str>) -> Value {
    let mut claims = json!({ "client_id": "the-console", "sub": sub, "scope": "openid waybill/operate" });
    if let Some(tenant) = tenant {
        claims["custom:tenant"] = json!(tenant);
    }
    claims
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Value {
        self.with_status(StatusCode::OK)
    }

    #[track_caller]
    pub fn accepted(self) -> Value {
        self.with_status(StatusCode::ACCEPTED)
    }

    #[track_caller]
    fn with_status(self, status: StatusCode) -> Value {
        assert_eq!(self.status, status, "{self:#?}");
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error} in {self:#?}"))
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        value.to_str().expect("header values are text")
    }

    /// The refusal, of this kind.
    #[track_caller]
    pub fn refused(self, kind: &str) -> Problem {
        let problem: Problem = serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_eq!(problem.ty, format!("urn:waybill:problem:{kind}"), "{self:#?}");
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }
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
        let tenant = TenantId::parse(tenant).expect("a tenant");
        let data = event.json().and_then(|data| serde_json::from_str(data).ok()).unwrap_or(Value::Null);
        let key = CommandKey::of(&tenant, event.source(), event.id());
        let keys = ReceiptKeys::parse(RECEIPT_KEY).expect("a key");
        let receipt = keys.seal(&tenant, at, key, Digest::of(&event, &data));
        let principal = Principal { id: "shop-client".to_owned(), kind: PrincipalKind::ServiceAccount };
        let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let body = Command::seal(event, &tenant, None, &principal, &receipt, trace).expect("sealed").to_json();
        Self::read(body, context)
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
        let desk = Self::cold(&aws);
        let parked = Parked::new(aws.dynamodb(), TABLES.parked, TABLES.operations);
        let operations = Operations::new(aws.dynamodb(), TABLES.operations);
        let api = Self { aws, desk, parked, operations };
        api.aws.register(&json!({ "registry_key": "operator#client:desk", "entry": "operator", "tenant": "demo" }));
        api.aws
            .register(&json!({ "registry_key": "operator#client:neighbour", "entry": "operator", "tenant": "other" }));
        api.aws.register(&json!({ "registry_key": "operator#client:root", "entry": "operator" }));
        api
    }

    /// As a fresh Lambda environment would start it.
    fn cold(aws: &Aws) -> Desk {
        let environment = Environment::of([
            ("REGISTRY_TABLE", TABLES.registry),
            ("OPERATIONS_TABLE", TABLES.operations),
            ("PARKED_TABLE", TABLES.parked),
            ("PUBLIC_URL", &format!("{PUBLIC_URL}/")),
            ("OPERATION_RETENTION_DAYS", "90"),
            ("CONSOLE_CLIENT_ID", "the-console"),
            ("CONSOLE_SIGN_IN_URL", "https://auth.example/"),
            (Queues::VARIABLE, &Aws::queue_url("")),
        ]);
        Desk::from_environment(&environment, aws.dynamodb(), aws.sqs()).expect("good settings")
    }

    /// A schema of the tenant's own.
    pub fn register_schema(&self, tenant: &str, uri: &str, command_type: &str, document: &str) {
        let (key, entry) = (format!("tenant#{tenant}"), format!("schema#{uri}"));
        self.aws.register(
            &json!({ "registry_key": key, "entry": entry, "document": document, "command_type": command_type }),
        );
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Asks, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        let (method, path) = (request.method, request.path().to_owned());
        let (parts, body) = self.desk.handle(request.into_http(), self.now()).await.into_parts();
        let text = match body {
            Body::Text(text) => text,
            Body::Empty => String::new(),
            other => panic!("the desk answers in text, not {other:?}"),
        };
        if !path.starts_with("/console") {
            Description::read().hold(method, &path, &parts, &text);
        }
        Answer { status: parts.status, headers: parts.headers, text }
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
        self.get(format!("/parked/{id}")).await.ok()
    }

    /// Ids of all that `desk` is listed with this query.
    pub async fn ids(&self, query: &str) -> Vec<String> {
        let list = self.send(get(format!("/parked?{query}&limit=100")).by(client("root"))).await.ok();
        let items = list["items"].as_array().expect("items");
        items.iter().map(|item| item["id"].as_str().expect("an id").to_owned()).collect()
    }

    // What happened before

    /// The handler could not handle the command, and parked it. Gives the parking's id.
    pub async fn parks(&self, queued: &Queued) -> String {
        self.parks_because(queued, "unreadable", "the data cannot be read").await
    }

    pub async fn parks_because(&self, queued: &Queued, reason: &str, error: &str) -> String {
        let message = ParkedMessage::new(self.summary(queued, reason, error), queued.body.clone());
        let record = OperationRecord {
            outcome: Status::Parked,
            problem: Some(Problem::parked(reason).to_json()),
            ..OperationRecord::of(&queued.command, self.now())
        };
        let parking = self.parked.park_command(&message, &record).await.expect("an answer");
        assert_eq!(parking, Parking::Parked);
        parking_id(&message.summary)
    }

    fn summary(&self, queued: &Queued, reason: &str, error: &str) -> Summary {
        let Command { event, stream, receipt, revision, .. } = &queued.command;
        Summary {
            parked_key: ParkedMessage::key(Some(&stream.tenant), &stream.context),
            id: ParkedMessage::id(receipt.accepted_at, receipt.command_key),
            queue: stream.context.clone(),
            tenant: Some(stream.tenant.clone()),
            context: Some(stream.context.clone()),
            message_type: Some(event.ty().to_owned()),
            subject: Some(stream.aggregate.to_string()),
            operation: Some(receipt.to_string()),
            reason: Reason::of(reason),
            error: error.to_owned(),
            revision: *revision,
            attempts: 0,
            first_failed_at: self.now(),
            first_parked_at: self.now(),
            parked_at: self.now(),
        }
    }

    /// Something lay in a queue that is no command. Gives the parking's id.
    pub async fn parks_stranger(&self, queue: &str, body: &str) -> String {
        self.parks_other(queue, None, body).await
    }

    /// The updater used up its attempts at a domain event. Gives the parking's id, and the message.
    pub async fn parks_event(&self, stream: &str) -> (String, String) {
        let body = domain_event(stream, self.now());
        (self.parks_other("read_model_updater", StreamId::parse(stream).ok(), &body).await, body)
    }

    async fn parks_other(&self, queue: &str, stream: Option<StreamId>, body: &str) -> String {
        let unique = format!("{:08}-5b3e-4d6f-8a21-0c9e8d7b6a54", self.aws.items(TABLES.parked).len());
        let summary = Summary {
            parked_key: ParkedMessage::key(stream.as_ref().map(|stream| &stream.tenant), queue),
            id: ParkedMessage::id(self.now(), unique),
            queue: queue.to_owned(),
            tenant: stream.as_ref().map(|stream| stream.tenant.clone()),
            context: stream.as_ref().map(|stream| stream.context.clone()),
            message_type: stream.as_ref().map(|_| "OrderCancelled".to_owned()),
            subject: stream.as_ref().map(|stream| stream.aggregate.to_string()),
            operation: None,
            reason: if stream.is_some() { Reason::AttemptsUsedUp } else { Reason::NotACommand },
            error: "it is not a CloudEvent".to_owned(),
            revision: 0,
            attempts: 0,
            first_failed_at: self.now(),
            first_parked_at: self.now(),
            parked_at: self.now(),
        };
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
    let event = StoredEvent { ty: "OrderCancelled".to_owned(), schema: 1, data, cause };
    let stream = StreamId::parse(stream).expect("a stream");
    let recorded = RecordedEvent { stream, version: 2, time, event };
    recorded.to_cloud_event(PUBLIC_URL).to_json()
}

/// So many seconds after the start of some day.
pub fn second(seconds: u64) -> Timestamp {
    Timestamp::from_millis(1_768_435_200_000 + seconds * 1000)
}
