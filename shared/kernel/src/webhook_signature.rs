//! Signatures of webhooks, as Standard Webhooks 1.0.0 has them (standardwebhooks.com, "Verifying webhook authenticity").
//!
//! Only `v1` is made and checked: HMAC-SHA256 over id, timestamp and body. Nobody asked for public keys (`v1a`).
//!
//! The crate `standardwebhooks` is not used: its last release is from 2024, and it signs with one secret only and reads
//! the system's clock.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};

pub use self::secret::{BadSecret, WebhookSecret};
use crate::hex;
use crate::timestamp::Timestamp;

mod secret;
#[cfg(test)]
mod tests;

/// The header that holds the [`WebhookId`]. It stays the same when a webhook is sent again.
pub const ID_HEADER: &str = "webhook-id";
/// The header that holds the time of this attempt, in whole seconds since 1970.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// The header that holds what [`sign`] returns.
pub const SIGNATURE_HEADER: &str = "webhook-signature";

/// How far the timestamp may be from the receiver's clock, either way, in seconds. The reference libraries have the same.
pub const TOLERANCE: u64 = 5 * 60;

/// How many entries of `webhook-signature` are looked at. Each costs a hash per secret, and anybody can send many.
pub const MOST_SIGNATURES: usize = 16;

const LONGEST_ID: usize = 256;

/// What a receiver tells repeats of a webhook by: 1 to 256 visible ASCII characters without a full stop.
///
/// Full stops separate what is signed. An id with one would let an attacker move the border between id, timestamp and
/// body, and the signature would still match (section "Signature scheme").
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookId(String);

/// Why a text is no [`WebhookId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a webhook's id must be 1 to {LONGEST_ID} visible ASCII characters without a full stop")]
pub struct BadId;

impl WebhookId {
    /// Reads an id, or refuses it where its characters or its length are not those of one.
    pub fn parse(text: &str) -> Result<Self, BadId> {
        let fits = |byte: u8| byte.is_ascii_graphic() && byte != b'.';
        let is_id = (1..=LONGEST_ID).contains(&text.len()) && text.bytes().all(fits);
        if is_id { Ok(Self(text.to_owned())) } else { Err(BadId) }
    }

    /// The id of the webhook that carries the CloudEvent with this `source` and `id`, which tell it from all others: a hash, for
    /// they may be long, and have full stops.
    pub fn of_event(source: &str, id: &str) -> Self {
        let digest = Sha256::digest(format!("{source}\n{id}"));
        Self(format!("evt_{}", hex::encode(&digest[..16])))
    }

    /// The id as `webhook-id` holds it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for WebhookId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The value of `webhook-signature`: one entry `v1,<base64>` per secret, separated by spaces.
///
/// While a secret is replaced, sign with the new one and the old one. Receivers then need not change at the same moment
/// (section "Webhook headers"). `timestamp` is the time of the attempt; `webhook-timestamp` holds its whole seconds.
pub fn sign(secrets: &[WebhookSecret], id: &WebhookId, timestamp: Timestamp, body: &[u8]) -> String {
    let seconds = timestamp.seconds().to_string();
    let entry = |secret| {
        let signature = authenticator(secret, id, &seconds, body).finalize().into_bytes();
        format!("v1,{}", BASE64.encode(signature))
    };
    secrets.iter().map(entry).collect::<Vec<_>>().join(" ")
}

/// Why a webhook does not count as its sender's. The messages are for the developer of the sender or the receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSignature {
    /// `webhook-id` is missing, or no [`WebhookId`].
    #[error("{ID_HEADER} must be there, with 1 to {LONGEST_ID} visible ASCII characters and without a full stop")]
    Id,
    /// `webhook-timestamp` is missing, or no number.
    #[error("{TIMESTAMP_HEADER} must be there, in whole seconds since 1970 and digits only")]
    Timestamp,
    /// The timestamp is too long ago. Somebody may have kept the webhook and sends it again.
    #[error(
        "{TIMESTAMP_HEADER} is more than {TOLERANCE} seconds ago: sign each attempt anew, and check the clocks of sender and receiver"
    )]
    TooOld,
    /// The timestamp is in the future, by more than clocks differ.
    #[error(
        "{TIMESTAMP_HEADER} is more than {TOLERANCE} seconds in the future: check the clocks of sender and receiver"
    )]
    TooNew,
    /// No entry of `webhook-signature` was made by one of the secrets, over this id, timestamp and body.
    #[error(
        "none of the first {MOST_SIGNATURES} entries of {SIGNATURE_HEADER} is a v1 signature that matches: check the secret, and sign the body's bytes as they are sent"
    )]
    NoMatch,
}

/// Whether one of the secrets made one of the `v1` entries in `signatures`, at about `now`.
///
/// `id`, `timestamp` and `signatures` are the headers' values as they came; give `""` for a header that is missing.
/// Entries of other versions are skipped, as are broken ones. Signatures are compared in constant time.
pub fn verify(
    secrets: &[WebhookSecret],
    id: &str,
    timestamp: &str,
    signatures: &str,
    body: &[u8],
    now: Timestamp,
) -> Result<(), BadSignature> {
    let id = WebhookId::parse(id).map_err(|BadId| BadSignature::Id)?;
    let signed_at = seconds(timestamp).ok_or(BadSignature::Timestamp)?;
    let now = now.seconds();
    if now.saturating_sub(signed_at) > TOLERANCE {
        return Err(BadSignature::TooOld);
    }
    if signed_at.saturating_sub(now) > TOLERANCE {
        return Err(BadSignature::TooNew);
    }
    let entries = signatures.split_ascii_whitespace().take(MOST_SIGNATURES);
    let given: Vec<_> = entries.filter_map(|entry| BASE64.decode(entry.strip_prefix("v1,")?).ok()).collect();
    let matches = |secret| {
        let mac = authenticator(secret, &id, timestamp, body);
        given.iter().any(|signature| mac.clone().verify_slice(signature).is_ok())
    };
    if secrets.iter().any(matches) { Ok(()) } else { Err(BadSignature::NoMatch) }
}

/// Digits only: `parse` alone would take a sign.
fn seconds(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

fn authenticator(secret: &WebhookSecret, id: &WebhookId, seconds: &str, body: &[u8]) -> Hmac<Sha256> {
    let mut mac = secret.key();
    for part in [id.as_str().as_bytes(), b".", seconds.as_bytes(), b".", body] {
        mac.update(part);
    }
    mac
}
