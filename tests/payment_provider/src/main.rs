//! The provider by itself: `payment-provider [PORT]`. The local stack has one of its own.

use payment_provider::{Provider, Server};

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let port = std::env::args().nth(1).map_or(Ok(0), |port| port.parse())?;
    let server = Server::start(Provider::new("test"), port)?;
    println!("{} with the API key test", server.url);
    server.wait();
    Ok(())
}
