//! Wiring of [`command_handler`]: settings, clients, and the loop. Deployed once per context.

use std::time::SystemTime;

use command_handler::CommandHandler;
use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    run::on_a_task(serve()).await
}

async fn serve() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let handler = CommandHandler::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    let handler = &handler;
    run::events(|event, finish_by| async move { Ok(handler.handle(event, SystemTime::now().into(), finish_by).await) })
        .await
}
