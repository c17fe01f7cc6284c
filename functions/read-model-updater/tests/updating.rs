//! From domain events to read models, with the real clients on an AWS in process: whatever the order, however often.

use std::collections::BTreeMap;

use bench::Bench;
use bench::platform::{dead_updates, environment, own_queue, updates};
use kernel::day::Day;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{AggregateId, StreamId, TenantId};
use kernel::money::Money;
use kernel::timestamp::Timestamp;
use orders::commands::{CancelOrder, Command, Line, ShipOrder, SubmitOrder};
use orders::returns::commands::RequestReturn;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use read_model_updater::Updater;
use serde_json::{Value, json};
use store::read_models::ReadModels;
use subscriber::Runner;
use testkit::{Aws, Fault};
use tokio::time::{Duration, Instant};

fn updater(aws: &Aws) -> Runner<Updater> {
    let (queue, dead_letters) = (updates(), dead_updates());
    let environment = environment().with(own_queue(&queue, &dead_letters)).with([("MAX_RECEIVES", "5")]);
    let updater = Updater::from_environment(&environment, aws.dynamodb()).expect("settings that do");
    Runner::from_environment(updater, &environment, aws.sqs()).expect("settings that do")
}

fn stream(order: &str) -> StreamId {
    StreamId::parse(&format!("acme/orders/{order}")).expect("a stream")
}

/// Handles these commands, one after the other, and gives the events as they are published.
async fn history(aws: &Aws, order: &str, commands: Vec<Command>) -> Vec<RecordedEvent> {
    let bench = Bench::on(aws.clone(), &orders::CONTEXT);
    for (nth, command) in commands.into_iter().enumerate() {
        bench.send(order, &format!("{order}-{nth}"), command).await;
        bench.deliver().await;
    }
    bench.recorded(order)
}

fn submit(amount: i64) -> Command {
    let unit_price = Money { amount, currency: "EUR".into() };
    let line = Line { sku: "TEA".into(), quantity: std::num::NonZeroU32::MIN, unit_price };
    let customer = AggregateId::parse("C-1").expect("an id");
    SubmitOrder { customer, lines: vec![line], on_account: true, pay_within_seconds: None }.into()
}

fn cancel() -> Command {
    CancelOrder { reason: None }.into()
}

fn ship() -> Command {
    ShipOrder { carrier: None, tracking_number: "1Z999".into() }.into()
}

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

/// The first event of each of so many orders, from `O-0` on.
async fn orders(aws: &Aws, count: usize) -> Vec<RecordedEvent> {
    let mut events = Vec::new();
    for order in 0..count {
        events.extend(history(aws, &format!("O-{order}"), vec![submit(100)]).await);
    }
    events
}

/// Stores what none of ours would.
fn put(aws: &Aws, table: &str, item: &Value) {
    let put = json!({ "TableName": table, "Item": item });
    aws.database().put_item(serde_json::from_value(put).expect("a request")).expect("written");
}

/// An order's item.
fn stored(aws: &Aws, order: &str) -> Value {
    let of_it = |item: &Value| item["collection_key"] == "acme#orders" && item["id"] == order;
    aws.items("read-models").into_iter().find(of_it).expect("the order")
}

/// Delivers events in one batch; gives the ids of those that go back to the queue.
async fn deliver(aws: &Aws, events: &[RecordedEvent]) -> Vec<String> {
    let message =
        |(index, event): (usize, &RecordedEvent)| json!({ "messageId": format!("m-{index}"), "body": body(event) });
    deliver_raw(aws, &events.iter().enumerate().map(message).collect::<Vec<_>>()).await
}

async fn deliver_raw(aws: &Aws, messages: &[Value]) -> Vec<String> {
    let event = serde_json::from_value(json!({ "Records": messages })).expect("an SQS event");
    let finish_by = Instant::now() + Duration::from_secs(5);
    let answer = updater(aws).handle(event, Timestamp::from_millis(1_764_000_000_500), finish_by).await;
    let mut ids: Vec<_> = answer.batch_item_failures.into_iter().map(|failure| failure.item_identifier).collect();
    ids.sort();
    ids
}

