//! How many events a second updaters bring into one collection of one tenant, and how often they refuse each other: on
//! virtual time, with items that transactions hold as DynamoDB does.
//!
//! `cargo nextest run -p read-model-updater --test contention --run-ignored all --no-capture` prints a table.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use futures_util::future::join_all;
use kernel::RawValue;
use kernel::domain_event::{Cause, EventData, RecordedEvent};
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use read_model_updater::Updater;
use serde_json::json;
use store::event_store::Streams;
use store::read_models::ReadModels;
use subscriber::BatchSubscriber as _;
use testkit::{Aws, Fault, TABLES};
use tokio::time::{Duration, Instant, sleep};

/// Events in a batch, each of a new order.
const BATCH: u64 = 10;

/// From prepare to commit, in milliseconds: 8 in the middle, as the times below are spread from 0.7 to 1.6 of it.
const HELD: (u64, u64) = (6, 13);

/// What a batch waits for besides, in milliseconds: the way to DynamoDB and back, with the time that reading takes there
/// and the updater's own; and the gap until the next batch.
const READING: u64 = 6;
const WRITING: (u64, u64) = (5, 8);
const GAP: u64 = 3;

/// What became of all updaters' transactions.
#[derive(Debug, Clone, Copy)]
struct Outcome {
    events: u64,
    tries: u64,
    refused: u64,
    given_back: u64,
    seconds: u64,
}

impl Outcome {
    fn events_a_second(self) -> u64 {
        self.events / self.seconds
    }

    fn refused_percent(self) -> u64 {
        (self.refused * 100).div_ceil(self.tries.max(1))
    }
}

fn submitted(nth: u64) -> RecordedEvent {
    let data = json!({
        "customer": "C-7",
        "lines": [{ "sku": "TEA", "quantity": 1, "unitPrice": { "amount": 450, "currency": "EUR" } }],
        "total": { "amount": 450, "currency": "EUR" },
        "placedAt": "2026-01-31T12:00:00.000Z",
    });
    let cause = Cause { operation: "op".into(), correlation: "co".into(), ..Cause::default() };
    let data = RawValue::from_string(data.to_string()).expect("JSON");
    RecordedEvent {
        stream: StreamId::parse(&format!("acme/orders/O-{nth}")).expect("a stream"),
        version: 1,
        time: Timestamp::from_millis(1_790_000_000_000),
        event: EventData { ty: "OrderSubmitted".into(), schema: 1, data, cause },
    }
}

/// So many updaters, all of them busy for so long.
fn run(updaters: usize, seconds: u64, one_shard: bool) -> Outcome {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(async {
        fastrand::seed(1);
        let aws = Aws::new();
        aws.keep_no_calls();
        aws.transactions_hold_items(Duration::from_millis(HELD.0), Duration::from_millis(HELD.1), 2);
        let mut random = fastrand::Rng::with_seed(3);
        aws.inject(move |attempt| {
            let writes = attempt.operation == "TransactWriteItems";
            let millis = if writes { random.u64(WRITING.0..=WRITING.1) } else { READING };
            Fault::Delay(Duration::from_millis(millis))
        });
        if one_shard {
            aws.rewrite(|attempt| in_one_shard(attempt.body));
        }
        let tries = Arc::new((AtomicU64::new(0), AtomicU64::new(0)));
        let seen = tries.clone();
        aws.observe(move |effect| {
            if effect.operation == "TransactWriteItems" {
                seen.0.fetch_add(1, Relaxed);
                seen.1.fetch_add(u64::from(effect.status != 200), Relaxed);
            }
        });
        let (events, given_back) = (Cell::new(0), Cell::new(0));
        let (next, until) = (Cell::new(0), Instant::now() + Duration::from_secs(seconds));
        join_all((0..updaters).map(|_| async {
            let dynamodb = aws.dynamodb();
            let updater = Updater {
                streams: Streams::new(dynamodb.clone(), TABLES.events),
                read_models: ReadModels::new(dynamodb, TABLES.read_models),
                read_models_of: catalog::read_models_of,
            };
            sleep(Duration::from_millis(fastrand::u64(..20))).await;
            loop {
                let first = next.replace(next.get() + BATCH);
                let batch: Vec<_> = (first..first + BATCH).map(submitted).collect();
                let failures = updater.handle_batch(&batch, Instant::now() + Duration::from_secs(25)).await;
                if Instant::now() > until {
                    return;
                }
                events.set(events.get() + BATCH - failures.len() as u64);
                given_back.set(given_back.get() + u64::from(!failures.is_empty()));
                sleep(Duration::from_millis(GAP)).await;
            }
        }))
        .await;
        let (tries, refused) = (tries.0.load(Relaxed), tries.1.load(Relaxed));
        Outcome { events: events.get(), tries, refused, given_back: given_back.get(), seconds }
    })
}

/// The same transaction, with its totals in the shard that all are in.
fn in_one_shard(body: &str) -> Option<String> {
    let mut body: serde_json::Value = serde_json::from_str(body).ok()?;
    for action in body["TransactItems"].as_array_mut()? {
        if let Some(id) = action.pointer_mut("/Update/Key/id/S") {
            let day = id.as_str()?.rsplit_once('#').map(|(day, _)| format!("{day}#")).unwrap_or_default();
            *id = format!("{day}000").into();
        }
    }
    Some(body.to_string())
}

#[test]
fn twenty_updaters_hardly_ever_wait_for_each_other() {
    let sharded = run(20, 1, false);
    println!("{sharded:?}");
    assert!(sharded.events_a_second() >= 5_000, "{sharded:?}");
    assert!(sharded.refused_percent() <= 10, "{sharded:?}");
    assert_eq!(sharded.given_back, 0, "{sharded:?}");
    let in_one = run(20, 1, true);
    println!("{in_one:?}");
    assert!(in_one.events_a_second() < 1_500 && in_one.refused_percent() > 50, "{in_one:?}");
}

#[test]
#[ignore = "prints a table, and holds nothing"]
fn what_shards_gain() {
    println!("| updaters | one shard: events/s, refused, given back | as it is |\n| --: | --: | --: |");
    for updaters in [1, 5, 10, 20, 50, 100] {
        let [in_one, sharded] = [true, false].map(|one_shard| {
            let outcome = run(updaters, 1, one_shard);
            let (events, refused) = (outcome.events_a_second(), outcome.refused_percent());
            format!("{events}, {refused} %, {}", outcome.given_back)
        });
        println!("| {updaters} | {in_one} | {sharded} |");
    }
}
