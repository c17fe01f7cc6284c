//! What every room of the house agrees on: the CloudEvent, identifiers, receipts, deciders, projections, operations,
//! problems, the signatures of webhooks, and what is said over a connection.
//!
//! Pure: no clock, no I/O, no async, no AWS. Whoever calls in here brings the time and the bytes.

pub mod back_off;
pub mod cloud_event;
pub mod command;
pub mod context;
pub mod counter;
pub mod day;
pub mod decider;
pub mod domain_event;
pub mod effect;
pub mod expected_version;
pub mod frame;
mod hex;
pub mod ids;
pub mod message;
pub mod money;
pub mod operation;
pub mod overview;
pub mod parking;
pub mod peers;
pub mod principal;
pub mod problem;
pub mod projection;
pub mod receipt;
pub mod schema_uri;
pub mod system_command;
pub mod text;
pub mod ticket;
pub mod timestamp;
pub mod webhook_signature;

pub use serde_json::value::RawValue;

/// For `skip_serializing_if`.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}
