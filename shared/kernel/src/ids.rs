//! Identifiers, parsed once at the edge. Inside the house a wrong one cannot exist.
//!
//! Their alphabet needs no escaping in a URL path, a DynamoDB key, an SQS message group id or a log line.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::hex;

/// Why a text is not the identifier it was meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} must be {rule}")]
pub struct InvalidId {
    /// The identifier's name in prose: "a tenant id".
    pub what: &'static str,
    /// What it must look like, to follow "must be".
    pub rule: &'static str,
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $max:literal, $rule:literal, $pattern:literal, $allowed:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Most characters it may have.
            pub const MAX: usize = $max;
            /// The same rule as a regular expression, for schemas.
            pub const PATTERN: &'static str = $pattern;

            /// Checks length and alphabet.
            pub fn parse(text: &str) -> Result<Self, InvalidId> {
                let allowed: fn(u8) -> bool = $allowed;
                if (1..=$max).contains(&text.len()) && text.bytes().all(allowed) {
                    Ok(Self(text.to_owned()))
                } else {
                    Err(InvalidId { what: $what, rule: $rule })
                }
            }

            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(&text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "pattern": Self::PATTERN })
            }
        }
    };
}

text_id! {
    /// A customer organisation whose data is kept apart from every other's, as identity providers name it: a UUID, or a
    /// name of the customer's. Upper and lower case are different letters.
    TenantId, "a tenant id", 64, "1 to 64 letters, digits, hyphens or underscores", "^[A-Za-z0-9_-]{1,64}$",
    |b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_'
}

text_id! {
    /// The aggregate that a command is for: its CloudEvent's `subject`.
    AggregateId, "a subject", 64, "1 to 64 letters, digits or any of . _ ~ : @ -", "^[A-Za-z0-9._~:@-]{1,64}$",
    |b| b.is_ascii_alphanumeric() || b"._~:@-".contains(&b)
}

impl AggregateId {
    /// Whether it is `.` or `..`, which clients take out of a URL's path (RFC 3986, section 5.2.4), so that its link
    /// would lead elsewhere. No command is accepted for such an aggregate; one that is stored can be read.
    pub fn is_dot_segment(&self) -> bool {
        matches!(self.as_str(), "." | "..")
    }
}

/// Most characters of a context's or an aggregate type's name.
pub const MAX_NAME: usize = 30;

/// Stands where a context's name stands for what goes to a tenant's own queue: in metrics, logs and stream ids.
pub const OWN: &str = "own";

/// Whether it can name a context or an aggregate type: lower-case letters, at most [`MAX_NAME`].
pub fn is_name(text: &str) -> bool {
    (1..=MAX_NAME).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase())
}

/// Most characters of a message group id in SQS.
const MAX_MESSAGE_GROUP: usize = 128;

/// One aggregate's events: `tenant/context/id`, or `tenant/context/type/id` where the aggregate is not of its context's
/// first type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StreamId {
    pub tenant: TenantId,
    /// The bounded context's name.
    pub context: String,
    /// The [aggregate type](crate::context::AggregateType)'s name; `None`: the context's first.
    pub aggregate_type: Option<String>,
    pub aggregate: AggregateId,
}

impl StreamId {
    pub fn parse(text: &str) -> Result<Self, InvalidId> {
        let parts: Vec<&str> = text.split('/').collect();
        let (tenant, context, aggregate_type, aggregate) = match parts[..] {
            [tenant, context, aggregate] if !context.is_empty() => (tenant, context, None, aggregate),
            [tenant, context, ty, aggregate] if !context.is_empty() && is_name(ty) => {
                (tenant, context, Some(ty), aggregate)
            }
            _ => return Err(InvalidId { what: "a stream id", rule: "tenant/context/id or tenant/context/type/id" }),
        };
        Ok(Self {
            tenant: TenantId::parse(tenant)?,
            context: context.to_owned(),
            aggregate_type: aggregate_type.map(str::to_owned),
            aggregate: AggregateId::parse(aggregate)?,
        })
    }

    /// What tells the aggregate from all others of its tenant and context: `id` or `type/id`.
    pub fn within_context(&self) -> String {
        match &self.aggregate_type {
            Some(aggregate_type) => format!("{aggregate_type}/{}", self.aggregate),
            None => self.aggregate.to_string(),
        }
    }

    /// The stream's message group in a FIFO queue: the stream id, or the tenant and a hash where that is longer than SQS
    /// takes. A stream id has two or three slashes and the latter has one, so no group is both.
    pub fn message_group(&self) -> String {
        let id = self.to_string();
        if id.len() <= MAX_MESSAGE_GROUP {
            return id;
        }
        format!("{}/{}", self.tenant, hex::encode(&hash(&[id.as_bytes()])))
    }

    /// What stands for the stream in logs: the first 16 hexadecimal digits of its id's SHA-256. The id itself may be
    /// somebody's address. `printf %s STREAM_ID | sha256sum` finds the lines of a stream.
    pub fn pseudonym(&self) -> String {
        hex::encode(&Sha256::digest(self.to_string())[..8])
    }
}

impl TryFrom<String> for StreamId {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        Self::parse(&text)
    }
}

impl From<StreamId> for String {
    fn from(id: StreamId) -> Self {
        id.to_string()
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.tenant, self.context, self.within_context())
    }
}

/// What makes two submissions the same command: a hash of (tenant, source, id). 32 hexadecimal digits.
///
/// CloudEvents promises that `source` + `id` is unique for each distinct event (spec 1.0.2, "id").
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CommandKey(pub(crate) [u8; 16]);

impl CommandKey {
    pub fn of(tenant: &TenantId, source: &str, id: &str) -> Self {
        Self(hash(&[tenant.as_str().as_bytes(), source.as_bytes(), id.as_bytes()]))
    }

