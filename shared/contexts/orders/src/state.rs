//! What an order remembers to decide by.

use serde::{Deserialize, Serialize};

/// How far an order has come; also the read model's `status`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has submitted it.
    #[default]
    Unknown,
    Submitted,
    Shipped,
    Cancelled,
}
