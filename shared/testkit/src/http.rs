//! The way of one HTTP request: logged, perhaps met by a fault, answered.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;

use crate::answer::{Answer, Refusal};
use crate::aws::{Aws, lock};
use crate::faults::{self, Attempt, Fault};
use crate::request::{Request, Service};
use crate::{cloudwatch, dynamodb, holding, secrets, ses, sns, sockets, sqs, streams};

impl HttpClient for Aws {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Connector { aws: self.clone(), read_timeout: settings.read_timeout() })
    }
}

#[derive(Debug)]
struct Connector {
    aws: Aws,
    read_timeout: Option<Duration>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let aws = self.aws.clone();
        let read_timeout = self.read_timeout;
        HttpConnectorFuture::new(async move {
            let request = Request::read(&request).map_err(|reason| ConnectorError::user(reason.into()))?;
            match read_timeout {
                None => carry(&aws, &request).await,
                Some(limit) => match tokio::time::timeout(limit, carry(&aws, &request)).await {
                    Ok(response) => response,
                    Err(elapsed) => Err(ConnectorError::timeout(elapsed.into())),
                },
            }
        })
    }
}

async fn carry(aws: &Aws, request: &Request) -> Result<HttpResponse, ConnectorError> {
    let begun = lock(&aws.world.log).begin(request);
    let (fault, rewritten) = {
        let attempt =
            Attempt { service: request.service, operation: &request.operation, nth: begun.nth, body: &request.body };
        (lock(&aws.world.faults).ask(&attempt), lock(&aws.world.rewriting).ask(&attempt))
    };
    let rewritten = rewritten.map(|body| Request { body, ..request.clone() });
    let request = rewritten.as_ref().unwrap_or(request);
    // A network call always lets others run, so that what races in production races here.
    tokio::task::yield_now().await;
    let latency = lock(&aws.world.latency).draw();
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }

    let answer = match fault {
        Fault::None => answer(aws, request, &[], TOLD).await,
        Fault::Refuse { status, code, message } => Answer::refusal(request.service, &Refusal { status, code, message }),
        Fault::Throttle => faults::throttle(request.service),
        Fault::TransactionConflict { item } => faults::transaction_conflict(request, &[item]),
        Fault::FailEntries(failing) => answer(aws, request, &failing, TOLD).await,
        Fault::LoseRequest => return Err(connection_lost()),
        Fault::LoseAnswer => {
            answer(aws, request, &[], !TOLD).await;
            return Err(connection_lost());
        }
        Fault::Delay(time) => {
            tokio::time::sleep(time).await;
            answer(aws, request, &[], TOLD).await
        }
        Fault::Hang => std::future::pending().await,
        Fault::HangAfter => {
            answer(aws, request, &[], !TOLD).await;
            std::future::pending().await
        }
        Fault::Late(time) => {
            let (aws, late) = (aws.clone(), request.clone());
            tokio::spawn(async move {
                tokio::time::sleep(time).await;
                answer(&aws, &late, &[], !TOLD).await;
            });
            std::future::pending().await
        }
    };
    lock(&aws.world.log).finish(&begun, &answer);
    Ok(answer.into_http())
}

/// Whether the caller gets the answer.
const TOLD: bool = true;

async fn answer(aws: &Aws, request: &Request, failing_entries: &[usize], told: bool) -> Answer {
    let answer = match request.service {
        Service::DynamoDb if !failing_entries.is_empty() => {
            dynamodb::answer_leaving_out(&aws.world.database, request, failing_entries)
        }
        Service::DynamoDb => match holding::prepare(aws, request).await {
            Ok(_held) => dynamodb::answer_once(&aws.world.database, request, &aws.world.tokens, aws.now()),
            Err(conflict) => conflict,
        },
        Service::DynamoDbStreams => streams::answer(&aws.world.database, request, aws.now()),
        Service::Sqs => sqs::answer(aws, request, failing_entries).await,
        Service::Sns => sns::answer(aws, request, failing_entries),
        Service::Ses => ses::answer(aws, request),
        Service::Connections => sockets::answer(aws, request),
        Service::SecretsManager => secrets::answer(aws, request),
        Service::CloudWatch => cloudwatch::answer(aws, request),
    };
    lock(&aws.world.observer).see(request, &answer, told);
    answer
}

fn connection_lost() -> ConnectorError {
    ConnectorError::io(std::io::Error::from(std::io::ErrorKind::ConnectionReset).into())
}
