//! Commands and domain events as Rust types: a name, a version, and a payload that serde knows.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::cloud_event::strict_json;

/// A type of command or of domain event, with its versions.
#[derive(Debug, Clone, Copy)]
pub struct MessageType {
    pub name: &'static str,
    /// Every version that this build reads, the newest first. Ingest accepts these of a command, and no others.
    pub versions: &'static [Version],
    /// The version that this build writes; of a command, the one it is in where its sender names none. `None`: the type
    /// is read and not written yet.
    pub written: Option<u32>,
    /// Of a command: whether only the installation itself sends it, and no client.
    pub internal: bool,
}

/// A version of a message type.
#[derive(Debug, Clone, Copy)]
pub struct Version {
    pub number: u32,
    /// Its JSON Schema (2020-12), as text.
    pub schema: &'static str,
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
pub trait Message: Debug + Clone + PartialEq + Sized + Send + Sync + 'static {
    /// Every member.
    const TYPES: &'static [MessageType];

    /// Reads any of a type's versions; older ones are converted to the newest.
    fn decode(name: &str, version: u32, json: &str) -> Result<Self, DecodeError>;

    /// The entry in [`TYPES`](Self::TYPES).
    fn message_type(&self) -> &'static MessageType;

    /// What is read back after this was written. It differs where the written version cannot say all of it.
    #[must_use]
    fn into_written(self) -> Self;

    /// JSON of the version that is written.
    fn into_json(self) -> Box<RawValue>;
}

/// A message as it is stored and sent: its type's name, the version that it is written in, and its JSON.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Encoded {
    #[serde(rename = "type")]
    pub ty: String,
    /// Which version of the type's schema `data` follows.
    pub schema: u32,
    pub data: Box<RawValue>,
}

impl Encoded {
    /// Panics for a type that this build does not write yet.
    pub fn of(message: impl Message) -> Self {
        let MessageType { name, written, .. } = message.message_type();
        let schema = written.unwrap_or_else(|| panic!("{name} is unwritten in this build, and was caused"));
        Self { ty: (*name).to_owned(), schema, data: message.into_json() }
    }
}

impl PartialEq for Encoded {
    fn eq(&self, other: &Self) -> bool {
        (&self.ty, self.schema, self.data.get()) == (&other.ty, other.schema, other.data.get())
    }
}

