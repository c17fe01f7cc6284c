//! The API under test: query, an AWS of its own, and what command handling and projecting would have left in its tables.

use std::time::Duration;

use kernel::RawValue;
use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::domain_event::{Cause, StoredEvent};
use kernel::ids::{CommandKey, StreamId, TenantId};
use kernel::operation::Status;
use kernel::principal::Principal;
use kernel::problem::Problem;
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use lambda_http::Body;
use lambda_http::http::{HeaderMap, StatusCode};
use query::Query;
use serde_json::{Value, json};
use store::event_store::Streams;
use store::operations::OperationRecord;
use store::read_models::{Change, Key, ReadModels};
use store::{Entry, EventStore, Tables};
use testkit::{Aws, TABLES, gateway};

use testkit::openapi::Description;

pub const PUBLIC_URL: &str = "https://api.example";
/// 90 days and the longest way.
const RETENTION: Duration = Duration::from_hours((90 + 28) * 24);

const RECEIPT_KEY: &str = "a-secret-of-at-least-thirty-two-characters";
/// What API Gateway sends: the shape, the context and the claims of every request here.
const GATEWAY_EVENT: &str = include_str!("../../../../events/aws/query.json");

pub struct Api {
    pub aws: Aws,
    query: Query,
    events: EventStore,
    streams: Streams,
    read_models: ReadModels,
}

/// A request in the making: by `shop-client` of the tenant `demo`, unless said otherwise.
pub struct Request {
    pub method: &'static str,
    pub target: String,
    headers: Vec<(String, String)>,
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
    let claims = Some(client("shop-client"));
    Request { method: "GET", target: target.into(), headers: Vec::new(), claims }
}

impl Request {
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

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

    fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    fn into_http(self) -> lambda_http::Request {
        let event = gateway::event(GATEWAY_EVENT, self.method, &self.target, self.claims.as_ref(), None);
        gateway::request(&event, &self.headers)
    }
}

/// The claims of a machine client: it is its own subject.
pub fn client(id: &str) -> Value {
    json!({ "client_id": id, "sub": id, "scope": "waybill/read", "token_use": "access" })
}

impl Answer {
    #[track_caller]
    pub fn ok(self) -> Self {
        assert_eq!(self.status, StatusCode::OK, "{self:#?}");
        self
    }

    #[track_caller]
    pub fn json(&self) -> Value {
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

    /// Path and query of the `Link` to the next part, if there is one.
    pub fn next(&self) -> Option<String> {
        let link = self.headers.get("link")?.to_str().expect("text");
        let target = link.strip_prefix('<')?.split_once(">; rel=\"next\"")?.0;
        Some(target.strip_prefix(PUBLIC_URL).unwrap_or_else(|| panic!("{target} is elsewhere")).to_owned())
    }
}

/// A command that ingest has accepted.
#[derive(Clone)]
pub struct Accepted {
    pub tenant: TenantId,
    pub receipt: Receipt,
}

impl Api {
    /// With the tenants `demo` (whose client is `shop-client`) and `other` (`other-client`).
    pub fn new() -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
        let query = cold(&aws);
        let tables = Tables {
            events: TABLES.events.to_owned(),
            operations: TABLES.operations.to_owned(),
            parked: TABLES.parked.to_owned(),
            guards: TABLES.guards.to_owned(),
        };
        let events = EventStore::new(aws.dynamodb(), tables);
        let streams = Streams::new(aws.dynamodb(), TABLES.events);
        let read_models = ReadModels::new(aws.dynamodb(), TABLES.read_models);
        let api = Self { aws, query, events, streams, read_models };
        api.register("shop-client", "demo");
        api.register("other-client", "other");
        for tenant in ["demo", "other"] {
            api.settings(tenant, &json!({}));
        }
        api
    }

    /// The same API as a fresh environment would start it.
    pub fn restarted(self) -> Self {
        let query = cold(&self.aws);
        Self { query, ..self }
    }

    /// The same API under another address.
    pub fn at(mut self, public_url: &str) -> Self {
        public_url.clone_into(&mut self.query.public_url);
        self
    }

    pub fn register(&self, client: &str, tenant: &str) {
        let key = format!("client#{client}");
        self.aws.register(&json!({ "registry_key": key, "entry": "tenant", "tenant": tenant }));
    }

    /// The tenant's settings are these.
    pub fn settings(&self, tenant: &str, settings: &Value) {
        let key = format!("tenant#{tenant}");
        self.aws.register(&json!({ "registry_key": key, "entry": "settings", "document": settings.to_string() }));
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Asks, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        self.send_at(request, self.now()).await
    }

