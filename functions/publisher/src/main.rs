//! Wiring of [`publisher`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use publisher::{Clients, Incoming, Publisher};

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
    let clients = Clients { sns: aws.sns(), sqs: aws.sqs(), dynamodb: aws.dynamodb(), streams: aws.streams() };
    let publisher = &Publisher::from_environment(&environment, clients)?;
    run::events(|incoming, finish_by| async move {
        let now = SystemTime::now().into();
        Ok(match incoming {
            Incoming::Stream(batch) => {
                publisher.handle_stream(batch, now).await?;
                None
            }
            Incoming::Retries(batch) => Some(publisher.handle_retries(batch, now, finish_by).await),
        })
    })
    .await
}
