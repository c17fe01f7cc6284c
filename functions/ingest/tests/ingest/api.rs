//! The API under test: ingest, an AWS of its own, and tenants in its registry.

use std::num::NonZeroU32;

use ingest::Ingest;
use ingest::admission::Admission;
use ingest::limits::{Limits, Rate, Rates};
use ingest::tenants::Tenants;
use ingest::webhooks::Webhooks;
use kernel::cloud_event::CloudEvent;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::caller::Callers;
use lambda::claims::ClaimRules;
use lambda::receipt_keys::ReceiptSecret;
use lambda::settings::Environment;
use lambda_http::Body;
use lambda_http::http::{HeaderMap, StatusCode};
use messaging::{CommandQueue, Queues};
use schemas::Bundled;
use serde_json::{Value, json};
use store::registry::Registry;
use testkit::{Aws, Message, TABLES};

use crate::request::Request;
use testkit::openapi::Description;

pub const PUBLIC_URL: &str = "https://api.example";

/// What no test here exceeds unless it wants to.
const PLENTY: Rate = Rate { per_second: NonZeroU32::MAX, burst: NonZeroU32::MAX };

pub struct Api {
    pub aws: Aws,
    pub ingest: Ingest,
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Api {
    /// With the tenant `demo`, whose client `shop-client` may send everything from the shop and the broker.
    pub fn new() -> Self {
        let api = Self::without_tenants();
        api.register_client("shop-client", "demo");
        let sources = ["https://shop.example/", "https://broker.example/"];
        let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": sources }]);
        api.register_tenant("demo", &json!({ "grants": grants }));
        api
    }

    /// Where a client's own tokens are told by these rules.
    pub fn with_machine_tokens(rules: &str) -> Self {
        let api = Self::new();
        let ingest = cold_with(&api.aws, rules);
        Self { ingest, ..api }
    }

    /// Where these senders may deliver, at so many requests a second.
    pub fn with_webhooks(origins: &str, rate: u32) -> Self {
        let mut api = Self::new();
        api.ingest.webhooks = Webhooks::new(origins, rate);
        api
    }

    pub fn without_tenants() -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), "a-secret-of-at-least-thirty-two-characters");
        let ingest = cold(&aws);
        Self { aws, ingest }
    }

    /// The same API as a fresh Lambda environment would start it: nothing cached.
    pub fn restarted(self) -> Self {
        let ingest = cold(&self.aws);
        Self { ingest, ..self }
    }

    /// Another environment of the same function, over the same AWS.
    pub fn another_environment(&self) -> Self {
        Self { aws: self.aws.clone(), ingest: cold(&self.aws) }
    }

    pub fn register_client(&self, client: &str, tenant: &str) {
        self.aws.register(&json!({ "registry_key": format!("client#{client}"), "entry": "tenant", "tenant": tenant }));
    }

    pub fn register_tenant(&self, tenant: &str, settings: &Value) {
        let key = format!("tenant#{tenant}");
        self.aws.register(&json!({ "registry_key": key, "entry": "settings", "document": settings.to_string() }));
    }

    pub fn register_schema(&self, tenant: &str, uri: &str, command_type: &str, document: &str) {
        let (key, entry) = (format!("tenant#{tenant}"), format!("schema#{uri}"));
        self.aws.register(
            &json!({ "registry_key": key, "entry": entry, "document": document, "command_type": command_type }),
        );
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Sends it, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        self.send_at(request, self.now()).await
    }

    pub async fn send_at(&self, request: Request, now: Timestamp) -> Answer {
        let (method, path) = (request.method, request.path.split('?').next().unwrap_or_default().to_owned());
        let answer = Box::pin(self.ingest.handle(request.into_http(), now)).await;
        let (parts, body) = answer.into_parts();
        let text = match body {
            Body::Text(text) => text,
            Body::Empty => String::new(),
            other => panic!("ingest answers in text, not {other:?}"),
        };
        Description::read().hold(method, &path, &parts, &text);
        let body = if text.is_empty() { Ok(Value::Null) } else { serde_json::from_str(&text) };
        let body = body.unwrap_or_else(|error| panic!("{error} in {text}"));
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends it once to have everything cached, and empties the queues and the log of calls.
    pub async fn warm_up(&self) {
        self.send(Request::structured(&submit_order())).await.accepted();
        for context in catalog::CONTEXTS {
            for message in self.queued(context.name) {
                let received = self.aws.receive(&message.queue_url, 1, std::time::Duration::from_secs(1));
                assert!(received.iter().all(|message| self.aws.delete(message)));
            }
        }
        self.aws.forget_calls();
    }

    /// What is in the queue of a context.
    pub fn queued(&self, context: &str) -> Vec<Message> {
        self.aws.messages(&queue(context))
    }

    /// The only command queued for this context.
    #[track_caller]
    pub fn only_command(&self, context: &str) -> (Message, CloudEvent) {
        let messages = self.queued(context);
        let [message] = &messages[..] else { panic!("not one message: {messages:#?}") };
        (message.clone(), CloudEvent::from_json(message.body.as_bytes()).expect("a CloudEvent"))
    }

    #[track_caller]
    pub fn assert_nothing_queued(&self) {
        assert_eq!(self.aws.count("SendMessage") + self.aws.count("SendMessageBatch"), 0, "{}", self.aws.calls());
    }
}

