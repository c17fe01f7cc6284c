//! Binary mode's headers: `ce-` and an attribute's name (HTTP binding, section 3.1.3).

use std::str::{self, Utf8Error};

use percent_encoding::{AsciiSet, CONTROLS, percent_decode, utf8_percent_encode};

use super::attributes::Attributes;
use super::{CloudEvent, Invalid, Value};

impl CloudEvent {
    /// The headers of the event in binary mode, in lower case; the body is [`Data::as_bytes`](super::Data::as_bytes).
    ///
    /// JSON data without `datacontenttype` says `application/json` here, as what is implied in one format must be
    /// spelled out in another (core specification, section 3.1). Booleans and integers arrive as strings.
    pub fn to_http_headers(&self) -> Vec<(String, String)> {
        let attributes = [
            ("id", Some(self.id())),
            ("source", Some(self.source())),
            ("specversion", Some("1.0")),
            ("type", Some(self.ty())),
            ("subject", self.subject()),
            ("time", self.time()),
            ("dataschema", self.dataschema()),
        ];
        let attributes = attributes.into_iter().filter_map(|(name, value)| Some((name, value?.to_owned())));
        let extensions = self.extensions().map(|(name, value)| (name, value.to_string()));
        let implied = self.json().map(|_| "application/json");
        let content_type = self.datacontenttype().or(implied);

        attributes
            .chain(extensions)
            .map(|(name, value)| (format!("ce-{name}"), utf8_percent_encode(&value, ENCODED).to_string()))
            .chain(content_type.map(|value| ("content-type".to_owned(), value.to_owned())))
            .collect()
    }
}

/// What must be encoded in a header's value, besides everything that is not ASCII; and the comma, by which headers of
/// one name are joined.
const ENCODED: &AsciiSet = &CONTROLS.add(b' ').add(b'"').add(b'%').add(b',');

/// The `ce-` headers of a request, not looked at yet.
#[derive(Default)]
pub(super) struct BinaryHeaders<'a>(Vec<(String, &'a [u8])>);

impl<'a> BinaryHeaders<'a> {
    /// Keeps the header if it is one of an event's.
    pub(super) fn collect(&mut self, name: &str, value: &'a [u8]) {
        if let Some((prefix, attribute)) = name.split_at_checked(3)
            && prefix.eq_ignore_ascii_case("ce-")
        {
            self.0.push((attribute.to_ascii_lowercase(), value));
        }
    }

    /// The attributes, with `Content-Type` as `datacontenttype`.
    pub(super) fn attributes(self, content_type: Option<&str>) -> Result<Attributes, Invalid> {
        if self.0.is_empty() {
            return Err(Invalid::event(
                "must come as ce- headers with its data as the body, \
                 or all of it as the body with Content-Type application/cloudevents+json",
            ));
        }
        let mut attributes = Attributes::new();
        for (name, value) in self.0 {
            let invalid = |detail| Err(in_header_terms(Invalid::attributed(&name, detail)));
            match name.as_str() {
                "data" | "data_base64" => {
                    return Err(Invalid::attributed(&format!("ce-{name}"), "must go: the data is the body"));
                }
                "datacontenttype" => {
                    return Err(Invalid::attributed("ce-datacontenttype", "must go: it is Content-Type"));
                }
                _ => {}
            }
            if name != LIST && is_list(value) {
                return invalid(
                    "must not be there twice, nor hold a bare comma, which is how two become one: write it %2C",
                );
            }
            let Ok(value) = decoded(value) else {
                return invalid("must be in UTF-8 once percent-decoded");
            };
            if attributes.contains_key(&name) {
                return invalid("must not be there twice");
            }
            attributes.insert(name, Value::String(value));
        }
        if let Some(content_type) = content_type {
            attributes.insert("datacontenttype".to_owned(), content_type.into());
        }
        Ok(attributes)
    }
}

/// The only attribute whose header is a list (W3C Trace Context, section 3.3).
const LIST: &str = "tracestate";

/// Whether there is a comma in it that no quotes are around.
fn is_list(value: &[u8]) -> bool {
    value.contains(&b',') && text(value).is_ok_and(|value| unquoted(value).is_none())
}

/// The same fault under the names of the headers.
pub(super) fn in_header_terms(invalid: Invalid) -> Invalid {
    invalid.renamed(|attribute| header_of(&attribute))
}

/// The header that an attribute comes in, in binary mode. `data` is the body, and has none.
pub fn header_of(attribute: &str) -> String {
    match attribute {
        "data" => attribute.to_owned(),
        "datacontenttype" => "content-type".to_owned(),
        _ => format!("ce-{attribute}"),
    }
}

/// A header's value without the white space around it.
pub(super) fn text(value: &[u8]) -> Result<&str, Utf8Error> {
    str::from_utf8(value).map(|text| text.trim_matches([' ', '\t']))
}

/// Undoes quotes and their backslashes, then one round of percent-encoding.
fn decoded(value: &[u8]) -> Result<String, Utf8Error> {
    let value = text(value)?;
    let unquoted = unquoted(value);
    percent_decode(unquoted.as_deref().unwrap_or(value).as_bytes()).decode_utf8().map(Into::into)
}

/// `None` where the value is not, from end to end, one quoted string.
fn unquoted(value: &str) -> Option<String> {
    let quoted = value.strip_prefix('"')?.strip_suffix('"')?;
    let mut unquoted = String::with_capacity(quoted.len());
    let mut characters = quoted.chars();
    while let Some(character) = characters.next() {
        match character {
            '"' => return None,
            '\\' => unquoted.push(characters.next()?),
            other => unquoted.push(other),
        }
    }
    Some(unquoted)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_value_is_unquoted_and_then_decoded_once() {
        for (value, expected) in [
            ("plain", "plain"),
            ("  padded\t", "padded"),
            ("Euro%20%E2%82%AC%20%F0%9F%98%80", "Euro € 😀"),
            ("%e2%82%ac", "€"),
            ("%61%62c", "abc"),
            ("%2520", "%20"),
            ("100%", "100%"),
            ("5%zz%2", "5%zz%2"),
            (r#""quoted""#, "quoted"),
            (r#""a \"b\" \\ c""#, r#"a "b" \ c"#),
            (r#""%20\%20""#, "  "),
            (r#""""#, ""),
            (r#"say "hi""#, r#"say "hi""#),
            (r#""a" and "b""#, r#""a" and "b""#),
            (r#"""#, r#"""#),
            (r#""open"#, r#""open"#),
            (r#""open\""#, r#""open\""#),
            (r"back\slash", r"back\slash"),
            ("€", "€"),
        ] {
            assert_eq!(decoded(value.as_bytes()).as_deref(), Ok(expected), "{value}");
        }
    }

    #[test]
    fn headers_that_were_joined_on_the_way_are_not_one_value() {
        for joined in ["one,two", "one, two", ",", r#""one","two""#, r#""a" , b"#, r#"a,"b""#] {
            assert!(is_list(joined.as_bytes()), "{joined}");
        }
        for one in ["one", "one%2Ctwo", r#""one,two""#, r#" "a\",b" "#, ""] {
            assert!(!is_list(one.as_bytes()), "{one}");
        }
    }

    #[test]
    fn what_is_not_utf_8_is_an_error_encoded_or_not() {
        for value in [&b"%C0%A0"[..], b"%ff", b"%ED%A0%80", b"\xff", b"a\xc3"] {
            assert!(decoded(value).is_err(), "{value:?}");
        }
    }
}
