use proptest::prelude::*;

use super::*;

/// The reference libraries' own case.
const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
const SECONDS: u64 = 1_614_265_330;
const BODY: &[u8] = br#"{"test": 2432232314}"#;
const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
/// Of somebody else.
const WRONG: &str = "v1,tFtCZ5RDCPxzWQRWXWPgrCgE2frDBe9gjpbWQxnVfsQ=";

fn secret() -> WebhookSecret {
    WebhookSecret::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret")
}

fn other() -> WebhookSecret {
    WebhookSecret::from_random([7; 32])
}

fn id() -> WebhookId {
    WebhookId::parse(ID).expect("an id")
}

fn at(seconds: u64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

/// The reference case with other signatures.
fn verified(secrets: &[WebhookSecret], signatures: &str) -> Result<(), BadSignature> {
    verify(secrets, ID, &SECONDS.to_string(), signatures, BODY, at(SECONDS))
}

/// The text with the bits of one of its bytes flipped; it stays ASCII.
fn flipped(text: &str, at: prop::sample::Index, flip: u8) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let at = at.index(bytes.len());
    bytes[at] ^= flip;
    String::from_utf8(bytes).expect("ASCII")
}

#[test]
fn the_reference_case_is_signed_and_verified() {
    assert_eq!(sign(&[secret()], &id(), at(SECONDS), BODY), SIGNATURE);
    assert_eq!(verified(&[secret()], SIGNATURE), Ok(()));
}

#[test]
fn a_second_reference_case_is_signed() {
    let secret = WebhookSecret::parse("whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD").expect("a secret");
    let id = WebhookId::parse("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk").expect("an id");
    let body = br#"{"email":"test@example.com","username":"test_user"}"#;
    let signed = sign(&[secret], &id, at(1_649_367_553), body);
    assert_eq!(signed, "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=");
}

#[test]
fn parts_of_a_second_are_not_signed() {
    let later = Timestamp::from_millis(SECONDS * 1000 + 999);
    assert_eq!(sign(&[secret()], &id(), later, BODY), SIGNATURE);
}

proptest! {
    #[test]
    fn what_is_signed_verifies(body: Vec<u8>, id in "[!-\\-/-~]{1,256}", seconds in 0..200_000_000_000_u64, random: [u8; 32]) {
        let secrets = [WebhookSecret::from_random(random)];
        let signed = sign(&secrets, &WebhookId::parse(&id).expect("an id"), at(seconds), &body);
        prop_assert_eq!(verify(&secrets, &id, &seconds.to_string(), &signed, &body, at(seconds)), Ok(()));
    }

    #[test]
    fn a_body_cannot_be_altered(at_byte: prop::sample::Index, flip in 1..=255_u8) {
        let mut body = BODY.to_vec();
        body[at_byte.index(BODY.len())] ^= flip;
        let verified = verify(&[secret()], ID, &SECONDS.to_string(), SIGNATURE, &body, at(SECONDS));
        prop_assert_eq!(verified, Err(BadSignature::NoMatch));
    }

    #[test]
    fn an_id_cannot_be_altered(at_byte: prop::sample::Index, flip in 1..=127_u8) {
        let id = flipped(ID, at_byte, flip);
        let verified = verify(&[secret()], &id, &SECONDS.to_string(), SIGNATURE, BODY, at(SECONDS));
        prop_assert!(matches!(verified, Err(BadSignature::Id | BadSignature::NoMatch)), "{:?}", verified);
    }

    #[test]
    fn a_timestamp_cannot_be_altered(at_byte: prop::sample::Index, flip in 1..=127_u8) {
        let timestamp = flipped(&SECONDS.to_string(), at_byte, flip);
        // By a clock that agrees with it, where it is a time.
        let now = timestamp.parse().unwrap_or(SECONDS);
        let verified = verify(&[secret()], ID, &timestamp, SIGNATURE, BODY, at(now));
        prop_assert!(matches!(verified, Err(BadSignature::Timestamp | BadSignature::NoMatch)), "{:?}", verified);
    }

    #[test]
    fn a_signature_cannot_be_altered(at_byte: prop::sample::Index, flip in 1..=127_u8) {
        prop_assert_eq!(verified(&[secret()], &flipped(SIGNATURE, at_byte, flip)), Err(BadSignature::NoMatch));
    }

    #[test]
    fn no_header_makes_it_panic(id: String, timestamp: String, signatures: String) {
        prop_assert!(verify(&[secret()], &id, &timestamp, &signatures, BODY, at(SECONDS)).is_err());
    }
}

