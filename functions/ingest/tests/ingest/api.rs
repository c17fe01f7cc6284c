//! The API under test: ingest, an AWS of its own, and tenants in its registry.

pub use bench::platform::{PUBLIC_URL, commands as queue, receipt_secret};
use bench::platform::{
    RECEIPT_KEY, dead_partner_events, environment, own_queue, partner_events, register_client, register_schema,
    register_tenant,
};
use bench::{Answer, Request};
use ingest::Ingest;
use ingest::webhooks::Webhooks;
use kernel::cloud_event::CloudEvent;
use kernel::timestamp::Timestamp;
use lambda::settings::Environment;
use serde_json::{Value, json};
use testkit::{Aws, Message};

pub struct Api {
    pub aws: Aws,
    pub ingest: Ingest,
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

    /// Where this topic may send.
    pub fn with_partner_topic(topic: &str) -> Self {
        let api = Self::new();
        let ingest = cold_from(&api.aws, &environment().with([("PARTNER_TOPIC", topic)]));
        Self { ingest, ..api }
    }

    pub fn without_tenants() -> Self {
        let aws = Aws::new();
        aws.put_secret(&receipt_secret(), RECEIPT_KEY);
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
        register_client(&self.aws, client, tenant);
    }

    pub fn register_tenant(&self, tenant: &str, settings: &Value) {
        register_tenant(&self.aws, tenant, settings);
    }

    pub fn register_schema(&self, tenant: &str, uri: &str, command_type: &str, document: &str) {
        register_schema(&self.aws, tenant, uri, command_type, document);
    }

    pub fn now(&self) -> Timestamp {
        self.aws.now().into()
    }

    /// Sends it, and holds the answer against the API's description.
    pub async fn send(&self, request: Request) -> Answer {
        self.send_at(request, self.now()).await
    }

    pub async fn send_at(&self, request: Request, now: Timestamp) -> Answer {
        request.answered(|request| self.ingest.handle(request, now)).await
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

fn cold_with(aws: &Aws, machine_tokens: &str) -> Ingest {
    cold_from(aws, &environment().with([("MACHINE_TOKENS", machine_tokens)]))
}

fn cold_from(aws: &Aws, environment: &Environment) -> Ingest {
    let environment = environment.with(own_queue(&partner_events(), &dead_partner_events()));
    let ingest = Ingest::from_environment(&environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager());
    ingest.expect("good settings")
}

/// The claims of a machine client.
pub fn client(id: &str) -> Value {
    bench::http::client(id, "waybill/submit")
}

/// The claims of a user who signed in through an application.
pub fn user(id: &str, tenant: Option<&str>) -> Value {
    bench::http::user("the-web-application", id, tenant, "waybill/submit")
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
