//! Frames to WebSocket connections, by API Gateway's management API.

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::operation::delete_connection::DeleteConnectionError;
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use kernel::frame::Frame;

use crate::error::SendError;

/// Sends frames.
#[derive(Debug, Clone)]
pub struct Frames {
    client: Client,
}

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It is on its way. Nobody says whether it arrives.
    Sent,
    /// The connection is closed. So it stays.
    Gone,
    /// The gateway does not take it, and says so: mostly because the client does not read what it was sent before.
    Refused,
}

impl Frames {
    /// The client's endpoint is that of the WebSocket API and its stage.
    pub fn new(client: Client) -> Self {
        Self { client }
    }

    pub async fn send(&self, connection: &str, frame: &Frame) -> Result<Sent, SendError> {
        let data = Blob::new(frame.to_json());
        let posted = self.client.post_to_connection().connection_id(connection).data(data).send().await;
        let Err(error) = posted else { return Ok(Sent::Sent) };
        match error.as_service_error() {
            Some(PostToConnectionError::GoneException(_)) => Ok(Sent::Gone),
            Some(
                PostToConnectionError::LimitExceededException(_)
                | PostToConnectionError::PayloadTooLargeException(_)
                | PostToConnectionError::ForbiddenException(_),
            ) => Ok(Sent::Refused),
            _ => Err(SendError::unavailable("PostToConnection")(error)),
        }
    }

    /// Closes a connection, if it is still open.
    pub async fn close(&self, connection: &str) -> Result<(), SendError> {
        let deleted = self.client.delete_connection().connection_id(connection).send().await;
        match deleted {
            Err(error) if !matches!(error.as_service_error(), Some(DeleteConnectionError::GoneException(_))) => {
                Err(SendError::unavailable("DeleteConnection")(error))
            }
            _ => Ok(()),
        }
    }
}
