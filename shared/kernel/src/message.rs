//! Commands and domain events as Rust types: a name, a version, and a payload that serde knows.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cloud_event::strict_json;

/// A message's name and the version of its schema that is current.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MessageType {
    pub name: &'static str,
    pub version: u32,
}

/// Why a message cannot be read by this build.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    #[error("no message of this context is called {0}")]
    UnknownType(String),
    #[error("{name} has no version {version} here")]
    UnknownVersion { name: String, version: u32 },
    #[error("{name} version {version} cannot be read")]
    Payload { name: String, version: u32, source: serde_json::Error },
}

/// The closed set of commands, or of domain events, of one bounded context. Made by [`messages!`](crate::messages).
pub trait Message: Debug + PartialEq + Sized + Send + Sync + 'static {
    /// Every member, with its current version.
    const TYPES: &'static [MessageType];

    /// Reads any version still supported; older ones are converted to the current one.
    fn decode(name: &str, version: u32, json: &str) -> Result<Self, DecodeError>;

    fn message_type(&self) -> MessageType;

    fn to_json(&self) -> Box<RawValue>;
}

/// Defines an enum of messages and its [`Message`] implementation.
///
/// ```
/// # use serde::{Serialize, Deserialize};
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Moved { pub metres: u32 }
/// #[derive(Deserialize)]
/// pub struct MovedInFeet { feet: u32 }
/// impl From<MovedInFeet> for Moved {
///     fn from(old: MovedInFeet) -> Self { Moved { metres: old.feet * 3 / 10 } }
/// }
///
/// kernel::messages! {
///     pub enum Event {
///         Moved(Moved) = 2 <- 1: MovedInFeet,   // version 1 is still read
///     }
/// }
/// ```
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $vis:vis enum $enum:ident {
        $($name:ident($payload:ty) = $version:literal $(<- $old:literal: $old_payload:ty)*),+ $(,)?
    }) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq)]
        $vis enum $enum { $($name($payload)),+ }

        $(impl From<$payload> for $enum {
            fn from(payload: $payload) -> Self {
                Self::$name(payload)
            }
        })+

        impl $crate::message::Message for $enum {
            const TYPES: &'static [$crate::message::MessageType] =
                &[$($crate::message::MessageType { name: stringify!($name), version: $version }),+];

            fn decode(name: &str, version: u32, json: &str) -> Result<Self, $crate::message::DecodeError> {
                match (name, version) {
                    $(
                        (stringify!($name), $version) =>
                            $crate::message::payload::<$payload>(name, version, json).map(Self::$name),
                        $((stringify!($name), $old) =>
                            $crate::message::payload::<$old_payload>(name, version, json).map(|old| Self::$name(old.into())),)*
                    )+
                    _ => Err($crate::message::unknown(Self::TYPES, name, version)),
                }
            }

            fn message_type(&self) -> $crate::message::MessageType {
                match self {
                    $(Self::$name(_) => $crate::message::MessageType { name: stringify!($name), version: $version }),+
                }
            }

            fn to_json(&self) -> Box<$crate::RawValue> {
                match self { $(Self::$name(payload) => $crate::message::raw(payload)),+ }
            }
        }
    };
}

#[doc(hidden)]
pub fn payload<T: DeserializeOwned>(name: &str, version: u32, json: &str) -> Result<T, DecodeError> {
    serde_json::from_str(json)
        .or_else(|source| as_its_schema_sees_it(json).ok_or(source))
        .map_err(|source| DecodeError::Payload { name: name.to_owned(), version, source })
}

/// What a schema accepts must be read, and serde is stricter: to JSON Schema `1.0` and `1e3` are integers
/// (2020-12 core, 4.2.3).
fn as_its_schema_sees_it<T: DeserializeOwned>(json: &str) -> Option<T> {
    let mut value = strict_json(json).ok()?;
    write_whole_numbers_as_integers(&mut value);
    serde_json::from_value(value).ok()
}

fn write_whole_numbers_as_integers(value: &mut Value) {
    match value {
        Value::Number(number) => {
            let float = number.as_f64().filter(|float| number.is_f64() && float.fract() == 0.0);
            // Beyond 2^53 a float may no longer be the number that was written: rather unreadable than wrong.
            let exact = float.filter(|float| float.abs() <= 9_007_199_254_740_992.0);
            if let Some(integer) = exact.and_then(|float| format!("{float:.0}").parse::<i64>().ok()) {
                *number = integer.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(write_whole_numbers_as_integers),
        Value::Object(members) => members.values_mut().for_each(write_whole_numbers_as_integers),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

#[doc(hidden)]
pub fn unknown(types: &[MessageType], name: &str, version: u32) -> DecodeError {
    let name = name.to_owned();
    if types.iter().any(|known| known.name == name) {
        DecodeError::UnknownVersion { name, version }
    } else {
        DecodeError::UnknownType(name)
    }
}

/// A message type's payload as JSON text.
#[doc(hidden)]
pub fn raw<T: serde::Serialize>(payload: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(payload).expect("a message's payload serialises to JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Moved {
        metres: u32,
    }
    #[derive(serde::Deserialize)]
    pub struct MovedInFeet {
        feet: u32,
    }
    impl From<MovedInFeet> for Moved {
        fn from(old: MovedInFeet) -> Self {
            Self { metres: old.feet * 3 / 10 }
        }
    }
    messages! {
        pub enum Event { Moved(Moved) = 2 <- 1: MovedInFeet }
    }

    #[test]
    fn an_older_version_is_converted() {
        let Event::Moved(moved) = Event::decode("Moved", 1, r#"{"feet":100}"#).expect("version 1");
        assert_eq!(moved.metres, 30);
        assert_eq!(Event::Moved(moved).to_json().get(), r#"{"metres":30}"#);
    }

    #[test]
    fn what_json_schema_calls_an_integer_is_read_as_one() {
        for json in [r#"{"metres":30.0}"#, r#"{"metres":3e1}"#] {
            let Event::Moved(moved) = Event::decode("Moved", 2, json).expect("an integer");
            assert_eq!(moved.metres, 30, "{json}");
        }
        for json in [r#"{"metres":30.5}"#, r#"{"metres":1e30}"#, r#"{"metres":-0.5}"#, r#"{"metres":-1.0}"#] {
            assert!(Event::decode("Moved", 2, json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = |name, version, json| Event::decode(name, version, json).expect_err("unreadable").to_string();
        assert_eq!(error("Moved", 3, "{}"), "Moved has no version 3 here");
        assert_eq!(error("Fell", 1, "{}"), "no message of this context is called Fell");
        assert_eq!(error("Moved", 2, "{}"), "Moved version 2 cannot be read");
    }
}
