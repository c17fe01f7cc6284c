//! What an SDK client asked for: which service, which operation, with what body.

use std::fmt;

use aws_smithy_runtime_api::client::orchestrator::HttpRequest;

use crate::cbor;

/// The AWS services that are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Service {
    DynamoDb,
    DynamoDbStreams,
    Sqs,
    Sns,
    Ses,
    SecretsManager,
    Connections,
    CloudWatch,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::DynamoDb => "dynamodb",
            Self::DynamoDbStreams => "streams",
            Self::Sqs => "sqs",
            Self::Sns => "sns",
            Self::Ses => "ses",
            Self::SecretsManager => "secrets",
            Self::Connections => "connections",
            Self::CloudWatch => "metrics",
        })
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub service: Service,
    pub operation: String,
    /// Of CBOR, as JSON.
    pub body: String,
    /// Of the request's URL.
    pub path: String,
}

impl Request {
    /// `DynamoDB`, its streams, SQS and Secrets Manager name the operation in `x-amz-target`, SNS in the form that is its body,
    /// CloudWatch, SES and API Gateway's connections in the path.
    pub fn read(http: &HttpRequest) -> Result<Self, String> {
        let path = http.uri().parse::<http::Uri>().map_err(|error| error.to_string())?.path().to_owned();
        let bytes = http.body().bytes().ok_or("a request's body must be held in memory")?;
        if let Some(operation) = path.strip_prefix("/service/GraniteServiceVersion20100801/operation/") {
            let body = cbor::read(bytes).map_err(|error| error.to_string())?.to_string();
            return Ok(Self { service: Service::CloudWatch, operation: operation.to_owned(), body, path });
        }
        let body = std::str::from_utf8(bytes).map_err(|_| "a request's body must be text")?.to_owned();
        let (service, operation) = match http.headers().get("x-amz-target") {
            Some(target) => match target.split_once('.') {
                Some(("DynamoDB_20120810", operation)) => (Service::DynamoDb, operation.to_owned()),
                Some(("DynamoDBStreams_20120810", operation)) => (Service::DynamoDbStreams, operation.to_owned()),
                Some(("AmazonSQS", operation)) => (Service::Sqs, operation.to_owned()),
                Some(("secretsmanager", operation)) => (Service::SecretsManager, operation.to_owned()),
                _ => return Err(format!("no such service here: {target}")),
            },
            None if path == "/v2/email/outbound-emails" => (Service::Ses, "SendEmail".to_owned()),
            None if path.contains("/@connections/") => {
                let operation = if http.method() == "DELETE" { "DeleteConnection" } else { "PostToConnection" };
                (Service::Connections, operation.to_owned())
            }
            None => match form_urlencoded::parse(body.as_bytes()).find(|(name, _)| name == "Action") {
                Some((_, action)) => (Service::Sns, action.into_owned()),
                None => return Err(format!("no such service here: {}", http.uri())),
            },
        };
        Ok(Self { service, operation, body, path })
    }
}
