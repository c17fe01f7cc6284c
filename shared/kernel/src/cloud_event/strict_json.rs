//! JSON with one meaning (I-JSON, RFC 7493): what two parsers could read differently is refused.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::Invalid;
use super::invalid::clipped;

/// How deep arrays and objects may nest in `data`.
pub const MAX_DEPTH: usize = 64;

/// Reads an event's data, in time linear to its length and on a stack bounded by [`MAX_DEPTH`].
///
/// Refused beyond what JSON itself forbids: an object with a member twice (of which parsers keep the first, the last or
/// both), a number too large for a double, half of a surrogate pair, and more than [`MAX_DEPTH`] levels.
pub fn strict_json(text: &str) -> Result<Value, Invalid> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Strict { depth: 0 }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value))
        .map_err(|error| Invalid::attributed("data", format!("is not JSON that can be taken: {}", why_not(&error))))
}

/// What a text is no JSON for, in words for its writer: of half a surrogate pair, `serde_json` says other things.
pub fn why_not(error: &serde_json::Error) -> String {
    ["unexpected end of hex escape", "lone leading surrogate in hex escape"]
        .into_iter()
        .fold(error.to_string(), |said, theirs| said.replace(theirs, "half of a surrogate pair"))
}

/// `serde_json` gives names that begin so a meaning of their own when it reads a `Value`: JSON text hidden in such a
/// member's string would be expanded behind the validator's back.
const RESERVED_NAMES: &str = "$serde_json::private::";

/// A value at this depth: `depth` arrays and objects are open around it.
#[derive(Clone, Copy)]
struct Strict {
    depth: usize,
}

impl Strict {
    fn inside<E: Error>(self) -> Result<Self, E> {
        if self.depth == MAX_DEPTH {
            return Err(E::custom(format_args!("arrays and objects nest deeper than {MAX_DEPTH} levels")));
        }
        Ok(Self { depth: self.depth + 1 })
    }
}

impl<'de> DeserializeSeed<'de> for Strict {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E: Error>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut array: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut values = Vec::new();
        while let Some(value) = array.next_element_seed(inside)? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Value, A::Error> {
        let inside = self.inside()?;
        let mut members = Map::new();
        while let Some(name) = object.next_key::<String>()? {
            if members.contains_key(&name) {
                return Err(A::Error::custom(format_args!("the member {:?} is there twice", clipped(&name))));
            }
            if name.starts_with(RESERVED_NAMES) {
                return Err(A::Error::custom(format_args!("no member's name may begin with {RESERVED_NAMES:?}")));
            }
            let value = object.next_value_seed(inside)?;
            members.insert(name, value);
        }
        Ok(Value::Object(members))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn a_value_is_read_as_serde_json_reads_it() {
        let text = r#" {"a": [1, -2, 2.5, true, null, "ä\n\ud83d\ude00"], "": {}, "b": 18446744073709551615} "#;
        assert_eq!(strict_json(text), Ok(serde_json::from_str(text).expect("valid")));
    }

    #[test]
    fn a_repeated_member_is_refused_wherever_it_is_and_however_it_is_spelled() {
        for text in [r#"{"a":1,"a":1}"#, r#"[{"b":{"a":1,"c":[],"a":2}}]"#, r#"{"a":1,"\u0061":2}"#] {
            let refusal = strict_json(text).expect_err(text);
            assert_eq!(refusal.attribute(), Some("data"));
            assert!(refusal.detail().contains(r#"the member "a" is there twice at line 1"#), "{refusal}");
        }
        assert!(strict_json(r#"[{"a":1},{"a":1,"b":{"a":1}}]"#).is_ok());
    }

    #[test]
    fn nesting_ends_at_the_limit() {
        let nested = |depth| "[".repeat(depth) + &"]".repeat(depth);
        assert!(strict_json(&nested(MAX_DEPTH)).is_ok());
        assert!(strict_json(&nested(MAX_DEPTH + 1)).expect_err("too deep").detail().contains("deeper than 64 levels"));
        assert!(strict_json(&nested(1_000_000)).is_err());
        assert!(strict_json(&r#"{"a":"#.repeat(1_000_000)).is_err());
    }

    #[test]
    fn what_two_parsers_could_read_differently_is_refused() {
        for text in [
            "1e400",
            r#""\ud800""#,
            r#""\udc00\ud800""#,
            r#"{"\ud800":1}"#,
            "NaN",
            "01",
            "[1,]",
            "1 2",
            "",
            "\u{feff}1",
        ] {
            assert!(strict_json(text).is_err(), "{text}");
        }
    }

    #[test]
    fn half_a_surrogate_pair_is_called_so() {
        for text in [
            r#""\ud800""#,
            r#""\ud800x""#,
            r#""\udc00""#,
            r#""\ud800\ud800""#,
            r#"{"a\ud83d":1}"#,
            r#"["\ude00\ud83d"]"#,
        ] {
            let refusal = strict_json(text).expect_err(text);
            assert!(refusal.detail().contains("half of a surrogate pair at line 1"), "{text}: {refusal}");
        }
    }

    #[test]
    fn json_hidden_from_the_validator_is_refused() {
        let hidden = r#"{"$serde_json::private::RawValue":"{\"a\":1}"}"#;
        assert_eq!(serde_json::from_str::<Value>(hidden).ok(), Some(json!({"a": 1})), "the reason for the rule");
        assert!(strict_json(hidden).is_err());
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in r#"[\[\]{}",:0-9a-e\\ .-]{0,40}"#) {
            _ = strict_json(&text);
        }
    }
}
