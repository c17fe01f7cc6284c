//! What happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Event in "checks" {
        CheckRecorded(CheckRecorded) = 1,
    }
}

/// The command of a check was carried out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CheckRecorded {
    /// Which run of the check.
    pub run: String,
    /// The principal that runs the check.
    pub recorded_by: String,
}
