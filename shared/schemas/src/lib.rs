//! What data is checked by: schemas of this build, tenants' own, and the rules for every command's data whatever its
//! schema.
//!
//! No schema can reach out or stall. References to other documents do not resolve, regular expressions run in linear
//! time, a tenant's schemas keep within [`bounds`], and what a request may have checked within a [`Budget`].

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod bounds;
mod budget;
mod bundled;
mod complaints;
mod data;
mod outline;
mod patterns;
mod tenants;

use jsonschema::Validator;
use kernel::problem::Problem;
use serde_json::Value;

pub use self::budget::Budget;
pub use self::bundled::Bundled;
pub use self::complaints::complaints;
pub use self::data::command_data;
use self::outline::{DRAFT, Outline};
use self::patterns::Weight;
pub use self::tenants::TenantSchemas;

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    outline: Outline,
    /// One that we know, which asks for no more work than the data is large.
    is_ours: bool,
    /// About what it takes in memory; nothing for ours, which are there once.
    bytes: usize,
}

impl Schema {
    /// A schema of this build.
    fn ours(document: &Value) -> Result<Self, String> {
        let outline = Outline::of(document, &mut |_| Ok(Weight::default()))?;
        Ok(Self { validator: compiled(document)?, outline, is_ours: true, bytes: 0 })
    }

    /// A tenant's, that was found to be within bounds.
    fn of_tenant(bounds::Bounded { document, outline, bytes }: bounds::Bounded) -> Result<Self, String> {
        Ok(Self { validator: compiled(&document)?, outline, is_ours: false, bytes })
    }

    /// Says where `data` breaks the schema. The values themselves are not repeated.
    pub fn check(&self, data: &Value, budget: &mut Budget) -> Result<(), Problem> {
        if !self.is_ours && !budget.allows_check(&self.outline, data) {
            let detail = "the data is too large to be checked by so large a schema, or all of the request's data is";
            return Err(Problem::too_large(detail).about("data"));
        }
        if self.validator.is_valid(data) {
            return Ok(());
        }
        if budget.allows_listing(&self.outline, data) {
            return Err(complaints::listed(&self.validator, data));
        }
        let detail = "the data does not match its schema, and is too large for its complaints to be listed";
        Err(Problem::invalid_data(detail).about("data"))
    }
}

fn compiled(document: &Value) -> Result<Validator, String> {
    let validator = patterns::options(patterns::MAX_WEIGHT).build(document);
    validator.map_err(|error| format!("{error} (at {}, read as {DRAFT})", error.instance_path()))
}
