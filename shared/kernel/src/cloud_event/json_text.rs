//! JSON written by hand, so that it cannot fail and `data` can be spliced in as it came.

use std::fmt::Write as _;

/// Appends `text` as a JSON string; only what must be escaped is.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(index) = rest.bytes().position(|byte| matches!(byte, b'"' | b'\\' | ..=0x1F)) {
        let (plain, special) = rest.split_at(index);
        out.push_str(plain);
        let (special, after) = special.split_at(1);
        match special {
            "\"" => out.push_str("\\\""),
            "\\" => out.push_str("\\\\"),
            control => _ = write!(out, "\\u{:04x}", control.as_bytes()[0]),
        }
        rest = after;
    }
    out.push_str(rest);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_string_reads_back_as_it_was(text in proptest::collection::vec(any::<char>(), 0..20)) {
            let text = String::from_iter(text) + "\"\\\n\u{0}";
            let mut json = String::new();
            push_string(&mut json, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&json).ok(), Some(text));
        }
    }
}
