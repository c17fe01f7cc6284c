//! What each attribute may hold (core specification, sections 2 and 3).

use fluent_uri::{Uri, UriRef};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::media_type::MediaType;
use super::{Invalid, Value};

/// The specification's own attributes, which no extension may take the name of.
const CONTEXT_ATTRIBUTES: [&str; 8] =
    ["id", "source", "specversion", "type", "subject", "time", "dataschema", "datacontenttype"];

/// A string that must not be empty, as `id`, `type` and `subject` are.
pub(super) fn required_text(attribute: &str, value: &str) -> Result<(), Invalid> {
    if value.is_empty() {
        return Err(Invalid::attributed(attribute, "must not be empty"));
    }
    text(attribute, value)
}

pub(super) fn source(value: &str) -> Result<(), Invalid> {
    required_text("source", value)?;
    match UriRef::parse(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Invalid::attributed(
            "source",
            "must be a URI reference (RFC 3986), with everything outside its characters percent-encoded",
        )),
    }
}

/// A fragment is let through: RFC 3986, section 4.3, which the core specification names, has none in an absolute URI,
/// but the `CloudEvents` JSON Schema (`"format": "uri"`) has.
pub(super) fn dataschema(value: &str) -> Result<(), Invalid> {
    required_text("dataschema", value)?;
    match Uri::parse(value) {
        Ok(_) => Ok(()),
        Err(_) => Err(Invalid::attributed("dataschema", "must be an absolute URI (RFC 3986), such as https://…")),
    }
}

pub(super) fn time(value: &str) -> Result<(), Invalid> {
    required_text("time", value)?;
    if is_rfc3339(value) {
        Ok(())
    } else {
        Err(Invalid::attributed(
            "time",
            "must be an RFC 3339 timestamp, with seconds and an offset, such as 2026-04-30T12:00:00Z",
        ))
    }
}

pub(super) fn datacontenttype(value: &str) -> Result<MediaType, Invalid> {
    required_text("datacontenttype", value)?;
    let Some(media_type) = MediaType::parse(value) else {
        return Err(Invalid::attributed(
            "datacontenttype",
            "must be a media type (RFC 2045), such as application/json",
        ));
    };
    if media_type.is_json() && !media_type.is_utf8() {
        return Err(Invalid::attributed("datacontenttype", "must name no charset but charset=utf-8 for JSON"));
    }
    Ok(media_type)
}

pub(super) fn extension(name: &str, value: &Value) -> Result<(), Invalid> {
    attribute_name(name)?;
    if CONTEXT_ATTRIBUTES.contains(&name) {
        return Err(Invalid::attributed(name, "is an attribute of the specification, and no extension"));
    }
    match value {
        Value::String(value) => text(name, value),
        Value::Boolean(_) | Value::Integer(_) => Ok(()),
    }
}

/// Names longer than 20 characters are valid: the specification only advises against them.
pub(super) fn attribute_name(name: &str) -> Result<(), Invalid> {
    if name == "data" {
        return Err(Invalid::attributed(name, "is not an attribute's name: it is reserved for the data"));
    }
    if name.is_empty() || !name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()) {
        return Err(Invalid::attributed(
            name,
            "is not an attribute's name: only lower-case letters a to z and digits may be in it",
        ));
    }
    Ok(())
}

fn text(attribute: &str, value: &str) -> Result<(), Invalid> {
    // Nearly every attribute: printable ASCII, by the byte.
    if value.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return Ok(());
    }
    match value.chars().find(|character| is_forbidden(*character)) {
        None => Ok(()),
        Some(character) => Err(Invalid::attributed(
            attribute,
            format!("must not hold U+{:04X}: control characters and noncharacters are forbidden", u32::from(character)),
        )),
    }
}

/// Control characters (C0, DEL, C1) and noncharacters; a lone surrogate is no `char` to begin with.
fn is_forbidden(character: char) -> bool {
    let code_point = u32::from(character);
    character.is_control() || code_point & 0xFFFE == 0xFFFE || (0xFDD0..=0xFDEF).contains(&code_point)
}

