//! The right to something that one at a time does.
//!
//! | attribute | holds |
//! | --- | --- |
//! | `lease_until` | somebody has it, until then at most, in milliseconds since 1970 |
//! | `lease_holder` | who: a number that nobody else draws |
//!
//! The time alone would not tell holders apart: two may ask in the same millisecond.

use aws_sdk_dynamodb::types::AttributeValue;
use serde::Deserialize;

use crate::item::n;

/// A lease, by who has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub struct Lease(u64);

impl Lease {
    /// One that nobody else has.
    pub(crate) fn draw() -> Self {
        Self(fastrand::u64(..))
    }

    /// The value of `lease_holder`.
    pub(crate) fn holder(self) -> AttributeValue {
        n(self.0)
    }
}
