//! What the handler logs: identifiers that tell nothing, and never an aggregate's own, which may be somebody's address.

use kernel::ids::StreamId;
use serde_json::json;
use testkit::{Fault, Log};

use crate::probe::{self, Command, Note};
use crate::support::ids;

const JANE: &str = "jane@doe.example";

fn note() -> Command {
    Note { text: JANE.to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_named_by_its_hash_whatever_becomes_of_its_commands() {
    let bench = probe::bench();
    let log = Log::default();
    let guard = log.begin(&["command_handler", "kernel", "lambda", "messaging", "store"]);
    bench.send(JANE, "1", note()).await;
    bench.deliver().await;
    // Set aside, for this build has no such command.
    bench.send_event(bench.event("2", "Whisper", 1).subject(JANE).data_json(&json!({}))).await;
    bench.deliver().await;
    // And one that cannot go on now.
    bench.send(JANE, "3", note()).await;
    bench.aws.inject(|_| Fault::refuse(400, "AccessDenied"));
    let messages = bench.receive();
    assert_eq!(bench.handle(&messages).await, ids(&messages));
    drop(guard);

    let text = log.text();
    assert!(!text.contains(JANE), "{text}");
    let stream = StreamId::parse(&format!("acme/probe/{JANE}")).expect("a stream").pseudonym();
    let lines = log.lines();
    for (message, place) in [("succeeded", "/span/stream"), ("parked", "/span/stream"), ("to be retried", "/stream")] {
        let line = lines.iter().find(|line| line["message"] == message).unwrap_or_else(|| panic!("{message}: {text}"));
        assert_eq!(line.pointer(place), Some(&json!(stream)), "{line:#}");
    }
}
