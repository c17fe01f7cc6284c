//! What an account remembers to decide by. Not its balance: that is a [counter](crate::counters::AVAILABLE).

use serde::{Deserialize, Serialize};

/// Whether there is an account, and in which currency.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has opened it.
    #[default]
    Unknown,
    Open {
        currency: String,
    },
}
