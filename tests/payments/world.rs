//! Orders, payments and a payment provider, with all functions between them, on an AWS in process and on virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::dynamodb::Event;
use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bench::Bench;
use bench::platform::{commands, dead_retries, dead_timers, environment, own_queue, retries, timers, topic};
use http::{Response, StatusCode};
use kernel::timestamp::Timestamp;
use lambda::web::WebClient;
use listener::Listener;
use notifier::Notifier;
use orders::commands::{CancelOrder, Line, Money, SubmitOrder};
use payment_gateway::PaymentGateway;
use payment_provider::{Provider, Reply};
use publisher::{Clients, Publisher};
use serde_json::{Value, json};
use store::event_store::Commit;
use subscriber::Runner;
use testkit::{Attempt, Aws, Fault, TABLES, Web};
use timekeeper::Timekeeper;
use tokio::time::{Instant, sleep, timeout};

/// How long a function may take: what it has not done by then, it has died over.
const TIMEOUT: Duration = Duration::from_secs(30);
/// So long after an invocation Lambda's poller shows a message again that is neither done nor given back.
const VISIBILITY: Duration = Duration::from_mins(3);
/// Nothing may take longer than that.
const END: Duration = Duration::from_hours(2);

pub const PRICE: i64 = 450;
pub const ORDER: &str = "O-1";

/// What becomes of a call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// It is refused, and nothing has happened.
    Refused,
    /// It has its effect, and the function dies over it.
    Fatal,
}

/// The calls so far, of AWS and of the provider, and which of them fail.
#[derive(Default)]
pub struct Calls {
    pub made: Vec<String>,
    pub failing: Vec<(usize, Failure)>,
}

impl Calls {
    /// What becomes of the next one.
    fn next(&mut self, name: &str) -> Option<Failure> {
        let nth = self.made.len();
        let failure = self.failing.iter().find(|(failing, _)| *failing == nth).map(|(_, failure)| *failure);
        self.made.push(failure.map_or_else(|| name.to_owned(), |failure| format!("{name} ({failure:?})")));
        failure
    }
}

pub struct World {
    pub aws: Aws,
    pub provider: Arc<Provider>,
    pub calls: Arc<Mutex<Calls>>,
    orders: Bench,
    payments: Bench,
    publisher: Publisher,
    notifier: Notifier,
    timekeeper: Timekeeper,
    listener: Runner<Listener>,
    gateway: Runner<PaymentGateway>,
    /// Batches of the tables' streams that are still to be handled.
    commits: Option<Value>,
    operations: Option<Value>,
}

