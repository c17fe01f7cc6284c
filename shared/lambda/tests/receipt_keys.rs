//! Receipt keys over many environments and hours of virtual time: rotated, frozen, and with Secrets Manager down.

use std::time::Duration;

use kernel::cloud_event::CloudEvent;
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::{Digest, Receipt, ReceiptKeys};
use lambda::receipt_keys::{FRESH_FOR, LOOK_AGAIN_AFTER, NoKeys, ReceiptSecret};
use lambda::settings::Environment;
use testkit::{Aws, Fault};
use tokio::time::{advance, sleep};

const SECOND: Duration = Duration::from_secs(1);

fn arn() -> String {
    Aws::secret_arn("receipt-key")
}

fn key(letter: &str) -> String {
    letter.repeat(32)
}

fn acme() -> TenantId {
    TenantId::parse("acme").expect("a tenant")
}

fn environment(aws: &Aws) -> ReceiptSecret {
    let environment = Environment::of([("RECEIPT_KEY_SECRET", &arn())]);
    ReceiptSecret::from_environment(&environment, aws.secrets_manager()).expect("good settings")
}

fn world(keys: &str) -> Aws {
    let aws = Aws::new();
    aws.put_secret(&arn(), keys);
    aws
}

fn sealed_by(keys: &ReceiptKeys, aws: &Aws) -> Receipt {
    let event = CloudEvent::builder("1", "/s", "SubmitOrder").build().expect("an event");
    let digest = Digest::of(&event, &serde_json::Value::Null);
    keys.seal(&acme(), aws.now().into(), CommandKey::of(&acme(), "/s", "1"), digest)
}

/// What an environment of ingest would answer now.
async fn seal(ingest: &ReceiptSecret, aws: &Aws) -> String {
    sealed_by(&ingest.keys().await.expect("keys"), aws).to_string()
}

/// A receipt of now that looks right and is not.
fn forged(aws: &Aws) -> String {
    sealed_by(&ReceiptKeys::parse(&key("f")).expect("keys"), aws).to_string()
}

async fn opens(query: &ReceiptSecret, text: &str) -> bool {
    query.open(&acme(), text).await.expect("an answer").is_some()
}

fn reads(aws: &Aws) -> usize {
    aws.count("GetSecretValue")
}

#[tokio::test(start_paused = true)]
async fn while_keys_are_rotated_every_receipt_opens_everywhere_and_no_forged_one_does() {
    const ENVIRONMENTS: usize = 4;
    const SECONDS: u64 = 40 * 60;
    let mut random = fastrand::Rng::with_seed(7);
    let aws = world(&key("a"));
    aws.every_call_takes(Duration::from_millis(20));
    let mut ingests: Vec<_> = (0..ENVIRONMENTS).map(|_| environment(&aws)).collect();
    let mut queries: Vec<_> = (0..ENVIRONMENTS).map(|_| environment(&aws)).collect();
    let mut receipts = Vec::new();
    let mut begun = 2 * ENVIRONMENTS;
    for second in 0..SECONDS {
        match second {
            600 => aws.put_secret(&arn(), &format!("{} {}", key("b"), key("a"))),
            1500 => aws.put_secret(&arn(), &format!("{} {} {}", key("c"), key("b"), key("a"))),
            _ if random.u32(..60) == 0 => {
                let environments = if random.bool() { &mut ingests } else { &mut queries };
                environments[random.usize(..ENVIRONMENTS)] = environment(&aws);
                begun += 1;
            }
            _ => {}
        }
        receipts.push(seal(&ingests[random.usize(..ENVIRONMENTS)], &aws).await);
        let (newest, older) = (&receipts[receipts.len() - 1], &receipts[random.usize(..receipts.len())]);
        for query in &queries {
            assert!(opens(query, newest).await, "the newest receipt, in second {second}");
        }
        let query = &queries[random.usize(..ENVIRONMENTS)];
        assert!(opens(query, older).await, "an older receipt, in second {second}");
        assert!(!opens(query, &forged(&aws)).await, "a forged receipt, in second {second}");
        sleep(SECOND).await;
    }
    let last = ReceiptKeys::parse(&key("c")).expect("keys");
    assert!(last.open(&acme(), &receipts[receipts.len() - 1]).is_some(), "the newest key seals in the end");

    let each = |every: Duration| usize::try_from(SECONDS * 2 / every.as_secs()).expect("a small number");
    let most = begun + 2 * ENVIRONMENTS * each(FRESH_FOR) + ENVIRONMENTS * each(LOOK_AGAIN_AFTER);
    assert!(reads(&aws) <= most, "{} reads, at most {most}", reads(&aws));
}