/// Events as they are received for the last time.
fn for_the_last_time(events: &[RecordedEvent]) -> Vec<Value> {
    let message = |(index, event): (usize, &RecordedEvent)| last(&format!("m-{index}"), &body(event));
    events.iter().enumerate().map(message).collect()
}

fn last(id: &str, body: &str) -> Value {
    json!({ "messageId": id, "body": body, "attributes": { "ApproximateReceiveCount": "5" } })
}

fn body(event: &RecordedEvent) -> String {
    event.to_cloud_event("https://api.example").to_json()
}

/// The body of each dead letter, and its error.
fn buried(aws: &Aws) -> Vec<(String, String)> {
    let buried = |letter: testkit::Message| {
        let error = letter.attribute("error").unwrap_or_else(|| panic!("no error in {letter:?}")).to_owned();
        (letter.body, error)
    };
    aws.messages(&dead_updates()).into_iter().map(buried).collect()
}

async fn document(aws: &Aws, order: &str) -> Option<(u64, Value)> {
    let read_models = ReadModels::new(aws.dynamodb(), "read-models");
    let (tenant, id) = (TenantId::parse("acme").expect("a tenant"), AggregateId::parse(order).expect("an id"));
    let row = read_models.get(&tenant, "orders", &id).await.expect("an answer")?;
    Some((row.version, serde_json::from_str(&row.document).expect("JSON")))
}

async fn totals(aws: &Aws) -> Value {
    let read_models = ReadModels::new(aws.dynamodb(), "read-models");
    json!(read_models.report(&TenantId::parse("acme").expect("a tenant"), "orders").await.expect("totals"))
}

/// Of each day that has any.
async fn totals_by_day(aws: &Aws) -> Value {
    let read_models = ReadModels::new(aws.dynamodb(), "read-models");
    let [first, last] = ["1970-01-01", "9999-12-31"].map(|day| Day::parse(day).expect("a day"));
    let report =
        read_models.report_by_day(&TenantId::parse("acme").expect("a tenant"), "orders", &(first..=last)).await;
    json!(report.expect("totals"))
}

/// The same event, of another stream.
fn moved(event: &RecordedEvent, stream: &str) -> RecordedEvent {
    RecordedEvent { stream: StreamId::parse(stream).expect("a stream"), ..event.clone() }
}

#[tokio::test]
async fn an_event_shows_in_the_read_models_of_its_aggregates_type_alone() {
    let aws = Aws::new();
    let bench = Bench::on(aws.clone(), &orders::CONTEXT);
    for (nth, command) in [submit(100), ship()].into_iter().enumerate() {
        bench.send("7", &nth.to_string(), command).await;
    }
    bench.deliver().await;
    let request = RequestReturn { order: id("7"), customer: id("C-1"), reason: None };
    bench.send("7", "r", orders::returns::commands::Command::from(request)).await;
    bench.deliver().await;
    let events = [bench.recorded("7"), bench.recorded("returns/7")].concat();
    assert_eq!(deliver(&aws, &events).await, [] as [&str; 0]);
    let read_models = ReadModels::new(aws.dynamodb(), "read-models");
    for (collection, version, status) in [("orders", 2, "shipped"), ("returns", 1, "requested")] {
        let row = read_models.get(&events[0].stream.tenant, collection, &id("7")).await.expect("read");
        let row = row.unwrap_or_else(|| panic!("nothing in {collection}"));
        assert_eq!(row.version, version, "{collection}");
        assert!(row.document.contains(&format!("\"status\":\"{status}\"")), "{}", row.document);
    }
    let unheard = moved(&events[0], "acme/orders/exchanges/7");
    assert_eq!(deliver(&aws, &[unheard]).await, ["m-0"], "left to the release that knows the type");
}