fn updates(subscriber: &str) -> [String; 2] {
    ["updates", "dead-letters"].map(|kind| Aws::queue_url(&format!("{subscriber}-{kind}")))
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        aws.put_secret(&Aws::secret_arn("provider"), r#"{"url":"https://pay.example","api_key":"key"}"#);
        let provider = Arc::new(Provider::new("key"));
        let calls = Arc::new(Mutex::new(Calls::default()));
        let web = WebClient::over(web(&provider, &calls));
        let environment = environment().with([("PROVIDER_SECRET", &Aws::secret_arn("provider"))]);
        let with_queue = |[queue, dead]: &[String; 2]| environment.with(own_queue(queue, dead));
        let of_subscriber = |name: &str| with_queue(&updates(name));
        for name in ["listener", "payment-gateway"] {
            aws.subscribe(&topic(), &updates(name)[0], None);
        }
        let clients = Clients { sns: aws.sns(), sqs: aws.sqs(), dynamodb: aws.dynamodb(), streams: aws.streams() };
        let listener = Listener::from_environment(&environment, aws.sqs()).expect("settings");
        let gateway = PaymentGateway::from_environment(&environment, aws.secrets_manager(), aws.sqs(), web);
        let [publishing, keeping] =
            [[retries(), dead_retries()], [timers(), dead_timers()]].map(|queues| with_queue(&queues));
        let world = Self {
            orders: Bench::on(aws.clone(), catalog::context("orders").expect("a context")),
            payments: Bench::on(aws.clone(), catalog::context("payments").expect("a context")),
            publisher: Publisher::from_environment(&publishing, clients).expect("settings"),
            notifier: Notifier::from_environment(&environment, aws.sqs()).expect("settings"),
            timekeeper: Timekeeper::from_environment(&keeping, aws.dynamodb(), aws.sqs()).expect("settings"),
            listener: Runner::from_environment(listener, &of_subscriber("listener"), aws.sqs()).expect("settings"),
            gateway: Runner::from_environment(gateway.expect("settings"), &of_subscriber("payment-gateway"), aws.sqs())
                .expect("settings"),
            commits: None,
            operations: None,
            provider,
            calls,
            aws,
        };
        let calls = Arc::clone(&world.calls);
        world.aws.inject(move |attempt: &Attempt<'_>| {
            match calls.lock().expect("not poisoned").next(attempt.operation) {
                None => Fault::None,
                Some(Failure::Refused) => Fault::refuse(400, "AccessDeniedException"),
                Some(Failure::Fatal) => Fault::HangAfter,
            }
        });
        world
    }

    /// From now on these calls fail, counted from the first one that is made from now on.
    pub fn fail(&self, failing: &[(usize, Failure)]) {
        *self.calls.lock().expect("not poisoned") = Calls { made: Vec::new(), failing: failing.to_vec() };
    }

    pub async fn submit(&self, pay_within_seconds: u32) {
        let unit_price = Money { amount: PRICE, currency: "EUR".to_owned() };
        let line = Line { sku: "TEA".to_owned(), quantity: 1.try_into().expect("not zero"), unit_price };
        let customer = kernel::ids::AggregateId::parse("C-7").expect("an id");
        let pay_within_seconds = pay_within_seconds.try_into().ok();
        let submit = SubmitOrder { customer, lines: vec![line], on_account: false, pay_within_seconds };
        self.orders.send(ORDER, "submit", orders::commands::Command::from(submit)).await;
    }

    pub async fn cancel(&self) {
        let cancel = CancelOrder { reason: None };
        self.orders.send(ORDER, "cancel", orders::commands::Command::from(cancel)).await;
    }

    /// Goes on until nothing is on its way any more.
    pub async fn run(&mut self) {
        let begun = Instant::now();
        while !self.is_quiet() {
            self.go_on().await;
            assert!(begun.elapsed() < END, "it does not end\n{}", self.told());
        }
    }

    /// Goes on until this has happened to the payment.
    pub async fn run_until(&mut self, event: &str) {
        let begun = Instant::now();
        while !self.events("payments").iter().any(|happened| happened == event) {
            self.go_on().await;
            assert!(begun.elapsed() < END, "no {event}\n{}", self.told());
        }
    }

    /// Each function once, at what there is for it; if there is nothing, time passes.
    async fn go_on(&mut self) {
        let now: Timestamp = self.aws.now().into();
        let mut moved = 0;
        for bench in [&self.orders, &self.payments] {
            moved += self.poll(&bench.queue, |event| bench.handler.handle(event, now, finish_by())).await;
        }
        moved += self.publish(now).await;
        moved += self.notify().await;
        moved += self.poll(&updates("listener")[0], |event| self.listener.handle(event, now, finish_by())).await;
        moved += self.poll(&updates("payment-gateway")[0], |event| self.gateway.handle(event, now, finish_by())).await;
        moved += self.poll(&timers(), |event| self.timekeeper.hand_in(event, now, finish_by())).await;
        if moved == 0 {
            sleep(Duration::from_secs(1)).await;
            // As often as the schedule does, or nearly.
            if now.to_string().contains(":00.") {
                let _ = timeout(TIMEOUT, self.timekeeper.sweep(now, finish_by())).await;
            }
        }
    }

    /// One round of the poller of a queue. One that dies gives nothing back.
    async fn poll<F>(&self, queue: &str, handle: impl FnOnce(SqsEvent) -> F) -> usize
    where
        F: Future<Output = SqsBatchResponse>,
    {
        let messages = self.aws.receive(queue, 10, VISIBILITY);
        if messages.is_empty() {
            return 0;
        }
        let event = serde_json::from_value(Aws::sqs_event(&messages)).expect("an SQS event");
        if let Ok(response) = timeout(TIMEOUT, handle(event)).await {
            let response = serde_json::to_value(response).expect("JSON");
            for message in Aws::succeeded(&messages, &response) {
                self.aws.delete(message);
            }
        }
        messages.len()
    }

    /// A batch of the events table's stream comes again until it was published.
    async fn publish(&mut self, now: Timestamp) -> usize {
        let Some(batch) = self.commits.take().or_else(|| written(&self.aws, TABLES.events)) else { return 0 };
        let event: Event = serde_json::from_value(batch.clone()).expect("an event");
        if !matches!(timeout(TIMEOUT, self.publisher.handle_stream(event, now)).await, Ok(Ok(()))) {
            self.commits = Some(batch);
        }
        1
    }

    async fn notify(&mut self) -> usize {
        let Some(batch) = self.operations.take().or_else(|| written(&self.aws, TABLES.operations)) else { return 0 };
        let event: Event = serde_json::from_value(batch.clone()).expect("an event");
        if !matches!(timeout(TIMEOUT, self.notifier.handle(event)).await, Ok(Ok(()))) {
            self.operations = Some(batch);
        }
        1
    }

    fn is_quiet(&mut self) -> bool {
        self.commits = self.commits.take().or_else(|| written(&self.aws, TABLES.events));
        self.operations = self.operations.take().or_else(|| written(&self.aws, TABLES.operations));
        let queues = [
            commands("orders"),
            commands("payments"),
            updates("listener")[0].clone(),
            updates("payment-gateway")[0].clone(),
        ];
        // Messages of timers that are cancelled stay in their queue for a while.
        self.commits.is_none()
            && self.operations.is_none()
            && self.aws.items(TABLES.timers).is_empty()
            && queues.iter().all(|queue| self.aws.is_empty(queue))
    }

    // What there is to see

    /// The types of the events of the order, or of its payment, in order.
    pub fn events(&self, context: &str) -> Vec<String> {
        let stream = format!("acme/{context}/{ORDER}");
        let commits = self.aws.items(TABLES.events).into_iter().filter(|commit| commit["stream_id"] == json!(stream));
        let read = |commit| serde_json::from_value::<Commit>(commit).expect("a commit").events().expect("its events");
        commits.flat_map(read).map(|event| event.event.ty).collect()
    }

    pub fn told(&self) -> String {
        let calls = self.calls.lock().expect("not poisoned");
        format!(
            "order {:?}\npayment {:?}\ncharges {:?}\nrefunds {:?}\ncalls {:#?}",
            self.events("orders"),
            self.events("payments"),
            self.provider.charges(),
            self.provider.refunds(),
            calls.made
        )
    }

    /// Confirmed and paid, or cancelled and nothing paid; and nobody has to repair anything.
    #[track_caller]
    pub fn assert_ended(&self, expected: &str) {
        let order = self.events("orders");
        assert_eq!(order.last().map(String::as_str), Some(expected), "{}", self.told());
        let kept = if expected == "OrderConfirmed" { PRICE } else { 0 };
        assert_eq!(self.provider.balance(), kept, "{}", self.told());
        let charged = self.provider.charges().iter().filter(|charge| charge.amount > 0).count();
        assert!(charged <= 1, "charged twice\n{}", self.told());
        if order.contains(&"OrderConfirmed".to_owned()) {
            assert_eq!(charged, 1, "confirmed without a charge\n{}", self.told());
        }
        assert!(self.aws.items(TABLES.parked).is_empty(), "{:#?}\n{}", self.aws.items(TABLES.parked), self.told());
        let last = self.events("payments").pop().unwrap_or_default();
        let over = ["ChargeSucceeded", "ChargeDeclined", "ChargeVoided", "RefundSucceeded", "PaymentNotNeeded"];
        assert!(over.contains(&last.as_str()), "the payment ends with {last}\n{}", self.told());
    }
}

fn finish_by() -> Instant {
    Instant::now() + Duration::from_secs(25)
}

/// What was written to the table since the last time.
fn written(aws: &Aws, table: &str) -> Option<Value> {
    Some(aws.stream_event(table)).filter(|event| event["Records"].as_array().is_some_and(|records| !records.is_empty()))
}

/// The provider, as it is reached, with calls that fail.
fn web(provider: &Arc<Provider>, calls: &Arc<Mutex<Calls>>) -> Web {
    let (provider, calls) = (Arc::clone(provider), Arc::clone(calls));
    Web::answering(move |request| {
        let name = format!("{} {}", request.method(), request.uri().path().split('/').nth(1).unwrap_or_default());
        match calls.lock().expect("not poisoned").next(&name) {
            Some(Failure::Refused) => {
                let refused = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(String::new());
                Some(refused.expect("an answer"))
            }
            Some(Failure::Fatal) => {
                provider.answer(request);
                None
            }
            None => match provider.answer(request) {
                Reply::Now(answer) | Reply::After(_, answer) => Some(answer),
                Reply::Never => None,
            },
        }
    })
}
