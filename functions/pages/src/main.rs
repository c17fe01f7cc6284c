//! Wiring of [`pages`]: settings, and the loop.

use lambda::settings::Environment;
use lambda::{run, telemetry};
use pages::Pages;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_http::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let pages = &Pages::from_environment(&environment)?;
    run::http(|request| async move { pages.handle(&request) }).await
}
