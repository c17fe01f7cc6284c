//! Wiring of [`operator`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use operator::Desk;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, WITH_A_CLIENT_WAITING).await?;
    let (secrets, cloudwatch) = (aws.secrets_manager(), aws.cloudwatch());
    let desk = &Desk::from_environment(&environment, aws.dynamodb(), aws.sqs(), secrets, cloudwatch)?;
    run::http(|request| async move { desk.handle(request, SystemTime::now().into()).await }).await
}
