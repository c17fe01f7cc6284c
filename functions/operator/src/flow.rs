//! `GET /flow`: how commands flow through each context, for platform operators: the numbers are of all tenants.
//!
//! CloudWatch has counted already, so nothing is stored for it. A look is charged by the metric; see [`KEPT`].

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::CloudWatchClient;
use lambda::caller::Operator;
use lambda::cloudwatch::{MetricsError, Series, Statistic, by_minute};
use lambda::http::json;
use lambda::refusal::{Answer, Refusal};
use lambda::request::Parameters;
use lambda::telemetry::metric;
use lambda_http::http::StatusCode;
use messaging::Queues;
use messaging::queues::name_of;
use schemars::JsonSchema;
use serde::Serialize;

use crate::Desk;

/// How long an answer is good for all who ask: CloudWatch has a new number each minute.
const KEPT: Duration = Duration::from_secs(20);

/// An hour, with the minute that has just begun.
const MINUTES: usize = 60;
const MINUTE: Duration = Duration::from_mins(1);

/// How commands have flowed through each context in the last hour.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
pub(crate) struct Flow {
    /// When the first of the steps began.
    from: Timestamp,
    /// How long each of the steps is.
    step_seconds: u64,
    contexts: Vec<ContextFlow>,
}

/// A context's numbers, by step; the last step is not over.
#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(deny_unknown_fields)]
struct ContextFlow {
    context: &'static str,
    /// Commands that callers have sent and were answered 202 for.
    accepted: Vec<u64>,
    succeeded: Vec<u64>,
    rejected: Vec<u64>,
    /// Commands that were set aside for a person.
    parked: Vec<u64>,
    /// No more than so many were in the queue: the most that waited and the most in handlers' hands, together. Null: SQS
    /// has not told.
    depth: Vec<Option<u64>>,
    /// How long the oldest command in the queue had waited, at most. Null: SQS has not told.
    lag_seconds: Vec<Option<u64>>,
}

/// Looks at the flow, and keeps what was seen for a moment.
#[derive(Debug)]
pub struct Flows {
    cloudwatch: CloudWatchClient,
    series: Vec<Series>,
    last: Mutex<Option<(Timestamp, Arc<Flow>)>>,
}

/// What is asked for each context.
const PER_CONTEXT: usize = 9;

impl Flows {
    /// The installation's own metrics are in this namespace. Its queues say what its functions are called.
    pub fn new(cloudwatch: CloudWatchClient, namespace: &str, queues: &Queues) -> Self {
        let of_context = |context| of_context(namespace, queues, context);
        let series = catalog::CONTEXTS.iter().flat_map(|context| of_context(context.name)).collect();
        Self { cloudwatch, series, last: Mutex::default() }
    }

    /// Two who ask at the same moment may both have CloudWatch asked.
    async fn now(&self, now: Timestamp) -> Result<Arc<Flow>, MetricsError> {
        if let Some((at, flow)) = &*self.last.lock().unwrap_or_else(PoisonError::into_inner)
            && now.since(*at) < KEPT
        {
            return Ok(Arc::clone(flow));
        }
        let this_minute = Timestamp::from_millis(now.seconds() / 60 * 60 * 1000);
        let from = (1..MINUTES).fold(this_minute, |time, _| time.minus(MINUTE));
        let values = by_minute(&self.cloudwatch, &self.series, from, MINUTES).await?;
        let contexts = catalog::CONTEXTS.iter().zip(values.chunks_exact(PER_CONTEXT));
        let contexts = contexts.map(|(context, values)| ContextFlow::of(context.name, values)).collect();
        let flow = Arc::new(Flow { from, step_seconds: MINUTE.as_secs(), contexts });
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some((now, Arc::clone(&flow)));
        Ok(flow)
    }
}

/// In the order that [`ContextFlow::of`] takes them in.
fn of_context(namespace: &str, queues: &Queues, context: &str) -> [Series; PER_CONTEXT] {
    let counted = |name, function| Series {
        namespace: namespace.to_owned(),
        name,
        dimensions: vec![("Function", format!("{}{function}", queues.installation())), ("Context", context.to_owned())],
        statistic: Statistic::Sum,
    };
    let of_queue = |name| Series {
        namespace: "AWS/SQS".to_owned(),
        name,
        dimensions: vec![("QueueName", name_of(&queues.commands(context)).to_owned())],
        statistic: Statistic::Maximum,
    };
    [
        counted(metric::ACCEPTED, "ingest"),
        counted(metric::ACCEPTED, "connections"),
        counted(metric::SUCCEEDED, "command-handler"),
        counted(metric::REJECTED, "command-handler"),
        counted(metric::PARKED, "command-handler"),
        // Those that have used up their attempts.
        counted(metric::PARKED, "redrive"),
        of_queue("ApproximateNumberOfMessagesVisible"),
        of_queue("ApproximateNumberOfMessagesNotVisible"),
        of_queue("ApproximateAgeOfOldestMessage"),
    ]
}

impl ContextFlow {
    fn of(context: &'static str, values: &[Vec<Option<f64>>]) -> Self {
        let sums = |parts: &[Vec<Option<f64>>]| (0..MINUTES).map(|minute| sum(parts, minute)).collect::<Vec<_>>();
        let counts = |parts| sums(parts).into_iter().map(Option::unwrap_or_default).collect();
        Self {
            context,
            accepted: counts(&values[0..2]),
            succeeded: counts(&values[2..3]),
            rejected: counts(&values[3..4]),
            parked: counts(&values[4..6]),
            depth: sums(&values[6..8]),
            lag_seconds: sums(&values[8..9]),
        }
    }
}

/// Of a minute; `None` if none of them has a value there.
fn sum(parts: &[Vec<Option<f64>>], minute: usize) -> Option<u64> {
    let known = parts.iter().filter_map(|part| part[minute]);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the metrics are whole and not negative"
    )]
    known.map(|value| value.round() as u64).reduce(|sum, value| sum + value)
}

impl Desk {
    pub(crate) async fn flow(&self, operator: &Operator, parameters: &Parameters, now: Timestamp) -> Answer {
        parameters.expect_only(&[])?;
        if operator.tenant.is_some() {
            return Err(Problem::not_permitted("the flow is of all tenants, and for platform operators").into());
        }
        let flow = self.flows.now(now).await;
        let flow =
            flow.map_err(|error| Refusal::unavailable("the metrics cannot be looked at now; try again", &error))?;
        Ok(json(StatusCode::OK, &*flow))
    }
}
