//! Connections: commands and their outcomes over a WebSocket.
//!
//! A caller fetches a ticket by HTTP, with a token ([`opening`]). The ticket opens one connection: the gateway asks an authorizer,
//! which is this function too, and hands on with every frame what it has answered ([`event`]). Over the connection a client
//! submits commands, which are admitted as ingest admits them, and follows operations ([`frames`]). The function `push` tells
//! them how these end.

pub mod event;
mod frames;
mod opening;
mod settings;

use admission::Intake;
use admission::limits::Meter;
use kernel::timestamp::Timestamp;
use lambda::caller::Callers;
use lambda::gateway;
use messaging::{Frames, SendError};
use serde_json::{Value, json};
use store::connections::Connections;
use store::operations::Operations;

use crate::event::{Event, Moment};
pub use crate::opening::{ROUTES, describe};
pub use crate::settings::Clients;

/// Serves connections.
pub struct Server {
    pub callers: Callers,
    /// Takes commands in.
    pub intake: Intake,
    pub operations: Operations,
    pub connections: Connections,
    pub frames: Frames,
    /// Where clients connect to.
    pub websocket_url: String,
    pub of_a_connection: Meter,
    pub tickets: Meter,
}

/// Why an event was not handled. The client hears of it from the gateway, or not at all, and asks again.
#[derive(Debug, thiserror::Error)]
pub enum HandleError {
    #[error("this is neither a request nor an event of a WebSocket")]
    Unknown(#[from] serde_json::Error),
    #[error("the answer was not sent")]
    Send(#[from] SendError),
}

impl Server {
    /// Handles an event of the HTTP API or of the WebSocket API.
    pub async fn handle(&self, event: &str, now: Timestamp) -> Result<Value, HandleError> {
        match Event::read(event)? {
            Event::Http => Ok(gateway::serve(event, |request| self.ticket(request, now)).await),
            Event::Asked(asked) => Ok(self.authorize(&asked, now).await),
            Event::Socket(Moment::Connect, connection) => Ok(status(self.open(&connection, now).await)),
            Event::Socket(Moment::Message(text), connection) => {
                self.answer(&connection, &text, now).await?;
                Ok(status(200))
            }
            // Nothing is kept of a connection but what expires.
            Event::Socket(Moment::Disconnect, _) => Ok(status(200)),
        }
    }
}

/// Without a body: the gateway would drop it, for answers go by its management API.
fn status(status: u16) -> Value {
    json!({ "statusCode": status })
}
