//! Orders, payments, and a payment provider behind the gateway, on an AWS in process and on virtual time.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use bench::Installation;
use bench::platform::{commands, environment, heard, own_queue, topic};
use http::{Response, StatusCode};
use kernel::context::Context;
use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::receipt::Receipt;
use lambda::web::WebClient;
use orders::commands::{CancelOrder, Command, Line, SubmitOrder};
use payment_gateway::PaymentGateway;
use payment_provider::{Provider, Reply};
use subscriber::Runner;
use testkit::{Attempt, Aws, Fault, TABLES, Web};
use tokio::time::Instant;

static CONTEXTS: &[Context] = &[orders::CONTEXT, payments::CONTEXT];

/// How long an invocation may take.
const TIMEOUT: Duration = Duration::from_secs(25);
const VISIBILITY: Duration = Duration::from_mins(3);
/// Nothing may take longer than that.
const END: Duration = Duration::from_hours(2);
/// As often as the SDK tries.
const ATTEMPTS: u32 = 3;

pub const PRICE: i64 = 450;
const ORDER: &str = "O-1";

/// What becomes of a call that fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// Nothing has happened.
    Refused,
    /// It has its effect, and nobody hears of it.
    AnswerLost,
}

/// The calls so far, of AWS and of the provider, and which of them fail, each with those that the SDK makes of it again.
#[derive(Default)]
pub struct Calls {
    pub made: Vec<String>,
    failing: Vec<(usize, Failure)>,
    /// A client makes them, who would try again.
    of_client: bool,
    /// How many more of them are refused.
    refused: u32,
}

impl Calls {
    /// What becomes of the next one.
    fn next(&mut self, name: &str, attempts: u32) -> Option<Failure> {
        if self.of_client {
            return None;
        }
        let nth = self.made.len();
        let failure = self.failing.iter().find(|(failing, _)| *failing == nth).map(|(_, failure)| *failure);
        let failure = match failure {
            Some(failure) => {
                self.refused = attempts - 1;
                Some(failure)
            }
            None if self.refused > 0 => {
                self.refused -= 1;
                Some(Failure::Refused)
            }
            None => None,
        };
        self.made.push(failure.map_or_else(|| name.to_owned(), |failure| format!("{name} ({failure:?})")));
        failure
    }
}

pub struct World {
    pub it: Installation,
    pub provider: Arc<Provider>,
    pub calls: Arc<Mutex<Calls>>,
    gateway: Runner<PaymentGateway>,
}

fn asked() -> String {
    Aws::queue_url("payment-gateway-updates")
}

impl World {
    pub fn new() -> Self {
        let aws = Aws::new();
        let secret = Aws::secret_arn("provider");
        aws.put_secret(&secret, r#"{"url":"https://pay.example","api_key":"key"}"#);
        aws.subscribe(&topic(), &asked(), None);
        let (provider, calls) = (Arc::new(Provider::new("key")), Arc::new(Mutex::new(Calls::default())));
        let environment = environment().with(own_queue(&asked(), &Aws::queue_url("payment-gateway-dead-letters")));
        let environment = environment.with([("PAYMENT_PROVIDER", &*secret)]);
        let web = WebClient::over(web(&provider, &calls));
        let gateway = PaymentGateway::from_environment(&environment, aws.secrets_manager(), aws.sqs(), web);
        let gateway = Runner::from_environment(gateway.expect("settings"), &environment, aws.sqs()).expect("settings");
        let counted = Arc::clone(&calls);
        aws.inject(move |attempt: &Attempt<'_>| {
            match counted.lock().expect("not poisoned").next(attempt.operation, ATTEMPTS) {
                None => Fault::None,
                Some(Failure::Refused) => Fault::refuse(500, "InternalServerError"),
                Some(Failure::AnswerLost) => Fault::LoseAnswer,
            }
        });
        Self { it: Installation::on(aws, CONTEXTS), provider, calls, gateway }
    }

    /// From now on these calls fail, counted from the first one that is made from now on.
    pub fn fail(&self, failing: &[(usize, Failure)]) {
        *self.calls.lock().expect("not poisoned") = Calls { failing: failing.to_vec(), ..Calls::default() };
    }

