//! What happens.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

kernel::messages! {
    pub enum Event in "__names__" {
        __Name__Opened(__Name__Opened) = 1,
        __Name__Closed(__Name__Closed) = 1,
    }
}

/// It has begun.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct __Name__Opened {
    /// What it is about, for people to read.
    pub title: String,
    /// The principal whose command it was.
    pub opened_by: String,
}

/// It has ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct __Name__Closed {}
