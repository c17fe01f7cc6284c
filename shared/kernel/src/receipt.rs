//! The receipt: an operation's id, which is all the state that ingest leaves behind.
//!
//! It carries the time of acceptance, the command key and a digest of the content, sealed by a MAC that is bound
//! to the tenant. Whoever holds the key can tell a genuine receipt without any record of it, and a forged, altered
//! or foreign one reads as unknown.

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use sha2::Sha256;

use crate::cloud_event::{CloudEvent, canonical};
use crate::domain_event::extension;
use crate::hex;
use crate::ids::{CommandKey, TenantId, hash};
use crate::timestamp::Timestamp;

/// What a command says: a hash over type, subject, schema, `data` in canonical JSON, and the version that it expects, if
/// it does.
///
/// A retry that orders its keys differently has the same digest; another amount under the same id has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Digest([u8; 16]);

impl Digest {
    /// `data` is the event's data as parsed; attributes count as the sender gave them, so that a schema which
    /// became current between two tries does not make them differ.
    pub fn of(event: &CloudEvent, data: &serde_json::Value) -> Self {
        Self::with_schema(event, event.dataschema(), data)
    }

    /// Reads its text.
    pub fn parse(text: &str) -> Option<Self> {
        hex::decode(text).map(Self)
    }

    /// Whether it is that of an event as it was sealed: that names a schema, whether or not its sender did.
    pub fn is_of_sealed(self, event: &CloudEvent, data: &serde_json::Value) -> bool {
        [event.dataschema(), None].into_iter().any(|schema| Self::with_schema(event, schema, data) == self)
    }

    fn with_schema(event: &CloudEvent, schema: Option<&str>, data: &serde_json::Value) -> Self {
        let part = |text: Option<&str>| text.map(|text| format!("={text}")).unwrap_or_default();
        let (subject, schema, data) = (part(event.subject()), part(schema), canonical(data));
        let mut parts = vec![event.ty().as_bytes(), subject.as_bytes(), schema.as_bytes(), data.as_bytes()];
        // Only where there is one: without, a command has the digest that it had before there were any.
        let expected = event.extension(extension::EXPECTED_VERSION).map(ToString::to_string);
        parts.extend(expected.as_ref().map(String::as_bytes));
        Self(hash(&parts))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(&self.0))
    }
}

/// An operation's id: 74 URL-safe characters. Equal receipts have equal text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    pub accepted_at: Timestamp,
    pub command_key: CommandKey,
    pub digest: Digest,
    mac: [u8; 16],
}

/// The layout's number, so that another may follow it.
const LAYOUT: u8 = 1;
/// What stands in the place of a MAC.
const OF_SYSTEM: [u8; 16] = [0; 16];
const LENGTH: usize = 1 + 6 + 16 + 16 + 16;

impl Receipt {
    /// Reads a receipt without asking whether it is genuine: for those who got it from a queue of ours.
    /// What came from a client goes through [`ReceiptKeys::open`].
    pub fn read(text: &str) -> Option<Self> {
        let bytes: [u8; LENGTH] = BASE64.decode(text).ok()?.try_into().ok()?;
        let mut millis = [0; 8];
        millis[2..].copy_from_slice(&bytes[1..7]);
        let millis = u64::from_be_bytes(millis);
        let accepted_at = Timestamp::from_millis(millis);
        // Six bytes can say later moments than there are. Drawn back, they would make a receipt of another text.
        (bytes[0] == LAYOUT && accepted_at.millis() == millis).then(|| Self {
            accepted_at,
            command_key: CommandKey(slice16(&bytes, 7)),
            digest: Digest(slice16(&bytes, 23)),
            mac: slice16(&bytes, 39),
        })
    }

    /// Of a command that the installation itself hands in, which needs no key for it: nobody is promised anything by it, so
    /// it tells of a command only once there is a record of that.
    pub fn of_system(accepted_at: Timestamp, command_key: CommandKey, digest: Digest) -> Self {
        Self { accepted_at, command_key, digest, mac: OF_SYSTEM }
    }

