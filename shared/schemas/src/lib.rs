//! What data is checked by: schemas of this build, tenants' own, and the rules for every command's data whatever its
//! schema.
//!
//! No schema can reach out or stall. References to other documents do not resolve, regular expressions run in linear
//! time, and a tenant's schema must keep within [`budget`].

#![expect(clippy::result_large_err, reason = "a problem is made once a request and becomes the answer")]

mod budget;
mod bundled;
mod data;
mod tenants;

use jsonschema::{Draft, PatternOptions, Validator};
use kernel::problem::{Fault, Problem};
use serde_json::Value;

use self::budget::Weight;
pub use self::bundled::Bundled;
pub use self::data::command_data;
pub use self::tenants::TenantSchemas;

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    /// Nothing for a bundled one, which we know.
    weight: Weight,
}

/// How many faults are listed.
const MOST_FAULTS: usize = 20;

/// What a compiled regular expression may weigh, in bytes.
const PATTERN_BUDGET: usize = 256 * 1024;

impl Schema {
    fn compile(document: &Value, weight: Weight) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BUDGET).dfa_size_limit(PATTERN_BUDGET))
            .should_validate_formats(true)
            .offline()
            .build(document)
            .map(|validator| Self { validator, weight })
            .map_err(|error| error.to_string())
    }

    /// Says where `data` breaks the schema. The values themselves are not repeated.
    pub fn check(&self, data: &Value) -> Result<(), Problem> {
        if !self.weight.allows(data) {
            return Err(Problem::too_large("the data is too large to be checked by so large a schema").about("data"));
        }
        if self.validator.is_valid(data) {
            return Ok(());
        }
        let fault = |error: jsonschema::ValidationError<'_>| Fault {
            pointer: Some(error.instance_path().to_string()),
            index: None,
            ty: None,
            attribute: None,
            detail: error.masked().to_string(),
        };
        let faults: Vec<_> = self.validator.iter_errors(data).take(MOST_FAULTS).map(fault).collect();
        let first = faults.first().map(|fault| fault.detail.clone()).unwrap_or_default();
        Err(Problem::invalid_data(first).about("data").listing(faults))
    }

    /// What [`check`](Self::check) complains of, to be shown beside the data: nothing of data that may be sent.
    pub fn complaints(&self, data: &Value) -> Vec<Fault> {
        match self.check(data) {
            Ok(()) => Vec::new(),
            Err(Problem { errors, .. }) if !errors.is_empty() => errors,
            Err(Problem { detail, .. }) => {
                vec![Fault { pointer: None, index: None, ty: None, attribute: None, detail }]
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn narrow() -> Schema {
        let document = json!({ "type": "object", "required": ["a"], "properties": { "b": { "type": "integer" } } });
        Schema::compile(&document, Weight::default()).expect("a schema")
    }

    #[test]
    fn complaints_are_all_that_a_check_lists() {
        let schema = narrow();
        assert_eq!(schema.complaints(&json!({ "a": 1, "b": 2 })), []);
        let wrong = json!({ "b": "a secret" });
        let complaints = schema.complaints(&wrong);
        let mut pointers: Vec<_> = complaints.iter().filter_map(|fault| fault.pointer.as_deref()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/b"]);
        assert!(complaints.iter().all(|fault| !fault.detail.contains("secret")), "{complaints:?}");
        assert_eq!(schema.check(&wrong).expect_err("wrong").errors, complaints);
    }

    #[test]
    fn data_too_large_for_its_schema_is_a_complaint_too() {
        let patterns = json!({ "allOf": vec![json!({ "pattern": "a" }); 100] }).to_string();
        let checked = budget::checked(&patterns).expect("within bounds");
        let schema = Schema::compile(&checked.document, checked.weight).expect("a schema");
        let [complaint] = &schema.complaints(&json!("a".repeat(100_000)))[..] else { panic!("one complaint") };
        assert!(complaint.pointer.is_none() && complaint.detail.contains("too large"), "{complaint:?}");
    }
}
