//! The real SDK clients, with [`Aws`] as their HTTP client.
//!
//! Their retries are the SDK's standard ones, made quick (1 ms apart) and free of the client-wide retry
//! quota, which a test with thousands of faults would use up.

use std::time::Duration;

use aws_sdk_dynamodb::config::retry::{RetryConfig, RetryPartition, TokenBucket};
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};

use crate::aws::{Aws, REGION, lock};

/// Ends [`Fault::Hang`](crate::Fault::Hang); a retry follows.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);
/// Longer than the longest wait of a `ReceiveMessage`.
const SQS_ATTEMPT_TIMEOUT: Duration = Duration::from_secs(25);

// The builders have the same methods, and no trait in common.
macro_rules! client {
    ($sdk:ident, $aws:expr, $attempt_timeout:expr) => {
        $sdk::Client::from_conf(
            $sdk::Config::builder()
                .behavior_version(BehaviorVersion::latest())
                .region(Region::from_static(REGION))
                .credentials_provider(Credentials::new("test", "test", None, None, "testkit"))
                .http_client($aws.clone())
                .retry_config(retries())
                .retry_partition(unlimited_retries())
                .timeout_config(timeouts($aws, $attempt_timeout))
                .build(),
        )
    };
}

pub(crate) fn dynamodb(aws: &Aws) -> aws_sdk_dynamodb::Client {
    client!(aws_sdk_dynamodb, aws, ATTEMPT_TIMEOUT)
}

pub(crate) fn cloudwatch(aws: &Aws) -> aws_sdk_cloudwatch::Client {
    client!(aws_sdk_cloudwatch, aws, ATTEMPT_TIMEOUT)
}

pub(crate) fn connections(aws: &Aws) -> aws_sdk_apigatewaymanagement::Client {
    let client = client!(aws_sdk_apigatewaymanagement, aws, ATTEMPT_TIMEOUT);
    let config = client.config().to_builder().endpoint_url("https://sockets.example/live").build();
    aws_sdk_apigatewaymanagement::Client::from_conf(config)
}

pub(crate) fn secrets_manager(aws: &Aws) -> aws_sdk_secretsmanager::Client {
    client!(aws_sdk_secretsmanager, aws, ATTEMPT_TIMEOUT)
}

pub(crate) fn streams(aws: &Aws) -> aws_sdk_dynamodbstreams::Client {
    client!(aws_sdk_dynamodbstreams, aws, ATTEMPT_TIMEOUT)
}

pub(crate) fn ses(aws: &Aws) -> aws_sdk_sesv2::Client {
    client!(aws_sdk_sesv2, aws, ATTEMPT_TIMEOUT)
}

pub(crate) fn sqs(aws: &Aws) -> aws_sdk_sqs::Client {
    client!(aws_sdk_sqs, aws, SQS_ATTEMPT_TIMEOUT)
}

pub(crate) fn sns(aws: &Aws) -> aws_sdk_sns::Client {
    client!(aws_sdk_sns, aws, ATTEMPT_TIMEOUT)
}

fn timeouts(aws: &Aws, attempt: Duration) -> TimeoutConfig {
    let timeouts = TimeoutConfig::builder();
    match *lock(&aws.world.patience) {
        None => timeouts.operation_attempt_timeout(attempt).build(),
        Some(patience) => timeouts.operation_attempt_timeout(patience / 2).operation_timeout(patience).build(),
    }
}

fn retries() -> RetryConfig {
    let backoff = Duration::from_millis(1);
    RetryConfig::standard().with_initial_backoff(backoff).with_max_backoff(backoff)
}

fn unlimited_retries() -> RetryPartition {
    RetryPartition::custom("testkit").token_bucket(TokenBucket::unlimited()).build()
}
