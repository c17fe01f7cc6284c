//! The gateway at its queue, the provider behind it, and eyes on what is handed in.

use std::sync::Arc;
use std::time::Duration;

use bench::platform::{commands, environment, own_queue};
use kernel::command::Command;
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use kernel::message::Encoded;
use kernel::money::Money;
use kernel::timestamp::Timestamp;
use lambda::web::WebClient;
use lambda_http::http::Request;
use payment_gateway::PaymentGateway;
use payment_provider::{Provider, Reply};
use payments::events::{ChargeRequested, Event, RefundRequested, VoidRequested};
use serde_json::Value;
use subscriber::Runner;
use testkit::{Aws, Log, Metrics, Web};
use tokio::time::Instant;

pub const API_KEY: &str = "the-key-that-lets-us-in";
pub const CUSTOMER: &str = "C-7";
const VISIBILITY: Duration = Duration::from_mins(3);

pub struct Gateway {
    pub aws: Aws,
    pub provider: Arc<Provider>,
    pub web: Web,
    pub log: Log,
    pub metrics: Metrics,
    runner: Runner<PaymentGateway>,
}

fn queue() -> String {
    Aws::queue_url("payment-gateway-updates")
}

impl Gateway {
    pub fn new() -> Self {
        let (aws, provider) = (Aws::new(), Arc::new(Provider::new(API_KEY)));
        let secret = Aws::secret_arn("provider");
        aws.put_secret(&secret, &format!(r#"{{"url":"https://pay.example","api_key":"{API_KEY}"}}"#));
        let asked = Arc::clone(&provider);
        let web = Web::answering(move |request| match asked.answer(request) {
            Reply::Now(answer) | Reply::After(_, answer) => Some(answer),
            Reply::Never => None,
        });
        let (queue, dead_letters) = (queue(), Aws::queue_url("payment-gateway-dead-letters"));
        let environment = environment().with(own_queue(&queue, &dead_letters)).with([("PAYMENT_PROVIDER", &*secret)]);
        let client = WebClient::over(web.clone());
        let gateway = PaymentGateway::from_environment(&environment, aws.secrets_manager(), aws.sqs(), client);
        let runner = Runner::from_environment(gateway.expect("settings"), &environment, aws.sqs()).expect("settings");
        Self { aws, provider, web, log: Log::default(), metrics: Metrics::default(), runner }
    }

    /// Handles an event of the payment `O-1`. Says whether it is done.
    pub async fn handle(&self, version: u64, event: impl Into<Event>) -> bool {
        self.handle_of("acme/payments/O-1", version, Encoded::of(event.into())).await
    }

    pub async fn handle_of(&self, stream: &str, version: u64, event: Encoded) -> bool {
        self.aws.remove(&queue(), |_| true);
        let Encoded { ty, schema, data } = event;
        let cause = Cause { operation: "o-1".to_owned(), correlation: "checkout-1".to_owned(), ..Cause::default() };
        let event = RecordedEvent {
            stream: StreamId::parse(stream).expect("a stream"),
            version,
            time: Timestamp::parse("2026-01-15T09:30:00Z").expect("a time"),
            event: EventData { ty, schema, data, cause },
        };
        self.aws.put(&queue(), Some("acme"), None, &event.to_cloud_event("https://api.example").to_json());
        let (now, finish_by) = (self.aws.now().into(), Instant::now() + Duration::from_secs(28));
        let _guards = (self.log.begin(&["payment_gateway", "subscriber", "lambda"]), self.metrics.begin());
        self.aws.poll(&queue(), 10, VISIBILITY, async |batch| self.runner.handle(batch, now, finish_by).await).await;
        self.aws.messages(&queue()).is_empty()
    }

    /// Type, data and key of each command that payments get.
    pub fn handed_in(&self) -> Vec<(String, Value, String)> {
        let read = |message: testkit::Message| {
            let command = Command::open(message.body.as_bytes(), "payments").expect("a command");
            assert_eq!(command.stream.to_string(), "acme/payments/O-1");
            let data = serde_json::from_str(command.event.json().expect("data")).expect("JSON");
            (command.event.ty().to_owned(), data, command.receipt.command_key.to_string())
        };
        self.aws.messages(&commands("payments")).into_iter().map(read).collect()
    }

    /// The kinds of requests that the provider has got.
    pub fn asked(&self) -> Vec<String> {
        let kind = |request: Request<String>| {
            format!("{} {}", request.method(), request.uri().path().split('/').nth(1).unwrap_or_default())
        };
        self.web.requests().into_iter().map(kind).collect()
    }
}

pub fn amount() -> Money {
    Money { amount: 2899, currency: "EUR".to_owned() }
}

pub fn charge() -> ChargeRequested {
    let customer = kernel::ids::AggregateId::parse(CUSTOMER).expect("an id");
    ChargeRequested { customer, amount: amount(), due: Timestamp::from_millis(0) }
}

/// Of the charge that version 1 asked for.
pub fn void() -> VoidRequested {
    VoidRequested { charge_requested: 1 }
}

pub fn refund(charge: &str) -> RefundRequested {
    RefundRequested { charge: charge.to_owned(), amount: amount() }
}
