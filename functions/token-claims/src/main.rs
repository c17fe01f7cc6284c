//! Wiring of [`token_claims`]: settings, and the loop.

use lambda::settings::Environment;
use lambda::{run, telemetry};
use token_claims::TokenClaims;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let environment = Environment::of_process();
    telemetry::start(&environment)?;
    let claims = &TokenClaims::from_environment(&environment);
    run::events(|event, _| async move { Ok(claims.add_to(event)) }).await
}
