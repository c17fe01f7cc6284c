//! What an attribute can hold, and what an event can carry.

use std::fmt;

use serde_json::value::RawValue;

/// An extension attribute's value: the types that the JSON format can tell apart. A timestamp, a URI or binary
/// extension is a string on the wire, and so it is here. Binary mode has strings only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    Boolean(bool),
    Integer(i32),
    String(String),
}

impl Value {
    /// The text of a string; `None` of anything else.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(text) => Some(text),
            Self::Boolean(_) | Self::Integer(_) => None,
        }
    }
}

/// The canonical string form (core specification, section 2.4, "Type System").
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(value) => value.fmt(f),
            Self::Integer(value) => value.fmt(f),
            Self::String(value) => value.fmt(f),
        }
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Self::Boolean(value)
    }
}

impl From<i32> for Value {
    fn from(value: i32) -> Self {
        Self::Integer(value)
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        Self::String(value.to_owned())
    }
}

impl From<String> for Value {
    fn from(value: String) -> Self {
        Self::String(value)
    }
}

/// An event's data.
#[derive(Debug, Clone)]
pub enum Data {
    /// JSON text byte for byte as received, without the white space around it; at most
    /// [`MAX_DEPTH`](super::MAX_DEPTH) deep.
    Json(Box<RawValue>),
    /// Anything else, as `datacontenttype` says.
    Binary(Vec<u8>),
}

impl Data {
    /// The bytes that binary mode sends as the body.
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Json(json) => json.get().as_bytes(),
            Self::Binary(bytes) => bytes,
        }
    }
}

/// Equal where every byte is: `1.0` and `1` are two texts. For equality of content, see
/// [`canonical`](super::canonical()).
impl PartialEq for Data {
    fn eq(&self, other: &Self) -> bool {
        matches!(self, Self::Json(_)) == matches!(other, Self::Json(_)) && self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Data {}
