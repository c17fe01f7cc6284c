//! The API under test: query, an AWS of its own, and what command handling and projecting would have left in its tables.

use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
pub use bench::platform::PUBLIC_URL;
use bench::platform::{RECEIPT_KEY, RETENTION, environment, receipt_secret, register_client, register_tenant, tables};
use bench::sealing::{TRACEPARENT, seal_with};
use bench::{Answer, Bench, Request};
use kernel::RawValue;
use kernel::cloud_event::CloudEvent;
use kernel::domain_event::{Cause, EventData};
use kernel::ids::{CommandKey, StreamId, TenantId};
use kernel::operation::Status;
use kernel::principal::Principal;
use kernel::problem::Problem;
use kernel::receipt::{Digest, Receipt};
use kernel::timestamp::Timestamp;
use query::Query;
use read_model_updater::Updater;
use serde_json::{Value, json};
use store::event_store::Streams;
use store::operations::OperationRecord;
use store::read_models::ReadModels;
use store::{Entry, EventStore};
use subscriber::BatchSubscriber as _;
use testkit::{Aws, TABLES};
use tokio::time::Instant;

pub struct Api {
    pub aws: Aws,
    query: Query,
    events: EventStore,
    updater: Updater,
}

/// By `shop-client` of the tenant `demo`, unless said otherwise.
pub fn get(target: impl Into<String>) -> Request {
    Request::get(target).by(client("shop-client"))
}

/// The claims of a machine client.
pub fn client(id: &str) -> Value {
    bench::http::client(id, "waybill/read")
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
        let events = EventStore::new(aws.dynamodb(), tables());
        let updater = Updater {
            streams: Streams::new(aws.dynamodb(), TABLES.events),
            read_models: ReadModels::new(aws.dynamodb(), TABLES.read_models),
            read_models_of: catalog::read_models_of,
        };
        let api = Self { aws, query, events, updater };
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
        register_client(&self.aws, client, tenant);
    }

    /// The tenant's settings are these.
    pub fn settings(&self, tenant: &str, settings: &Value) {
        register_tenant(&self.aws, tenant, settings);
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
        Answer::served(&request.event().to_string(), |request| self.query.handle(request, self.now())).await
    }

    pub async fn send_at(&self, request: Request, now: Timestamp) -> Answer {
        request.answered(|request| self.query.handle(request, now)).await
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

    /// The command handler of orders carried out what was queued.
    pub async fn carry_out(&self, queued: SqsEvent, at: Timestamp) {
        let handler = Bench::on(self.aws.clone(), catalog::context("orders").expect("a context")).handler;
        let answer = handler.handle(queued, at, Instant::now() + Duration::from_secs(25)).await;
        assert!(answer.batch_item_failures.is_empty(), "{answer:?}");
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
            operation: operation_of(&operation).unwrap_or_else(|| "unknown".to_owned()),
            correlation: "cart-7".to_owned(),
            traceparent: Some(TRACEPARENT.to_owned()),
            tracestate: None,
            principal: operation.principal.clone(),
            revision: operation.revision,
            repaired_by: operation.repaired_by.clone(),
        };
        let stored = |(ty, data): &(&str, Value)| EventData {
            ty: (*ty).to_owned(),
            schema: 1,
            data: RawValue::from_string(data.to_string()).expect("JSON"),
            cause: cause.clone(),
        };
        let events: Vec<_> = events.iter().map(stored).collect();
        let entry = Entry {
            operation,
            decided: !events.is_empty(),
            events,
            guards: Vec::new(),
            effects: Vec::new(),
            parked: None,
            next: None,
        };
        let mut commit = self.events.begin(&stream, &loaded);
        commit.add(&entry).expect("it fits");
        self.events.commit(commit, at).await.expect("committed");
    }

    /// The updater brings the stream's read model up to date.
    pub async fn project(&self, stream: &str) {
        let stream = StreamId::parse(stream).expect("a stream");
        let events = self.updater.streams.after(&stream, 0).await.expect("events");
        let failures = self.updater.handle_batch(&events, Instant::now() + Duration::from_secs(25)).await;
        assert!(failures.is_empty(), "{failures:?}");
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
    Query::from_environment(&environment(), aws.dynamodb(), aws.secrets_manager()).expect("good settings")
}

fn sealed(key: &str, tenant: &str, id: &str, data: &Value, at: Timestamp) -> Accepted {
    let event = CloudEvent::builder(id, "https://shop.example/checkout", "SubmitOrder").data_json(data);
    let (receipt, _) = seal_with(key, tenant, event, at);
    Accepted { tenant: TenantId::parse(tenant).expect("a tenant"), receipt }
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
        aggregate_type: None,
        subject: "O-1001".to_owned(),
        principal: None,
        resource: None,
        version: None,
        commit_number: None,
        problem: None,
        revision: 0,
        repaired_by: None,
        reply_to: None,
        attempt: None,
        failed_at: None,
        accepted_at: Some(receipt.accepted_at),
        recorded_at: at,
        expires_at: outcome.is_final().then(|| at.plus(RETENTION).seconds()),
    }
}

/// The id of the operation that this is the record of, as an event names it.
fn operation_of(record: &OperationRecord) -> Option<String> {
    let (_, key) = record.operation_key.split_once('#')?;
    let (key, digest) = (CommandKey::parse(key)?, Digest::parse(&record.digest)?);
    Some(Receipt::of_system(record.accepted_at?, key, digest).to_string())
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