#[tokio::test(start_paused = true)]
async fn a_batch_of_new_orders_takes_one_read_one_transaction_and_a_put_for_each_contribution() {
    let aws = Aws::new();
    let events = orders(&aws, 10).await;
    aws.forget_calls();
    assert!(deliver(&aws, &events).await.is_empty());
    assert_eq!(
        (aws.count("BatchGetItem"), aws.count("TransactWriteItems"), aws.count("PutItem"), aws.calls().len()),
        (1, 1, 10, 12),
        "{}",
        aws.calls()
    );
    assert_eq!(totals(&aws).await, json!({ "submitted": 10, "amount:EUR": 1000 }));
}

#[tokio::test(start_paused = true)]
async fn a_gap_is_filled_from_the_store() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[1..]).await.is_empty(), "the second event came first");
    let (version, order) = document(&aws, "O-1").await.expect("the order");
    assert_eq!((version, &order["status"]), (2, &json!("cancelled")));
    aws.forget_calls();
    assert!(deliver(&aws, &events[..1]).await.is_empty(), "and the first one late");
    assert_eq!(aws.count("TransactWriteItems"), 0, "{}", aws.calls());
    assert_eq!(document(&aws, "O-1").await.expect("the order").0, 2);
}

#[tokio::test(start_paused = true)]
async fn what_comes_again_beside_the_next_event_needs_nothing_of_the_store() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    aws.forget_calls();
    assert!(deliver(&aws, &events).await.is_empty());
    assert_eq!((document(&aws, "O-1").await.expect("the order").0, aws.count("Query")), (2, 0), "{}", aws.calls());
}

/// The store is asked for what a batch lacks, and may lack some of it as well.
#[tokio::test(start_paused = true)]
async fn over_an_event_that_is_gone_no_document_leaps() {
    let aws = Aws::new();
    let mut events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    // What is stored as the second commit becomes the third.
    let mut commit = aws.items("events").pop().expect("a commit");
    let key = json!({ "stream_id": { "S": commit["stream_id"] }, "commit_number": { "N": "2" } });
    let delete = json!({ "TableName": "events", "Key": key });
    aws.database().delete_item(serde_json::from_value(delete).expect("a request")).expect("deleted");
    (commit["commit_number"], commit["first_version"]) = (json!(3), json!(3));
    aws.insert("events", &commit);
    events[1].version = 3;
    assert_eq!(deliver(&aws, &events[1..]).await, ["m-0"]);
    let (version, order) = document(&aws, "O-1").await.expect("the order");
    assert_eq!((version, &order["status"]), (1, &json!("submitted")));
}

#[tokio::test(start_paused = true)]
async fn a_lost_answer_does_not_count_twice() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100)]).await;
    aws.inject(|attempt| if attempt.operation == "TransactWriteItems" { Fault::LoseAnswer } else { Fault::None });
    let given_back = deliver(&aws, &events).await;
    assert_eq!(given_back, ["m-0"], "nobody knows that it worked");
    aws.heal();
    assert!(deliver(&aws, &events).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "submitted": 1, "amount:EUR": 100 }));
}

/// As the release before stored it: totals of all time in an item each, and none with the document.
#[tokio::test(start_paused = true)]
async fn what_the_release_before_counted_is_taken_back_where_it_counted() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    let mut before = stored(&aws, "O-1");
    before.as_object_mut().expect("an item").remove("tallies").expect("tallies");
    let aws = Aws::new();
    let other = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    aws.insert("read-models", &before);
    for (name, amount) in [("submitted", 3), ("amount:EUR", 900)] {
        aws.insert("read-models", &json!({ "collection_key": "acme#orders#totals", "id": name, "amount": amount }));
    }
    assert_eq!(totals(&aws).await, json!({ "submitted": 3, "amount:EUR": 900 }));
    assert!(deliver(&aws, &other[1..]).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "submitted": 2, "cancelled": 1, "amount:EUR": 800 }));
    let days = totals_by_day(&aws).await;
    let days: Vec<&Value> = days.as_object().expect("days").values().collect();
    assert_eq!(days, [&json!({ "cancelled": 1 })], "the order joins its day, and takes nothing back there");
}