    pub async fn submit(&self, pay_within_seconds: u32) -> Receipt {
        let unit_price = Money { amount: PRICE, currency: "EUR".to_owned() };
        let line = Line { sku: "TEA".to_owned(), quantity: 1.try_into().expect("not zero"), unit_price };
        let customer = AggregateId::parse("C-7").expect("an id");
        let pay_within_seconds = pay_within_seconds.try_into().ok();
        let submit = SubmitOrder { customer, lines: vec![line], on_account: false, pay_within_seconds };
        self.it.send("orders", ORDER, "submit", Command::from(submit)).await
    }

    pub async fn cancel(&self) -> Receipt {
        self.calls.lock().expect("not poisoned").of_client = true;
        let receipt = self.it.send("orders", ORDER, "cancel", Command::from(CancelOrder { reason: None })).await;
        self.calls.lock().expect("not poisoned").of_client = false;
        receipt
    }

    /// Goes on until nothing is on its way any more.
    pub async fn run(&self) {
        self.run_while(|| !self.is_quiet()).await;
    }

    /// Goes on until this has happened to the payment.
    pub async fn run_until(&self, event: &str) {
        self.run_while(|| !self.events("payments").iter().any(|happened| happened == event)).await;
    }

    async fn run_while(&self, goes_on: impl Fn() -> bool) {
        let (begun, mut idle) = (Instant::now(), 0);
        while goes_on() {
            // What fails comes again after a second, and then later each time.
            if self.it.step().await || self.ask().await > 0 {
                idle = 0;
            } else {
                idle += 1;
                // Timers are swept every minute.
                let second = Duration::from_secs(1);
                if idle % 60 == 0 { self.it.pass(second).await } else { tokio::time::advance(second).await }
            }
            assert!(begun.elapsed() < END, "it does not end\n{}", self.told());
        }
    }

    /// The gateway at its queue.
    async fn ask(&self) -> usize {
        let handle = async |batch: SqsEvent| self.gateway.handle(batch, self.it.now(), Instant::now() + TIMEOUT).await;
        self.it.aws.poll(&asked(), 10, VISIBILITY, handle).await
    }

    /// Messages of timers that are cancelled stay in their queue for a while.
    fn is_quiet(&self) -> bool {
        let queues = [commands("orders"), commands("payments"), heard(), asked()];
        self.it.is_published() && self.it.timers().is_empty() && queues.iter().all(|queue| self.it.aws.is_empty(queue))
    }

    // What there is to see

    /// The types of the events of the order, or of its payment, in order.
    pub fn events(&self, context: &str) -> Vec<String> {
        self.it.events(&format!("acme/{context}/{ORDER}"))
    }

    pub fn told(&self) -> String {
        format!(
            "order {:?}\npayment {:?}\ncharges {:?}\nrefunds {:?}\ncalls {:#?}",
            self.events("orders"),
            self.events("payments"),
            self.provider.charges(),
            self.provider.refunds(),
            self.calls.lock().expect("not poisoned").made
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
        let parked = self.it.aws.items(TABLES.parked);
        assert!(parked.is_empty(), "{parked:#?}\n{}", self.told());
        let last = self.events("payments").pop().unwrap_or_default();
        let over = ["ChargeSucceeded", "ChargeDeclined", "ChargeVoided", "RefundSucceeded", "PaymentNotNeeded"];
        assert!(over.contains(&last.as_str()), "the payment ends with {last}\n{}", self.told());
    }
}

/// The provider, as it is reached, with calls that fail. Nobody makes them again by himself.
fn web(provider: &Arc<Provider>, calls: &Arc<Mutex<Calls>>) -> Web {
    let (provider, calls) = (Arc::clone(provider), Arc::clone(calls));
    Web::answering(move |request| {
        let name = format!("{} {}", request.method(), request.uri().path().split('/').nth(1).unwrap_or_default());
        match calls.lock().expect("not poisoned").next(&name, 1) {
            Some(Failure::Refused) => {
                let refused = Response::builder().status(StatusCode::SERVICE_UNAVAILABLE).body(String::new());
                Some(refused.expect("an answer"))
            }
            Some(Failure::AnswerLost) => {
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
