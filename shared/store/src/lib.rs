//! Everything that Waybill keeps in DynamoDB, over the SDK's own client.
//!
//! - [`connections`]: WebSocket connections, and what they follow
//! - [`event_store`]: streams of commits, and the one transaction that makes a command's effect exactly-once
//! - [`findings`]: what a verification has found that does not fit
//! - [`guards`]: conditions that reach beyond one aggregate
//! - [`jobs`]: work on all that is stored
//! - [`lease`]: the right to what one at a time does
//! - [`operations`]: what became of a command
//! - [`read_models`]: documents, lists and totals
//! - [`registry`]: tenants, their grants, routes and schemas
//! - [`parked`]: messages set aside for a person
//! - [`stream_positions`]: commits by their place in the stream of the events table
//! - [`timers`]: which command is due when
//! - [`traces`]: all that tells what became of a command, by keys
//! - [`webhooks`]: endpoints that get domain events, and how far each has got
//!
//! Attribute names are none of DynamoDB's reserved words, so expressions need no aliases.

mod batch_get;
mod commit;
pub mod connections;
mod error;
pub mod event_store;
pub mod findings;
pub mod guards;
mod head;
mod item;
pub mod jobs;
pub mod lease;
pub mod operations;
pub mod parked;
pub mod read_models;
pub mod registry;
pub mod stream_positions;
mod tables;
pub mod timers;
pub mod traces;
pub mod webhooks;

pub use aws_sdk_dynamodb::Client;
pub use commit::{CommitBuilder, CommitError, Entry, Refusal, TooLarge};
pub use error::StoreError;
pub use event_store::EventStore;
pub use head::{Head, Loaded};
pub use tables::Tables;
