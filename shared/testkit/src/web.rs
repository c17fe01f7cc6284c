//! HTTP APIs other than AWS's, in the test's own process: what they answer, and what they were asked.

use std::fmt;
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_types::body::SdkBody;
use http::{Request, Response};

use crate::aws::lock;

type Answering = dyn FnMut(&Request<String>) -> Option<Response<String>> + Send;

/// Answers every request as the test says. Clones share it.
#[derive(Clone)]
pub struct Web {
    answering: Arc<Mutex<Answering>>,
    requests: Arc<Mutex<Vec<Request<String>>>>,
}

impl Web {
    /// `None` is an answer that never comes.
    pub fn answering(answer: impl FnMut(&Request<String>) -> Option<Response<String>> + Send + 'static) -> Self {
        Self { answering: Arc::new(Mutex::new(answer)), requests: Arc::default() }
    }

    /// Every request so far, in order.
    pub fn requests(&self) -> Vec<Request<String>> {
        lock(&self.requests).clone()
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let (head, body) = request.try_into_http1x().map_err(user)?.into_parts();
        let body = body.bytes().ok_or_else(|| user("a request's body must be held in memory"))?;
        let request = Request::from_parts(head, String::from_utf8(body.to_vec()).map_err(user)?);
        lock(&self.requests).push(request.clone());
        // A network call always lets others run.
        tokio::task::yield_now().await;
        let answer = (lock(&self.answering))(&request);
        match answer {
            Some(answer) => answer.map(SdkBody::from).try_into().map_err(user),
            None => std::future::pending().await,
        }
    }
}

fn user(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> ConnectorError {
    ConnectorError::user(error.into())
}

impl HttpConnector for Web {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl fmt::Debug for Web {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Web").field("requests", &lock(&self.requests).len()).finish_non_exhaustive()
    }
}
