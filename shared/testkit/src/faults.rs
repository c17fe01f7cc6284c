//! What can go wrong with a call, and the test's say in when it does.

use std::time::Duration;

use crate::answer::{Answer, Refusal};
use crate::request::{Request, Service};

/// One HTTP request that is about to be answered; the SDK's retries are attempts of their own.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Attempt<'a> {
    pub service: Service,
    /// The API's own name, such as `TransactWriteItems`.
    pub operation: &'a str,
    /// The how many-th call of that operation this is, from 1, since the [`Aws`](crate::Aws) was made.
    pub nth: usize,
    /// The request's body: JSON, or for SNS a form. CloudWatch's CBOR as JSON.
    pub body: &'a str,
}

/// What becomes of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// It is answered.
    None,
    /// Nothing happened, and the service says so. The SDK retries status 500 and above, and its list of
    /// transient codes.
    Refuse { status: u16, code: String, message: String },
    /// Nothing happened: the service's own way to say "slow down". The SDK retries.
    Throttle,
    /// A transaction meets another one that is writing the `item`-th of its items (from 0): it is
    /// cancelled for `TransactionConflict`. A single-item write is answered `TransactionConflictException`.
    /// The SDK does not retry the former.
    TransactionConflict { item: usize },
    /// Of an SQS or SNS batch, these entries (from 0) are answered as failed and do not happen; the call
    /// itself succeeds. Of a `BatchGetItem` of one table, these keys are left unprocessed; a `Query` of an index
    /// does not know these items yet.
    FailEntries(Vec<usize>),
    /// Nothing happened: the connection broke before the request arrived. The SDK retries.
    LoseRequest,
    /// It happened, and the connection broke before the answer arrived. The SDK retries.
    LoseAnswer,
    /// It is answered after this time on tokio's clock. A caller that gives up earlier has not made it happen.
    Delay(Duration),
    /// Nothing happens, and no answer comes, ever: only a time-out ends it.
    Hang,
    /// It happens, and no answer comes, ever.
    HangAfter,
    /// It happens after this time, whatever becomes of the caller; no answer comes, ever.
    Late(Duration),
}

impl Fault {
    /// Refusal with that status and code.
    pub fn refuse(status: u16, code: impl Into<String>) -> Self {
        Self::Refuse { status, code: code.into(), message: "injected by the test".to_owned() }
    }
}

/// A call that had its effect, whether or not the caller is told.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Effect<'a> {
    pub service: Service,
    pub operation: &'a str,
    /// The request's body.
    pub body: &'a str,
    /// The HTTP status of the answer.
    pub status: u16,
    /// The answer's body.
    pub answer: &'a str,
    /// Whether the caller gets it.
    pub told: bool,
}

type See = Box<dyn FnMut(&Effect<'_>) + Send>;

/// The test's other closure, if it gave one.
#[derive(Default)]
pub(crate) struct Observer(Option<See>);

impl Observer {
    pub fn set(&mut self, see: impl FnMut(&Effect<'_>) + Send + 'static) {
        self.0 = Some(Box::new(see));
    }

    pub fn see(&mut self, request: &Request, answer: &Answer, told: bool) {
        if let Some(see) = &mut self.0 {
            see(&Effect {
                service: request.service,
                operation: &request.operation,
                body: &request.body,
                status: answer.status,
                answer: &answer.body,
                told,
            });
        }
    }
}

type Ask = Box<dyn FnMut(&Attempt<'_>) -> Fault + Send>;

/// The test's closure, if it gave one.
#[derive(Default)]
pub(crate) struct Faults(Option<Ask>);

impl Faults {
    pub fn set(&mut self, ask: impl FnMut(&Attempt<'_>) -> Fault + Send + 'static) {
        self.0 = Some(Box::new(ask));
    }

    pub fn clear(&mut self) {
        self.0 = None;
    }

    pub fn ask(&mut self, attempt: &Attempt<'_>) -> Fault {
        self.0.as_mut().map_or(Fault::None, |ask| ask(attempt))
    }
}

type Rewrite = Box<dyn FnMut(&Attempt<'_>) -> Option<String> + Send>;

/// The test's third closure, if it gave one.
#[derive(Default)]
pub(crate) struct Rewriting(Option<Rewrite>);

impl Rewriting {
    pub fn set(&mut self, rewrite: impl FnMut(&Attempt<'_>) -> Option<String> + Send + 'static) {
        self.0 = Some(Box::new(rewrite));
    }

    pub fn ask(&mut self, attempt: &Attempt<'_>) -> Option<String> {
        self.0.as_mut().and_then(|rewrite| rewrite(attempt))
    }
}

pub(crate) fn throttle(service: Service) -> Answer {
    let (status, code) = match service {
        Service::DynamoDb | Service::DynamoDbStreams | Service::SecretsManager => (400, "ThrottlingException"),
        Service::Sqs => (403, "RequestThrottled"),
        Service::Ses => (429, "TooManyRequestsException"),
        Service::Connections => (429, "LimitExceededException"),
        Service::Sns | Service::CloudWatch => (400, "Throttling"),
    };
    Answer::refusal(service, &Refusal { status, code: code.to_owned(), message: "Rate exceeded".to_owned() })
}

pub(crate) fn transaction_conflict(request: &Request, met: &[usize]) -> Answer {
    const CONFLICT: &str = "Transaction is ongoing for the item";
    if !request.operation.starts_with("Transact") {
        return Answer::refusal(request.service, &Refusal::bad_request("TransactionConflictException", CONFLICT));
    }
    let body: serde_json::Value = serde_json::from_str(&request.body).unwrap_or_default();
    let items = body["TransactItems"].as_array().map_or(0, Vec::len);
    let reasons: Vec<_> = (0..items)
        .map(|index| {
            if met.contains(&index) {
                serde_json::json!({ "Code": "TransactionConflict", "Message": CONFLICT })
            } else {
                serde_json::json!({ "Code": "None" })
            }
        })
        .collect();
    let codes: Vec<_> = reasons.iter().filter_map(|reason| reason["Code"].as_str()).collect();
    let message =
        format!("Transaction cancelled, please refer cancellation reasons for specific reasons [{}]", codes.join(", "));
    let body = serde_json::json!({
        "__type": "com.amazonaws.dynamodb.v20120810#TransactionCanceledException",
        "Message": message,
        "CancellationReasons": reasons,
    });
    Answer::with_status(400, body.to_string())
}
