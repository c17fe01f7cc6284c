//! Wiring of [`redrive`]: settings, clients, and the loop. Runs are started by the schedule, by hand, and by the API.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::run::{self, Wake};
use lambda::settings::Environment;
use lambda::{gateway, telemetry};
use redrive::Redrive;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let redrive = &Redrive::from_environment(&environment, aws.dynamodb(), aws.sqs())?;
    run::events(|wake, finish_by| async move {
        let now = SystemTime::now().into();
        Ok(match wake {
            Wake::Event(request) => {
                let report = redrive.run(&request, now, finish_by).await;
                // An error of the function's own, so that its alarm rings.
                if let Some(queues) = report.broken_off() {
                    return Err(format!("the runs over these queues broke off: {queues}").into());
                }
                serde_json::to_value(report)?
            }
            Wake::Http(event) => gateway::serve(event.get(), |request| redrive.handle(request, now, finish_by)).await,
        })
    })
    .await
}
