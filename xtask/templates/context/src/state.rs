//! What is remembered to decide by.

use serde::{Deserialize, Serialize};

/// How far it has come; also the read model's `status`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has opened it.
    #[default]
    Unknown,
    Open,
    Closed,
}
