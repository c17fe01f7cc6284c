//! Wiring of [`connections`]: settings, clients, and the loop.

use std::time::SystemTime;

use connections::Server;
use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::run;
use lambda::settings::Environment;
use lambda::telemetry;
use serde_json::value::RawValue;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, WITH_A_CLIENT_WAITING).await?;
    let clients = connections::Clients {
        dynamodb: aws.dynamodb(),
        sqs: aws.sqs(),
        secrets_manager: aws.secrets_manager(),
        connections: aws.connections(&environment.text("CONNECTIONS_URL")?),
    };
    let server = &Server::from_environment(&environment, clients)?;
    server.intake.receipts.read_ahead().await;
    run::events(|event: Box<RawValue>, _| async move {
        Ok(Box::pin(server.handle(event.get(), SystemTime::now().into())).await?)
    })
    .await
}
