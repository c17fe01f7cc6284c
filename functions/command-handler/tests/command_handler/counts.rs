//! What is counted, for the dashboard and the alarms.

use testkit::Metrics;

use crate::probe::{self, Command, Note, Panic, Refuse, Swell};

fn note() -> Command {
    Note { text: "n".to_owned() }.into()
}

/// Counters of one test's thread, as `Name Context=probe`, without their context.
fn counted(metrics: &Metrics) -> Vec<(String, u64)> {
    let of_context = |(name, count): (String, u64)| {
        let name = name.strip_suffix(" Context=probe").unwrap_or_else(|| panic!("{name} is of no context"));
        (name.to_owned(), count)
    };
    metrics.counters().into_iter().map(of_context).collect()
}

fn counts<const N: usize>(counts: [(&str, u64); N]) -> Vec<(String, u64)> {
    counts.map(|(name, count)| (name.to_owned(), count)).to_vec()
}

#[tokio::test(start_paused = true)]
async fn each_outcome_is_counted_once_and_each_event() {
    let bench = probe::bench();
    // They are not the first of their stream, for what is counted is what a commit adds.
    bench.send("A", "0", note()).await;
    bench.deliver().await;
    for (id, command) in [
        ("1", note()),
        ("2", Swell { events: 3, bytes: 1 }.into()),
        ("3", Refuse {}.into()),
        ("4", Panic { message: "p".to_owned() }.into()),
        ("0", note()),
    ] {
        bench.send("A", id, command).await;
    }
    let metrics = Metrics::default();
    let counting = metrics.begin();
    bench.deliver().await;
    drop(counting);
    let expected = counts([("Committed", 4), ("Duplicates", 1), ("Parked", 1), ("Rejected", 1), ("Succeeded", 2)]);
    assert_eq!(counted(&metrics), expected);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_command_is_counted_as_parked_and_its_repeat_as_a_duplicate() {
    let bench = probe::bench();
    let (_, body) = bench.seal(bench.event("1", "Note", 1).subject("A").data_json(&serde_json::json!({ "text": "n" })));
    bench.send_raw("acme/probe/A", "1", &body).await;
    bench.deliver().await;
    let unreadable = body.replacen("\"authid\"", "\"principal\"", 1);
    for (id, body) in [("2", "garbage"), ("3", unreadable.as_str())] {
        bench.send_raw("acme/probe/A", id, body).await;
    }
    let metrics = Metrics::default();
    let counting = metrics.begin();
    bench.deliver().await;
    drop(counting);
    assert_eq!(counted(&metrics), counts([("Duplicates", 1), ("Parked", 1)]));
}
