//! Wiring of [`listener`]: settings and clients; the rest is the runner's.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use listener::Listener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let listener = Listener::from_environment(&environment, aws.sqs())?;
    subscriber::run(listener, &environment, aws.sqs()).await
}