#[tokio::test(start_paused = true)]
async fn what_a_build_that_counts_otherwise_has_counted_is_taken_back() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    let mut order = stored(&aws, "O-1");
    order["tallies"] = json!([{ "name": "placed", "amount": 1, "day": "2026-01-31" }]);
    aws.insert("read-models", &order);
    assert!(deliver(&aws, &events[1..]).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "submitted": 1, "amount:EUR": 100, "placed": -1, "cancelled": 1 }));
    assert_eq!(totals_by_day(&aws).await["2026-01-31"], json!({ "placed": -1 }));
}

/// As a release before stored an order: in the first layout, which had no `pieces`, and with other totals.
fn as_of_the_first_layout(aws: &Aws, order: &str) {
    let mut item = stored(aws, order);
    let mut document: Value = serde_json::from_str(item["document"].as_str().expect("a document")).expect("JSON");
    document.as_object_mut().expect("a document").remove("pieces").expect("what it must have");
    item["document"] = json!(document.to_string());
    item.as_object_mut().expect("an item").remove("layout").expect("a layout");
    item["tallies"] = json!([{ "name": "placed", "amount": 1 }]);
    aws.insert("read-models", &item);
    for total in aws.items("read-models").iter().filter(|item| !item["sum:submitted"].is_null()) {
        let mut total = total.clone();
        total.as_object_mut().expect("an item").retain(|name, _| !name.starts_with("sum:"));
        if total["collection_key"].as_str().is_some_and(|key| key.ends_with("#all")) {
            total["sum:placed"] = json!(1);
        }
        aws.insert("read-models", &total);
    }
}

/// A document that must have what the stored one has not is no reason to fail: it is made anew from its events.
#[tokio::test(start_paused = true)]
async fn a_document_of_another_layout_is_made_anew_when_its_next_event_comes() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    as_of_the_first_layout(&aws, "O-1");
    assert_eq!(totals(&aws).await, json!({ "placed": 1 }));
    assert!(deliver(&aws, &events[1..]).await.is_empty());
    let (version, order) = document(&aws, "O-1").await.expect("the order");
    assert_eq!((version, &order["status"], &order["pieces"]), (2, &json!("cancelled"), &json!(1)));
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }), "what it had added is taken back, whatever it was");
}

#[tokio::test(start_paused = true)]
async fn a_document_that_does_not_fit_its_layout_is_made_anew_as_well() {
    for bent in [json!({}), json!("not JSON at all")] {
        let aws = Aws::new();
        let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
        assert!(deliver(&aws, &events[..1]).await.is_empty());
        let mut item = stored(&aws, "O-1");
        item["document"] = json!(bent.as_str().map_or_else(|| bent.to_string(), str::to_owned));
        aws.insert("read-models", &item);
        assert!(deliver(&aws, &events[1..]).await.is_empty());
        let (version, order) = document(&aws, "O-1").await.expect("the order");
        assert_eq!((version, &order["status"], &order["pieces"]), (2, &json!("cancelled"), &json!(1)));
        assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }));
    }
}

/// A release before stored no tallies, and its document cannot be read any more.
#[tokio::test(start_paused = true)]
async fn what_nobody_wrote_down_is_taken_back_as_this_build_counts() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    assert!(deliver(&aws, &events[..1]).await.is_empty());
    let mut item = stored(&aws, "O-1");
    item.as_object_mut().expect("an item").retain(|name, _| name != "tallies" && name != "layout");
    item["document"] = json!("{}");
    aws.insert("read-models", &item);
    assert!(deliver(&aws, &events[1..]).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_a_document_of_another_layout_waits_and_others_go_on() {
    let aws = Aws::new();
    let first = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    let second = history(&aws, "O-2", vec![submit(100)]).await;
    assert!(deliver(&aws, &first[..1]).await.is_empty());
    as_of_the_first_layout(&aws, "O-1");
    aws.inject(|attempt| match attempt.operation {
        "Query" => Fault::refuse(500, "InternalServerError"),
        _ => Fault::None,
    });
    assert_eq!(deliver(&aws, &[&first[1..], &second[..]].concat()).await, ["m-0"]);
    assert_eq!(document(&aws, "O-2").await.expect("the order").0, 1);
    aws.heal();
    assert!(deliver(&aws, &first[1..]).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1, "submitted": 1, "amount:EUR": 100 }));
}

