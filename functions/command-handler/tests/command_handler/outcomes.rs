//! Commands that succeed or are rejected, and what that costs.

use bench::platform::RETENTION;
use bench::sealing::TRACEPARENT;
use bench::{Bench, text};
use std::time::Duration;

use kernel::ids::StreamId;
use kernel::money::Money;
use orders::commands::{CancelOrder, Command, Line, ShipOrder, SubmitOrder};
use serde_json::{Value, json};
use testkit::{Log, TABLES};

use crate::probe::{self, Note};
use crate::support::{only_event, strings};

fn submit() -> Command {
    let unit_price = Money { amount: 450, currency: "EUR".to_owned() };
    let line = Line { sku: "TEA".to_owned(), quantity: 2.try_into().expect("not zero"), unit_price };
    let customer = kernel::ids::AggregateId::parse("C-7").expect("an id");
    SubmitOrder { customer, lines: vec![line], on_account: true, pay_within_seconds: None }.into()
}

fn ship() -> Command {
    ShipOrder { carrier: None, tracking_number: "1Z999".to_owned() }.into()
}

fn cancel() -> Command {
    CancelOrder { reason: None }.into()
}

fn note(text: &str) -> probe::Command {
    Note { text: text.to_owned() }.into()
}

#[tokio::test(start_paused = true)]
async fn a_command_succeeds_with_two_calls() {
    let bench = Bench::orders();
    let receipt = bench.send("O-1", "1", submit()).await;
    bench.aws.forget_calls();

    bench.deliver().await;

    let calls = bench.aws.calls();
    let operations: Vec<_> = calls.iter().map(|call| call.operation.as_str()).collect();
    assert_eq!(operations, ["Query", "TransactWriteItems"], "{calls}");
    assert_eq!(bench.events("O-1"), [("OrderSubmitted".to_owned(), receipt.to_string())]);
    let record = bench.record(&receipt).expect("a record");
    let finished = kernel::timestamp::Timestamp::parse(&text(&record["recorded_at"])).expect("a time");
    assert_eq!(
        record,
        json!({
            "operation_key": format!("acme#{}", receipt.command_key),
            "outcome": "succeeded",
            "digest": receipt.digest.to_string(),
            "context": "orders",
            "command_type": "SubmitOrder",
            "subject": "O-1",
            "principal": { "id": "shop", "type": "service_account" },
            "resource": "/orders/O-1",
            "version": 1,
            "commit_number": 1,
            "revision": 0,
            "accepted_at": receipt.accepted_at,
            "recorded_at": finished.to_string(),
            "expires_at": finished.plus(RETENTION).seconds(),
        })
    );
    assert!(bench.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn an_event_says_what_caused_it() {
    let bench = Bench::orders();
    let event = bench.event("1", "CancelOrder", 1).subject("O-1").data_json(&json!({}));
    bench.send("O-1", "0", submit()).await;
    bench.send_event(event.extension("correlationid", "checkout-7")).await;
    bench.deliver().await;
    let commits = bench.aws.items(TABLES.events);
    let events: Value = serde_json::from_str(&text(&commits[0]["events"])).expect("events");
    assert_eq!(events[1]["correlation"], "checkout-7");
    assert_eq!(events[1]["traceparent"], TRACEPARENT);
}

#[tokio::test(start_paused = true)]
async fn ten_commands_for_one_aggregate_are_one_commit_and_two_calls() {
    let bench = probe::bench();
    let mut receipts = Vec::new();
    for number in 0..10 {
        receipts.push(bench.send("A", &number.to_string(), note("n")).await);
    }
    bench.aws.forget_calls();

    bench.deliver().await;

    assert_eq!(bench.aws.calls().len(), 2, "{}", bench.aws.calls());
    assert_eq!(bench.commit_count("A"), 1);
    assert_eq!(bench.operations("A"), strings(&receipts));
    for (receipt, version) in receipts.iter().zip(1..) {
        let record = bench.record(receipt).expect("a record");
        assert_eq!((&record["outcome"], &record["version"]), (&json!("succeeded"), &json!(version)));
    }
}

#[tokio::test(start_paused = true)]
async fn aggregates_are_handled_side_by_side() {
    let bench = probe::bench();
    for number in 0..10 {
        bench.send(&format!("A-{}", number % 5), &number.to_string(), note("n")).await;
    }
    bench.aws.forget_calls();
    bench.aws.every_call_takes(Duration::from_millis(100));
    let start = tokio::time::Instant::now();

    bench.deliver().await;

    let elapsed = start.elapsed();
    assert_eq!(bench.aws.calls().len(), 10, "two an aggregate\n{}", bench.aws.calls());
    assert!(elapsed >= Duration::from_millis(200) && elapsed < Duration::from_millis(250), "{elapsed:?} for two calls");
    for aggregate in 0..5 {
        assert_eq!(bench.events(&format!("A-{aggregate}")).len(), 2);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rejection_is_recorded_and_final() {
    let bench = Bench::orders();
    let receipt = bench.send("O-1", "1", ship()).await;
    bench.aws.forget_calls();
    bench.deliver().await;

    assert_eq!(bench.aws.calls().len(), 2, "{}", bench.aws.calls());
    assert_eq!(bench.outcome(&receipt), "rejected");
    let problem = bench.problem(&receipt);
    assert_eq!(problem["type"], "urn:waybill:problem:orders:unknown-order");
    assert_eq!(problem["detail"], "No order was submitted under this id");
    let record = bench.record(&receipt).expect("a record");
    assert!(record["expires_at"].is_u64() && record["resource"].is_null() && record["version"].is_null(), "{record}");
    assert_eq!(bench.aws.items(TABLES.events), [] as [Value; 0]);
    assert!(bench.waiting().is_empty());

    // What would have made it possible comes too late for it, however often it is delivered.
    bench.send("O-1", "2", submit()).await;
    bench.send("O-1", "1", ship()).await;
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "rejected");
    assert_eq!(bench.events("O-1").len(), 1);
}

#[tokio::test(start_paused = true)]
async fn commands_in_a_batch_see_what_those_before_them_did() {
    let bench = Bench::orders();
    let mut receipts = Vec::new();
    for (id, command) in [("1", ship()), ("2", submit()), ("3", ship()), ("4", cancel()), ("5", submit())] {
        receipts.push(bench.send("O-1", id, command).await);
    }
    bench.deliver().await;

    let outcomes: Vec<_> = receipts.iter().map(|receipt| bench.outcome(receipt)).collect();
    assert_eq!(outcomes, ["rejected", "succeeded", "succeeded", "rejected", "rejected"]);
    assert_eq!(bench.operations("O-1"), strings(&receipts[1..3]));
    assert_eq!(bench.commit_count("O-1"), 1);
}

#[tokio::test(start_paused = true)]
async fn a_command_with_nothing_left_to_do_succeeds_at_the_version_that_is_there() {
    let bench = Bench::orders();
    bench.send("O-1", "1", submit()).await;
    bench.send("O-1", "2", cancel()).await;
    bench.deliver().await;
    let again = bench.send("O-1", "3", cancel()).await;
    bench.deliver().await;

    let record = bench.record(&again).expect("a record");
    assert_eq!((&record["outcome"], &record["version"]), (&json!("succeeded"), &json!(2)));
    assert_eq!(record["resource"], "/orders/O-1");
    assert_eq!(bench.events("O-1").len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_command_without_subject_is_for_an_aggregate_of_its_own() {
    let bench = Bench::orders();
    let receipt = bench
        .send_event(bench.event("1", "SubmitOrder", 1).data_raw(kernel::message::Message::into_json(submit())))
        .await;
    bench.deliver().await;
    let key = receipt.command_key.to_string();
    assert_eq!(bench.operations(&key), [receipt.to_string()]);
    assert_eq!(bench.record(&receipt).expect("a record")["subject"], key);
}

#[tokio::test(start_paused = true)]
async fn a_group_too_large_for_one_commit_takes_several() {
    let bench = probe::bench();
    let mut receipts = Vec::new();
    for number in 0..6 {
        let swell = probe::Command::from(probe::Swell { events: 1, bytes: 150_000 });
        receipts.push(bench.send("A", &number.to_string(), swell).await);
    }
    bench.aws.forget_calls();
    bench.deliver().await;
    assert_eq!(bench.operations("A"), strings(&receipts));
    assert_eq!(bench.commit_count("A"), 3, "two of 150 kB fit 400 kB");
    assert_eq!(bench.aws.count("Query"), 1, "what was just written need not be read\n{}", bench.aws.calls());
}

#[test]
fn a_context_that_is_not_in_this_build_stops_the_start() {
    let environment = lambda::settings::Environment::of([("CONTEXT", "nonsense")]);
    let (dynamodb, sqs) = clients();
    let refused = command_handler::CommandHandler::from_environment(&environment, dynamodb, sqs);
    let message = refused.err().expect("refused").to_string();
    assert!(message.contains("nonsense"), "{message}");
}

fn clients() -> (store::Client, messaging::SqsClient) {
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        let aws = testkit::Aws::new();
        (aws.dynamodb(), aws.sqs())
    })
}

#[tokio::test(start_paused = true)]
async fn who_sent_a_command_is_in_its_record_and_its_events() {
    let bench = Bench::orders();
    let receipt = bench.send("O-1", "1", submit()).await;
    bench.deliver().await;
    let shop = json!({ "id": "shop", "type": "service_account" });
    assert_eq!(bench.record(&receipt).expect("a record")["principal"], shop);
    let (stored, published) = only_event(&bench, "O-1");
    assert_eq!(stored["principal"], shop);
    let text = |name: &str| published.extension(name).map(ToString::to_string);
    assert_eq!((text("authid").as_deref(), text("authtype").as_deref()), (Some("shop"), Some("service_account")));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_goes_well_has_a_short_line_and_any_other_one_says_who_sent_it_and_all_else() {
    let (bench, log) = (Bench::orders(), Log::default());
    let taken = bench.send("O-1", "1", submit()).await;
    let refused = bench.send("O-1", "2", submit()).await;
    let guard = log.begin(&["command_handler"]);
    bench.deliver().await;
    drop(guard);
    let lines = log.lines();
    let fields = |message: &str| {
        let line = lines.iter().find(|line| line["message"] == message).expect("a line");
        let mut fields = line["span"].as_object().expect("fields").clone();
        fields.remove("name");
        Value::Object(fields)
    };
    let stream = StreamId::parse("acme/orders/O-1").expect("a stream").pseudonym();
    let in_short = json!({ "operation": taken.to_string(), "tenant": "acme", "stream": stream });
    assert_eq!(fields("succeeded"), in_short);
    let in_full = json!({
        "operation": refused.to_string(), "tenant": "acme", "stream": stream,
        "principal": "client:shop", "context": "orders", "trace_id": lambda::trace::id(TRACEPARENT),
    });
    assert_eq!(fields("rejected"), in_full);
}

#[tokio::test(start_paused = true)]
async fn an_extension_of_the_clients_own_stays_with_the_command() {
    let bench = probe::bench();
    let note = bench.event("1", "Note", 1).subject("A").data_json(&json!({ "text": "n" }));
    bench.send_event(note.extension("correlationid", "cart-7").extension("loyalty", "gold")).await;
    bench.deliver().await;
    let (stored, published) = only_event(&bench, "A");
    assert_eq!(published.extension("correlationid").map(ToString::to_string).as_deref(), Some("cart-7"));
    assert_eq!(published.extension("loyalty"), None);
    assert!(!stored.to_string().contains("gold"), "{stored}");
}

#[tokio::test(start_paused = true)]
async fn a_command_without_events_leaves_no_aggregate_to_read() {
    let bench = Bench::orders();
    let nothing = Bench::on(bench.aws.clone(), &probe::CONTEXT);
    let receipt = nothing.send("A", "1", probe::Command::from(probe::Swell { events: 0, bytes: 0 })).await;
    nothing.deliver().await;
    let record = nothing.record(&receipt).expect("a record");
    assert_eq!(
        (&record["outcome"], &record["version"], &record["resource"]),
        (&json!("succeeded"), &Value::Null, &Value::Null)
    );
}
