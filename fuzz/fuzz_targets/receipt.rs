//! A receipt: what is read has the text that it was read from, and nothing opens that was not sealed.

#![no_main]

use std::sync::LazyLock;

use kernel::cloud_event::CloudEvent;
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use kernel::timestamp::Timestamp;
use libfuzzer_sys::fuzz_target;

struct Sealed {
    keys: ReceiptKeys,
    receipt: Receipt,
    text: String,
}

static SEALED: LazyLock<Sealed> = LazyLock::new(|| {
    let event = CloudEvent::builder("c-1", "/shop", "Note").build().expect("an event");
    let digest = Digest::of(&event, &serde_json::Value::Null);
    let (keys, tenant) = (fuzz::keys(), fuzz::tenant());
    let key = CommandKey::of(&tenant, "/shop", "c-1");
    let receipt = keys.seal(&tenant, Timestamp::from_millis(1_790_000_000_000), key, digest);
    Sealed { keys, receipt, text: receipt.to_string() }
});

fuzz_target!(|bytes: &[u8]| {
    if let Ok(text) = std::str::from_utf8(bytes) {
        of(text);
    }
    // The genuine one with some of its bytes changed: each pair says which, and how.
    let mut forged = SEALED.text.clone().into_bytes();
    for pair in bytes.chunks_exact(2) {
        let at = usize::from(pair[0]) % forged.len();
        forged[at] ^= pair[1];
    }
    if let Ok(text) = std::str::from_utf8(&forged) {
        of(text);
    }
});

fn of(text: &str) {
    let read = Receipt::read(text);
    if let Some(receipt) = read {
        assert_eq!(receipt.to_string(), text);
        assert_eq!(Timestamp::parse(&receipt.accepted_at.to_string()), Some(receipt.accepted_at));
    }
    let genuine = text == SEALED.text;
    assert_eq!(SEALED.keys.open(&fuzz::tenant(), text), genuine.then_some(SEALED.receipt));
    let neighbour = TenantId::parse("neighbour").expect("a tenant");
    assert_eq!(SEALED.keys.open(&neighbour, text), None);
}
