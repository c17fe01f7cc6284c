//! A context of several types of aggregate: orders and their returns, in one queue.

use bench::Bench;
use kernel::ids::AggregateId;
use kernel::money::Money;
use kernel::receipt::Receipt;
use orders::commands::{Line, ShipOrder, SubmitOrder};
use orders::returns::commands::{ReceiveReturn, RequestReturn, WithdrawReturn};
use serde_json::json;

fn id(text: &str) -> AggregateId {
    AggregateId::parse(text).expect("an id")
}

fn submit() -> orders::commands::Command {
    let unit_price = Money { amount: 450, currency: "EUR".to_owned() };
    let line = Line { sku: "TEA-100".to_owned(), quantity: 2.try_into().expect("not zero"), unit_price };
    SubmitOrder { customer: id("C-7"), lines: vec![line], on_account: true, pay_within_seconds: None }.into()
}

fn ship() -> orders::commands::Command {
    ShipOrder { carrier: None, tracking_number: "1Z999".to_owned() }.into()
}

fn request(order: &str) -> orders::returns::commands::Command {
    RequestReturn { order: id(order), customer: id("C-7"), reason: None }.into()
}

fn withdraw() -> orders::returns::commands::Command {
    WithdrawReturn {}.into()
}

fn types(bench: &Bench, stream: &str) -> Vec<String> {
    bench.events(stream).into_iter().map(|(ty, _)| ty).collect()
}

#[tokio::test(start_paused = true)]
async fn aggregates_of_two_types_and_one_id_have_streams_of_their_own() {
    let bench = Bench::orders();
    let submitted = bench.send("7", "1", submit()).await;
    bench.send("7", "2", ship()).await;
    bench.deliver().await;
    let requested = bench.send("7", "3", request("7")).await;
    let received = bench.send("7", "4", orders::returns::commands::Command::from(ReceiveReturn {})).await;
    bench.deliver().await;

    assert_eq!(types(&bench, "7"), ["OrderSubmitted", "OrderShipped"]);
    assert_eq!(types(&bench, "returns/7"), ["ReturnRequested", "ReturnReceived"]);
    let about = |receipt: &Receipt| {
        let record = bench.record(receipt).expect("a record");
        ["outcome", "aggregate_type", "subject", "resource"].map(|name| record[name].clone())
    };
    assert_eq!(json!(about(&submitted)), json!(["succeeded", null, "7", "/orders/7"]));
    assert_eq!(json!(about(&requested)), json!(["succeeded", "returns", "7", "/returns/7"]));
    assert_eq!(bench.record(&received).expect("a record")["version"], 2, "its own stream's");
}

#[tokio::test(start_paused = true)]
async fn only_a_shipped_order_is_returned_and_by_one_return_at_a_time() {
    let bench = Bench::orders();
    let mut nth = 0;
    let mut outcome = async |aggregate: &str, command: orders::returns::commands::Command| {
        nth += 1;
        let receipt = bench.send(aggregate, &format!("r-{nth}"), command).await;
        bench.deliver().await;
        bench.outcome(&receipt)
    };
    bench.send("O-1", "1", submit()).await;
    bench.deliver().await;
    assert_eq!(outcome("R-1", request("O-1")).await, "rejected", "it has not left yet");
    bench.send("O-1", "2", ship()).await;
    bench.deliver().await;
    assert_eq!(outcome("R-2", request("O-1")).await, "succeeded");
    assert_eq!(outcome("R-3", request("O-1")).await, "rejected", "it is being returned");
    assert_eq!(outcome("R-2", withdraw()).await, "succeeded");
    assert_eq!(outcome("R-4", request("O-1")).await, "succeeded", "the first one was withdrawn");
    assert_eq!(outcome("R-5", request("O-2")).await, "rejected", "no such order");
}

#[tokio::test(start_paused = true)]
async fn a_command_for_a_type_of_aggregate_that_this_build_does_not_have_or_for_the_wrong_one_waits_for_a_person() {
    let bench = Bench::orders();
    let event = |id: &str| bench.event(id, "WithdrawReturn", 1).subject("R-1").data_json(&json!({}));
    let mut parked = Vec::new();
    for (nth, (aggregate_type, group)) in
        [("\"exchanges\"", "acme/orders/exchanges/R-1"), ("null", "acme/orders/R-1")].into_iter().enumerate()
    {
        let (receipt, body) = bench.seal(event(&nth.to_string()));
        let changed = body.replacen("\"aggregatetype\":\"returns\"", &format!("\"aggregatetype\":{aggregate_type}"), 1);
        assert_ne!(changed, body);
        bench.send_raw(group, &nth.to_string(), &changed).await;
        parked.push(receipt);
    }
    bench.deliver().await;
    for receipt in parked {
        assert_eq!(bench.outcome(&receipt), "parked");
    }
    for parked in bench.parked() {
        assert_eq!(parked["reason"], "unreadable", "{parked}");
    }
}
