//! What a policy remembers to decide by.

use serde::{Deserialize, Serialize};

/// How far a policy has come, and what it costs.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has bound it.
    #[default]
    Unknown,
    Active {
        premium: i64,
    },
    Cancelled,
}
