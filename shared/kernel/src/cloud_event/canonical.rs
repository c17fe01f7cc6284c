//! One text for one content, to take a digest of: two clients, or two tries of one, may order members and space them
//! differently and still mean the same.

use std::fmt::Write as _;

use serde_json::{Number, Value};

use super::json_text::push_string;

/// The value as JSON: members in the order of their names' bytes, no white space, nothing escaped that need not be, and
/// equal numbers written alike (`1.0` and `1e0` as `1`).
///
/// Numbers are as precise as they were read: whole ones exact up to 64 bits, all others as doubles. For a value of
/// [`strict_json`](super::strict_json()), which bounds the depth of this recursion. It is in the spirit of RFC 8785,
/// not to its letter.
pub fn canonical(value: &Value) -> String {
    let mut out = String::new();
    push(&mut out, value);
    out
}

fn push(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => _ = write!(out, "{value}"),
        Value::Number(number) => push_number(out, number),
        Value::String(text) => push_string(out, text),
        Value::Array(values) => {
            out.push('[');
            for (index, value) in values.iter().enumerate() {
                separate(out, index);
                push(out, value);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, value)) in members.iter().enumerate() {
                separate(out, index);
                push_string(out, name);
                out.push(':');
                push(out, value);
            }
            out.push('}');
        }
    }
}

fn separate(out: &mut String, index: usize) {
    if index > 0 {
        out.push(',');
    }
}

fn push_number(out: &mut String, number: &Number) {
    _ = match number.as_f64().filter(|_| number.is_f64()).and_then(whole) {
        Some(whole) => write!(out, "{whole}"),
        None => write!(out, "{number}"),
    };
}

/// The whole number that a double is, where one of 64 bits could be equal to it.
fn whole(double: f64) -> Option<i128> {
    const TWO_TO_64: f64 = 18_446_744_073_709_551_616.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole, and of less than 65 bits")]
    (double.fract() == 0.0 && double.abs() < TWO_TO_64).then_some(double as i128)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::super::strict_json;
    use super::*;

    fn canonical_of(text: &str) -> String {
        canonical(&strict_json(text).expect("strict"))
    }

    #[test]
    fn members_are_sorted_and_white_space_is_gone() {
        // Fails if any crate of the build turns on serde_json's `preserve_order`: digests would then depend on order.
        assert_eq!(
            canonical_of(r#" { "b" : [ 1 , { "z":null,"y":true } ] , "ä":"\u0061\/\n", "a":{} } "#),
            r#"{"a":{},"b":[1,{"y":true,"z":null}],"ä":"a/\u000a"}"#
        );
    }

    #[test]
    fn equal_numbers_are_written_alike() {
        for one in ["1", "1.0", "1e0", "10e-1", "1.000"] {
            assert_eq!(canonical_of(one), "1");
        }
        assert_eq!(canonical_of("-0.0"), "0");
        assert_eq!(canonical_of("-0"), "0");
        assert_eq!(canonical_of("1e19"), canonical_of("10000000000000000000"));
        assert_eq!(canonical_of("2.50"), "2.5");
        assert_eq!(canonical_of("18446744073709551615"), "18446744073709551615");
        assert_eq!(canonical_of("1e300"), canonical_of("10e299"));
    }

    #[test]
    fn other_content_is_another_text() {
        for (one, other) in
            [("1", "\"1\""), ("9007199254740993", "9007199254740992"), ("[1,2]", "[2,1]"), ("null", "{}")]
        {
            assert_ne!(canonical_of(one), canonical_of(other));
        }
    }

    proptest! {
        #[test]
        fn canonical_text_is_its_own_canonical_text(
            numbers in proptest::collection::vec(proptest::num::f64::NORMAL | proptest::num::f64::ZERO, 0..5),
            text in any::<String>(),
        ) {
            let once = canonical(&json!({ "b": numbers, "a": text }));
            prop_assert_eq!(canonical_of(&once), once);
        }
    }
}
