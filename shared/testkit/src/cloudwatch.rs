//! CloudWatch's metrics: what a test has put there, asked for by `GetMetricData`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::answer::{Answer, Refusal};
use crate::aws::{Aws, lock};
use crate::request::Request;

/// The most queries of one call.
const MOST_QUERIES: usize = 500;

/// A metric's namespace, its name, and its dimensions: with others, or fewer, it is another metric.
type Metric = (String, String, BTreeMap<String, String>);

/// Values by metric, each with its time in seconds.
#[derive(Debug, Default)]
pub(crate) struct Metrics {
    values: BTreeMap<Metric, Vec<(u64, f64)>>,
    /// How many values a page of an answer takes; all, if not said.
    page: Option<usize>,
}

impl Metrics {
    pub fn put(&mut self, (namespace, name): (&str, &str), dimensions: &[(&str, &str)], at: SystemTime, value: f64) {
        let dimensions = dimensions.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let seconds = at.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.values.entry((namespace.to_owned(), name.to_owned(), dimensions)).or_default().push((seconds, value));
    }

    pub fn set_page(&mut self, values: usize) {
        self.page = Some(values);
    }
}

pub(crate) fn answer(aws: &Aws, request: &Request) -> Answer {
    let told = match request.operation.as_str() {
        "GetMetricData" => {
            let body = serde_json::from_str(&request.body).unwrap_or_default();
            get(&lock(&aws.world.metrics), &body)
        }
        unknown => Err(format!("testkit does not answer {unknown}")),
    };
    match told {
        Ok(answer) => Answer::cbor(answer.to_string()),
        Err(why) => Answer::refusal(request.service, &Refusal::bad_request("ValidationError", why)),
    }
}

/// One page. A series that goes on on the next one is called partial.
fn get(metrics: &Metrics, body: &Value) -> Result<Value, String> {
    let queries = body["MetricDataQueries"].as_array().ok_or("The parameter MetricDataQueries is required.")?;
    if queries.is_empty() || queries.len() > MOST_QUERIES {
        return Err("The collection MetricDataQueries must not have a size greater than 500.".to_owned());
    }
    let ids: BTreeSet<_> = queries.iter().map(|query| query["Id"].as_str().unwrap_or_default()).collect();
    if ids.len() < queries.len() || !ids.iter().all(|id| id.starts_with(|first: char| first.is_ascii_lowercase())) {
        return Err("The values for parameter id in MetricDataQueries are not valid.".to_owned());
    }
    let (Some(start), Some(end)) = (body["StartTime"].as_f64(), body["EndTime"].as_f64()) else {
        return Err("The parameters StartTime and EndTime are required.".to_owned());
    };
    if start >= end {
        return Err("The parameter StartTime must be less than the parameter EndTime.".to_owned());
    }
    let skipped = body["NextToken"].as_str().map_or(Ok(0), str::parse).map_err(|_| "InvalidNextToken")?;
    let page = skipped..metrics.page.map_or(usize::MAX, |page| skipped + page);
    let (mut results, mut number) = (Vec::new(), 0);
    for query in queries {
        let values = metrics.of(query, start, end)?;
        let first = number;
        number += values.len();
        let goes_on = !values.is_empty() && number > page.end;
        let here: Vec<_> = (first..).zip(&values).filter(|(number, _)| page.contains(number)).collect();
        // What has no values is told at once.
        if !here.is_empty() || values.is_empty() && skipped == 0 {
            results.push(json!({
                "Id": query["Id"],
                "Label": query["Id"],
                "Timestamps": here.iter().map(|(_, (time, _))| *time).collect::<Vec<_>>(),
                "Values": here.iter().map(|(_, (_, value))| *value).collect::<Vec<_>>(),
                "StatusCode": if goes_on { "PartialData" } else { "Complete" },
            }));
        }
    }
    let mut answer = json!({ "MetricDataResults": results, "Messages": [] });
    if number > page.end {
        answer["NextToken"] = json!(page.end.to_string());
    }
    Ok(answer)
}

impl Metrics {
    /// What is made of the metric's values, by the periods that have any.
    fn of(&self, query: &Value, from: f64, to: f64) -> Result<Vec<(u64, f64)>, String> {
        let (stat, metric) = (&query["MetricStat"], &query["MetricStat"]["Metric"]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let dimensions = metric["Dimensions"].as_array().into_iter().flatten();
        let dimensions = dimensions.map(|dimension| (text(&dimension["Name"]), text(&dimension["Value"]))).collect();
        let period = stat["Period"].as_u64().filter(|period| period % 60 == 0 && *period > 0);
        let period = period.ok_or("The parameter Period must be a multiple of 60.")?;
        let combine: fn(f64, f64) -> f64 = match stat["Stat"].as_str() {
            Some("Sum") => |sum, value| sum + value,
            Some("Maximum") => f64::max,
            other => return Err(format!("testkit knows no statistic {other:?}")),
        };
        let mut periods = BTreeMap::new();
        let known = self.values.get(&(text(&metric["Namespace"]), text(&metric["MetricName"]), dimensions));
        for (time, value) in known.into_iter().flatten() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 are fewer than 2^52")]
            if (from..to).contains(&(*time as f64)) {
                periods.entry(time / period * period).and_modify(|all| *all = combine(*all, *value)).or_insert(*value);
            }
        }
        Ok(periods.into_iter().collect())
    }
}
