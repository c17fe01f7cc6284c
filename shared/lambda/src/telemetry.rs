//! Logs as JSON lines, metrics in CloudWatch's embedded format; both go to standard output.
//!
//! What belongs to several lines of an invocation, or to a command's every line (operation, tenant, stream), is a field of a
//! span. A payload is never logged, at no level; a caller's words are only where they are identifiers that were checked.
//! An aggregate's id, which may be somebody's address, is not: its stream's [pseudonym](kernel::ids::StreamId::pseudonym)
//! stands for it.

mod lines;

use std::error::Error;
use std::io;
use std::sync::OnceLock;

use kernel::domain_event::RecordedEvent;
use kernel::timestamp::Timestamp;
use metrics_cloudwatch_embedded::{Builder, Collector};
use tracing::{Level, Metadata, Span};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::fmt::format::JsonFields;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use self::lines::Lines;
use crate::settings::{BadSetting, Environment, invalid};

static COLLECTOR: OnceLock<&'static Collector> = OnceLock::new();

/// Metrics, one name each. All are counts but the two lags and the duration, which are milliseconds.
///
/// What AWS counts anyway is not counted again: what is published (the topic's `NumberOfMessagesPublished`, the publisher's
/// `IteratorAge`), and what subscribers have done with and how old it was (their queues' `NumberOfMessagesDeleted` and
/// `ApproximateAgeOfOldestMessage`).
pub mod metric {
    /// Commands answered 202.
    pub const ACCEPTED: &str = "Accepted";
    /// Requests answered with a problem.
    pub const REFUSED: &str = "Refused";
    /// Requests with more commands than may be sent: of all tenants together, and by tenant.
    pub const THROTTLED: &str = "Throttled";
    /// Stored settings, keys and schemas that were looked up and cannot be read.
    pub const UNREADABLE: &str = "Unreadable";
    pub const SUCCEEDED: &str = "Succeeded";
    pub const REJECTED: &str = "Rejected";
    /// Deliveries given back to their queue.
    pub const RETRIED: &str = "Retried";
    pub const PARKED: &str = "Parked";
    /// Messages sent to the dead letters on their last receive.
    pub const DEAD_LETTERED: &str = "DeadLettered";
    /// Dead letters sent back to their queue.
    pub const REDRIVEN: &str = "Redriven";
    /// How many parked messages wait for a person; a gauge.
    pub const PARKED_WAITING: &str = "ParkedWaiting";
    pub const RESUBMITTED: &str = "Resubmitted";
    pub const DISCARDED: &str = "Discarded";
    /// Deliveries whose command had its outcome already.
    pub const DUPLICATES: &str = "Duplicates";
    /// Domain events stored.
    pub const COMMITTED: &str = "Committed";
    /// Documents that a rebuild has made anew.
    pub const REBUILT: &str = "Rebuilt";
    /// Documents and streams that a rebuild could make nothing of.
    pub const NOT_REBUILT: &str = "NotRebuilt";
    /// Commands that commits have sent to other contexts.
    pub const SENT: &str = "Sent";
    pub const TIMERS_SET: &str = "TimersSet";
    /// Commands of timers that were handed in.
    pub const TIMERS_DUE: &str = "TimersDue";
    /// Timers that a sweep found overdue.
    pub const TIMERS_OVERDUE: &str = "TimersOverdue";
    /// Outcomes that consumers of tenants' own queues have reported.
    pub const REPORTED: &str = "Reported";
    /// Commands that were parked because nobody has reported their outcome in time.
    pub const UNREPORTED: &str = "Unreported";
    /// Commands that followed from events which a context has heard.
    pub const HEARD: &str = "Heard";
    /// What payments were told of charges and refunds, by its kind.
    pub const PAYMENT_OUTCOMES: &str = "PaymentOutcomes";
    /// Refusals that were told to who had sent the command.
    pub const REFUSALS_TOLD: &str = "RefusalsTold";
    /// Events that a webhook's endpoint has taken.
    pub const WEBHOOKS_DELIVERED: &str = "WebhooksDelivered";
    /// Requests to endpoints that came to nothing.
    pub const WEBHOOKS_FAILED: &str = "WebhooksFailed";
    /// Endpoints that were switched off, for they had failed for days or said that they are gone.
    pub const WEBHOOKS_SWITCHED_OFF: &str = "WebhooksSwitchedOff";
    /// Streams whose next event an endpoint would not take for days, while it took others: they are held.
    pub const WEBHOOKS_HELD: &str = "WebhooksHeld";
    /// Connections that were opened.
    pub const CONNECTIONS_OPENED: &str = "ConnectionsOpened";
    /// Frames that connections have sent.
    pub const FRAMES: &str = "Frames";
    /// Operations that were pushed to who follows them.
    pub const PUSHED: &str = "Pushed";
    /// Pushes that came to nothing, and are tried again.
    pub const PUSHES_FAILED: &str = "PushesFailed";
    /// From an operation's end until push had it, of those that are followed.
    pub const PUSH_LAG: &str = "PushLag";
    /// From commit until an endpoint has taken it.
    pub const WEBHOOK_LAG: &str = "WebhookLag";
    /// Messages in a subscriber's queue that this build cannot read as domain events.
    pub const UNDECODABLE: &str = "Undecodable";
    /// Verifications of everything that came to their end.
    pub const VERIFICATIONS_FINISHED: &str = "VerificationsFinished";
    /// How many findings are open at the end of a verification; a gauge.
    pub const FINDINGS_OPEN: &str = "FindingsOpen";
    /// Findings that were not open before.
    pub const FINDINGS_NEW: &str = "FindingsNew";
    /// Findings for which an operator has had done what mends them.
    pub const FINDINGS_MENDED: &str = "FindingsMended";
    /// Runs of the synthetic check that went the whole way.
    pub const CHECK_SUCCEEDED: &str = "CheckSucceeded";
    /// Those that did not, by the step that failed.
    pub const CHECK_FAILED: &str = "CheckFailed";
    /// The whole way, of those that succeeded.
    pub const CHECK_DURATION: &str = "CheckDuration";
}

