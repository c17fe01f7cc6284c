//! Wiring of [`synthetic_check`]: settings, clients, and the loop. Runs are started by the schedule, and by hand.

use std::time::SystemTime;

use lambda::aws::{Aws, IN_THE_BACKGROUND};
use lambda::run;
use lambda::settings::Environment;
use lambda::telemetry;
use lambda::web::WebClient;
use serde_json::Value;
use synthetic_check::SyntheticCheck;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let aws = Aws::connect(&environment, IN_THE_BACKGROUND).await?;
    let check = &SyntheticCheck::from_environment(&environment, aws.secrets_manager(), WebClient::new())?;
    run::events(|_: Value, finish_by| async move {
        // With its causes, for whoever invokes it by hand.
        let passed = check.run(SystemTime::now().into(), finish_by).await.map_err(|failure| telemetry::chain(&failure));
        Ok(passed?)
    })
    .await
}
