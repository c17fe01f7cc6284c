//! What an order remembers to decide by.

use serde::{Deserialize, Serialize};

/// How far an order has come.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nobody has submitted it.
    #[default]
    Unknown,
    /// It can be shipped.
    Submitted,
    /// It can be shipped when it is paid.
    AwaitingPayment,
    /// It is paid.
    Confirmed,
    Shipped,
    Cancelled,
}
