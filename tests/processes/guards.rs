//! What makes a repeat harmless is taken off in turn, and the tests must notice: the key of a command that was heard, the key
//! of one that was sent, and that a timer which nothing waits for is folded away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use bench::Installation;
use serde_json::Value;
use testkit::Attempt;

use crate::{dispatch, happened, installation, watched};

/// Gives each message that is queued with a command of this type a key of its own.
fn without_key_of(installation: &Installation, ty: &'static str) {
    let count = Arc::new(AtomicU64::new(1));
    installation.aws.rewrite(move |attempt: &Attempt<'_>| {
        if attempt.operation != "SendMessageBatch" || !attempt.body.contains(ty) {
            return None;
        }
        let mut body: Value = serde_json::from_str(attempt.body).ok()?;
        for entry in body["Entries"].as_array_mut()? {
            let mut command: Value = serde_json::from_str(entry["MessageBody"].as_str()?).ok()?;
            if command["type"] != ty {
                continue;
            }
            let mut receipt = BASE64.decode(command["operationid"].as_str()?).ok()?;
            let nth = count.fetch_add(1, Ordering::Relaxed).to_be_bytes();
            receipt[7..15].copy_from_slice(&nth);
            command["operationid"] = BASE64.encode(receipt).into();
            entry["MessageBody"] = command.to_string().into();
            entry["MessageDeduplicationId"] = format!("{ty}-{}", u64::from_be_bytes(nth)).into();
        }
        Some(body.to_string())
    });
}

/// A life in which whatever the publisher publishes and sends, it publishes and sends twice.
async fn life_twice(it: &Installation) -> (Vec<String>, Vec<String>) {
    dispatch(it, "P-1", 1).await;
    it.settle().await;
    for stream in ["acme/parcels/P-1", "acme/watches/P-1"] {
        it.publish_again(stream, 1).await;
    }
    it.settle().await;
    (happened(it, "P-1"), watched(it, "P-1"))
}

#[tokio::test(start_paused = true)]
async fn with_their_keys_repeats_change_nothing() {
    let (parcel, watch) = life_twice(&installation()).await;
    assert_eq!(
        (parcel, watch),
        (vec!["Dispatched".into(), "Released".into()], vec!["Watched".into(), "Finished".into()])
    );
}

#[tokio::test(start_paused = true)]
async fn a_heard_event_without_its_key_is_heard_twice() {
    let it = installation();
    without_key_of(&it, "Watch");
    let (_, watch) = life_twice(&it).await;
    assert_eq!(watch.iter().filter(|ty| *ty == "Watched").count(), 2, "{watch:?}");
}

#[tokio::test(start_paused = true)]
async fn a_sent_command_without_its_key_is_carried_out_twice() {
    let it = installation();
    without_key_of(&it, "Release");
    let (parcel, _) = life_twice(&it).await;
    assert_eq!(parcel.iter().filter(|ty| *ty == "Released").count(), 2, "{parcel:?}");
}