    /// Whether it was made by [`of_system`](Self::of_system), or by anybody who knows how.
    pub fn is_of_system(&self) -> bool {
        self.mac == OF_SYSTEM
    }

    /// What the texts of all receipts of the command have in common, at the same place, and no others have: 120 of its key's
    /// 128 bits. Finds a command and its repeats where their operations are logged.
    pub fn shared_text(&self) -> String {
        // The key begins in the tenth character, which says something of the time as well, and ends in the 31st.
        self.to_string()[10..30].to_owned()
    }

    fn bytes(&self) -> [u8; LENGTH] {
        let mut bytes = [0; LENGTH];
        bytes[0] = LAYOUT;
        bytes[1..7].copy_from_slice(&self.accepted_at.millis().to_be_bytes()[2..]);
        bytes[7..23].copy_from_slice(&self.command_key.0);
        bytes[23..39].copy_from_slice(&self.digest.0);
        bytes[39..].copy_from_slice(&self.mac);
        bytes
    }
}

fn slice16(bytes: &[u8], at: usize) -> [u8; 16] {
    let mut part = [0; 16];
    part.copy_from_slice(&bytes[at..at + 16]);
    part
}

/// As clients see it, who find nothing in it.
impl JsonSchema for Receipt {
    fn schema_name() -> Cow<'static, str> {
        "OperationId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "description": "The receipt. Opaque.", "type": "string", "pattern": "^[A-Za-z0-9_-]{74}$" })
    }
}

impl fmt::Display for Receipt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&BASE64.encode(self.bytes()))
    }
}

/// The secret behind receipts. The first key seals; all of them open, so a key can be replaced without a gap.
#[derive(Clone)]
pub struct ReceiptKeys {
    keys: Vec<Hmac<Sha256>>,
    /// The first key seals from then on; until then the second does, if there is one.
    first_seals_from: Option<Timestamp>,
}

/// How long a new key is only for opening, before it seals. Who opens receipts reads the keys again for a receipt that none
/// of them opens, and must have had the time to.
pub const NOTICE: Duration = Duration::from_mins(1);

/// Why a text holds no receipt keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be one or more secrets of at least 32 characters, separated by spaces, the newest first")]
pub struct InvalidKeys;

impl ReceiptKeys {
    /// One or more secrets of at least 32 characters, separated by spaces, the newest first.
    pub fn parse(text: &str) -> Result<Self, InvalidKeys> {
        let key = |secret: &str| {
            if secret.len() < 32 {
                Err(InvalidKeys)
            } else {
                Hmac::new_from_slice(secret.as_bytes()).map_err(|_| InvalidKeys)
            }
        };
        let keys: Vec<_> = text.split_whitespace().map(key).collect::<Result<_, _>>()?;
        if keys.is_empty() { Err(InvalidKeys) } else { Ok(Self { keys, first_seals_from: None }) }
    }

    /// The same keys, as stored at this time: their first one is new to others, and seals when it is older than
    /// [`NOTICE`].
    #[must_use]
    pub fn stored_at(self, stored_at: Timestamp) -> Self {
        Self { first_seals_from: Some(stored_at.plus(NOTICE)), ..self }
    }

    pub fn seal(&self, tenant: &TenantId, accepted_at: Timestamp, command_key: CommandKey, digest: Digest) -> Receipt {
        let mut receipt = Receipt { accepted_at, command_key, digest, mac: [0; 16] };
        let full = authenticator(self.sealing(accepted_at), tenant, &receipt).finalize().into_bytes();
        receipt.mac.copy_from_slice(&full[..16]);
        receipt
    }

    /// The receipt, if it is genuine and this tenant's. Compares in constant time.
    pub fn open(&self, tenant: &TenantId, text: &str) -> Option<Receipt> {
        let receipt = Receipt::read(text)?;
        let genuine = |key| authenticator(key, tenant, &receipt).verify_truncated_left(&receipt.mac).is_ok();
        self.keys.iter().any(genuine).then_some(receipt)
    }

