//! What Waybill sends: commands to SQS, domain events to SNS, mails to SES, frames to API Gateway's WebSocket connections, over
//! the SDK's own clients.

pub mod command_queue;
pub mod delayed;
mod error;
pub mod event_topic;
pub mod frames;
pub mod mail;
pub mod notification;
pub mod pack;
pub mod queues;
pub mod replay;
pub mod system_commands;
pub mod visibility;
pub mod webhooks;

pub use aws_sdk_apigatewaymanagement::Client as ConnectionsClient;
pub use aws_sdk_sesv2::Client as SesClient;
pub use aws_sdk_sns::Client as SnsClient;
pub use aws_sdk_sqs::Client as SqsClient;
pub use command_queue::{CommandQueue, Outgoing};
pub use error::SendError;
pub use event_topic::EventTopic;
pub use frames::{Frames, Sent};
pub use notification::Notification;
pub use queues::Queues;
pub use system_commands::SystemCommands;
pub use visibility::{Visibility, change_visibility};
