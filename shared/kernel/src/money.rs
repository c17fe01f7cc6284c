//! Money: whole numbers of a currency's smallest unit, so that nothing is ever rounded unseen.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An amount of money.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Money {
    /// In the currency's smallest unit: cents of a euro, whole yen.
    #[schemars(range(min = 0, max = 1_000_000_000_000_i64))]
    pub amount: i64,
    /// The currency's three letters in ISO 4217, such as EUR.
    #[schemars(regex(pattern = "^[A-Z]{3}$"))]
    pub currency: String,
}