    /// Seals other bytes than a receipt's, which begin with a layout of their own.
    pub(crate) fn mac(&self, at: Timestamp, bytes: &[u8]) -> [u8; 16] {
        let mut mac = self.sealing(at).clone();
        mac.update(bytes);
        slice16(&mac.finalize().into_bytes(), 0)
    }

    /// Whether one of the keys has sealed these bytes so. Compares in constant time.
    pub(crate) fn is_genuine(&self, bytes: &[u8], sealed: &[u8]) -> bool {
        self.keys.iter().any(|key| {
            let mut mac = key.clone();
            mac.update(bytes);
            mac.verify_truncated_left(sealed).is_ok()
        })
    }

    fn sealing(&self, at: Timestamp) -> &Hmac<Sha256> {
        let first = &self.keys[0];
        if self.first_seals_from.is_some_and(|from| at < from) { self.keys.get(1).unwrap_or(first) } else { first }
    }
}

fn authenticator(key: &Hmac<Sha256>, tenant: &TenantId, receipt: &Receipt) -> Hmac<Sha256> {
    let mut mac = key.clone();
    mac.update(&receipt.bytes()[..39]);
    mac.update(tenant.as_str().as_bytes());
    mac
}

impl fmt::Debug for ReceiptKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReceiptKeys({} secret)", self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn keys() -> ReceiptKeys {
        ReceiptKeys::parse(&"k".repeat(32)).expect("keys")
    }

    fn tenant(id: &str) -> TenantId {
        TenantId::parse(id).expect("a tenant")
    }

    prop_compose! {
        fn receipts()(millis in 0..250_000_000_000_000_u64, id in ".*", digest: [u8; 16]) -> Receipt {
            let acme = tenant("acme");
            keys().seal(&acme, Timestamp::from_millis(millis), CommandKey::of(&acme, "s", &id), Digest(digest))
        }
    }

    proptest! {
        #[test]
        fn a_receipt_opens_as_it_was_sealed(receipt in receipts()) {
            let text = receipt.to_string();
            prop_assert_eq!(text.len(), 74);
            prop_assert_eq!(keys().open(&tenant("acme"), &text), Some(receipt));
        }

        #[test]
        fn a_receipt_cannot_be_moved_to_another_tenant(receipt in receipts(), other in "[A-Za-z0-9_-]{1,64}") {
            prop_assume!(other != "acme");
            prop_assert_eq!(keys().open(&tenant(&other), &receipt.to_string()), None);
        }

        #[test]
        fn a_receipt_cannot_be_altered(receipt in receipts(), at in 0..LENGTH, flip in 1..=255_u8) {
            let mut bytes = receipt.bytes();
            bytes[at] ^= flip;
            prop_assert_eq!(keys().open(&tenant("acme"), &BASE64.encode(bytes)), None);
        }

        #[test]
        fn a_receipt_cannot_be_guessed(text in "[A-Za-z0-9_-]{0,80}") {
            prop_assert_eq!(keys().open(&tenant("acme"), &text), None);
        }
    }

    #[test]
    fn what_is_read_has_the_text_that_it_was_read_from() {
        let with = |millis: u64| {
            let mut bytes = [0; LENGTH];
            bytes[0] = LAYOUT;
            bytes[1..7].copy_from_slice(&millis.to_be_bytes()[2..]);
            BASE64.encode(bytes)
        };
        let last = Timestamp::from_millis(u64::MAX).millis();
        assert_eq!(Receipt::read(&with(last)).expect("a receipt").to_string(), with(last));
        for later in [last + 1, (1 << 48) - 1] {
            assert_eq!(Receipt::read(&with(later)), None, "{later}");
        }
    }

    #[test]
    fn receipts_of_the_replaced_key_still_open() {
        let acme = tenant("acme");
        let receipt = keys().seal(&acme, Timestamp::from_millis(1), CommandKey::of(&acme, "s", "1"), Digest([0; 16]));
        let replaced = ReceiptKeys::parse(&format!("{} {}", "n".repeat(32), "k".repeat(32))).expect("keys");
        assert_eq!(replaced.open(&acme, &receipt.to_string()), Some(receipt));
        let gone = ReceiptKeys::parse(&"n".repeat(32)).expect("keys");
        assert_eq!(gone.open(&acme, &receipt.to_string()), None);
    }

    #[test]
    fn a_new_key_opens_at_once_and_seals_after_its_notice() {
        let (acme, old) = (tenant("acme"), keys());
        let both = format!("{} {}", "n".repeat(32), "k".repeat(32));
        let (stored, notice_over) = (Timestamp::from_millis(5), Timestamp::from_millis(5).plus(NOTICE));
        let rotated = ReceiptKeys::parse(&both).expect("keys").stored_at(stored);
        let seal = |keys: &ReceiptKeys, at| keys.seal(&acme, at, CommandKey::of(&acme, "s", "1"), Digest([0; 16]));
        let just_before = Timestamp::from_millis(notice_over.millis() - 1);
        for at in [stored, just_before] {
            let receipt = seal(&rotated, at);
            assert_eq!(receipt, seal(&old, at), "the key that all know still seals");
            assert_eq!(rotated.open(&acme, &receipt.to_string()), Some(receipt));
        }
        let receipt = seal(&rotated, notice_over);
        assert_ne!(receipt, seal(&old, notice_over));
        assert_eq!(rotated.open(&acme, &receipt.to_string()), Some(receipt));
        let alone = keys().stored_at(stored);
        assert_eq!(seal(&alone, stored), seal(&old, stored), "an only key seals at once");
    }

    #[test]
    fn receipts_of_one_command_have_their_shared_text_and_others_do_not() {
        let keys = keys();
        let sealed = |id: &str, millis, digest: &str| {
            let tenant = TenantId::parse("acme").expect("a tenant");
            let event = CloudEvent::builder(id, "/s", digest).build().expect("an event");
            let digest = Digest::of(&event, &serde_json::Value::Null);
            keys.seal(&tenant, Timestamp::from_millis(millis), CommandKey::of(&tenant, "/s", id), digest)
        };
        let (one, again) = (sealed("1", 1, "SubmitOrder"), sealed("1", 1_790_000_000_000, "CancelOrder"));
        assert_ne!(one, again);
        assert!(again.to_string().contains(&one.shared_text()), "{again} {}", one.shared_text());
        assert!(!sealed("2", 1, "SubmitOrder").to_string().contains(&one.shared_text()));
    }

    #[test]
    fn short_secrets_are_refused() {
        assert!(ReceiptKeys::parse("short").is_err());
        assert!(ReceiptKeys::parse("").is_err());
    }

    #[test]
    fn a_digest_tells_what_is_expected_and_is_what_it_was_where_nothing_is() {
        let digest = |expected: Option<crate::cloud_event::Value>| {
            let mut event = CloudEvent::builder("1", "/s", "SubmitOrder");
            if let Some(expected) = expected {
                event = event.extension("expectedversion", expected);
            }
            Digest::of(&event.build().expect("an event"), &serde_json::Value::Null)
        };
        assert_eq!(digest(None).to_string(), "2cc41c7c63cbeaf57dd25e543128fc64");
        assert_ne!(digest(None), digest(Some(0.into())));
        assert_ne!(digest(Some(0.into())), digest(Some(1.into())));
        assert_eq!(digest(Some(7.into())), digest(Some("7".into())), "one mode has numbers, the other text");
    }

    #[test]
    fn the_order_of_keys_does_not_change_a_digest_and_an_amount_does() {
        let digest = |subject: Option<&str>, json: &str| {
            let data: serde_json::Value = serde_json::from_str(json).expect("JSON");
            let mut event = CloudEvent::builder("1", "/s", "SubmitOrder");
            if let Some(subject) = subject {
                event = event.subject(subject);
            }
            Digest::of(&event.build().expect("an event"), &data)
        };
        assert_eq!(digest(None, r#"{"a":1,"b":2}"#), digest(None, r#"{ "b":2, "a":1 }"#));
        assert_ne!(digest(None, r#"{"a":1}"#), digest(None, r#"{"a":2}"#));
        assert_ne!(digest(None, "1"), digest(Some("x"), "1"));
    }
}