#[tokio::test(start_paused = true)]
async fn a_receipt_of_a_fresh_environment_opens_where_somebody_has_just_looked_in_vain() {
    let aws = world(&key("a"));
    let query = environment(&aws);
    assert!(!opens(&query, &forged(&aws)).await);
    aws.put_secret(&arn(), &format!("{} {}", key("b"), key("a")));
    let ingest = environment(&aws);
    for second in 0..120 {
        let receipt = seal(&ingest, &aws).await;
        assert!(opens(&query, &receipt).await, "{second} seconds after the rotation");
        assert!(!opens(&query, &forged(&aws)).await, "{second} seconds after the rotation");
        advance(SECOND).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_flood_of_forged_receipts_is_a_trickle_of_reads() {
    let aws = world(&key("a"));
    let query = environment(&aws);
    query.read_ahead().await;
    aws.forget_calls();
    for _ in 0..6_000 {
        assert!(!opens(&query, &forged(&aws)).await);
        advance(Duration::from_millis(10)).await;
    }
    assert_eq!(reads(&aws), 6, "in a minute");
    assert!(!opens(&query, "meaningless").await);
    assert_eq!(reads(&aws), 6, "for what no key seals nobody looks");
}

#[tokio::test(start_paused = true)]
async fn receipts_of_an_unknown_key_that_come_together_share_one_read() {
    let aws = world(&key("a"));
    aws.every_call_takes(Duration::from_millis(20));
    let query = environment(&aws);
    query.read_ahead().await;
    aws.put_secret(&arn(), &format!("{} {}", key("b"), key("a")));
    aws.forget_calls();
    let text = sealed_by(&ReceiptKeys::parse(&key("b")).expect("keys"), &aws).to_string();
    assert_eq!(tokio::join!(opens(&query, &text), opens(&query, &text)), (true, true));
    assert_eq!(reads(&aws), 1);
}

#[tokio::test(start_paused = true)]
async fn keys_that_were_read_serve_while_secrets_manager_is_down() {
    let aws = world(&key("a"));
    let (ingest, query) = (environment(&aws), environment(&aws));
    ingest.read_ahead().await;
    query.read_ahead().await;
    aws.inject(|_| Fault::refuse(500, "InternalServiceError"));
    for _ in 0..24 {
        let receipt = seal(&ingest, &aws).await;
        assert!(opens(&query, &receipt).await);
        sleep(Duration::from_hours(1)).await;
    }

    aws.forget_calls();
    for _ in 0..100 {
        let unknown = query.open(&acme(), &forged(&aws)).await;
        assert!(matches!(unknown, Err(NoKeys::Unavailable(_) | NoKeys::AskedAMomentAgo)), "{unknown:?}");
    }
    let (one_call, of_the_cache) = (3, 3); // the SDK tries three times
    assert!(reads(&aws) <= one_call + of_the_cache, "{}", aws.calls());

    aws.heal();
    sleep(LOOK_AGAIN_AFTER).await;
    assert!(!opens(&query, &forged(&aws)).await);
}

#[tokio::test(start_paused = true)]
async fn a_cold_environment_without_keys_says_so_and_tries_again() {
    let aws = world(&key("a"));
    aws.inject(|_| Fault::Hang);
    let ingest = environment(&aws);
    ingest.read_ahead().await;
    assert!(matches!(ingest.keys().await, Err(NoKeys::Unavailable(_))));
    aws.heal();
    ingest.keys().await.expect("keys");
}

#[tokio::test(start_paused = true)]
async fn an_environment_that_was_frozen_for_hours_reads_the_keys_before_it_seals() {
    let aws = world(&key("a"));
    let ingest = environment(&aws);
    ingest.read_ahead().await;
    aws.put_secret(&arn(), &format!("{} {}", key("b"), key("a")));
    advance(Duration::from_hours(3)).await;
    let receipt = seal(&ingest, &aws).await;
    assert!(ReceiptKeys::parse(&key("b")).expect("keys").open(&acme(), &receipt).is_some(), "sealed by the new key");
}

#[tokio::test(start_paused = true)]
async fn a_value_that_holds_no_keys_leaves_none_and_is_not_told() {
    let aws = world("too short");
    let cold = environment(&aws);
    let refusal = cold.keys().await.expect_err("no keys");
    assert!(matches!(refusal, NoKeys::Invalid(_)) && !format!("{refusal} {refusal:?}").contains("too short"));

    aws.put_secret(&arn(), &key("a"));
    let warm = environment(&aws);
    let receipt = seal(&warm, &aws).await;
    aws.put_secret(&arn(), "too short");
    advance(Duration::from_hours(1)).await;
    assert!(matches!(warm.keys().await, Err(NoKeys::Invalid(_))), "a key that was taken out seals nothing more");
    assert!(matches!(warm.open(&acme(), &receipt).await, Err(NoKeys::Invalid(_))));

    aws.put_secret(&arn(), &key("a"));
    assert!(opens(&warm, &receipt).await, "a repair counts at once");
}