/// Records, under the name of a [`metric`], how long ago the oldest and the newest of these times were.
///
/// Not each of them: the embedded format holds at most a hundred values of a metric, and an invocation that catches up has
/// more than that.
pub fn record_lag(metric: &'static str, times: impl Iterator<Item = Timestamp> + Clone, now: Timestamp) {
    for time in oldest_and_newest(times) {
        metrics::histogram!(metric).record(now.since(time).as_secs_f64() * 1000.0);
    }
}

fn oldest_and_newest(times: impl Iterator<Item = Timestamp> + Clone) -> impl Iterator<Item = Timestamp> {
    let newest = times.clone().max();
    let oldest = times.min();
    oldest.into_iter().chain(newest.filter(|_| newest != oldest))
}

/// Starts logs and metrics. To be called once, first.
///
/// `LOG_LEVEL` is a level or a list of `tracing` directives (default `info`). Whatever it says, of crates that are not ours
/// nothing is written that is less than `info`. The metrics are in the [`namespace`].
pub fn start(environment: &Environment) -> Result<(), BadSetting> {
    start_to(environment, io::stdout)
}

/// The CloudWatch namespace of all metrics: `METRICS_NAMESPACE`, or `Waybill`.
pub fn namespace(environment: &Environment) -> &str {
    environment.optional("METRICS_NAMESPACE").unwrap_or("Waybill")
}

/// As [`start`], with the log lines written elsewhere: for measuring them. Metrics go where [`flush_metrics_to`] says.
pub fn start_to<W>(environment: &Environment, writer: W) -> Result<(), BadSetting>
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    let level = environment.optional("LOG_LEVEL").unwrap_or("info");
    let wanted = EnvFilter::try_new(level).map_err(|error| invalid("LOG_LEVEL", error))?;
    let lines = tracing_subscriber::fmt::layer().fmt_fields(JsonFields::new()).event_format(Lines).with_writer(writer);
    tracing_subscriber::registry().with(filter_fn(may_be_written)).with(wanted).with(lines).init();
    // A panic's message may quote what it panicked over; where it happened is enough for a log.
    std::panic::set_hook(Box::new(|panic| {
        tracing::error!(location = panic.location().map(display), "panicked");
    }));
    let mut builder = Builder::new().cloudwatch_namespace(namespace(environment).to_owned());
    if let Some(function) =
        environment.optional("METRICS_FUNCTION").or(environment.optional("AWS_LAMBDA_FUNCTION_NAME"))
    {
        builder = builder.with_dimension("Function", function.to_owned());
    }
    if let Ok(collector) = builder.init() {
        for time in [metric::PUSH_LAG, metric::WEBHOOK_LAG, metric::CHECK_DURATION] {
            metrics::describe_histogram!(time, metrics::Unit::Milliseconds, "");
        }
        let _ = COLLECTOR.set(collector);
    }
    Ok(())
}

