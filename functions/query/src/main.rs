//! Wiring of [`query`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use query::Query;

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
    let query = &Query::from_environment(&environment, aws.dynamodb(), aws.secrets_manager())?;
    query.receipts.read_ahead().await;
    run::http(|request| async move { query.handle(request, SystemTime::now().into()).await }).await
}
