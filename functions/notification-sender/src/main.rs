//! Wiring of [`notification_sender`]: settings and clients; the rest is the runner's.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use notification_sender::NotificationSender;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let sender = NotificationSender::from_environment(&environment, aws.dynamodb(), aws.ses(), aws.sqs())?;
    subscriber::run(sender, &environment, aws.sqs()).await
}