/// The crates that log here and are ours. Their lines hold no payload and no secret, at any level.
pub const OURS: &[&str] = &[
    "admission",
    "command_handler",
    "connections",
    "ingest",
    "lambda",
    "listener",
    "notification_sender",
    "notifier",
    "operator",
    "pages",
    "payment_gateway",
    "publisher",
    "push",
    "query",
    "read_model_updater",
    "rebuild",
    "recovery",
    "redrive",
    "schemas",
    "subscriber",
    "timekeeper",
    "verifier",
    "walk",
    "webhook_api",
    "webhook_dispatcher",
    "webhook_sender",
];

/// Whether such a line may be written, whatever `LOG_LEVEL` says. Below `info`, the SDK writes whole requests and answers,
/// with tokens and keys, and the runtime whole events.
fn may_be_written(line: &Metadata<'_>) -> bool {
    let of = line.target().split("::").next().unwrap_or_default();
    // A panic's message may quote what it panicked over, and `run` has logged where it happened.
    let of_a_panic = line.target().starts_with("lambda_runtime::layers::panic");
    OURS.contains(&of) || *line.level() <= Level::INFO && !of_a_panic
}

/// Writes what was counted since the last time. To be called at the end of each invocation.
pub fn flush_metrics() {
    flush_metrics_to(io::stdout());
}

/// As [`flush_metrics`], to somewhere else than standard output.
pub fn flush_metrics_to(writer: impl io::Write) {
    if let Some(collector) = COLLECTOR.get()
        && let Err(error) = collector.flush(writer)
    {
        tracing::warn!(error = &error as &dyn Error, "metrics were not written");
    }
}

/// What every log line about a domain event carries.
pub fn event_span(event: &RecordedEvent) -> Span {
    let RecordedEvent { stream, version, event, .. } = event;
    let cause = &event.cause;
    tracing::info_span!(
        "event",
        operation = cause.operation,
        tenant = %stream.tenant,
        principal = cause.principal.as_ref().map(display),
        context = stream.context,
        trace_id = cause.traceparent.as_deref().and_then(crate::trace::id),
        event = event.ty,
        stream = stream.pseudonym(),
        version,
    )
}

/// An error with all its causes, in one line, for logs: of JSON that cannot be read it says where and not what, for that
/// would quote a payload.
pub fn chain(error: &(dyn Error + 'static)) -> String {
    join(error, |error| match error.downcast_ref::<serde_json::Error>() {
        Some(json) => format!("{:?} error at line {}, column {}", json.classify(), json.line(), json.column()),
        None => error.to_string(),
    })
}

/// An error with all its causes, in one line, for the person who repairs and sees the payload anyhow. Without the places of
/// faults in a JSON text, which is laid out anew for that person.
pub fn chain_in_full(error: &(dyn Error + 'static)) -> String {
    join(error, |error| {
        let told = error.to_string();
        let Some(json) = error.downcast_ref::<serde_json::Error>() else { return told };
        let place = format!(" at line {} column {}", json.line(), json.column());
        told.strip_suffix(&place).map_or_else(|| told.clone(), str::to_owned)
    })
}

fn join(error: &(dyn Error + 'static), tell: impl Fn(&(dyn Error + 'static)) -> String) -> String {
    let errors = std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| (*error).source());
    errors.map(tell).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("the command cannot be read")]
    struct Unreadable(#[source] serde_json::Error);

    #[test]
    fn a_log_says_where_a_payload_is_wrong_and_not_what_is_in_it() {
        let error = serde_json::from_str::<u32>("\"Jane Doe\"").map_err(Unreadable).expect_err("not a number");
        assert_eq!(chain(&error), "the command cannot be read: Data error at line 1, column 10");
        let in_full = "the command cannot be read: invalid type: string \"Jane Doe\", expected u32";
        assert_eq!(chain_in_full(&error), in_full, "without a place in a text that nobody sees");
    }

    #[test]
    fn a_batch_of_any_size_has_two_lags_at_most() {
        let lags = |millis: &[u64]| {
            let times = millis.iter().copied().map(Timestamp::from_millis);
            oldest_and_newest(times).map(Timestamp::millis).collect::<Vec<_>>()
        };
        assert_eq!(lags(&(0..500).rev().collect::<Vec<_>>()), [0, 499]);
        assert_eq!(lags(&[7, 7]), [7]);
        assert_eq!(lags(&[]), [0; 0]);
    }
}