/// Defines an enum of messages and its [`Message`] implementation. Each variant holds the newest version's type; an older
/// version is read by its own type, which converts to the newest one.
///
/// ```
/// # use serde::{Serialize, Deserialize};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Rested {}
/// #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
/// pub struct Moved { pub metres: u32 }
/// #[derive(Serialize, Deserialize)]
/// pub struct MovedInFeet { feet: u32 }
/// impl From<MovedInFeet> for Moved {
///     fn from(old: MovedInFeet) -> Self { Moved { metres: old.feet * 3 / 10 } }
/// }
///
/// kernel::messages! {
///     pub enum Event {
///         Moved(Moved) = 2 <- 1: MovedInFeet,   // reads 2 and 1, writes 2
///         Rested(Rested) = 1 unwritten,         // reads 1, writes none yet
///     }
/// }
/// ```
///
/// `unwritten` is for the first of the two releases that bring a new version: it reads the version, and still writes the
/// one before, which the newest type converts to.
///
/// ```
/// # use serde::{Serialize, Deserialize};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct Moved { pub metres: u32 }
/// # #[derive(Serialize, Deserialize)] pub struct MovedInFeet { feet: u32 }
/// # impl From<MovedInFeet> for Moved {
/// #     fn from(old: MovedInFeet) -> Self { Moved { metres: old.feet * 3 / 10 } }
/// # }
/// impl From<Moved> for MovedInFeet {
///     fn from(new: Moved) -> Self { MovedInFeet { feet: new.metres * 10 / 3 } }
/// }
///
/// kernel::messages! {
///     pub enum Event {
///         Moved(Moved) = 2 unwritten <- 1: MovedInFeet,   // reads 2 and 1, writes 1
///     }
/// }
/// ```
///
/// A command that clients must not send, for it says what another context or a timer has found, is marked `#[internal]`:
///
/// ```
/// # use serde::{Serialize, Deserialize};
/// # #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)] pub struct TimeIsUp {}
/// kernel::messages! {
///     pub enum Command { #[internal] TimeIsUp(TimeIsUp) = 1 }
/// }
/// ```
///
/// `pub enum Event in "orders" { … }` takes each version's schema from `events/schemas/orders/{Name}.{version}.json`.
/// Without a folder, as in tests, the schemas accept anything.
#[macro_export]
macro_rules! messages {
    ($(#[$meta:meta])* $vis:vis enum $enum:ident in $context:tt {
        $($(#[$internal:ident])? $name:ident($payload:ty) = $version:literal $($unwritten:ident)?
            $(<- $($old:literal: $old_payload:ty)|+)?),+ $(,)?
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
            const TYPES: &'static [$crate::message::MessageType] = &[$($crate::message::MessageType {
                name: stringify!($name),
                versions: &[
                    $crate::message_version!($context, $name, $version),
                    $($($crate::message_version!($context, $name, $old)),+)?
                ],
                written: $crate::written_version!([$($unwritten)?] $version $($(, $old)+)?),
                internal: $crate::is_internal!($($internal)?),
            }),+];

            fn decode(name: &str, version: u32, json: &str) -> Result<Self, $crate::message::DecodeError> {
                match (name, version) {
                    $(
                        (stringify!($name), $version) =>
                            $crate::message::payload::<$payload>(name, version, json).map(Self::$name),
                        $($((stringify!($name), $old) =>
                            $crate::message::payload::<$old_payload>(name, version, json).map(|old| Self::$name(old.into())),)+)?
                    )+
                    _ => Err($crate::message::unknown(Self::TYPES, name, version)),
                }
            }

            fn message_type(&self) -> &'static $crate::message::MessageType {
                let name = match self { $(Self::$name(_) => stringify!($name)),+ };
                Self::TYPES.iter().find(|known| known.name == name).expect("every member is listed")
            }

            fn into_written(self) -> Self {
                match self {
                    $(Self::$name(payload) => {
                        let written: $crate::written_type!([$($unwritten)?] $payload $($(, $old_payload)+)?) = payload.into();
                        Self::$name(written.into())
                    })+
                }
            }

            fn into_json(self) -> Box<$crate::RawValue> {
                match self {
                    $(Self::$name(payload) => {
                        let written: $crate::written_type!([$($unwritten)?] $payload $($(, $old_payload)+)?) = payload.into();
                        $crate::message::raw(&written)
                    })+
                }
            }
        }
    };
    ($(#[$meta:meta])* $vis:vis enum $enum:ident { $($types:tt)+ }) => {
        $crate::messages! { $(#[$meta])* $vis enum $enum in [] { $($types)+ } }
    };
}

/// A version with its schema, which accepts anything where no folder is named.
#[doc(hidden)]
#[macro_export]
macro_rules! message_version {
    ([], $name:ident, $version:literal) => {
        $crate::message::Version { number: $version, schema: "true" }
    };
    ($context:literal, $name:ident, $version:literal) => {
        $crate::message::Version {
            number: $version,
            schema: include_str!(concat!(
                env!("CARGO_MANIFEST_DIR"),
                "/../../../events/schemas/",
                $context,
                "/",
                stringify!($name),
                ".",
                $version,
                ".json"
            )),
        }
    };
}

/// Whether the mark is there; no other is known.
#[doc(hidden)]
#[macro_export]
macro_rules! is_internal {
    () => {
        false
    };
    (internal) => {
        true
    };
}

/// Which of a type's versions is written: the newest, or the one before it.
#[doc(hidden)]
#[macro_export]
macro_rules! written_version {
    ([] $newest:literal $(, $old:literal)*) => {
        Some($newest)
    };
    ([unwritten] $newest:literal) => {
        None
    };
    ([unwritten] $newest:literal, $before:literal $(, $old:literal)*) => {
        Some($before)
    };
}

/// The type of the version that is written.
#[doc(hidden)]
#[macro_export]
macro_rules! written_type {
    ([] $newest:ty $(, $old:ty)*) => {
        $newest
    };
    ([unwritten] $newest:ty) => {
        $newest
    };
    ([unwritten] $newest:ty, $before:ty $(, $old:ty)*) => {
        $before
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
pub fn raw<T: Serialize>(payload: &T) -> Box<RawValue> {
    serde_json::value::to_raw_value(payload).expect("a message's payload serialises to JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
    pub struct Moved {
        metres: u32,
        #[serde(default)]
        uphill: bool,
    }
    #[derive(serde::Serialize, serde::Deserialize)]
    pub struct MovedInFeet {
        feet: u32,
    }
    #[derive(serde::Deserialize)]
    pub struct MovedInMiles {
        miles: u32,
    }
    impl From<MovedInFeet> for Moved {
        fn from(old: MovedInFeet) -> Self {
            Self { metres: old.feet * 3 / 10, uphill: false }
        }
    }
    impl From<MovedInMiles> for Moved {
        fn from(old: MovedInMiles) -> Self {
            Self { metres: old.miles * 1609, uphill: false }
        }
    }
    impl From<Moved> for MovedInFeet {
        fn from(new: Moved) -> Self {
            Self { feet: new.metres * 10 / 3 }
        }
    }
    messages! {
        pub enum Event { Moved(Moved) = 3 <- 2: MovedInFeet | 1: MovedInMiles }
    }
    mod before {
        use super::{Moved, MovedInFeet, MovedInMiles};
        messages! {
            pub enum Event { Moved(Moved) = 3 unwritten <- 2: MovedInFeet | 1: MovedInMiles }
        }
    }
    mod unheard_of {
        messages! {
            pub enum Event { Moved(super::Moved) = 3 unwritten }
        }
    }

    fn moved() -> Moved {
        Moved { metres: 30, uphill: true }
    }

    fn read<M: Message>(version: u32, json: &str) -> M {
        M::decode("Moved", version, json).expect("a version that is read")
    }

    #[test]
    fn older_versions_are_converted() {
        let Event::Moved(in_feet) = read(2, r#"{"feet":100}"#);
        let Event::Moved(in_miles) = read(1, r#"{"miles":2}"#);
        assert_eq!((in_feet.metres, in_miles.metres), (30, 3218));
        assert_eq!(Event::Moved(in_feet).into_json().get(), r#"{"metres":30,"uphill":false}"#);
    }

    #[test]
    fn what_is_read_is_listed_newest_first_and_the_newest_is_written() {
        let [moved] = Event::TYPES else { panic!("one type") };
        assert_eq!(moved.versions.iter().map(|version| version.number).collect::<Vec<_>>(), [3, 2, 1]);
        assert_eq!((moved.name, moved.written), ("Moved", Some(3)));
        for version in moved.versions {
            let known = Event::decode("Moved", version.number, "{}").expect_err("no payload");
            assert!(matches!(known, DecodeError::Payload { .. }), "{known}");
        }
    }

    #[test]
    fn a_version_that_is_unwritten_is_read_and_the_one_before_it_is_written() {
        let event: before::Event = read(3, r#"{"metres":30,"uphill":true}"#);
        assert_eq!(event, before::Event::Moved(moved()));
        assert_eq!(event.message_type().written, Some(2));
        assert_eq!(event.message_type().versions.len(), 3);
        let json = event.clone().into_json();
        assert_eq!(json.get(), r#"{"feet":100}"#);
        assert_eq!(read::<before::Event>(2, json.get()), event.clone().into_written());
        assert_ne!(event.clone().into_written(), event, "it said more than version 2 can");
    }

    #[test]
    fn a_type_that_is_unwritten_has_no_version_to_be_written_in() {
        let event: unheard_of::Event = read(3, r#"{"metres":30}"#);
        assert_eq!(event.message_type().written, None);
    }

    #[test]
    fn what_is_written_in_its_newest_version_reads_back_as_it_was() {
        let event = Event::Moved(moved());
        assert_eq!(event.clone().into_written(), event);
    }

    #[test]
    fn what_json_schema_calls_an_integer_is_read_as_one() {
        for json in [r#"{"metres":30.0}"#, r#"{"metres":3e1}"#] {
            let Event::Moved(moved) = read(3, json);
            assert_eq!(moved.metres, 30, "{json}");
        }
        for json in [r#"{"metres":30.5}"#, r#"{"metres":1e30}"#, r#"{"metres":-0.5}"#, r#"{"metres":-1.0}"#] {
            assert!(Event::decode("Moved", 3, json).is_err(), "{json}");
        }
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        let error = |name, version, json| Event::decode(name, version, json).expect_err("unreadable").to_string();
        assert_eq!(error("Moved", 4, "{}"), "Moved has no version 4 here");
        assert_eq!(error("Fell", 1, "{}"), "no message of this context is called Fell");
        assert_eq!(error("Moved", 3, "{}"), "Moved version 3 cannot be read");
    }
}