/// The parser takes any character between date and time, which the RFC's grammar does not.
fn is_rfc3339(value: &str) -> bool {
    matches!(value.as_bytes().get(10), Some(b'T' | b't')) && OffsetDateTime::parse(value, &Rfc3339).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_what_rfc_3339_says() {
        for valid in [
            "2026-04-30T12:00:00Z",
            "2026-04-30t12:00:00z",
            "2026-04-30T12:00:00+23:59",
            "2026-04-30T12:00:00-00:00",
            "2026-04-30T12:00:00.123456789012345Z",
            "2024-02-29T00:00:00Z",
            "1990-12-31T23:59:60Z",
            "1990-12-31T15:59:60-08:00",
            "0000-01-01T00:00:00Z",
        ] {
            assert_eq!(time(valid), Ok(()), "{valid}");
        }
    }

    #[test]
    fn a_time_is_nothing_else() {
        for invalid in [
            "2026-04-30 12:00:00Z",
            "2026-04-30_12:00:00Z",
            "2026-04-30T12:00Z",
            "2026-04-30T12:00:00",
            "2026-04-30T12:00:00+25:00",
            "2026-04-30T12:00:00+24:00",
            "2026-04-30T12:00:00+01:60",
            "2026-04-30T12:00:00+05",
            "2026-04-30T12:00:00+0500",
            "2026-04-30T12:00:00.Z",
            "2026-04-30T12:00:00,5Z",
            "2026-04-30T24:00:00Z",
            "2026-04-30T12:60:00Z",
            "2026-04-30T12:00:61Z",
            "2026-04-30T12:00:60Z",
            "2026-02-30T12:00:00Z",
            "2025-02-29T12:00:00Z",
            "2026-4-30T12:00:00Z",
            "+2026-04-30T12:00:00Z",
            "12026-04-30T12:00:00Z",
            "2026-04-30",
            "2026-04-30T12:00:00Z ",
            "2026-04-30T12:00:00ZZ",
            "２０２６-04-30T12:00:00Z",
            "now",
        ] {
            assert!(time(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_source_may_be_relative_or_a_mere_fragment() {
        for valid in
            ["#fragment", "orders", "../orders", "/orders/1", "//host/x", "urn:uuid:1", "?q", "https://a.b/c#d"]
        {
            assert_eq!(source(valid), Ok(()), "{valid}");
        }
        for invalid in ["", " ", "a b", "/%zz", "/ö", "http://[::1", "a\\b", "1:2"] {
            assert!(source(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn a_dataschema_has_a_scheme() {
        for valid in ["https://schemas.example/a/1", "urn:example:a", "https://schemas.example/a#/defs/b"] {
            assert_eq!(dataschema(valid), Ok(()), "{valid}");
        }
        for invalid in ["", "/a", "a", "//schemas.example/a", "#a", "https://a b"] {
            assert!(dataschema(invalid).is_err(), "{invalid}");
        }
    }

    #[test]
    fn text_holds_no_control_characters_and_no_noncharacters() {
        let forbidden = [
            '\0',
            '\t',
            '\n',
            '\u{1f}',
            '\u{7f}',
            '\u{80}',
            '\u{9f}',
            '\u{fdd0}',
            '\u{fdef}',
            '\u{fffe}',
            '\u{10ffff}',
        ];
        for character in forbidden {
            assert!(required_text("id", &format!("a{character}")).is_err(), "{character:?}");
        }
        for character in [' ', '"', '\u{a0}', '\u{fdcf}', '\u{fdf0}', '\u{fffd}', '\u{10fffd}', '😀', '\u{feff}'] {
            assert_eq!(required_text("id", &character.to_string()), Ok(()), "{character:?}");
        }
    }

    #[test]
    fn an_attribute_name_has_lower_case_letters_and_digits_only() {
        for valid in ["a", "0", "traceparent", "anameofmorethantwentycharacters1"] {
            assert_eq!(attribute_name(valid), Ok(()), "{valid}");
        }
        for invalid in ["", "A", "a_b", "a-b", "ä", "data", "a b"] {
            assert!(attribute_name(invalid).is_err(), "{invalid}");
        }
    }
}
