//! Wiring of [`publisher`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use publisher::Publisher;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let publisher = &Publisher::from_environment(&environment, Aws::connect(IN_THE_BACKGROUND).await.sns())?;
    run::events(|batch, _| async move { Ok(publisher.handle(batch, SystemTime::now().into()).await?) }).await
}
