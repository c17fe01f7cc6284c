use std::time::Duration;

use aws_sdk_cloudwatch::Client;
use aws_sdk_cloudwatch::error::ProvideErrorMetadata;
use aws_sdk_cloudwatch::primitives::DateTime;
use aws_sdk_cloudwatch::types::{Dimension, Metric, MetricDataQuery, MetricStat};
use testkit::{Aws, Fault, Service};

const COUNT: (&str, &str) = ("Shop", "Sold");

fn query(id: &str, kind: &str, statistic: &str) -> MetricDataQuery {
    let dimension = Dimension::builder().name("Kind").value(kind).build();
    let metric = Metric::builder().namespace(COUNT.0).metric_name(COUNT.1).dimensions(dimension).build();
    let stat = MetricStat::builder().metric(metric).period(60).stat(statistic).build();
    MetricDataQuery::builder().id(id).metric_stat(stat).build()
}

/// All pages, each with its series: id, values, status.
async fn pages(cloudwatch: &Client, aws: &Aws, queries: Vec<MetricDataQuery>) -> Vec<Vec<(String, Vec<f64>, String)>> {
    let asked = cloudwatch.get_metric_data().set_metric_data_queries(Some(queries));
    let asked = asked.start_time(minute(aws, 0)).end_time(minute(aws, 3));
    let mut pages = asked.into_paginator().send();
    let mut told = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.expect("a page");
        let series = page.metric_data_results().iter().map(|it| {
            let status = it.status_code().expect("a status").as_str().to_owned();
            (it.id().expect("an id").to_owned(), it.values().to_vec(), status)
        });
        told.push(series.collect());
    }
    told
}

fn minute(aws: &Aws, number: u64) -> DateTime {
    let seconds = aws.now().duration_since(std::time::UNIX_EPOCH).expect("after 1970").as_secs() / 60 * 60;
    DateTime::from_secs((seconds + number * 60).cast_signed())
}

fn world() -> Aws {
    let aws = Aws::new();
    let start = aws.now();
    for (kind, minutes, value) in [("tea", 0, 2.0), ("tea", 0, 3.0), ("tea", 2, 1.5), ("tea", 3, 9.0), ("cup", 1, 4.0)]
    {
        aws.put_metric(COUNT, &[("Kind", kind)], start + Duration::from_mins(minutes), value);
    }
    aws
}

#[tokio::test(start_paused = true)]
async fn values_are_summed_or_the_largest_taken_by_minute_and_dimensions() {
    let aws = world();
    let queries =
        vec![query("a", "tea", "Sum"), query("b", "tea", "Maximum"), query("c", "cup", "Sum"), query("d", "x", "Sum")];
    let told = pages(&aws.cloudwatch(), &aws, queries).await;
    let series = |id: &str, values: &[f64]| (id.to_owned(), values.to_vec(), "Complete".to_owned());
    assert_eq!(told, [[series("a", &[5.0, 1.5]), series("b", &[3.0, 1.5]), series("c", &[4.0]), series("d", &[])]]);
}

#[tokio::test(start_paused = true)]
async fn an_answer_comes_in_pages_and_says_what_goes_on() {
    let aws = world();
    aws.page_metrics(1);
    let queries = vec![query("a", "tea", "Sum"), query("b", "x", "Sum"), query("c", "cup", "Sum")];
    let told = pages(&aws.cloudwatch(), &aws, queries).await;
    let series = |id: &str, values: &[f64], status: &str| (id.to_owned(), values.to_vec(), status.to_owned());
    let expected = [
        vec![series("a", &[5.0], "PartialData"), series("b", &[], "Complete")],
        vec![series("a", &[1.5], "Complete")],
        vec![series("c", &[4.0], "Complete")],
    ];
    assert_eq!(told, expected);
}

#[tokio::test(start_paused = true)]
async fn too_many_queries_are_refused_and_faults_reach_it_as_any_service() {
    let aws = world();
    let ask = |queries: usize| {
        let queries = (0..queries).map(|index| query(&format!("m{index}"), "tea", "Sum")).collect();
        let asked = aws.cloudwatch().get_metric_data().set_metric_data_queries(Some(queries));
        asked.start_time(minute(&aws, 0)).end_time(minute(&aws, 3)).send()
    };
    assert_eq!(ask(500).await.expect("an answer").metric_data_results().len(), 500);
    assert_eq!(ask(501).await.expect_err("too many").code(), Some("ValidationError"));
    aws.inject(|attempt| match attempt.service {
        Service::CloudWatch if attempt.body.contains("\"tea\"") => Fault::Throttle,
        _ => Fault::None,
    });
    assert_eq!(ask(1).await.expect_err("throttled").code(), Some("Throttling"));
    assert_eq!(aws.count("GetMetricData"), 5, "the SDK tries again");
}
