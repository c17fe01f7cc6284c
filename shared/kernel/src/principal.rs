//! Who acts: a user, a machine client, or the installation itself.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ids::InvalidId;
use crate::text;

/// Who acts, as the identity provider names them. An id is unique among the principals of its kind, and no further.
///
/// Stored and answered as `{ "id": …, "type": … }`. As text, in the registry, in logs and in histories, it is `user:ID`,
/// `client:ID` or `system:ID`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Principal {
    /// A user's `sub`, or a machine client's id.
    pub id: String,
    #[serde(rename = "type")]
    pub kind: PrincipalKind,
}

/// The `authtype` of the CloudEvents extension "Auth Context", as far as Waybill knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(inline)]
pub enum PrincipalKind {
    /// A user.
    User,
    /// A machine client.
    ServiceAccount,
    /// The installation itself.
    System,
    /// A kind that this build does not know, as a later release may have recorded it.
    #[serde(other)]
    Unknown,
}

/// The kinds, with what their principals' text begins with.
const PREFIXES: [(&str, PrincipalKind); 4] = [
    ("user", PrincipalKind::User),
    ("client", PrincipalKind::ServiceAccount),
    ("system", PrincipalKind::System),
    ("unknown", PrincipalKind::Unknown),
];

impl PrincipalKind {
    /// The value of `authtype`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::ServiceAccount => "service_account",
            Self::System => "system",
            Self::Unknown => "unknown",
        }
    }

    /// Reads an `authtype`.
    pub fn read(authtype: &str) -> Self {
        [Self::User, Self::ServiceAccount, Self::System]
            .into_iter()
            .find(|kind| kind.as_str() == authtype)
            .unwrap_or(Self::Unknown)
    }

    fn prefix(self) -> &'static str {
        PREFIXES.iter().find(|(_, kind)| *kind == self).expect("every kind has a prefix").0
    }
}

impl Principal {
    /// Most bytes of an id. The core of OIDC, section 2, allows `sub` 255 ASCII characters.
    pub const MAX_ID: usize = 255;

    /// A principal whom a token names. The id is recorded and shown wherever they act, so it is short, and each of its
    /// characters is seen as what it is.
    pub fn new(id: &str, kind: PrincipalKind) -> Result<Self, InvalidId> {
        if (1..=Self::MAX_ID).contains(&id.len()) && id.chars().all(text::is_visible) {
            Ok(Self { id: id.to_owned(), kind })
        } else {
            Err(InvalidId { what: "a caller's id", rule: "1 to 255 bytes, all of them of visible characters" })
        }
    }

    /// A principal as an `authid` and an `authtype` of ours say.
    pub fn recorded(id: impl Into<String>, authtype: Option<&str>) -> Self {
        Self { id: id.into(), kind: authtype.map_or(PrincipalKind::Unknown, PrincipalKind::read) }
    }

    /// Reads a principal's text. An id without a prefix is a client's: clients get their ids from whoever runs the
    /// identity provider, but users may choose theirs, and could choose a client's.
    pub fn read(text: &str) -> Self {
        let prefixed = text.split_once(':').and_then(|(prefix, id)| {
            let (_, kind) = PREFIXES.iter().find(|(known, _)| *known == prefix)?;
            Some(Self { id: id.to_owned(), kind: *kind })
        });
        prefixed.unwrap_or_else(|| Self { id: text.to_owned(), kind: PrincipalKind::ServiceAccount })
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.prefix(), self.id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KINDS: [PrincipalKind; 4] =
        [PrincipalKind::User, PrincipalKind::ServiceAccount, PrincipalKind::System, PrincipalKind::Unknown];

    #[test]
    fn a_principal_reads_back_from_its_text_whatever_its_id_is() {
        for kind in KINDS {
            for id in ["shop", "user:shop", "client:shop", "a:b:c", ":", "(usr!jane)", "auth0|123456"] {
                let principal = Principal { id: id.to_owned(), kind };
                assert_eq!(Principal::read(&principal.to_string()), principal);
            }
            assert_eq!(PrincipalKind::read(kind.as_str()), kind);
        }
    }

    #[test]
    fn an_id_without_a_prefix_is_a_clients() {
        for id in ["shop", "auth0|123456", "urn:client", "User:shop", " user:shop", ""] {
            assert_eq!(Principal::read(id), Principal { id: id.to_owned(), kind: PrincipalKind::ServiceAccount });
        }
    }

    #[test]
    fn a_kind_of_a_later_release_is_unknown_and_no_error() {
        let principal: Principal =
            serde_json::from_str(r#"{ "id": "k-1", "type": "api_key", "issuer": "x" }"#).expect("it is read");
        assert_eq!(principal, Principal { id: "k-1".to_owned(), kind: PrincipalKind::Unknown });
        assert_eq!(PrincipalKind::read("api_key"), PrincipalKind::Unknown);
    }

    #[test]
    fn the_kinds_are_called_as_the_extension_calls_them() {
        for kind in KINDS {
            assert_eq!(serde_json::json!(kind), kind.as_str());
        }
    }

    #[test]
    fn an_id_is_short_and_every_character_of_it_is_seen() {
        for good in ["a", &"x".repeat(255), "jane@acme.example", "Jane Doe", "\u{5d0}\u{5d1}", "auth0|1", "(usr!jane)"]
        {
            assert!(Principal::new(good, PrincipalKind::User).is_ok(), "{good}");
        }
        for bad in ["", &"x".repeat(256), "a\nb", "a\u{7f}", "\u{202e}nimda", "a\u{200b}", "a\u{2028}b", "a\u{fffe}"] {
            assert!(Principal::new(bad, PrincipalKind::User).is_err(), "{bad:?}");
        }
    }
}
