//! Wiring of [`webhook_api`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use webhook_api::Office;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, WITH_A_CLIENT_WAITING).await?;
    let office = &Office::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    run::http(|request| async move { office.handle(request, SystemTime::now().into()).await }).await
}
