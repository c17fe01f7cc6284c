//! An AWS inside the test's own process, behind the real SDK clients.
//!
//! [`Aws`] is the HTTP client that the SDK's clients are given. It answers `DynamoDB`, `DynamoDB` Streams, SQS, SNS, SES,
//! CloudWatch, Secrets Manager and WebSocket connections' requests from memory, without a socket or a thread, so that the
//! code under test is the code that ships and a paused tokio clock stays in charge. Each [`Aws`] is a world of its own,
//! with the tables that `template.yaml` declares.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use testkit::{Aws, Fault, TABLES};
//!
//! let aws = Aws::new();
//! aws.inject(|attempt| match (attempt.operation, attempt.nth) {
//!     ("GetItem", 1) => Fault::Throttle,
//!     _ => Fault::None,
//! });
//!
//! aws.dynamodb()
//!     .get_item()
//!     .table_name(TABLES.operations)
//!     .key("operation_key", aws_sdk_dynamodb::types::AttributeValue::S("k".into()))
//!     .send()
//!     .await?;
//!
//! assert_eq!(aws.count("GetItem"), 2, "the SDK retried\n{}", aws.calls());
//! # Ok(()) }
//! ```
//!
//! Queues have redrive policies ([`Aws::dead_letter_queue`]), topics deliver to queues ([`Aws::subscribe`]), and
//! [`Aws::poll`] is Lambda's event source of a queue. Simulations let them do what AWS does not rule out
//! ([`Aws::disturb`]).
//!
//! Beside it: other HTTP APIs ([`Web`]), requests as the HTTP API makes them ([`gateway`]), answers held against its
//! description ([`openapi`]), what was logged and counted ([`Log`], [`Metrics`]), and templates as JSON
//! ([`template_json`]).
//!
//! What is not here: given/when/then for deciders (crate `kernel`), a queue's retention time, and Lambda's event source of
//! a stream beyond the shapes of its events and of its on-failure record.

mod answer;
mod attributes;
mod aws;
mod batch;
mod calls;
mod cbor;
mod clients;
mod clock;
mod cloudwatch;
mod counts;
mod disturbance;
mod dynamodb;
mod faults;
pub mod gateway;
mod holding;
mod http;
mod logs;
pub mod openapi;
mod plain;
mod queues;
mod request;
mod secrets;
mod ses;
mod sns;
mod sockets;
mod sqs;
mod streams;
mod tables;
mod template;
mod topics;
mod web;

pub use attributes::{Attribute, Attributes};
pub use aws::Aws;
pub use calls::{Call, Calls};
pub use counts::Metrics;
pub use disturbance::{Count, Disturbance, Disturbed};
pub use faults::{Attempt, Effect, Fault};
pub use logs::Log;
pub use queues::Message;
pub use request::Service;
pub use ses::SentMail;
pub use tables::{TABLES, Tables};
pub use template::{template_json, template_values};
pub use topics::Notification;
pub use web::Web;
