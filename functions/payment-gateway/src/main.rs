//! Wiring of [`payment_gateway`]: settings and clients; the rest is the runner's.

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;
use lambda::web::WebClient;
use payment_gateway::PaymentGateway;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let gateway = PaymentGateway::from_environment(&environment, aws.secrets_manager(), aws.sqs(), WebClient::new())?;
    subscriber::run(gateway, &environment, aws.sqs()).await
}
