//! Wiring of [`webhook_dispatcher`]: settings and clients; the rest is the runner's.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use webhook_dispatcher::WebhookDispatcher;

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
    let dispatcher = WebhookDispatcher::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    subscriber::run(dispatcher, &environment, aws.sqs()).await
}