    /// Of a command that the installation itself hands in to a context. It has one part more than a client's, so no client
    /// can take the key of such a command, whatever source and id it sends.
    pub fn of_system(tenant: &TenantId, source: &str, id: &str, context: &str) -> Self {
        Self(hash(&[tenant.as_str(), source, id, context].map(str::as_bytes)))
    }

    /// Reads its text.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }
}

impl fmt::Display for CommandKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// What tells a list of texts from all others: 32 hexadecimal digits.
pub fn digest(parts: &[&str]) -> String {
    let parts: Vec<_> = parts.iter().map(|part| part.as_bytes()).collect();
    hex::encode(&hash(&parts))
}

/// Half of a SHA-256 over length-prefixed parts, so that no two lists of parts read as the same bytes.
pub(crate) fn hash(parts: &[&[u8]]) -> [u8; 16] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize()[..16]);
    half
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn matching(pattern: &str) -> impl Strategy<Value = String> + use<> {
        proptest::string::string_regex(pattern.trim_matches(['^', '$'])).expect("a regular expression")
    }

    proptest! {
        #[test]
        fn what_a_schema_accepts_is_an_id(aggregate in matching(AggregateId::PATTERN), tenant in matching(TenantId::PATTERN)) {
            prop_assert!(AggregateId::parse(&aggregate).is_ok());
            prop_assert!(TenantId::parse(&tenant).is_ok());
        }
    }

    #[test]
    fn every_stream_has_a_message_group_of_its_own_that_sqs_takes() {
        let uuid = "7b0c3a52-6d1e-4f0a-9d55-3f1c2b7a8e90";
        let stream = |tenant: &str, aggregate: &str| {
            let context = "c".repeat(MAX_NAME);
            StreamId::parse(&format!("{tenant}/{context}/{aggregate}")).expect("a stream id")
        };
        let short = stream(uuid, "O-1");
        assert_eq!(short.message_group(), short.to_string());
        let tenant = "T".repeat(TenantId::MAX);
        let longest = stream(&tenant, &"a".repeat(AggregateId::MAX));
        let next = stream(&tenant, &format!("{}b", "a".repeat(AggregateId::MAX - 1)));
        for long in [&longest, &next] {
            let group = long.message_group();
            assert!(group.len() <= 128 && group.starts_with(&format!("{tenant}/")), "{group}");
            assert!(StreamId::parse(&group).is_err(), "{group} is no other stream's");
        }
        assert_ne!(longest.message_group(), next.message_group());
    }

    #[test]
    fn a_stream_is_found_in_logs_by_what_sha256sum_makes_of_its_id() {
        let stream = StreamId::parse("acme/orders/jane@doe.example").expect("a stream id");
        // printf %s acme/orders/jane@doe.example | sha256sum | cut -c -16
        assert_eq!(stream.pseudonym(), "96ae6df8908fcc5d");
    }

    #[test]
    fn ids_that_would_need_escaping_are_refused() {
        for text in ["", "a/b", "a#b", "a b", "ä", "a%2Fb", &"x".repeat(65)] {
            assert!(AggregateId::parse(text).is_err(), "{text:?} was accepted");
        }
        for text in ["", "a/b", "a#b", "a.b", "a b", "ä", "a@b", "a:b", &"x".repeat(65)] {
            assert!(TenantId::parse(text).is_err(), "{text:?} was accepted");
        }
        for text in ["acme", "Acme_GmbH", "7B0C3A52-6d1e-4f0a-9d55-3f1c2b7a8e90", &"x".repeat(64)] {
            assert!(TenantId::parse(text).is_ok(), "{text:?} was refused");
        }
    }

    #[test]
    fn a_stream_id_reads_back_as_it_was_written() {
        let stream = StreamId::parse("acme/orders/O-1:2@x").expect("a stream id");
        assert_eq!(StreamId::parse(&stream.to_string()), Ok(stream));
        assert!(StreamId::parse("acme/orders").is_err());
        assert!(StreamId::parse("acme//1").is_err());
    }

    #[test]
    fn aggregates_of_two_types_have_two_streams_under_one_id() {
        let order = StreamId::parse("acme/orders/7").expect("a stream id");
        let of_type = StreamId::parse("acme/orders/returns/7").expect("a stream id");
        assert_eq!(of_type.aggregate_type.as_deref(), Some("returns"));
        assert_eq!((&of_type.context, &of_type.aggregate), (&order.context, &order.aggregate));
        assert_eq!(StreamId::parse(&of_type.to_string()).as_ref(), Ok(&of_type));
        assert_ne!(of_type.message_group(), order.message_group());
        assert_ne!(of_type.pseudonym(), order.pseudonym());
        assert_eq!((order.within_context(), of_type.within_context()), ("7".to_owned(), "returns/7".to_owned()));
        for text in ["acme/orders//7", "acme/orders/Returns/7", "acme/orders/a-b/7", "acme/orders/a/b/7", "acme//a/7"] {
            assert!(StreamId::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_command_key_depends_on_where_one_part_ends_and_the_next_begins() {
        let tenant = TenantId::parse("acme").expect("a tenant");
        assert_ne!(CommandKey::of(&tenant, "ab", "c"), CommandKey::of(&tenant, "a", "bc"));
        let of_system = CommandKey::of_system(&tenant, "orders", "acme/orders/O-1/1", "payments");
        assert_ne!(of_system, CommandKey::of_system(&tenant, "orders", "acme/orders/O-1/1", "shipments"));
        for id in ["acme/orders/O-1/1", "acme/orders/O-1/1payments"] {
            assert_ne!(of_system, CommandKey::of(&tenant, "orders", id), "no client's");
        }
    }
}
