//! What is remembered to decide by.

use serde::{Deserialize, Serialize};

/// The last run that was recorded on this day.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct State {
    pub latest_run: Option<String>,
}
