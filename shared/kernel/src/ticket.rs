//! The ticket that opens a WebSocket connection: who connects, sealed as receipts are.
//!
//! A browser can send no headers with a handshake, and a token does not belong into an address, where logs keep it. So a
//! caller fetches a ticket with the token: it is good for a minute, and for one connection.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;

use crate::hex;
use crate::ids::TenantId;
use crate::principal::Principal;
use crate::receipt::ReceiptKeys;
use crate::timestamp::Timestamp;

/// How long a ticket is good.
pub const GOOD_FOR: Duration = Duration::from_mins(1);

/// What a ticket says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// Which ticket it is, so that it opens one connection only.
    pub nonce: [u8; 16],
    pub tenant: TenantId,
    pub principal: Principal,
    /// Whether the caller's token lets submit. All may follow.
    pub may_submit: bool,
    /// When it is good no more.
    pub expires_at: Timestamp,
    /// When the connection that it opens must end.
    pub until: Timestamp,
}

/// Differs from that of receipts, so that neither opens as the other.
const LAYOUT: u8 = 2;
const MAC: usize = 16;
/// Layout, nonce, two times, whether it may submit, the tenant's length.
const HEAD: usize = 1 + 16 + 8 + 8 + 1 + 1;

impl Ticket {
    /// The nonce as text.
    pub fn number(&self) -> String {
        hex::encode(&self.nonce)
    }

    /// Whether the text may be a ticket that is still good: a key has yet to say so.
    pub fn may_be_good(text: &str, now: Timestamp) -> bool {
        let sealed = BASE64.decode(text).ok().and_then(|mut bytes| {
            bytes.truncate(bytes.len().checked_sub(MAC)?);
            Self::read(&bytes)
        });
        sealed.is_some_and(|ticket| now < ticket.expires_at)
    }

    fn bytes(&self) -> Vec<u8> {
        let tenant = self.tenant.as_str().as_bytes();
        let mut bytes = vec![LAYOUT];
        bytes.extend(self.nonce);
        bytes.extend(self.expires_at.millis().to_be_bytes());
        bytes.extend(self.until.millis().to_be_bytes());
        bytes.push(self.may_submit.into());
        bytes.push(u8::try_from(tenant.len()).expect("a tenant's id has 64 characters at most"));
        bytes.extend(tenant);
        bytes.extend(self.principal.to_string().as_bytes());
        bytes
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let (head, names) = bytes.split_at_checked(HEAD)?;
        let millis = |at: usize| {
            let millis = u64::from_be_bytes(head[at..at + 8].try_into().ok()?);
            Some(Timestamp::from_millis(millis))
        };
        let (tenant, principal) = names.split_at_checked(head[HEAD - 1].into())?;
        (head[0] == LAYOUT).then_some(())?;
        Some(Self {
            nonce: head[1..17].try_into().ok()?,
            expires_at: millis(17)?,
            until: millis(25)?,
            may_submit: head[33] != 0,
            tenant: TenantId::parse(std::str::from_utf8(tenant).ok()?).ok()?,
            principal: Principal::read(std::str::from_utf8(principal).ok()?),
        })
    }
}

impl ReceiptKeys {
    /// The ticket as URL-safe text.
    pub fn seal_ticket(&self, ticket: &Ticket, now: Timestamp) -> String {
        let mut bytes = ticket.bytes();
        bytes.extend(self.mac(now, &bytes));
        BASE64.encode(bytes)
    }

    /// The ticket, if it is genuine and still good. Compares in constant time.
    pub fn open_ticket(&self, text: &str, now: Timestamp) -> Option<Ticket> {
        let bytes = BASE64.decode(text).ok()?;
        let (sealed, mac) = bytes.split_at_checked(bytes.len().checked_sub(MAC)?)?;
        let ticket = Ticket::read(sealed)?;
        (self.is_genuine(sealed, mac) && now < ticket.expires_at).then_some(ticket)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ids::CommandKey;
    use crate::principal::PrincipalKind;
    use crate::receipt::Digest;

    fn keys() -> ReceiptKeys {
        ReceiptKeys::parse(&"k".repeat(32)).expect("keys")
    }

    fn at(millis: u64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn ticket() -> Ticket {
        Ticket {
            nonce: [7; 16],
            tenant: TenantId::parse("acme").expect("a tenant"),
            principal: Principal::new("olga", PrincipalKind::User).expect("a principal"),
            may_submit: true,
            expires_at: at(60_000),
            until: at(7_200_000),
        }
    }

    proptest! {
        #[test]
        fn a_ticket_opens_as_it_was_sealed(tenant in "[A-Za-z0-9_-]{1,64}", id in "[a-zä:#|]{1,60}", may_submit: bool, nonce: [u8; 16]) {
            for kind in [PrincipalKind::User, PrincipalKind::ServiceAccount] {
                let sealed = Ticket {
                    nonce,
                    tenant: TenantId::parse(&tenant).expect("a tenant"),
                    principal: Principal::new(&id, kind).expect("a principal"),
                    may_submit,
                    ..ticket()
                };
                let text = keys().seal_ticket(&sealed, at(0));
                prop_assert!(text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte)));
                prop_assert_eq!(keys().open_ticket(&text, at(1)), Some(sealed));
            }
        }

        #[test]
        fn a_ticket_cannot_be_altered(at_byte: prop::sample::Index, flip in 1..=255_u8) {
            let mut bytes = BASE64.decode(keys().seal_ticket(&ticket(), at(0))).expect("base64");
            let index = at_byte.index(bytes.len());
            bytes[index] ^= flip;
            prop_assert_eq!(keys().open_ticket(&BASE64.encode(bytes), at(1)), None);
        }

        #[test]
        fn a_ticket_cannot_be_guessed(text in "[A-Za-z0-9_-]{0,120}") {
            prop_assert_eq!(keys().open_ticket(&text, at(1)), None);
        }
    }

    #[test]
    fn a_ticket_is_good_until_it_expires() {
        let text = keys().seal_ticket(&ticket(), at(0));
        assert!(keys().open_ticket(&text, at(59_999)).is_some());
        assert_eq!(keys().open_ticket(&text, at(60_000)), None);
    }

    #[test]
    fn neither_ticket_nor_receipt_opens_as_the_other() {
        let ticket = ticket();
        let receipt = keys().seal(
            &ticket.tenant,
            at(0),
            CommandKey::of(&ticket.tenant, "s", "1"),
            Digest::parse(&"0".repeat(32)).expect("a digest"),
        );
        assert_eq!(keys().open_ticket(&receipt.to_string(), at(1)), None);
        assert_eq!(keys().open(&ticket.tenant, &keys().seal_ticket(&ticket, at(0))), None);
    }

    #[test]
    fn a_ticket_of_another_key_does_not_open() {
        let others = ReceiptKeys::parse(&"o".repeat(32)).expect("keys");
        assert_eq!(keys().open_ticket(&others.seal_ticket(&ticket(), at(0)), at(1)), None);
        let replaced = ReceiptKeys::parse(&format!("{} {}", "n".repeat(32), "k".repeat(32))).expect("keys");
        assert!(
            replaced.open_ticket(&keys().seal_ticket(&ticket(), at(0)), at(1)).is_some(),
            "the key before still opens"
        );
    }
}
