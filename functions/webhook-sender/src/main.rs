//! Wiring of [`webhook_sender`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use webhook_sender::{Incoming, WebhookSender, web};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let sender = &WebhookSender::from_environment(&environment, aws.dynamodb(), aws.sqs(), web(&environment)?)?;
    run::events(|incoming, finish_by| async move {
        let now = SystemTime::now().into();
        Ok(match incoming {
            Incoming::Wake(batch) => Some(sender.deliver(batch, now, finish_by).await),
            Incoming::Sweep(_) => {
                sender.sweep(now, finish_by).await?;
                None
            }
        })
    })
    .await
}
