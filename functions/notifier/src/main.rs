//! Wiring of [`notifier`]: settings and clients.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use notifier::Notifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let notifier = &Notifier::from_environment(&environment, aws.sqs())?;
    lambda::run::events(|batch, _| async move { Ok(notifier.handle(batch).await?) }).await
}
