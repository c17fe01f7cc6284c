//! A client for HTTP APIs other than AWS's own. It is the SDK's HTTPS client without the SDK, so a function has one HTTP
//! stack and one TLS.

use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt, Limited};
use lambda_http::http::{Request, Response};
use tokio::time::timeout;

mod address;
pub mod destinations;

/// How long a request waits for its answer. API Gateway gives up after three times as long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a connection may take to be there.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

type Cause = Box<dyn std::error::Error + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    #[error("the request could not be sent, or its answer not be read")]
    Connection(#[source] Cause),
    #[error("no answer within {} seconds", PATIENCE.as_secs())]
    TooLate,
}

/// Sends requests as they are: no retries, no redirects, no cookies. An answer of any status is an answer.
#[derive(Debug, Clone)]
pub struct WebClient(SharedHttpConnector);

impl WebClient {
    /// With the certificates that the system trusts.
    pub fn new() -> Self {
        let settings = HttpConnectorSettings::builder().connect_timeout(CONNECT_PATIENCE).build();
        let connector = Connector::builder().connector_settings(settings);
        Self::over(connector.tls_provider(Provider::Rustls(CryptoMode::Ring)).build())
    }

    /// With connections of another kind, such as a test's.
    pub fn over(connector: impl HttpConnector + 'static) -> Self {
        Self(SharedHttpConnector::new(connector))
    }

    /// The answer, with a body of text.
    pub async fn send(&self, request: Request<String>) -> Result<Response<String>, NoAnswer> {
        let answer = timeout(PATIENCE, self.exchange(request)).await;
        answer.map_err(|_| NoAnswer::TooLate)?.map_err(NoAnswer::Connection)
    }

    async fn exchange(&self, request: Request<String>) -> Result<Response<String>, Cause> {
        let request = HttpRequest::try_from(request.map(SdkBody::from))?;
        let (head, body) = self.0.call(request).await?.try_into_http1x()?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?.to_bytes();
        Ok(Response::from_parts(head, String::from_utf8(body.into())?))
    }
}

impl Default for WebClient {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use lambda_http::http::StatusCode;
    use testkit::Web;

    use super::*;

    fn request(method: &str, uri: &str, body: &str) -> Request<String> {
        Request::builder().method(method).uri(uri).header("x-from", "here").body(body.to_owned()).expect("a request")
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_of_any_status_is_an_answer() {
        let web = Web::answering(|request| {
            let status = if request.body().is_empty() { 404 } else { 201 };
            let answer = Response::builder().status(status).header("x-to", "there");
            Some(answer.body(format!("{} {}", request.method(), request.uri())).expect("an answer"))
        });
        let client = WebClient::over(web.clone());
        for (method, body, status) in [("POST", "{}", StatusCode::CREATED), ("GET", "", StatusCode::NOT_FOUND)] {
            let answer = client.send(request(method, "https://api.example/a?b=c", body)).await.expect("an answer");
            assert_eq!((answer.status(), answer.headers()["x-to"].to_str().ok()), (status, Some("there")));
            assert_eq!(*answer.body(), format!("{method} https://api.example/a?b=c"));
        }
        assert_eq!(web.requests()[0].headers()["x-from"], "here");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_waited_for_without_end() {
        let client = WebClient::over(Web::answering(|_| None));
        let failed = client.send(request("GET", "https://api.example/", "")).await;
        assert!(matches!(failed, Err(NoAnswer::TooLate)), "{failed:?}");
    }

    #[tokio::test]
    async fn without_a_connection_there_is_no_answer() {
        // Nobody listens: port 9 is for discarding, and above it is the test's own machine.
        let failed = WebClient::new().send(request("GET", "http://127.0.0.1:9/", "")).await;
        assert!(matches!(failed, Err(NoAnswer::Connection(_))), "{failed:?}");
    }
}
