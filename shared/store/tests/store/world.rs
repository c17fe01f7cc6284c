//! What every test begins with: an AWS, the stores on it, and commands to put in.

use std::future::Future;
use std::sync::Arc;

use kernel::cloud_event::CloudEvent;
use kernel::command::Command;
use kernel::context::{Aggregate, AggregateType, Context, Decided};
use kernel::ids::{AggregateId, CommandKey, StreamId, TenantId};
use kernel::message::Message;
use kernel::operation::Status;
use kernel::parking::Reason;
use kernel::principal::Principal;
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use kernel::timestamp::Timestamp;
use serde_json::Value;
use store::event_store::Streams;
use store::operations::{OperationRecord, Operations};
use store::parked::{Parked, ParkedMessage, Summary};
use store::read_models::ReadModels;
use store::registry::Registry;
use store::stream_positions::StreamPositions;
use store::{CommitError, Entry, EventStore, Head, Loaded, Tables};
use testkit::{Aws, TABLES};

pub struct World {
    pub aws: Aws,
    pub context: Context,
    pub events: EventStore,
    pub streams: Streams,
    pub positions: StreamPositions,
    pub operations: Operations,
    pub parked: Parked,
    pub read_models: ReadModels,
    pub registry: Registry,
    pub now: Timestamp,
}

impl World {
    pub fn of(context: Context) -> Self {
        Self::on(Aws::new(), context)
    }

    /// Another build's view of the same tables.
    pub fn on(aws: Aws, context: Context) -> Self {
        let tables = Tables {
            events: TABLES.events.to_owned(),
            operations: TABLES.operations.to_owned(),
            parked: TABLES.parked.to_owned(),
            guards: TABLES.guards.to_owned(),
        };
        Self {
            events: EventStore::new(aws.dynamodb(), tables),
            streams: Streams::new(aws.dynamodb(), TABLES.events),
            positions: StreamPositions::new(aws.streams()),
            operations: Operations::new(aws.dynamodb(), TABLES.operations),
            parked: Parked::new(aws.dynamodb(), TABLES.parked, TABLES.operations),
            read_models: ReadModels::new(aws.dynamodb(), TABLES.read_models),
            registry: Registry::new(aws.dynamodb(), TABLES.registry),
            now: Timestamp::from_millis(1_790_000_000_000),
            context,
            aws,
        }
    }

    pub fn aggregate_type(&self, stream: &StreamId) -> &AggregateType {
        self.context.aggregate_type(stream).expect("a type of aggregate")
    }

    pub async fn load(&self, stream: &StreamId) -> Loaded {
        self.events.load(self.aggregate_type(stream), stream).await.expect("a stream that can be loaded")
    }

    /// Commits these entries on what was loaded.
    pub async fn commit(&self, stream: &StreamId, base: &Loaded, entries: &[Entry]) -> Result<Head, CommitError> {
        let mut commit = self.events.begin(stream, base);
        for entry in entries {
            commit.add(entry).expect("an entry that fits");
        }
        self.events.commit(commit, self.now).await
    }

    /// Decides the command on what was loaded, commits, and gives what a load would now give.
    pub async fn append(&self, stream: &StreamId, base: &Loaded, id: &str, payload: impl Message) -> Loaded {
        let command = command(stream, id, &payload);
        let entry = decided(&base.aggregate, &command);
        let next = entry.next.clone().unwrap_or_else(|| Arc::clone(&base.aggregate));
        let head = self.commit(stream, base, &[entry]).await.expect("a commit");
        Loaded { aggregate: next, head }
    }

    /// Puts in an operation's record of its own, as if it had happened before.
    pub async fn record(&self, operation: OperationRecord) {
        let entry = Entry { operation, decided: false, ..entry("unused") };
        let stream = stream("elsewhere");
        let base = self.load(&stream).await;
        self.commit(&stream, &base, &[entry]).await.expect("a record");
    }

