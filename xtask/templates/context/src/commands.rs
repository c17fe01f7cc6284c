//! What can be asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Command in "__names__" {
        Open__Name__(Open__Name__) = 1,
        Close__Name__(Close__Name__) = 1,
    }
}

/// It begins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Open__Name__ {
    /// What it is about, for people to read.
    #[schemars(length(min = 1, max = 200))]
    pub title: String,
}

/// It ends. What is closed already stays as it is, and that is a success.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Close__Name__ {}
