//! What a return remembers to decide by.

use kernel::ids::AggregateId;
use serde::{Deserialize, Serialize};

/// How far a return has come.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has requested it.
    #[default]
    Unknown,
    /// Of this order.
    Requested(AggregateId),
    Withdrawn,
    Received,
}