    /// As the function is invoked: from the gateway's event to what a client gets.
    pub async fn through_the_gateway(&self, request: Request) -> Answer {
        let mut event = gateway::event(GATEWAY_EVENT, request.method, &request.target, request.claims.as_ref(), None);
        for (name, value) in &request.headers {
            event["headers"][name] = json!(value);
        }
        let answer = lambda::gateway::serve(&event.to_string(), |request| self.query.handle(request, self.now())).await;
        let (parts, text) = gateway::answered(&answer).into_parts();
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn send_at(&self, request: Request, now: Timestamp) -> Answer {
        let (method, path) = (request.method, request.path().to_owned());
        let (parts, body) = self.query.handle(request.into_http(), now).await.into_parts();
        let text = match body {
            Body::Text(text) => text,
            Body::Empty => String::new(),
            other => panic!("query answers in text, not {other:?}"),
        };
        Description::read().hold(method, &path, &parts, &text);
        Answer { status: parts.status, headers: parts.headers, text }
    }

    pub async fn get(&self, target: impl Into<String>) -> Answer {
        self.send(get(target)).await
    }

    // What happened before

    /// Ingest accepted a command with this id and content.
    #[expect(clippy::unused_self, reason = "it reads as what the API did")]
    pub fn accepts(&self, tenant: &str, id: &str, data: &Value, at: Timestamp) -> Accepted {
        sealed(RECEIPT_KEY, tenant, id, data, at)
    }

    /// An operator put another key before the old one, and ingest accepts with that one already.
    pub fn rotates_keys_and_accepts(&self, tenant: &str, id: &str, data: &Value) -> Accepted {
        let new = "another-secret-of-at-least-thirty-two-characters";
        self.aws.put_secret(&receipt_secret(), &format!("{new} {RECEIPT_KEY}"));
        sealed(new, tenant, id, data, self.now())
    }

    /// A command handler carried out what was queued.
    pub async fn carry_out(&self, command: &Command, at: Timestamp) {
        let Command { stream, receipt, event, .. } = command;
        let loaded = self.events.load(aggregate_type(stream), stream).await.expect("a stream");
        let decided = loaded.aggregate.decide(command).unwrap_or_else(|refused| panic!("{refused}"));
        let accepted = Accepted { tenant: stream.tenant.clone(), receipt: *receipt };
        let mut operation = record(&accepted, Status::Succeeded, at);
        event.ty().clone_into(&mut operation.command_type);
        let entry = Entry {
            operation,
            events: decided.events,
            guards: decided.guards,
            parked: None,
            decided: true,
            next: Some(decided.next.into()),
        };
        let mut commit = self.events.begin(stream, &loaded);
        commit.add(&entry).expect("it fits");
        self.events.commit(commit, at).await.expect("committed");
    }

    /// A command handler gave this command its outcome.
    pub async fn handles(&self, command: &Accepted, outcome: Status, problem: Option<Problem>, at: Timestamp) {
        let record =
            OperationRecord { problem: problem.map(|problem| problem.to_json()), ..record(command, outcome, at) };
        let stream = format!("{}/orders/O-1001", command.tenant);
        self.commit(&stream, record, &[], at).await;
    }

    /// A command handler gave this command its outcome: success, with what `record` makes of it.
    pub async fn handles_as(&self, command: &Accepted, record: impl FnOnce(OperationRecord) -> OperationRecord) {
        let stream = format!("{}/orders/O-1001", command.tenant);
        let record = record(self::record(command, Status::Succeeded, self.now()));
        self.commit(&stream, record, &[], self.now()).await;
    }

    /// This command was sent back to its queue so often.
    pub async fn retries(&self, command: &Accepted, attempt: u32, problem: Problem, at: Timestamp) {
        let record = OperationRecord {
            problem: Some(problem.to_json()),
            attempt: Some(attempt),
            ..record(command, Status::Retrying, at)
        };
        let stream = format!("{}/orders/O-1001", command.tenant);
        self.commit(&stream, record, &[], at).await;
    }

    /// A command made these events happen.
    pub async fn happens(&self, stream: &str, events: &[(&str, Value)], at: Timestamp) -> Accepted {
        self.happens_by(None, stream, events, at).await
    }

    /// The same, of a command that this principal sent.
    pub async fn happens_by(
        &self,
        principal: Option<Principal>,
        stream: &str,
        events: &[(&str, Value)],
        at: Timestamp,
    ) -> Accepted {
        let tenant = stream.split('/').next().unwrap_or_default();
        let id = format!("{stream} at {at}, after {}", self.aws.calls().len());
        let command = self.accepts(tenant, &id, &Value::Null, at);
        let mut record = record(&command, Status::Succeeded, at);
        let parsed = StreamId::parse(stream).expect("a stream");
        let loaded = self.events.load(aggregate_type(&parsed), &parsed).await.expect("a stream");
        record.principal = principal;
        record.context = parsed.context.clone();
        record.subject = parsed.aggregate.to_string();
        record.resource = Some(format!("/{}/{}", parsed.context, parsed.aggregate));
        record.version = Some(loaded.version + events.len() as u64);
        self.commit(stream, record, events, at).await;
        command
    }

    async fn commit(&self, stream: &str, operation: OperationRecord, events: &[(&str, Value)], at: Timestamp) {
        let stream = StreamId::parse(stream).expect("a stream");
        let loaded = self.events.load(aggregate_type(&stream), &stream).await.expect("a stream");
        let cause = Cause {
            operation: self.accepts("demo", "cause", &Value::Null, at).receipt.to_string(),
            correlation: "cart-7".to_owned(),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
            tracestate: None,
            principal: operation.principal.clone(),
            revision: operation.revision,
            repaired_by: operation.repaired_by.clone(),
        };
        let stored = |(ty, data): &(&str, Value)| StoredEvent {
            ty: (*ty).to_owned(),
            schema: 1,
            data: RawValue::from_string(data.to_string()).expect("JSON"),
            cause: cause.clone(),
        };
        let events: Vec<_> = events.iter().map(stored).collect();
        let entry =
            Entry { operation, decided: !events.is_empty(), events, guards: Vec::new(), parked: None, next: None };
        let mut commit = self.events.begin(&stream, &loaded);
        commit.add(&entry).expect("it fits");
        self.events.commit(commit, at).await.expect("committed");
    }

    /// The updater brings the stream's read model up to date.
    pub async fn project(&self, stream: &str) {
        let stream = StreamId::parse(stream).expect("a stream");
        let read_model = aggregate_type(&stream).read_models[0];
        let key =
            Key { tenant: stream.tenant.clone(), collection: read_model.collection(), id: stream.aggregate.clone() };
        let row = self.read_models.get(&key.tenant, key.collection, &key.id).await.expect("an answer");
        let from_version = row.as_ref().map(|row| row.version);
        let events = self.streams.after(&stream, from_version.unwrap_or(0)).await.expect("events");
        let document = row.as_ref().map(|row| row.document.as_str());
        let before = document.map(|document| read_model.tallies(document).expect("tallies")).unwrap_or_default();
        let after = read_model.project(document, &events).expect("a document");
        let taken_back = before.into_iter().map(|(name, amount)| (name, -amount));
        let change = Change {
            key,
            from_version,
            to_version: events.last().expect("events").version,
            document: after.document,
            listing: after.listing,
            tallies: after.tallies.into_iter().chain(taken_back).collect(),
        };
        self.read_models.write(&[change]).await.expect("written");
    }

    /// An order was submitted, and can be read.
    pub async fn order(&self, tenant: &str, id: &str, customer: &str, at: Timestamp) -> Accepted {
        let stream = format!("{tenant}/orders/{id}");
        let command = self.happens(&stream, &[("OrderSubmitted", submitted(customer, at))], at).await;
        self.project(&stream).await;
        command
    }
}

/// Query as a fresh Lambda environment would start it: nothing cached.
fn cold(aws: &Aws) -> Query {
    let environment = Environment::of([
        ("RECEIPT_KEY_SECRET", &receipt_secret()),
        ("REGISTRY_TABLE", TABLES.registry),
        ("OPERATIONS_TABLE", TABLES.operations),
        ("READ_MODELS_TABLE", TABLES.read_models),
        ("EVENTS_TABLE", TABLES.events),
        ("PUBLIC_URL", &format!("{PUBLIC_URL}/")),
    ]);
    Query::from_environment(&environment, aws.dynamodb(), aws.secrets_manager()).expect("good settings")
}

/// The secret with the keys behind operation ids.
fn receipt_secret() -> String {
    Aws::secret_arn("receipt-key")
}

fn sealed(key: &str, tenant: &str, id: &str, data: &Value, at: Timestamp) -> Accepted {
    let tenant = TenantId::parse(tenant).expect("a tenant");
    let event = CloudEvent::builder(id, "https://shop.example/checkout", "SubmitOrder").build().expect("an event");
    let keys = ReceiptKeys::parse(key).expect("a key");
    let command_key = CommandKey::of(&tenant, event.source(), event.id());
    let receipt = keys.seal(&tenant, at, command_key, Digest::of(&event, data));
    Accepted { tenant, receipt }
}

fn aggregate_type(stream: &StreamId) -> &'static kernel::context::AggregateType {
    catalog::context(&stream.context).expect("a context").aggregate_type(stream).expect("a type of aggregate")
}