#[test]
fn a_timestamp_may_be_five_minutes_off_and_no_second_more() {
    let by_clock = |now| verify(&[secret()], ID, &SECONDS.to_string(), SIGNATURE, BODY, at(now));
    for now in [SECONDS - 300, SECONDS, SECONDS + 300] {
        assert_eq!(by_clock(now), Ok(()), "{now}");
    }
    assert_eq!(by_clock(SECONDS + 301), Err(BadSignature::TooOld));
    assert_eq!(by_clock(SECONDS - 301), Err(BadSignature::TooNew));
    let largest = u64::MAX.to_string();
    assert_eq!(verify(&[secret()], ID, &largest, SIGNATURE, BODY, at(SECONDS)), Err(BadSignature::TooNew));
}

#[test]
fn a_timestamp_is_digits_alone() {
    let beyond = format!("{}0", u64::MAX);
    for timestamp in ["", " ", "+1614265330", "-1", "1614265330.0", "1614265330 ", "0x60", "2021-02-25", "١", &beyond]
    {
        let verified = verify(&[secret()], ID, timestamp, SIGNATURE, BODY, at(SECONDS));
        assert_eq!(verified, Err(BadSignature::Timestamp), "{timestamp}");
    }
}

#[test]
fn an_id_is_visible_ascii_without_a_full_stop() {
    let longest = "i".repeat(256);
    for id in ["1", "msg_1", "a:b/c~", &longest] {
        assert_eq!(WebhookId::parse(id).expect("an id").to_string(), id);
    }
    let too_long = "i".repeat(257);
    for id in ["", ".", "a.b", "a b", "a\n", "ä", &too_long] {
        assert_eq!(WebhookId::parse(id), Err(BadId), "{id}");
        let verified = verify(&[secret()], id, &SECONDS.to_string(), SIGNATURE, BODY, at(SECONDS));
        assert_eq!(verified, Err(BadSignature::Id), "{id}");
    }
}

#[test]
fn the_border_between_id_and_body_cannot_be_moved() {
    let now = SECONDS + 10;
    let body = format!("{now}.x");
    let short = WebhookId::parse("1").expect("an id");
    let signed = sign(&[secret()], &short, at(SECONDS), body.as_bytes());
    // The same bytes are signed as with this id and the body `x`.
    let moved = verify(&[secret()], &format!("1.{SECONDS}"), &now.to_string(), &signed, b"x", at(now));
    assert_eq!(moved, Err(BadSignature::Id));
}

#[test]
fn an_unknown_secret_matches_nothing() {
    assert_eq!(verified(&[other()], SIGNATURE), Err(BadSignature::NoMatch));
    assert_eq!(verified(&[], SIGNATURE), Err(BadSignature::NoMatch));
}

#[test]
fn while_a_secret_is_replaced_either_verifies() {
    let signed = sign(&[other(), secret()], &id(), at(SECONDS), BODY);
    assert_eq!(signed.split(' ').nth(1), Some(SIGNATURE));
    for receiver in [&[secret()][..], &[other()], &[other(), secret()]] {
        assert_eq!(verified(receiver, &signed), Ok(()));
    }
    assert_eq!(verified(&[other(), secret()], SIGNATURE), Ok(()), "a sender that has the old secret alone");
}

#[test]
fn a_match_may_stand_anywhere_among_other_entries() {
    let other_version = SIGNATURE.replace("v1,", "v1a,");
    for signatures in [
        format!("{SIGNATURE} {WRONG}"),
        format!("{WRONG} {SIGNATURE}"),
        format!("{other_version} v2,x v1, v1 , , v1,%% {SIGNATURE} v1,AAAA"),
        format!("  {WRONG}  {SIGNATURE}  "),
    ] {
        assert_eq!(verified(&[secret()], &signatures), Ok(()), "{signatures}");
    }
    let bare = SIGNATURE.replace("v1,", "");
    let partial = &SIGNATURE[..11];
    for signatures in ["", " ", "v1,", "v1", &bare, partial, &other_version, WRONG, &SIGNATURE.to_uppercase()] {
        assert_eq!(verified(&[secret()], signatures), Err(BadSignature::NoMatch), "{signatures}");
    }
}

#[test]
fn a_bounded_number_of_entries_is_looked_at() {
    let after = |count: usize| format!("{}{SIGNATURE}", format!("{WRONG} ").repeat(count));
    assert_eq!(verified(&[secret()], &after(MOST_SIGNATURES - 1)), Ok(()));
    assert_eq!(verified(&[secret()], &after(MOST_SIGNATURES)), Err(BadSignature::NoMatch));
}
