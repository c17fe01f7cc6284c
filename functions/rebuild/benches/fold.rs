//! How many events a second a core folds in a rebuild, from stored commits to documents that are compared with what is there:
//! `cargo bench -p rebuild`. A rebuild's time is this and DynamoDB's, which segments share.

use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::Bench;
use kernel::domain_event::RecordedEvent;
use kernel::ids::AggregateId;
use kernel::money::Money;
use orders::commands::{CancelOrder, Command, Line, SubmitOrder};
use serde_json::{Value, json};
use store::event_store::Commit;
use store::read_models::{Change, Key, Row};
use testkit::TABLES;

/// How long each case runs, and how often; the median is told.
const RUN: Duration = Duration::from_millis(500);
const RUNS: usize = 7;

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    let commits = runtime.block_on(history());
    println!("| events in a stream | events a second | least | most |\n| --: | --: | --: | --: |");
    for length in [2, 10, 100, 1_000, 10_000] {
        let stream = stretched(&commits, length);
        let mut rates: Vec<f64> = (0..RUNS).map(|_| rate(&stream, length)).collect();
        rates.sort_by(f64::total_cmp);
        println!("| {length} | {:.0} | {:.0} | {:.0} |", rates[RUNS / 2], rates[0], rates[RUNS - 1]);
    }
}

/// An order that was submitted and cancelled, as it is stored, a commit each.
async fn history() -> Vec<Value> {
    let bench = Bench::of(&orders::CONTEXT);
    let unit_price = Money { amount: 450, currency: "EUR".into() };
    let line = Line { sku: "TEA-EARL-GREY-100".into(), quantity: std::num::NonZeroU32::MIN, unit_price };
    let customer = AggregateId::parse("C-7").expect("an id");
    let submit = SubmitOrder { customer, lines: vec![line; 3], on_account: true, pay_within_seconds: None };
    for (nth, command) in [Command::from(submit), CancelOrder { reason: None }.into()].into_iter().enumerate() {
        bench.send("O-1", &nth.to_string(), command).await;
        bench.deliver().await;
    }
    bench.aws.items(TABLES.events)
}

/// The same, cancelled again and again.
fn stretched(commits: &[Value], length: u64) -> Vec<Value> {
    let again = |number: u64| {
        let mut commit = commits[1].clone();
        (commit["commit_number"], commit["first_version"]) = (json!(number), json!(number));
        commit
    };
    std::iter::once(commits[0].clone()).chain((2..=length).map(again)).collect()
}

fn rate(stream: &[Value], length: u64) -> f64 {
    let read_models = {
        let first: Commit = serde_json::from_value(stream[0].clone()).expect("a commit");
        catalog::read_models_of(&first.stream().expect("a stream")).expect("read models")
    };
    let commits = || stream.iter().map(|commit| serde_json::from_value::<Commit>(commit.clone()).expect("a commit"));
    let (mut folded, mut spent) = (0.0, Duration::ZERO);
    while spent < RUN {
        let commits: Vec<Commit> = commits().collect(); // the SDK's part, and not the fold's
        let began = Instant::now();
        let mut events: Vec<RecordedEvent> = Vec::new();
        for commit in &commits {
            events.extend(commit.events().expect("events"));
        }
        for read_model in &read_models {
            let stream = &events[0].stream;
            let (tenant, id) = (stream.tenant.clone(), stream.aggregate.clone());
            let key = Key { tenant, collection: read_model.collection(), id };
            let change = Change::anew(key, *read_model, None, &events).expect("a document");
            black_box(Row::of(&change));
        }
        spent += began.elapsed();
        folded += f64::from(u32::try_from(length).expect("a small number"));
    }
    folded / spent.as_secs_f64()
}
