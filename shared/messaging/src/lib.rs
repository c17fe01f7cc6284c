//! What Waybill sends: commands to SQS, domain events to SNS, over the SDK's own clients.

pub mod command_queue;
pub mod dead_letters;
mod error;
pub mod event_topic;
mod pack;
pub mod queues;
pub mod visibility;

pub use aws_sdk_sns::Client as SnsClient;
pub use aws_sdk_sqs::Client as SqsClient;
pub use command_queue::{CommandQueue, Outgoing};
pub use dead_letters::DeadLetters;
pub use error::SendError;
pub use event_topic::EventTopic;
pub use queues::Queues;
pub use visibility::{Visibility, change_visibility};
