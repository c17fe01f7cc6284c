//! What is said of data that breaks its schema: where, and how, but never the data itself.

use jsonschema::{ValidationError, Validator};
use kernel::problem::{Complaint, Problem};
use serde_json::Value;

/// How many complaints are listed.
const MOST_COMPLAINTS: usize = 20;

/// The longest pointer and the longest detail, in bytes: names in the data are as long as their sender likes.
const LONGEST_POINTER: usize = 1024;
const LONGEST_DETAIL: usize = 512;

/// The first complaints. All of them are found before the first is listed, so somebody must have asked whether there may be so
/// many.
pub(crate) fn listed(validator: &Validator, data: &Value) -> Problem {
    let complaints: Vec<_> = validator.iter_errors(data).take(MOST_COMPLAINTS).map(|error| complaint(&error)).collect();
    let first = complaints.first().map(|complaint| complaint.detail.clone()).unwrap_or_default();
    Problem::invalid_data(first).about("data").listing(complaints)
}

/// What a check complains of, to be shown beside the data: nothing of data that may be sent.
pub fn complaints(checked: Result<(), Problem>) -> Vec<Complaint> {
    match checked {
        Ok(()) => Vec::new(),
        Err(Problem { errors, .. }) if !errors.is_empty() => errors,
        Err(Problem { detail, .. }) => {
            vec![Complaint { pointer: None, index: None, ty: None, attribute: None, detail }]
        }
    }
}

fn complaint(error: &ValidationError<'_>) -> Complaint {
    let mut detail = error.masked().to_string();
    if detail.len() > LONGEST_DETAIL {
        detail.truncate(detail.floor_char_boundary(LONGEST_DETAIL));
        detail.push('…');
    }
    let pointer = Some(within_length(error.instance_path().as_str()));
    Complaint { pointer, index: None, ty: None, attribute: None, detail }
}

/// The pointer, or where it is too long, that to the nearest value around.
fn within_length(pointer: &str) -> String {
    if pointer.len() <= LONGEST_POINTER {
        return pointer.to_owned();
    }
    // One byte more: a name may end right there.
    let beginning = &pointer[..pointer.floor_char_boundary(LONGEST_POINTER + 1)];
    beginning.rfind('/').map(|end| beginning[..end].to_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::bounds::Allowance;
    use crate::{Budget, Schema};

    fn schema(document: &Value) -> Schema {
        let bounded = Allowance::of_tenant().take(&document.to_string()).expect("within bounds");
        Schema::of_tenant(bounded).expect("a schema")
    }

    fn complaints_of(schema: &Schema, data: &Value) -> Vec<Complaint> {
        complaints(schema.check(data, &mut Budget::for_request()))
    }

    #[test]
    fn complaints_are_all_that_a_check_lists() {
        let document = json!({ "type": "object", "required": ["a"], "properties": { "b": { "type": "integer" } } });
        let schema = schema(&document);
        assert_eq!(complaints_of(&schema, &json!({ "a": 1, "b": 2 })), []);
        let complaints = complaints_of(&schema, &json!({ "b": "a secret" }));
        let mut pointers: Vec<_> = complaints.iter().filter_map(|complaint| complaint.pointer.as_deref()).collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["", "/b"]);
        assert!(complaints.iter().all(|complaint| !complaint.detail.contains("secret")), "{complaints:?}");
    }

    #[test]
    fn data_too_large_for_its_schema_is_a_complaint_too() {
        let patterns = schema(&json!({ "allOf": vec![json!({ "pattern": "(a|b)*c" }); 100] }));
        let [complaint] = &complaints_of(&patterns, &json!("a".repeat(100_000)))[..] else { panic!("one complaint") };
        assert!(complaint.pointer.is_none() && complaint.detail.contains("too large"), "{complaint:?}");
    }

    #[test]
    fn of_data_with_too_many_faults_none_is_listed_and_it_is_invalid_all_the_same() {
        let schema = schema(&json!({ "items": { "type": "string" } }));
        let invalid =
            |count: usize| schema.check(&json!(vec![1; count]), &mut Budget::for_request()).expect_err("numbers");
        let (few, many) = (invalid(1000), invalid(100_000));
        assert_eq!((few.errors.len(), many.errors.len()), (MOST_COMPLAINTS, 0));
        assert_eq!((&few.ty, few.status), (&many.ty, many.status));
        assert!(many.detail.contains("does not match its schema"), "{many:?}");
    }

    #[test]
    fn names_of_any_length_make_answers_of_a_bounded_one() {
        let long = "é".repeat(100_000);
        let schema = schema(&json!({
            "properties": { "a": { "additionalProperties": false } },
            "patternProperties": { "é": { "additionalProperties": { "type": "integer" } } },
        }));
        let complaints = complaints_of(&schema, &json!({ "a": { long.clone(): 1 }, long.clone(): { "b": "c" } }));
        let pointers: Vec<_> = complaints.iter().filter_map(|complaint| complaint.pointer.as_deref()).collect();
        assert_eq!(pointers.len(), 2);
        assert!(pointers.contains(&"/a") && pointers.contains(&""), "{complaints:?}");
        assert!(complaints.iter().all(|complaint| complaint.detail.len() < 600), "{complaints:?}");
    }

    #[test]
    fn a_pointer_is_cut_where_a_name_ends() {
        let names = |count: usize| "/name".repeat(count);
        assert_eq!(within_length(&names(10)), names(10));
        assert_eq!(within_length(&names(204)), names(204));
        assert_eq!(within_length(&names(205)), names(204));
        assert_eq!(within_length(&format!("{}/1234", names(204))), names(204));
        assert_eq!(within_length(&format!("/{}", "é".repeat(1000))), "");
        assert_eq!(within_length(""), "");
    }
}
