//! Regular expressions in schemas: what they weigh, and which there are none of.

use jsonschema::{Draft, PatternOptions, ValidationOptions};
use serde_json::json;

const KIB: usize = 1024;

/// What a compiled pattern may weigh, in bytes: tried from the least to the most.
const WEIGHTS: [usize; 10] =
    [KIB / 2, KIB, 2 * KIB, 4 * KIB, 8 * KIB, 16 * KIB, 32 * KIB, 64 * KIB, 128 * KIB, 256 * KIB];

/// What the table that a pattern fills while it is matched may weigh, in bytes.
const TABLE: usize = 64 * KIB;

/// How schemas are compiled: in one draft, without a way to anything outside, and with patterns that take linear time.
pub(crate) fn options(pattern_bytes: usize) -> ValidationOptions<'static> {
    jsonschema::options()
        .with_draft(Draft::Draft202012)
        .with_pattern_options(PatternOptions::regex().size_limit(pattern_bytes).dfa_size_limit(TABLE))
        .should_validate_formats(true)
        .offline()
}

/// The most that a pattern may weigh.
pub(crate) const MAX_WEIGHT: usize = WEIGHTS[WEIGHTS.len() - 1];

/// What a pattern weighs once compiled, in bytes.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    /// All of it.
    pub memory: usize,
    /// What may have to be gone through for each byte of a text. Of a class of Unicode that is next to nothing: its hundreds
    /// of states are branches of which a text takes one.
    pub matching: usize,
}

/// About what the pattern weighs, or why it is not taken.
pub(crate) fn weight(pattern: &str) -> Result<Weight, String> {
    let memory = compiled(pattern).ok_or_else(|| why_not(pattern))?;
    let matching = match without_unicode_classes(pattern) {
        Some(plain) => compiled(&plain).unwrap_or(memory).min(memory),
        None => memory,
    };
    Ok(Weight { memory, matching })
}

/// The least that the pattern can be compiled in.
fn compiled(pattern: &str) -> Option<usize> {
    let document = json!({ "pattern": pattern });
    WEIGHTS.into_iter().find(|weight| options(*weight).build(&document).is_ok())
}

/// The pattern with a letter in place of each `\p{…}` and `\P{…}`, if there are some.
fn without_unicode_classes(pattern: &str) -> Option<String> {
    let mut plain = String::new();
    let mut rest = pattern;
    while let Some(at) = rest.find('\\') {
        let (before, escape) = rest.split_at(at);
        plain.push_str(before);
        let class = escape.strip_prefix("\\p{").or_else(|| escape.strip_prefix("\\P{"));
        rest = if let Some((_, after)) = class.and_then(|class| class.split_once('}')) {
            plain.push('a');
            after
        } else {
            let end = escape.char_indices().nth(2).map_or(escape.len(), |(end, _)| end);
            plain.push_str(&escape[..end]);
            &escape[end..]
        };
    }
    plain.push_str(rest);
    (plain != pattern).then_some(plain)
}

fn why_not(pattern: &str) -> String {
    let pattern = pattern.chars().take(80).collect::<String>();
    match unsupported(&pattern) {
        Some(what) => {
            format!("the pattern {pattern} uses {what}, which is not supported: patterns take linear time")
        }
        None => format!(
            "the pattern {pattern} is no regular expression that is supported (ECMA-262 without look-around and \
                 back-references), or weighs more than {} KiB once compiled",
            MAX_WEIGHT / KIB
        ),
    }
}

/// What the pattern uses that would need another engine, one that can take exponential time.
fn unsupported(pattern: &str) -> Option<&'static str> {
    let mut in_class = false;
    let mut rest = pattern;
    while let Some(first) = rest.chars().next() {
        if !in_class && ["(?=", "(?!", "(?<=", "(?<!"].iter().any(|opening| rest.starts_with(opening)) {
            return Some("look-around");
        }
        if let Some(escaped) = rest.strip_prefix('\\') {
            if !in_class && escaped.starts_with(|first: char| matches!(first, '1'..='9' | 'k')) {
                return Some("a back-reference");
            }
            rest = escaped;
        } else {
            in_class = first == '[' || (in_class && first != ']');
        }
        rest = &rest[rest.chars().next().map_or(0, char::len_utf8)..];
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_that_needs_another_engine_is_told_what_for() {
        for (pattern, what) in [
            ("^(?=.*[0-9]).{8,}$", "look-around"),
            ("a(?!b)", "look-around"),
            ("(?<=a)b", "look-around"),
            ("(?<!a)b", "look-around"),
            (r"[\]](?=a)", "look-around"),
            (r"(a)\1", "a back-reference"),
            (r"(?<n>a)\k<n>", "a back-reference"),
        ] {
            let why = weight(pattern).expect_err(pattern);
            assert!(why.contains(what) && why.contains("not supported") && why.contains(pattern), "{why}");
        }
        for pattern in ["(", "[a", "a{2,1}", "a{1000}{1000}"] {
            let why = weight(pattern).expect_err(pattern);
            assert!(why.contains("no regular expression that is supported"), "{why}");
        }
    }

    #[test]
    fn what_only_looks_like_it_is_a_pattern_like_any_other() {
        for pattern in [r"\(?=", "[(?=]", r"\\(a)", "(?:a)", "(?<name>a)", r"\d\.", "[^\\]]+"] {
            assert!(weight(pattern).is_ok(), "{pattern}: {:?}", weight(pattern));
        }
    }

    #[test]
    fn classes_of_unicode_are_told_from_what_is_escaped() {
        let plain = without_unicode_classes;
        assert_eq!(plain(r"^\p{L}[\p{Nd}\P{L} '-]{0,3}\\p{L}\.$").as_deref(), Some(r"^a[aa '-]{0,3}\\p{L}\.$"));
        for pattern in [r"[a-z]\d", r"\\p{L}", r"\p{L", "", r"\", r"a\é"] {
            assert_eq!(plain(pattern), None, "{pattern}");
        }
    }

    #[test]
    fn a_heavier_pattern_weighs_more() {
        let [light, heavy, heaviest] =
            ["^[A-Z]{2}$", "(a|b)*a(a|b){300}c", r"^\p{L}{6}$"].map(|text| weight(text).expect("a pattern"));
        assert!(light.memory < heavy.memory && heavy.memory < heaviest.memory, "{light:?} {heavy:?} {heaviest:?}");
        assert!(light.matching < heavy.matching && heaviest.matching < heavy.matching, "{heavy:?} {heaviest:?}");
    }
}
