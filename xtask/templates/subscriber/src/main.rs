//! Wiring of [`__crate__`]: settings and clients; the rest is the runner's.

use __crate__::__Name__;
use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::settings::Environment;
use lambda::telemetry;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    subscriber::run(__Name__, &environment, aws.sqs()).await
}