#[tokio::test(start_paused = true)]
async fn two_updaters_at_the_same_order_both_finish_and_count_once() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    let (a, b) = tokio::join!(deliver(&aws, &events), deliver(&aws, &events[1..]));
    assert!(a.is_empty() && b.is_empty(), "{a:?} {b:?}");
    assert_eq!(document(&aws, "O-1").await.expect("the order").0, 2);
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }));
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_goes_back_and_holds_up_nobody() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100)]).await;
    let good = body(&events[0]);
    let foreign = good.replace("acme/orders/", "acme/nowhere/").replace("schemas/orders/", "schemas/nowhere/");
    let foreign = foreign.replace("\"orders\"", "\"nowhere\"");
    let messages = [
        json!({ "messageId": "garbage", "body": "{" }),
        json!({ "messageId": "good", "body": good }),
        json!({ "messageId": "foreign", "body": foreign }),
    ];
    assert_eq!(deliver_raw(&aws, &messages).await, ["foreign", "garbage"]);
    assert_eq!(document(&aws, "O-1").await.expect("the order").0, 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_store_is_down_everything_goes_back() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert_eq!(deliver(&aws, &events).await, ["m-0", "m-1"]);
    aws.inject(|_| Fault::Hang);
    assert_eq!(deliver(&aws, &events).await, ["m-0", "m-1"], "also when it does not even refuse");
    aws.heal();
    assert!(deliver(&aws, &events).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_write_that_hangs_loses_nothing() {
    let aws = Aws::new();
    let events = orders(&aws, 2).await;
    aws.inject(|attempt| if attempt.operation == "TransactWriteItems" { Fault::Hang } else { Fault::None });
    assert_eq!(deliver(&aws, &events).await, ["m-0", "m-1"]);
    aws.heal();
    assert!(deliver(&aws, &events).await.is_empty());
    assert_eq!(totals(&aws).await, json!({ "submitted": 2, "amount:EUR": 200 }));
}

#[tokio::test(start_paused = true)]
async fn while_gaps_cannot_be_filled_they_go_back_and_the_rest_is_applied() {
    for fault in [Fault::refuse(500, "InternalServerError"), Fault::Hang] {
        let aws = Aws::new();
        let first = history(&aws, "O-1", vec![submit(100), cancel()]).await;
        let second = history(&aws, "O-2", vec![submit(100), cancel()]).await;
        let third = history(&aws, "O-3", vec![submit(100)]).await;
        let batch = [&first[1..], &third[..], &second[1..]].concat();
        let hangs = fault == Fault::Hang;
        aws.inject(move |attempt| if attempt.operation == "Query" { fault.clone() } else { Fault::None });
        aws.forget_calls();
        let given_back = deliver(&aws, &batch).await;
        let asked = aws.count("Query");
        aws.heal();
        if hangs {
            assert_eq!(given_back, ["m-0", "m-1", "m-2"], "there was no time left to write any");
        } else {
            assert_eq!(given_back, ["m-0", "m-2"]);
            assert_eq!(asked, 3, "one question, asked three times");
            assert_eq!(document(&aws, "O-3").await.expect("the order without a gap").0, 1);
        }
        assert!(deliver(&aws, &batch).await.is_empty());
        assert_eq!(totals(&aws).await, json!({ "cancelled": 2, "submitted": 1, "amount:EUR": 100 }));
    }
}

#[tokio::test(start_paused = true)]
async fn a_document_that_the_store_refuses_goes_back_alone() {
    let aws = Aws::new();
    let events = orders(&aws, 3).await;
    aws.inject(|attempt| {
        let refused = attempt.operation == "TransactWriteItems" && attempt.body.contains("O-1");
        if refused { Fault::refuse(400, "ValidationException") } else { Fault::None }
    });
    assert_eq!(deliver(&aws, &events).await, ["m-1"]);
    assert_eq!(totals(&aws).await, json!({ "submitted": 2, "amount:EUR": 200 }));
}

#[tokio::test(start_paused = true)]
async fn while_the_store_refuses_every_write_few_are_tried() {
    let aws = Aws::new();
    let events = orders(&aws, 6).await;
    aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::refuse(400, "AccessDeniedException"),
        _ => Fault::None,
    });
    assert_eq!(deliver(&aws, &events).await.len(), 6);
    assert_eq!(aws.count("TransactWriteItems"), 6 + 3, "those of the history; all together, and two alone");
}

