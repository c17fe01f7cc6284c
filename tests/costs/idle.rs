//! What an installation costs in a month in which nothing happens.

use std::time::Duration;

use crate::assumptions::{IDLE_POLLERS, KEY_CACHE, KEY_USERS, LONG_POLL, TOKEN_LIFE, a_month};
use crate::markdown::grouped;
use crate::measure::Measured;
use crate::prices::{self, Price};
use crate::templates::{CONTEXTS, Templates};
use crate::usage::number;

/// One line of the bill.
pub struct Line {
    pub what: String,
    /// A month.
    pub dollars: f64,
}

/// Production, with what is in the templates.
pub fn lines(measured: &Measured, templates: &Templates) -> Vec<Line> {
    let count = |ty: &str| number(templates.count(ty));
    let polled = templates.polled_queues();
    let fifo = number(polled.iter().filter(|fifo| **fifo).count());
    let standard = number(polled.len()) - fifo;
    let polls = IDLE_POLLERS * a_month(LONG_POLL);
    let runs = a_month(Duration::from_secs_f64(templates.parameter("RedriveMinutes") * 60.0));
    vec![
        flat("metrics that alarms watch", number(templates.alarm_metrics()), prices::ALARM_METRICS),
        flat("composite alarms", count("AWS::CloudWatch::CompositeAlarm"), prices::COMPOSITE_ALARMS),
        flat("dashboard", count("AWS::CloudWatch::Dashboard"), prices::DASHBOARDS),
        flat("custom metrics that redrive writes", number(measured.metrics_when_idle), prices::CUSTOM_METRICS),
        flat(
            "secrets: the receipt keys, and the credentials of the synthetic check and of the payment provider",
            count("AWS::SecretsManager::Secret"),
            prices::SECRETS,
        ),
        flat(&format!("empty receives of {fifo} FIFO queues"), fifo * polls, prices::FIFO_REQUESTS),
        flat(&format!("empty receives of {standard} standard queues"), standard * polls, prices::STANDARD_REQUESTS),
        Line {
            what: format!("{} runs of redrive: its schedule, function, requests and logs", grouped(runs)),
            dollars: runs * prices::total(&measured.redrive)
                + prices::SCHEDULED.times(runs * count("AWS::Scheduler::Schedule"))
                + prices::KEY_REQUESTS.times(runs),
        },
    ]
}

/// What comes on top while commands flow, however many.
pub fn lines_when_busy(measured: &Measured) -> Vec<Line> {
    vec![
        flat("custom metrics of the other functions", number(measured.metrics_when_busy), prices::CUSTOM_METRICS),
        flat("requests for AWS's own keys, at most", KEY_USERS * a_month(KEY_CACHE), prices::KEY_REQUESTS),
        flat("tokens of one machine client, if Cognito gives them", a_month(TOKEN_LIFE), prices::TOKENS),
    ]
}

/// What one more context costs, in dollars a month: its share of the templates, and the metric that redrive writes for it.
pub fn of_a_context(measured: &Measured) -> f64 {
    let [two, one] =
        [&CONTEXTS[..], &CONTEXTS[..1]].map(|contexts| total(&lines(measured, &Templates::with(contexts))));
    two - one + prices::CUSTOM_METRICS.times(1.0)
}

fn flat(what: &str, count: f64, price: Price) -> Line {
    Line { what: format!("{} {what}", grouped(count)), dollars: price.times(count) }
}

pub fn total(lines: &[Line]) -> f64 {
    lines.iter().map(|line| line.dollars).sum()
}
