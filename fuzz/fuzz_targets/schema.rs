//! A tenant's own schema, and data that is checked by it: the schema's text, a line of three hyphens, the data's text.

#![no_main]

use kernel::problem::Problem;
use libfuzzer_sys::{Corpus, fuzz_target};
use schemas::{Budget, TenantSchemas, command_data};
use store::registry::TenantSchema;

const URI: &str = "https://schemas.example/note";

fuzz_target!(|bytes: &[u8]| -> Corpus {
    let Ok(text) = std::str::from_utf8(bytes) else { return Corpus::Reject };
    let (document, data) = text.split_once("\n---\n").unwrap_or((text, "null"));
    let schema = TenantSchema { uri: URI.to_owned(), command_type: "Note".to_owned(), document: document.to_owned() };
    let schemas = TenantSchemas::compile(&fuzz::tenant(), &[schema]);
    assert!(schemas.named(URI, "Other").is_err(), "it is for one type of command");
    let schema = match schemas.named(URI, "Note") {
        Ok(schema) => schema,
        Err(problem) => {
            assert_eq!(problem.status, 500, "it is the operator who has to mend it: {problem:?}");
            return Corpus::Keep;
        }
    };
    match command_data(data) {
        Err(problem) => assert!(matches!(problem.status, 400 | 422), "{problem:?}"),
        Ok(data) => {
            if let Err(problem) = schema.check(&data, &mut Budget::for_request()) {
                complains(&problem, &data);
            }
        }
    }
    Corpus::Keep
});

/// Each fault is somewhere in the data.
fn complains(problem: &Problem, data: &serde_json::Value) {
    assert!(matches!(problem.status, 413 | 422) && problem.errors.len() <= 20, "{problem:?}");
    for fault in &problem.errors {
        let pointer = fault.pointer.as_deref().expect("a pointer");
        assert!(data.pointer(pointer).is_some(), "{pointer} is not in {data}");
    }
}