/// Whoever is overtaken waits a random while, longer from round to round, and gives up after eight.
#[tokio::test(start_paused = true)]
async fn who_is_overtaken_again_and_again_backs_off_and_gives_up() {
    let aws = Aws::new();
    let events = orders(&aws, 1).await;
    aws.inject(|attempt| match attempt.operation {
        "TransactWriteItems" => Fault::TransactionConflict { item: 0 },
        _ => Fault::None,
    });
    aws.forget_calls();
    let begin = Instant::now();
    assert_eq!(deliver(&aws, &events).await, ["m-0"]);
    let waited = begin.elapsed();
    assert_eq!(aws.count("BatchGetItem"), 8, "{}", aws.calls());
    assert!((50..=1_270).contains(&waited.as_millis()), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn a_row_that_cannot_be_read_goes_back_alone() {
    let aws = Aws::new();
    let events = orders(&aws, 3).await;
    let item = json!({ "collection_key": { "S": "acme#orders" }, "id": { "S": "O-1" }, "version": { "S": "one" } });
    put(&aws, "read-models", &item);
    assert_eq!(deliver(&aws, &events).await, ["m-1"]);
    assert_eq!(totals(&aws).await, json!({ "submitted": 2, "amount:EUR": 200 }));
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_read_holds_up_its_own_stream_only() {
    let aws = Aws::new();
    let first = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    let second = history(&aws, "O-2", vec![submit(100), cancel()]).await;
    let item = json!({ "stream_id": { "S": "acme/orders/O-1" }, "commit_number": { "N": "1" } });
    put(&aws, "events", &item);
    assert_eq!(deliver(&aws, &[&first[1..], &second[1..]].concat()).await, ["m-0"]);
    assert_eq!(totals(&aws).await, json!({ "cancelled": 1 }));
}

#[tokio::test(start_paused = true)]
async fn a_version_that_the_store_does_not_have_never_takes_a_document_back() {
    let aws = Aws::new();
    let mut events = history(&aws, "O-1", vec![submit(100)]).await;
    assert!(deliver(&aws, &events).await.is_empty());
    events[0].version = 3;
    assert_eq!(deliver(&aws, &events).await, ["m-0"]);
    assert_eq!(document(&aws, "O-1").await.expect("the order").0, 1);
    events[0].version = 0;
    events[0].stream = stream("O-2");
    assert_eq!(deliver(&aws, &events).await, ["m-0"], "nothing is there");
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_is_dead_lettered_on_its_last_receive_with_the_reason() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100)]).await;
    let good = body(&events[0]);
    let foreign = good.replace("acme/orders/", "acme/nowhere/").replace("schemas/orders/", "schemas/nowhere/");
    let foreign = foreign.replace("\"orders\"", "\"nowhere\"");
    let mut early = last("early", "}");
    early["attributes"]["ApproximateReceiveCount"] = json!("4");
    let messages = [last("garbage", "{"), last("good", &good), early, last("foreign", &foreign)];

    assert_eq!(deliver_raw(&aws, &messages).await, ["early"], "which comes again");

    assert_eq!(document(&aws, "O-1").await.expect("the order").0, 1);
    let expected = [("{", "not a domain event"), (&*foreign, "an unknown type of aggregate: nowhere of nowhere")];
    assert_eq!(buried(&aws), expected.map(|(body, error)| (body.to_owned(), error.to_owned())));
    let letter = &aws.messages(&dead_updates())[0];
    assert_eq!(letter.attribute("attempts"), Some("0"));
    assert_eq!(letter.attribute("firstfailedat"), Some("2025-11-24T16:00:00.500Z"));
}

