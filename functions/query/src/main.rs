//! Wiring of [`query`]: settings, clients, and the loop.

use std::time::SystemTime;

use lambda::aws::{Aws, WITH_A_CLIENT_WAITING};
use lambda::settings::Environment;
use lambda::{run, telemetry};
use query::Query;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let query = &Query::from_environment(&environment, Aws::connect(WITH_A_CLIENT_WAITING).await.dynamodb())?;
    run::http(|request| async move { query.handle(request, SystemTime::now().into()).await }).await
}
