//! Wiring of [`read_model_updater`]: settings and clients; the rest is the runner's.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use read_model_updater::Updater;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    lambda::run::on_a_task(serve()).await
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let updater = Updater::from_environment(&environment, aws.dynamodb())?;
    subscriber::run(updater, &environment, aws.sqs()).await
}