#[tokio::test(start_paused = true)]
async fn what_the_store_does_not_let_happen_is_dead_lettered_with_the_stores_error() {
    let aws = Aws::new();
    let events = history(&aws, "O-1", vec![submit(100), cancel()]).await;
    let messages = for_the_last_time(&events);
    for (fault, said) in [
        (Fault::refuse(500, "InternalServerError"), "DynamoDB did not answer BatchGetItem: "),
        (Fault::Hang, "the function ran out of time"),
    ] {
        aws.inject(move |attempt| if attempt.operation == "BatchGetItem" { fault.clone() } else { Fault::None });
        assert_eq!(deliver_raw(&aws, &messages).await, [] as [String; 0]);
        let dead = buried(&aws);
        assert_eq!(
            dead.iter().map(|(body, _)| body.as_str()).collect::<Vec<_>>(),
            [body(&events[0]), body(&events[1])]
        );
        assert!(dead.iter().all(|(_, error)| error.starts_with(said)), "{dead:?}");
        aws.sqs().purge_queue().queue_url(dead_updates()).send().await.expect("emptied");
    }
}

#[tokio::test(start_paused = true)]
async fn each_document_that_cannot_be_brought_forward_says_why() {
    let aws = Aws::new();
    let mut events = orders(&aws, 4).await;
    put(
        &aws,
        "read-models",
        &json!({ "collection_key": { "S": "acme#orders" }, "id": { "S": "O-1" }, "version": { "S": "one" } }),
    );
    events[2].version = 3;
    aws.inject(|attempt| {
        let refused = attempt.operation == "TransactWriteItems" && attempt.body.contains("O-3");
        if refused { Fault::refuse(400, "ValidationException") } else { Fault::None }
    });

    assert_eq!(deliver_raw(&aws, &for_the_last_time(&events)).await, [] as [String; 0]);

    let dead = buried(&aws);
    let said = [
        "a stored read model cannot be read",
        "the store does not have what comes after",
        "DynamoDB did not answer TransactWriteItems",
    ];
    assert_eq!(dead.len(), said.len(), "{dead:?}");
    for ((found, error), (event, said)) in dead.iter().zip(events[1..].iter().zip(said)) {
        assert_eq!(*found, body(event));
        assert!(error.contains(said), "{error}");
    }
    assert_eq!(document(&aws, "O-0").await.expect("the order").0, 1);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_dead_lettered_is_given_back_in_time() {
    let aws = Aws::new();
    aws.inject(|attempt| if attempt.operation == "SendMessageBatch" { Fault::Hang } else { Fault::None });
    let start = Instant::now();
    assert_eq!(deliver_raw(&aws, &[last("garbage", "{")]).await, ["garbage"]);
    assert!(start.elapsed() < Duration::from_secs(2), "{:?}", start.elapsed());
}

/// Any order, any repeats, any batches: in the end every document and every total equals the fold over all events, also
/// by day.
#[test]
fn neither_order_nor_repeats_matter() {
    let runtime = || {
        let mut builder = tokio::runtime::Builder::new_current_thread();
        builder.enable_all().start_paused(true).build().expect("a runtime")
    };
    let mut runner = TestRunner::new(Config { cases: 24, failure_persistence: None, ..Config::default() });
    let cancelled = proptest::collection::vec(any::<bool>(), 1..6);
    let deliveries = proptest::collection::vec((any::<prop::sample::Index>(), 1..5_usize), 0..30);
    runner
        .run(&(cancelled, deliveries), |(cancelled, deliveries)| {
            runtime().block_on(async {
                let aws = Aws::new();
                let mut events = Vec::new();
                for (order, cancelled) in cancelled.iter().enumerate() {
                    let mut commands = vec![submit(100)];
                    commands.extend(cancelled.then(cancel));
                    events.extend(history(&aws, &format!("O-{order}"), commands).await);
                    tokio::time::advance(Duration::from_hours(16)).await;
                }
                for (at, length) in deliveries {
                    let from = at.index(events.len());
                    let batch: Vec<_> = events.iter().rev().cycle().skip(from).take(length).cloned().collect();
                    assert!(deliver(&aws, &batch).await.is_empty());
                }
                assert!(deliver(&aws, &events).await.is_empty(), "everything arrives at least once");
                let mut days: BTreeMap<String, BTreeMap<&str, i64>> = BTreeMap::new();
                for (order, cancelled) in cancelled.iter().enumerate() {
                    let status = if *cancelled { "cancelled" } else { "submitted" };
                    let (version, document) = document(&aws, &format!("O-{order}")).await.expect("the order");
                    assert_eq!((version, &document["status"]), (1 + u64::from(*cancelled), &json!(status)));
                    let day = &document["placedAt"].as_str().expect("a time")[.."2026-01-31".len()];
                    let day = days.entry(day.to_owned()).or_default();
                    *day.entry(status).or_default() += 1;
                    if !cancelled {
                        *day.entry("amount:EUR").or_default() += 100;
                    }
                }
                assert!(cancelled.len() < 3 || days.len() > 1, "{days:?}");
                assert_eq!(totals_by_day(&aws).await, json!(days));
                let gone = i64::try_from(cancelled.iter().filter(|cancelled| **cancelled).count()).expect("few");
                let live = i64::try_from(cancelled.len()).expect("few") - gone;
                let mut expected = json!({});
                for (name, amount) in [("cancelled", gone), ("submitted", live), ("amount:EUR", live * 100)] {
                    if amount != 0 {
                        expected[name] = json!(amount);
                    }
                }
                assert_eq!(totals(&aws).await, expected);
            });
            Ok(())
        })
        .unwrap_or_else(|error| panic!("{error}"));
}

#[tokio::test(start_paused = true)]
async fn the_log_names_a_stream_by_its_hash_and_not_by_an_id_that_may_be_an_address() {
    let (aws, log, jane) = (Aws::new(), testkit::Log::default(), "jane@doe.example");
    let events = history(&aws, jane, vec![submit(100), cancel()]).await;
    let guard = log.begin(&["read_model_updater", "kernel", "lambda", "messaging", "store"]);
    assert!(deliver(&aws, &events).await.is_empty());
    let unreadable =
        json!({ "collection_key": { "S": "acme#orders" }, "id": { "S": jane }, "version": { "S": "two" } });
    put(&aws, "read-models", &unreadable);
    assert_eq!(deliver(&aws, &events).await, ["m-0", "m-1"]);
    aws.inject(|_| Fault::refuse(500, "InternalServerError"));
    assert_eq!(deliver(&aws, &events).await, ["m-0", "m-1"]);
    drop(guard);
    assert!(!log.text().contains(jane), "{}", log.text());
    let lines = log.lines();
    for (message, place) in [("cannot be projected", "/stream"), ("projected", "/span/stream")] {
        let line = lines.iter().find(|line| line["message"] == message);
        let line = line.unwrap_or_else(|| panic!("{message}: {}", log.text()));
        assert_eq!(line.pointer(place), Some(&json!(stream(jane).pseudonym())), "{line:#}");
    }
}