fn cold(aws: &Aws) -> Ingest {
    cold_with(aws, "")
}

/// With a queue for every context there is, so that one more needs no change here.
fn cold_with(aws: &Aws, machine_tokens: &str) -> Ingest {
    let registry = Registry::new(aws.dynamodb(), TABLES.registry);
    let environment = Environment::of([("RECEIPT_KEY_SECRET", &receipt_secret()), ("MACHINE_TOKENS", machine_tokens)]);
    let receipts = ReceiptSecret::from_environment(&environment, aws.secrets_manager());
    Ingest {
        callers: Callers::new(registry.clone(), ClaimRules::from_environment(&environment).expect("good rules")),
        tenants: Tenants::new(registry),
        limits: Limits::new(Rates { tenant: PLENTY, stream: PLENTY }),
        receipts: receipts.expect("good settings"),
        admission: Admission {
            bundled: Bundled::compile(PUBLIC_URL),
            queues: Queues::new(Aws::queue_url("")),
            public_url: PUBLIC_URL.to_owned(),
        },
        queue: CommandQueue::new(aws.sqs()),
        webhooks: Webhooks::new("", 1000),
    }
}

/// The secret with the keys behind operation ids.
pub fn receipt_secret() -> String {
    Aws::secret_arn("receipt-key")
}

pub fn queue(context: &str) -> String {
    Aws::queue_url(&format!("{context}-commands.fifo"))
}

impl Answer {
    #[track_caller]
    pub fn accepted(self) -> Self {
        assert_eq!(self.status, StatusCode::ACCEPTED, "{self:#?}");
        self
    }

    /// The refusal, of this kind.
    #[track_caller]
    pub fn refused(self, kind: &str) -> Problem {
        let problem: Problem =
            serde_json::from_value(self.body.clone()).unwrap_or_else(|error| panic!("{error}: {self:#?}"));
        assert_eq!(problem.ty, format!("urn:waybill:problem:{kind}"), "{self:#?}");
        assert_eq!(problem.status, self.status.as_u16());
        assert_eq!(self.header("content-type"), "application/problem+json");
        problem
    }

    #[track_caller]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name).unwrap_or_else(|| panic!("no {name} in {self:#?}"));
        value.to_str().expect("header values are text")
    }

    #[track_caller]
    pub fn operation(&self) -> &str {
        self.body["id"].as_str().unwrap_or_else(|| panic!("no operation in {self:#?}"))
    }
}

/// The order that most tests submit.
pub fn submit_order() -> Value {
    serde_json::from_str(include_str!("../../../../events/orders/submit-order.json")).expect("a sample event")
}

pub fn bind_policy() -> Value {
    serde_json::from_str(include_str!("../../../../events/policies/bind-policy.json")).expect("a sample event")
}

/// The event with some attributes replaced, or left out where the replacement is null.
pub fn with(mut event: Value, changes: &Value) -> Value {
    let members = event.as_object_mut().expect("an event is an object");
    for (name, value) in changes.as_object().expect("changes are an object") {
        match value {
            Value::Null => drop(members.remove(name)),
            value => drop(members.insert(name.clone(), value.clone())),
        }
    }
    event
}
