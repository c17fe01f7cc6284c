//! What can be asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "checks" {
        RecordCheck(RecordCheck) = 1,
    }
}

/// A check runs, and this is its command. If it was the last one to be recorded already, that is a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RecordCheck {
    /// Names this run of the check and no other: 32 hexadecimal digits.
    #[schemars(regex(pattern = "^[0-9a-f]{32}$"))]
    pub run: String,
}
