//! Wiring of [`push`]: settings and clients.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use push::Push;

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
    let connections = aws.connections(&environment.text("CONNECTIONS_URL")?);
    let push = &Push::from_environment(&environment, aws.dynamodb(), connections)?;
    lambda::run::events(
        |batch, finish_by| async move { Ok(push.handle(batch, SystemTime::now().into(), finish_by).await?) },
    )
    .await
}
