//! Wiring of [`timekeeper`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use timekeeper::{Incoming, Timekeeper};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let timekeeper = &Timekeeper::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    run::events(|incoming, finish_by| async move {
        let now = SystemTime::now().into();
        Ok(match incoming {
            Incoming::Due(batch) => Some(timekeeper.hand_in(batch, now, finish_by).await),
            Incoming::Sweep(_) => {
                timekeeper.sweep(now, finish_by).await?;
                None
            }
        })
    })
    .await
}