fn record(Accepted { tenant, receipt }: &Accepted, outcome: Status, at: Timestamp) -> OperationRecord {
    OperationRecord {
        operation_key: OperationRecord::key(tenant, receipt.command_key),
        outcome,
        digest: receipt.digest.to_string(),
        context: "orders".to_owned(),
        command_type: "SubmitOrder".to_owned(),
        subject: "O-1001".to_owned(),
        principal: None,
        resource: None,
        version: None,
        problem: None,
        revision: 0,
        repaired_by: None,
        attempt: None,
        failed_at: None,
        accepted_at: Some(receipt.accepted_at),
        recorded_at: at,
        expires_at: outcome.is_final().then(|| at.plus(RETENTION).seconds()),
    }
}

/// The data of `OrderSubmitted`.
pub fn submitted(customer: &str, at: Timestamp) -> Value {
    json!({
        "customer": customer,
        "lines": [{ "sku": "TEA", "quantity": 2, "unitPrice": { "amount": 450, "currency": "EUR" } }],
        "total": { "amount": 900, "currency": "EUR" },
        "placedAt": at,
    })
}

#[track_caller]
pub fn time(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap_or_else(|| panic!("{text} is no time"))
}

/// The nth second of a day long ago.
pub fn second(nth: u64) -> Timestamp {
    time("2026-01-15T09:30:00Z").plus(Duration::from_secs(nth))
}
