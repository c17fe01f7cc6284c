//! An HTTP answer, successful or not, in the words of the service that gives it.

use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use crate::cbor;
use crate::request::Service;

#[derive(Debug)]
pub(crate) struct Answer {
    pub status: u16,
    pub body: String,
    /// SQS tells the error's code of its old protocol in a header of its own.
    query_error: Option<String>,
    /// The body is told in CBOR, and written here as JSON.
    is_cbor: bool,
}

/// A refusal as the services model it: HTTP status, error code, text.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub status: u16,
    pub code: String,
    pub message: String,
}

impl Refusal {
    /// The caller's mistake, HTTP 400.
    pub fn bad_request(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { status: 400, code: code.into(), message: message.into() }
    }
}

impl Answer {
    pub fn success(body: String) -> Self {
        Self::with_status(200, body)
    }

    pub fn with_status(status: u16, body: String) -> Self {
        Self { status, body, query_error: None, is_cbor: false }
    }

    /// Of JSON, to be told in CBOR.
    pub fn cbor(body: String) -> Self {
        Self { is_cbor: true, ..Self::success(body) }
    }

    pub fn refusal(service: Service, refusal: &Refusal) -> Self {
        let Refusal { status, code, message } = refusal;
        match service {
            Service::DynamoDb | Service::DynamoDbStreams => Self::with_status(
                *status,
                serde_json::json!({
                    "__type": format!("com.amazonaws.dynamodb.v20120810#{code}"),
                    "message": message,
                })
                .to_string(),
            ),
            Service::Sqs => {
                let short = code.rsplit('.').next().unwrap_or(code);
                let body = serde_json::json!({ "__type": format!("com.amazonaws.sqs#{short}"), "message": message });
                let fault = if *status < 500 { "Sender" } else { "Receiver" };
                Self { query_error: Some(format!("{code};{fault}")), ..Self::with_status(*status, body.to_string()) }
            }
            Service::SecretsManager | Service::Ses | Service::Connections => {
                Self::with_status(*status, serde_json::json!({ "__type": code, "message": message }).to_string())
            }
            Service::CloudWatch => {
                let body = serde_json::json!({ "__type": code, "message": message });
                Self { status: *status, ..Self::cbor(body.to_string()) }
            }
            Service::Sns => Self::with_status(
                *status,
                format!(
                    "<ErrorResponse><Error><Type>{}</Type><Code>{}</Code><Message>{}</Message></Error></ErrorResponse>",
                    if *status < 500 { "Sender" } else { "Receiver" },
                    xml_text(code),
                    xml_text(message),
                ),
            ),
        }
    }

    pub fn into_http(self) -> HttpResponse {
        let status = StatusCode::try_from(self.status).expect("an HTTP status of three digits");
        let body = if self.is_cbor {
            SdkBody::from(cbor::write(&serde_json::from_str(&self.body).expect("JSON")))
        } else {
            SdkBody::from(self.body)
        };
        let mut response = HttpResponse::new(status, body);
        if self.is_cbor {
            response.headers_mut().insert("smithy-protocol", "rpc-v2-cbor");
        }
        if let Some(error) = self.query_error {
            response.headers_mut().insert("x-amzn-query-error", error);
        }
        response
    }
}

pub(crate) fn xml_text(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
