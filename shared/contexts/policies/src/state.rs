//! What a policy remembers to decide by.

use serde::{Deserialize, Serialize};

/// How far a policy has come; also the read model's `status`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has bound it.
    #[default]
    Unknown,
    Active,
    Cancelled,
}
