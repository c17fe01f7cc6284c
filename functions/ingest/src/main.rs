//! Wiring of [`ingest`]: settings, clients, and the loop.

use std::time::SystemTime;

use ingest::Ingest;
use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::settings::Environment;
use lambda::{run, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    run::on_a_task(serve()).await
}

async fn serve() -> Result<(), lambda_http::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, WITH_A_CLIENT_WAITING).await?;
    let ingest = Ingest::from_environment(&environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager())?;
    ingest.intake.receipts.read_ahead().await;
    run::http_and_queue(
        |request| ingest.handle(request, SystemTime::now().into()),
        |batch, finish_by| ingest.hear(batch, SystemTime::now().into(), finish_by),
    )
    .await
}
