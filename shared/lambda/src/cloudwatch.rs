//! Metrics read back from CloudWatch: what the functions have counted, and what AWS counts by itself.

use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat, StatusCode};
use kernel::timestamp::Timestamp;

/// The most queries that one call of `GetMetricData` takes.
const AT_ONCE: usize = 500;

const MINUTE: Duration = Duration::from_mins(1);

/// A metric with all its dimensions, and what is made of its values within a minute.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Series {
    pub namespace: String,
    pub name: &'static str,
    pub dimensions: Vec<(&'static str, String)>,
    pub statistic: Statistic,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Statistic {
    Sum,
    Maximum,
}

/// The metrics cannot be told now. Trying again may help.
#[derive(Debug, thiserror::Error)]
pub enum MetricsError {
    #[error("CloudWatch did not answer GetMetricData")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Part of the answer is missing. To show it as nothing would be wrong.
    #[error("CloudWatch gave no complete answer for the metric {name}: {status}")]
    Incomplete { name: &'static str, status: String },
}

/// The values of each series in so many minutes from `from` on, which begins a minute. `None`: CloudWatch has nothing.
///
/// Each series costs, however often its values are paged.
pub async fn by_minute(
    cloudwatch: &Client,
    series: &[Series],
    from: Timestamp,
    minutes: usize,
) -> Result<Vec<Vec<Option<f64>>>, MetricsError> {
    let mut values = Vec::with_capacity(series.len());
    for series in series.chunks(AT_ONCE) {
        values.extend(one_call(cloudwatch, series, from, minutes).await?);
    }
    Ok(values)
}

async fn one_call(
    cloudwatch: &Client,
    series: &[Series],
    from: Timestamp,
    minutes: usize,
) -> Result<Vec<Vec<Option<f64>>>, MetricsError> {
    let end = (0..minutes).fold(from, |time, _| time.plus(MINUTE));
    let mut pages = cloudwatch
        .get_metric_data()
        .start_time(DateTime::from_secs(from.seconds().cast_signed()))
        // It is not within the time that is asked for.
        .end_time(DateTime::from_secs(end.seconds().cast_signed()))
        .set_metric_data_queries(Some(series.iter().enumerate().map(|(index, it)| it.query(index)).collect()))
        .into_paginator()
        .send();
    let mut found = vec![vec![None; minutes]; series.len()];
    let mut statuses = vec![None; series.len()];
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| MetricsError::Unavailable(Box::new(error)))?;
        for result in page.metric_data_results() {
            let index = result.id().and_then(|id| id.strip_prefix('m')).and_then(|index| index.parse::<usize>().ok());
            let Some((values, status)) = index.and_then(|index| found.get_mut(index).zip(statuses.get_mut(index)))
            else {
                continue;
            };
            // A series that goes on on the next page is partial on this one.
            *status = result.status_code().cloned();
            for (time, value) in result.timestamps().iter().zip(result.values()) {
                let minute =
                    time.secs().checked_sub(from.seconds().cast_signed()).map(|seconds| seconds.div_euclid(60));
                let place = minute.and_then(|minute| values.get_mut(usize::try_from(minute).ok()?));
                if let Some(place) = place {
                    *place = Some(*value);
                }
            }
        }
    }
    match series.iter().zip(&statuses).find(|(_, status)| **status != Some(StatusCode::Complete)) {
        None => Ok(found),
        Some((series, status)) => {
            let status = status.as_ref().map_or("nothing was said", StatusCode::as_str);
            Err(MetricsError::Incomplete { name: series.name, status: status.to_owned() })
        }
    }
}

impl Series {
    fn query(&self, index: usize) -> MetricDataQuery {
        let dimensions =
            self.dimensions.iter().map(|(name, value)| Dimension::builder().name(*name).value(value).build());
        let metric = Metric::builder()
            .namespace(&self.namespace)
            .metric_name(self.name)
            .set_dimensions(Some(dimensions.collect()))
            .build();
        let statistic = match self.statistic {
            Statistic::Sum => "Sum",
            Statistic::Maximum => "Maximum",
        };
        let stat = MetricStat::builder().metric(metric).period(60).stat(statistic).build();
        // An id begins with a small letter.
        MetricDataQuery::builder().id(format!("m{index}")).metric_stat(stat).build()
    }
}

#[cfg(test)]
mod tests {
    use testkit::{Aws, Fault};

    use super::*;

    fn series(number: usize) -> Series {
        let dimensions = vec![("Number", number.to_string())];
        Series { namespace: "Test".to_owned(), name: "Value", dimensions, statistic: Statistic::Sum }
    }

    #[tokio::test(start_paused = true)]
    async fn more_series_than_a_call_takes_are_asked_for_in_several() {
        for (asked, calls) in [(0, 0), (1, 1), (500, 1), (501, 2), (1100, 3)] {
            let aws = Aws::new();
            for number in [0, 500, 1000] {
                let value = f64::from(u32::try_from(number).expect("small")) + 1.0;
                aws.put_metric(("Test", "Value"), &[("Number", &number.to_string())], aws.now(), value);
            }
            let all: Vec<_> = (0..asked).map(series).collect();
            let from = Timestamp::from_millis(Timestamp::from(aws.now()).seconds() / 60 * 60_000);
            let values = by_minute(&aws.cloudwatch(), &all, from, 2).await.expect("values");
            assert_eq!((values.len(), aws.count("GetMetricData")), (asked, calls));
            let known = values.iter().enumerate().filter_map(|(number, values)| Some((number, values[0]?)));
            let expected = [(0, 1.0), (500, 501.0), (1000, 1001.0)].into_iter().filter(|(number, _)| *number < asked);
            assert!(known.eq(expected));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_call_that_fails_leaves_no_half_of_an_answer() {
        let aws = Aws::new();
        aws.inject(|attempt| if attempt.nth > 1 { Fault::Throttle } else { Fault::None });
        let all: Vec<_> = (0..501).map(series).collect();
        let told = by_minute(&aws.cloudwatch(), &all, Timestamp::from_millis(0), 1).await;
        assert!(matches!(told, Err(MetricsError::Unavailable(_))));
    }
}
