//! A client for HTTP APIs other than AWS's own. It is the SDK's HTTPS client without the SDK, so a function has one HTTP
//! stack and one TLS. It takes no proxy from the environment.

use std::error::Error;
use std::iter::successors;
use std::time::Duration;

use aws_smithy_http_client::Connector;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;
use aws_smithy_runtime_api::client::dns::{ResolveDns, SharedDnsResolver};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorSettings, SharedHttpConnector};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_types::body::SdkBody;
use http_body_util::{BodyExt as _, Limited};
use lambda_http::http::{Request, Response};
use tokio::time::timeout;

use self::destinations::{BadUrl, Destinations};
use self::public::{Guarded, PublicOnly, SystemLookup};

mod address;
pub mod destinations;
mod public;

/// How long a request waits for its answer. API Gateway gives up after three times as long.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// How long a request to a stranger's host waits: the least that Standard Webhooks 1.0.0 recommends ("Request timeouts").
pub const PUBLIC_PATIENCE: Duration = Duration::from_secs(15);

/// How long a connection may take to be there.
const CONNECT_PATIENCE: Duration = Duration::from_secs(3);

/// The same, to a stranger's host: time for its DNS, and to repeat two lost packets.
const PUBLIC_CONNECT_PATIENCE: Duration = Duration::from_secs(5);

/// The longest body that is read, in bytes.
const MAX_BODY: usize = 1024 * 1024;

/// How much is read of a stranger's body, in bytes.
pub const PUBLIC_BODY: usize = 4 * 1024;

type Cause = Box<dyn Error + Send + Sync>;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum NoAnswer {
    /// The request may not go there. Nothing was sent, and it will not be until the URL or its host's DNS changes.
    #[error("the request was not sent: {0}")]
    NotSent(BadUrl),
    #[error("the request could not be sent, or its answer not be read")]
    Connection(#[source] Cause),
    #[error("no answer within {} seconds", .0.as_secs_f32())]
    TooLate(Duration),
}

/// Sends requests as they are: no retries, no redirects, no cookies. An answer of any status is an answer.
#[derive(Debug, Clone)]
pub struct WebClient {
    connector: SharedHttpConnector,
    patience: Duration,
    body: Body,
}

/// How much of an answer's body is read.
#[derive(Debug, Clone, Copy)]
enum Body {
    /// Up to [`MAX_BODY`], and more is an error.
    Whole,
    /// So many bytes; what follows is not waited for.
    Beginning(usize),
}

impl WebClient {
    /// With the certificates that the system trusts.
    pub fn new() -> Self {
        Self::over(connector(CONNECT_PATIENCE, None))
    }

    /// With connections of another kind, such as a test's.
    pub fn over(connector: impl HttpConnector + 'static) -> Self {
        Self { connector: SharedHttpConnector::new(connector), patience: PATIENCE, body: Body::Whole }
    }

    /// For URLs that strangers chose: sends to public addresses and to what the installation added, and otherwise says
    /// [`NoAnswer::NotSent`]. Waits for [`PUBLIC_PATIENCE`], and reads the first [`PUBLIC_BODY`] bytes of a body.
    pub fn public(destinations: Destinations) -> Self {
        Self::public_by(SystemLookup, destinations)
    }

    /// The same, with another way to look up the public names, such as a test's.
    pub fn public_by(lookup: impl ResolveDns + 'static, destinations: Destinations) -> Self {
        let connector = |lookup| SharedHttpConnector::new(connector(PUBLIC_CONNECT_PATIENCE, lookup));
        let public = connector(Some(PublicOnly(SharedDnsResolver::new(lookup))));
        // Certificates are read for each, and most installations add nothing.
        let added = if destinations.is_public_only() { public.clone() } else { connector(None) };
        let guarded = Guarded { destinations, public, added };
        Self { patience: PUBLIC_PATIENCE, body: Body::Beginning(PUBLIC_BODY), ..Self::over(guarded) }
    }

    /// The same client, which waits so long for an answer.
    #[must_use]
    pub fn patient_for(self, patience: Duration) -> Self {
        Self { patience, ..self }
    }

    /// The answer, with a body of text.
    pub async fn send(&self, request: Request<String>) -> Result<Response<String>, NoAnswer> {
        let answer = timeout(self.patience, self.exchange(request)).await;
        answer.map_err(|_| NoAnswer::TooLate(self.patience))?.map_err(no_answer)
    }

    async fn exchange(&self, request: Request<String>) -> Result<Response<String>, Cause> {
        let request = HttpRequest::try_from(request.map(SdkBody::from))?;
        let (head, body) = self.connector.call(request).await?.try_into_http1x()?.into_parts();
        let body = match self.body {
            Body::Whole => String::from_utf8(Limited::new(body, MAX_BODY).collect().await?.to_bytes().into())?,
            Body::Beginning(most) => beginning(body, most).await?,
        };
        Ok(Response::from_parts(head, body))
    }
}

impl Default for WebClient {
    fn default() -> Self {
        Self::new()
    }
}

fn connector(patience: Duration, lookup: Option<PublicOnly>) -> Connector {
    let settings = HttpConnectorSettings::builder().connect_timeout(patience).build();
    let builder = Connector::builder().connector_settings(settings).tls_provider(Provider::Rustls(CryptoMode::Ring));
    match lookup {
        Some(lookup) => builder.build_with_resolver(lookup),
        None => builder.build(),
    }
}

/// The SDK's connector wraps what our lookup says in errors of its own.
fn no_answer(cause: Cause) -> NoAnswer {
    let first: &(dyn Error + 'static) = &*cause;
    match successors(Some(first), |&error| error.source()).find_map(<dyn Error>::downcast_ref::<BadUrl>) {
        Some(bad) => NoAnswer::NotSent(bad.clone()),
        None => NoAnswer::Connection(cause),
    }
}

/// The first bytes of a body. What is not UTF-8 is replaced: a stranger's answer may be anything.
async fn beginning(mut body: SdkBody, most: usize) -> Result<String, Cause> {
    let mut read = Vec::new();
    while read.len() < most
        && let Some(frame) = body.frame().await
    {
        if let Ok(data) = frame?.into_data() {
            read.extend_from_slice(&data[..data.len().min(most - read.len())]);
        }
    }
    Ok(String::from_utf8_lossy(&read).into_owned())
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
        let longer = Duration::from_secs(30);
        for (client, patience) in [(client.clone(), PATIENCE), (client.patient_for(longer), longer)] {
            let started = tokio::time::Instant::now();
            let failed = client.send(request("GET", "https://api.example/", "")).await;
            assert!(matches!(failed, Err(NoAnswer::TooLate(_))), "{failed:?}");
            assert_eq!(started.elapsed().as_secs(), patience.as_secs());
        }
    }

    #[tokio::test]
    async fn without_a_connection_there_is_no_answer() {
        // Nobody listens: port 9 is for discarding, and above it is the test's own machine.
        let failed = WebClient::new().send(request("GET", "http://127.0.0.1:9/", "")).await;
        assert!(matches!(failed, Err(NoAnswer::Connection(_))), "{failed:?}");
    }
}