    /// What the table holds of the operation.
    pub fn recorded(&self, operation: &OperationRecord) -> Option<Value> {
        let records = self.aws.items(TABLES.operations);
        records.into_iter().find(|record| record["operation_key"] == operation.operation_key)
    }
}

pub fn stream(id: &str) -> StreamId {
    StreamId::parse(&format!("acme/probe/{id}")).expect("a stream id")
}

pub fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).expect("a tenant id")
}

pub fn aggregate_id(id: &str) -> AggregateId {
    AggregateId::parse(id).expect("an aggregate id")
}

/// The receipt for a command of that id, as ingest would give it.
pub fn receipt(id: &str, event: &CloudEvent) -> Receipt {
    let keys = ReceiptKeys::parse(&"k".repeat(32)).expect("keys");
    let data = event.json().map(|json| serde_json::from_str(json).expect("JSON")).unwrap_or_default();
    let acme = tenant("acme");
    let key = CommandKey::of(&acme, "/tests", id);
    keys.seal(&acme, Timestamp::from_millis(1_789_000_000_000), key, Digest::of(event, &data))
}

/// A command as the command handler has it in its hands.
pub fn command(stream: &StreamId, id: &str, payload: &impl Message) -> Command {
    let kind = payload.message_type();
    let version = kind.written.expect("a version that is written");
    let event = CloudEvent::builder(id, "/tests", kind.name)
        .subject(stream.aggregate.as_str())
        .dataschema(format!("https://api.example/schemas/{}/{}/{version}", stream.context, kind.name))
        .data_raw(payload.clone().into_json())
        .build()
        .expect("a CloudEvent");
    Command {
        stream: stream.clone(),
        receipt: receipt(id, &event),
        principal: Principal::read("user:somebody"),
        correlation: "c-1".to_owned(),
        traceparent: None,
        revision: 0,
        expected_version: None,
        repaired_by: None,
        event,
        reply_to: None,
    }
}

/// The entry of a command that the aggregate accepts.
pub fn decided(aggregate: &Arc<dyn Aggregate>, command: &Command) -> Entry {
    let Decided { events, guards, next, .. } =
        aggregate.decide(command).unwrap_or_else(|why| panic!("undecided: {why}"));
    Entry {
        operation: operation(command),
        events,
        guards,
        effects: Vec::new(),
        parked: None,
        decided: true,
        next: Some(next.into()),
    }
}

/// An entry without events.
pub fn entry(id: &str) -> Entry {
    let command = command(&stream("any"), id, &crate::probe::Command::from(crate::probe::Inflate { bytes: 0 }));
    Entry {
        operation: operation(&command),
        events: Vec::new(),
        guards: Vec::new(),
        effects: Vec::new(),
        parked: None,
        decided: true,
        next: None,
    }
}

/// The record of a command that succeeded.
pub fn operation(command: &Command) -> OperationRecord {
    OperationRecord {
        outcome: Status::Succeeded,
        ..OperationRecord::of(command, Timestamp::from_millis(1_790_000_000_000))
    }
}

pub fn parked(id: &str, message: String) -> ParkedMessage {
    let now = Timestamp::from_millis(1_790_000_000_000);
    let summary = Summary {
        parked_key: ParkedMessage::key(Some(&tenant("acme")), "probe"),
        id: id.to_owned(),
        queue: "probe".to_owned(),
        tenant: Some(tenant("acme")),
        context: Some("probe".to_owned()),
        message_type: None,
        subject: None,
        operation: None,
        reason: Reason::Unreadable,
        error: "for the test".to_owned(),
        revision: 0,
        attempts: 0,
        first_failed_at: now,
        first_parked_at: now,
        parked_at: now,
    };
    ParkedMessage::new(summary, message)
}

/// The aggregate's state as JSON, for comparison.
pub fn state(aggregate: &Arc<dyn Aggregate>) -> String {
    aggregate.snapshot().state.get().to_owned()
}

/// For property tests, which are not async themselves.
pub fn run<F: Future>(future: F) -> F::Output {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.expect("a runtime").block_on(future)
}
