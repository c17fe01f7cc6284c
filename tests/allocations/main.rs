//! How often a command makes its functions ask for memory. That is a good part of their CPU and does not depend on the
//! machine, so a change that costs shows here. What the SDK asks for is in it.
//!
//! AWS answers as it has answered before, for one that works in memory would ask for memory, too.

mod answers;

use allocation_counter::{AllocationInfo, measure};
use aws_lambda_events::sqs::SqsEvent;
use bench::http::client;
use bench::{Bench, Request, platform};
use command_handler::{CommandHandler, Deciding};
use ingest::Ingest;
use kernel::ids::AggregateId;
use policies::commands::{AdjustPremium, BindPolicy, Command};
use serde_json::{Value, json};
use testkit::Aws;
use tokio::runtime::Runtime;
use tokio::time::{Duration, Instant};

use crate::answers::Answers;

#[test]
fn ingest_allocates_no_more_than_this_for_a_command() {
    let (runtime, aws) = world();
    platform::register_client(&aws, "shop", "demo");
    let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": ["https://shop.example/"] }]);
    platform::register_tenant(&aws, "demo", &json!({ "grants": grants }));
    aws.put_secret(&platform::receipt_secret(), platform::RECEIPT_KEY);
    let environment = platform::environment();
    let answers = Answers::of(&aws);
    let real = Ingest::from_environment(&environment, aws.dynamodb(), aws.sqs(), aws.secrets_manager());
    let measured = Ingest::from_environment(
        &environment,
        answers.dynamodb(&aws),
        answers.sqs(&aws),
        answers.secrets_manager(&aws),
    );
    let measured = measured.expect("settings");
    submit(&runtime, &aws, &real.expect("settings"), "1");
    submit(&runtime, &aws, &measured, "2"); // it learns the tenant and the keys
    assert_at_most("ingest", &submit(&runtime, &aws, &measured, "3"), 1, 560);
}

/// What a request with one command takes.
fn submit(runtime: &Runtime, aws: &Aws, ingest: &Ingest, id: &str) -> AllocationInfo {
    let sample = include_str!("../../events/orders/submit-order.json");
    let mut order: Value = serde_json::from_str(sample).expect("a sample event");
    order["id"] = json!(id);
    let request = Request::structured(&order).by(client("shop", "waybill/submit")).into_http();
    let now = aws.now().into();
    let mut status = 0;
    let taken = measure(|| status = runtime.block_on(Box::pin(ingest.handle(request, now))).status().as_u16());
    assert_eq!(status, 202);
    taken
}

#[test]
fn the_handler_allocates_no_more_than_this_for_a_command() {
    handle(1, 1, 1_140);
    handle(10, 1, 1_140);
    handle(1, 10, 310);
}

/// A batch with so many commands for each of so many policies takes no more than this, of each command.
fn handle(policies: usize, each: usize, most: usize) {
    let (runtime, aws) = world();
    let answers = Answers::of(&aws);
    let bench = Bench::on(aws.clone(), catalog::context("policies").expect("a context"));
    let batch = runtime.block_on(async {
        for policy in 0..policies {
            bench.send(&policy.to_string(), &format!("bind-{policy}"), bind(policy)).await;
        }
        bench.deliver().await;
        for round in ["before", "measured"] {
            for policy in 0..policies {
                for nth in 0..each {
                    let premium = 20_000 + i64::try_from(nth).expect("a premium");
                    let command = Command::from(AdjustPremium { premium });
                    bench.send(&policy.to_string(), &format!("{round}-{policy}-{nth}"), command).await;
                }
            }
            if round == "before" {
                bench.deliver().await;
            }
        }
        serde_json::from_value::<SqsEvent>(Aws::sqs_event(&bench.receive())).expect("an event")
    });
    assert_eq!(batch.records.len(), policies * each);
    let environment = platform::environment()
        .with(platform::own_queue(&bench.queue, &bench.dead_letters))
        .with([("CONTEXT", bench.handler.context.name)]);
    let handler = CommandHandler::from_environment(&environment, answers.dynamodb(&aws), answers.sqs(&aws));
    let handler = CommandHandler { deciding: Deciding::Inline, ..handler.expect("settings") };
    let (now, finish_by) = (aws.now().into(), Instant::now() + Duration::from_secs(20));
    for is_warm in [false, true] {
        let batch = batch.clone();
        let mut given_back = Vec::new();
        let taken = measure(|| {
            given_back = runtime.block_on(Box::pin(handler.handle(batch, now, finish_by))).batch_item_failures;
        });
        assert_eq!(given_back.len(), 0, "{given_back:?}");
        if is_warm {
            assert_at_most(&format!("the handler, {each} for each of {policies}"), &taken, policies * each, most);
        }
    }
}

fn bind(policy: usize) -> Command {
    BindPolicy {
        number: format!("HH-2026-{policy}"),
        holder: AggregateId::parse("H-7").expect("an id"),
        premium: 12_900,
        currency: "EUR".to_owned(),
        from: "2026-02-01".to_owned(),
        until: "2027-02-01".to_owned(),
        account: None,
    }
    .into()
}

fn world() -> (Runtime, Aws) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    (runtime.expect("a runtime"), Aws::new())
}

/// A bound is a tenth above what was measured last. Lower it with what a change saves.
fn assert_at_most(what: &str, taken: &AllocationInfo, commands: usize, most: usize) {
    let each = taken.count_total / commands as u64;
    println!("{what}: {each} allocations a command");
    assert!(each <= most as u64, "{what}: {each} allocations a command, more than {most}");
}
