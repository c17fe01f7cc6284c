//! AWS as it has answered before.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use testkit::Aws;

/// What calls were answered: the same one, or the last one of the same operation.
#[derive(Debug, Clone, Default)]
pub struct Answers(Arc<Mutex<Given>>);

#[derive(Debug, Default)]
struct Given {
    /// By operation and body.
    by_request: HashMap<(String, String), String>,
    last: HashMap<String, String>,
}

impl Answers {
    /// Those that this AWS gives from now on.
    pub fn of(aws: &Aws) -> Self {
        let answers = Self::default();
        let given = Arc::clone(&answers.0);
        aws.observe(move |call| {
            assert_eq!(call.status, 200, "{}", call.answer);
            let mut given = given.lock().unwrap_or_else(PoisonError::into_inner);
            given.by_request.insert((call.operation.to_owned(), call.body.to_owned()), call.answer.to_owned());
            given.last.insert(call.operation.to_owned(), call.answer.to_owned());
        });
        answers
    }

    pub fn dynamodb(&self, aws: &Aws) -> aws_sdk_dynamodb::Client {
        let config = aws.dynamodb().config().to_builder().http_client(self.clone()).build();
        aws_sdk_dynamodb::Client::from_conf(config)
    }

    pub fn secrets_manager(&self, aws: &Aws) -> aws_sdk_secretsmanager::Client {
        let config = aws.secrets_manager().config().to_builder().http_client(self.clone()).build();
        aws_sdk_secretsmanager::Client::from_conf(config)
    }

    pub fn sqs(&self, aws: &Aws) -> aws_sdk_sqs::Client {
        let config = aws.sqs().config().to_builder().http_client(self.clone()).build();
        aws_sdk_sqs::Client::from_conf(config)
    }

    /// What such a request was answered.
    fn answer(&self, request: &HttpRequest) -> String {
        let target = request.headers().get("x-amz-target").expect("a call names its operation");
        let operation = target.rsplit('.').next().unwrap_or_default().to_owned();
        let body = request.body().bytes().map(String::from_utf8_lossy).unwrap_or_default().into_owned();
        let given = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let last = given.last.get(&operation);
        let answer = given.by_request.get(&(operation, body)).or(last);
        answer.unwrap_or_else(|| panic!("nobody has called {target} before")).clone()
    }
}

impl HttpConnector for Answers {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let answer = self.answer(&request);
        let status = 200.try_into().expect("a status");
        HttpConnectorFuture::ready(Ok(HttpResponse::new(status, SdkBody::from(answer))))
    }
}

impl HttpClient for Answers {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}
