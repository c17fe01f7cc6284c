//! `data`, from the forms it comes in to the one that `datacontenttype` asks for.

use serde_json::value::RawValue;

use super::media_type::MediaType;
use super::strict_json::why_not;
use super::{Data, Invalid, MAX_DEPTH};

/// U+FEFF in UTF-8.
pub(super) const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Data before its media type was looked at.
#[derive(Debug, Clone)]
pub(super) enum Payload {
    None,
    /// JSON, whatever the media type says: they must agree.
    Json(Box<RawValue>),
    /// The JSON format's member `data`: JSON, or else the text of something that is not JSON.
    Member(Box<RawValue>),
    /// The member `data_base64`, or the body in binary mode.
    Bytes(Vec<u8>),
    /// A value that has no JSON, and why.
    Unserialisable(String),
}

impl Payload {
    /// No media type means JSON: in the JSON format because its section 3.1 says so, and in binary mode, where the
    /// specification is silent, as long as the body is JSON.
    pub(super) fn settle(self, media_type: Option<&MediaType>) -> Result<Option<Data>, Invalid> {
        let is_json = media_type.is_none_or(MediaType::is_json);
        match self {
            Self::None => Ok(None),
            Self::Json(json) | Self::Member(json) if is_json => shallow(json).map(Some),
            Self::Json(_) => {
                Err(Invalid::attributed("datacontenttype", "must be a JSON media type, as the data is JSON"))
            }
            Self::Member(json) => encoded_text(&json, media_type).map(Some),
            Self::Bytes(bytes) if is_json => json_text(bytes, media_type).and_then(shallow).map(Some),
            Self::Bytes(bytes) => Ok(Some(Data::Binary(bytes))),
            Self::Unserialisable(error) => {
                Err(Invalid::attributed("data", format!("cannot be written as JSON: {error}")))
            }
        }
    }
}

fn shallow(json: Box<RawValue>) -> Result<Data, Invalid> {
    if nests_deeper_than(MAX_DEPTH, json.get()) {
        return Err(Invalid::attributed(
            "data",
            format!("must not nest arrays and objects deeper than {MAX_DEPTH} levels"),
        ));
    }
    Ok(Data::Json(json))
}

/// A string is the text of the data (JSON format, section 3.1.1), which is in UTF-8 once it has left its JSON.
fn encoded_text(json: &RawValue, media_type: Option<&MediaType>) -> Result<Data, Invalid> {
    if !json.get().starts_with('"') {
        return Err(Invalid::attributed(
            "data",
            "must be a string, as datacontenttype is not JSON: send its text, send data_base64, or correct datacontenttype",
        ));
    }
    if !media_type.is_none_or(MediaType::is_utf8) {
        return Err(Invalid::attributed(
            "data",
            "must come as data_base64, as datacontenttype names a charset other than utf-8",
        ));
    }
    match serde_json::from_str::<String>(json.get()) {
        Ok(text) => Ok(Data::Binary(text.into_bytes())),
        Err(_) => Err(Invalid::attributed("data", "must not hold half of a surrogate pair")),
    }
}

fn json_text(bytes: Vec<u8>, media_type: Option<&MediaType>) -> Result<Box<RawValue>, Invalid> {
    let why = match String::from_utf8(bytes) {
        Ok(text) if text.as_bytes().starts_with(BYTE_ORDER_MARK) => {
            "it begins with a byte order mark (RFC 8259, section 8.1)".to_owned()
        }
        Ok(text) => match RawValue::from_string(text) {
            Ok(json) => return Ok(json),
            Err(error) => why_not(&error),
        },
        Err(_) => "it is not UTF-8".to_owned(),
    };
    Err(match media_type {
        Some(_) => Invalid::attributed("data", format!("must be JSON, as its media type says: {why}")),
        None => Invalid::attributed("datacontenttype", format!("must be present unless the data is JSON: {why}")),
    })
}

/// For valid JSON; no recursion, so any depth can be asked about.
fn nests_deeper_than(limit: usize, json: &str) -> bool {
    let mut depth = 0_usize;
    let mut bytes = json.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'[' | b'{' => {
                depth += 1;
                if depth > limit {
                    return true;
                }
            }
            b']' | b'}' => depth -= 1,
            b'"' => skip_string(&mut bytes),
            _ => {}
        }
    }
    false
}

fn skip_string(bytes: &mut impl Iterator<Item = u8>) {
    while let Some(byte) = bytes.next() {
        match byte {
            b'"' => return,
            b'\\' => _ = bytes.next(),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_inside_strings_do_not_nest() {
        assert!(!nests_deeper_than(1, r#"{"[[\"[[\\":"[["}"#));
        assert!(nests_deeper_than(1, r#"{"\\":["[["]}"#));
    }

    #[test]
    fn siblings_do_not_nest() {
        assert!(!nests_deeper_than(2, "[[],[],[{}],{}]".replace("[{}]", "{}").as_str()));
        assert!(nests_deeper_than(2, "[[],[[]]]"));
    }
}
