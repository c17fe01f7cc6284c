//! The secret that a sender of webhooks shares with their receiver.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _};
use serde::{Deserialize, Serialize, Serializer};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const SHORTEST: usize = 24;
const LONGEST: usize = 64;

/// 24 to 64 random bytes; as text `whsec_` and base64 (Standard Webhooks 1.0.0, "Signature scheme").
///
/// Serialises as that text, so whoever stores it stores the secret itself. `Debug` shows nothing of it.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct WebhookSecret(Vec<u8>);

/// Why a text is no secret. Says nothing of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadSecret {
    /// It is not base64 with padding, after the prefix.
    #[error("a webhook secret must be {PREFIX} and then base64, with + and / and padding")]
    NotBase64,
    /// It has too few or too many bytes.
    #[error("a webhook secret must have {SHORTEST} to {LONGEST} bytes before base64")]
    Length,
}

impl WebhookSecret {
    /// A new secret. The bytes must come from a cryptographic generator, and serve one endpoint only.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        Self(bytes.into())
    }

    /// Reads a secret. The prefix may be missing, as the reference libraries have it; [`expose`](Self::expose) always
    /// writes it.
    pub fn parse(text: &str) -> Result<Self, BadSecret> {
        let encoded = text.strip_prefix(PREFIX).unwrap_or(text);
        let bytes = BASE64.decode(encoded).map_err(|_| BadSecret::NotBase64)?;
        if (SHORTEST..=LONGEST).contains(&bytes.len()) { Ok(Self(bytes)) } else { Err(BadSecret::Length) }
    }

    /// The secret as text, for who shares it.
    pub fn expose(&self) -> String {
        format!("{PREFIX}{}", BASE64.encode(&self.0))
    }

    /// Without a way to fail: a secret is no longer than HMAC's block, which HMAC fills up with zeros (RFC 2104, section 2).
    pub(super) fn key(&self) -> Hmac<Sha256> {
        let mut block = [0; LONGEST];
        block[..self.0.len()].copy_from_slice(&self.0);
        Hmac::new(&block.into())
    }
}

impl TryFrom<String> for WebhookSecret {
    type Error = BadSecret;
    fn try_from(text: String) -> Result<Self, BadSecret> {
        Self::parse(&text)
    }
}

impl Serialize for WebhookSecret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.expose())
    }
}

impl fmt::Debug for WebhookSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WebhookSecret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A secret of the reference libraries' tests.
    const TEXT: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    #[test]
    fn a_secret_reads_as_it_is_written() {
        let new = WebhookSecret::from_random([7; 32]);
        assert_eq!(new.expose(), "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
        assert_eq!(WebhookSecret::parse(&new.expose()), Ok(new));
        let bare = TEXT.strip_prefix(PREFIX).expect("a prefix");
        assert_eq!(WebhookSecret::parse(bare).map(|secret| secret.expose()).as_deref(), Ok(TEXT));
    }

    #[test]
    fn a_secret_has_24_to_64_bytes() {
        let parsed = |length: usize| WebhookSecret::parse(&format!("{PREFIX}{}", BASE64.encode(vec![9; length])));
        for length in [24, 25, 63, 64] {
            assert!(parsed(length).is_ok(), "{length}");
        }
        for length in [0, 1, 23, 65, 1000] {
            assert_eq!(parsed(length), Err(BadSecret::Length), "{length}");
        }
    }

    #[test]
    fn what_is_not_base64_is_refused() {
        let url_safe = TEXT.replace('M', "-");
        let upper = TEXT.replace("whsec_", "WHSEC_");
        let private = TEXT.replace("whsec_", "whsk_");
        let twice = format!("{PREFIX}{TEXT}");
        let padded = format!("{TEXT}=");
        let line = format!("{TEXT}\n");
        let unpadded = "whsec_BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc";
        for text in [&url_safe, &upper, &private, &twice, &padded, &line, unpadded, "whsec_$"] {
            assert_eq!(WebhookSecret::parse(text), Err(BadSecret::NotBase64), "{text}");
        }
    }

    #[test]
    fn a_document_holds_the_text_of_a_secret() {
        let secret = WebhookSecret::parse(TEXT).expect("a secret");
        let json = serde_json::to_string(&secret).expect("JSON");
        assert_eq!(json, format!("\"{TEXT}\""));
        assert_eq!(serde_json::from_str::<WebhookSecret>(&json).expect("a secret"), secret);
    }

    #[test]
    fn neither_debug_nor_an_error_shows_a_secret() {
        let secret = WebhookSecret::parse(TEXT).expect("a secret");
        assert_eq!(format!("{secret:?}"), "WebhookSecret");
        let short = serde_json::from_str::<WebhookSecret>("\"whsec_MfKQ9r8G\"").expect_err("too short");
        assert!(!short.to_string().contains("MfKQ"), "{short}");
    }
}
