//! Wiring of [`verifier`]: settings, clients, and the loop. A schedule has it work; the API asks for verifications, and for what
//! they have found.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::run::{self, Wake};
use lambda::settings::Environment;
use lambda::{gateway, telemetry};
use serde_json::Value;
use verifier::Verifier;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let verifier = &Verifier::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    run::events(|wake: Wake<Value>, finish_by| async move {
        let now = SystemTime::now().into();
        Ok(match wake {
            Wake::Event(_) => {
                verifier.work(now, finish_by).await?;
                Value::Null
            }
            Wake::Http(event) => gateway::serve(event.get(), |request| verifier.handle(request, now)).await,
        })
    })
    .await
}
