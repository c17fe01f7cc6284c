//! AWS clients: made once, at start, over one shared HTTPS client.

use std::time::Duration;

use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, SdkConfig};
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

/// How long a call may take while a client waits for its answer.
pub const WITH_A_CLIENT_WAITING: Duration = Duration::from_secs(3);

/// How long one may take in the background.
pub const IN_THE_BACKGROUND: Duration = Duration::from_secs(8);

/// The connection to AWS.
pub struct Aws(SdkConfig);

impl Aws {
    /// Region and credentials come from where Lambda puts them; `AWS_ENDPOINT_URL` leads elsewhere than AWS.
    ///
    /// `patience` is for one call with its retries. An attempt that takes half of it is given up and made again: AWS's own
    /// answers come in milliseconds, and every call Waybill makes is safe to repeat, but for mails.
    pub async fn connect(patience: Duration) -> Self {
        let tls = Provider::Rustls(CryptoMode::Ring);
        let http = aws_smithy_http_client::Builder::new().tls_provider(tls).build_https();
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(Duration::from_secs(1))
            .operation_attempt_timeout(patience / 2)
            .operation_timeout(patience)
            .build();
        let latest = BehaviorVersion::latest();
        Self(aws_config::defaults(latest).http_client(http).timeout_config(timeouts).load().await)
    }

    /// The WebSocket connections of the API and stage at this URL.
    pub fn connections(&self, url: &str) -> aws_sdk_apigatewaymanagement::Client {
        let config = aws_sdk_apigatewaymanagement::config::Builder::from(&self.0).endpoint_url(url).build();
        aws_sdk_apigatewaymanagement::Client::from_conf(config)
    }

    pub fn cloudwatch(&self) -> aws_sdk_cloudwatch::Client {
        aws_sdk_cloudwatch::Client::new(&self.0)
    }

    pub fn dynamodb(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.0)
    }

    pub fn streams(&self) -> aws_sdk_dynamodbstreams::Client {
        aws_sdk_dynamodbstreams::Client::new(&self.0)
    }

    pub fn secrets_manager(&self) -> aws_sdk_secretsmanager::Client {
        aws_sdk_secretsmanager::Client::new(&self.0)
    }

    /// A mail may be sent twice where an attempt is made again: SES knows no repeat.
    pub fn ses(&self) -> aws_sdk_sesv2::Client {
        aws_sdk_sesv2::Client::new(&self.0)
    }

    pub fn sqs(&self) -> aws_sdk_sqs::Client {
        aws_sdk_sqs::Client::new(&self.0)
    }

    pub fn sns(&self) -> aws_sdk_sns::Client {
        aws_sdk_sns::Client::new(&self.0)
    }
}
