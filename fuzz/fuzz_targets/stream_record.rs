//! What Lambda invokes the publisher with: a batch of the events table's stream, or messages of the retries queue.

#![no_main]

use libfuzzer_sys::fuzz_target;
use publisher::Incoming;
use store::event_store::Commit;

fuzz_target!(|bytes: &[u8]| {
    let Ok(Incoming::Stream(batch)) = serde_json::from_slice::<Incoming>(bytes) else { return };
    for record in batch.records {
        let Ok(commit) = Commit::from_stream_image(record.change.new_image) else { continue };
        let Ok(events) = commit.events() else { continue };
        for (offset, event) in (0..).zip(&events) {
            assert_eq!(event.version, commit.first_version + offset);
            if event.check_publishable().is_ok() {
                fuzz::is_published(event);
            }
        }
    }
});
