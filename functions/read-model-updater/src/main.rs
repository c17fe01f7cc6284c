//! Wiring of [`read_model_updater`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use read_model_updater::Updater;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(IN_THE_BACKGROUND).await;
    let updater = &Updater::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    run::events(|event, finish_by| async move { Ok(updater.handle(event, SystemTime::now().into(), finish_by).await) })
        .await
}
