//! What an operator resubmits runs once, and the original never beside it.

use bench::{Bench, text};
use kernel::ids::TenantId;
use kernel::operation::Status;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use store::operations::Operations;
use testkit::TABLES;

use crate::probe::{self, LATER};
use crate::support::{only_event, resubmit};

const NOTHING: [String; 0] = [];

/// A command whose data does not decode, and which is parked for it. Gives its message as well.
async fn parked(bench: &Bench) -> (Receipt, String) {
    let receipt = send(bench).await;
    let body = bench.waiting()[0].body.clone();
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "parked");
    (receipt, body)
}

async fn send(bench: &Bench) -> Receipt {
    bench.send_event(bench.event("1", "Note", 1).subject("A").data_json(&json!({ "txt": "n" }))).await
}

fn repaired() -> Value {
    json!({ "text": "n" })
}

fn noted(receipt: &Receipt) -> [(String, String); 1] {
    [("Noted".to_owned(), receipt.to_string())]
}

#[tokio::test(start_paused = true)]
async fn a_repaired_command_runs_once_and_the_original_receipt_sees_it() {
    let bench = probe::bench();
    let (receipt, _) = parked(&bench).await;
    let repaired = resubmit(&bench, &receipt, Some(repaired())).await;
    for _ in 0..3 {
        bench.queue_again(&repaired).await;
    }

    bench.deliver().await;

    assert!(bench.waiting().is_empty());
    assert_eq!(bench.events("A"), noted(&receipt));
    let operations = Operations::new(bench.aws.dynamodb(), TABLES.operations);
    let acme = TenantId::parse("acme").expect("a tenant");
    let record = operations.find(&acme, receipt.command_key).await.expect("an answer").expect("a record");
    let seen = record.seen_by(&receipt, "https://api.example");
    assert_eq!((seen.status, seen.id, seen.error), (Status::Succeeded, receipt.to_string(), None));
    assert_eq!(record.revision, 1);
}

#[tokio::test(start_paused = true)]
async fn a_repaired_commands_event_and_record_say_so_and_by_whom() {
    let bench = probe::bench();
    let (receipt, _) = parked(&bench).await;
    let repaired = resubmit(&bench, &receipt, Some(repaired())).await;
    let record = bench.record(&receipt).expect("a record");
    let ann = json!({ "id": "ann", "type": "user" });
    assert_eq!((&record["outcome"], &record["repaired_by"]), (&json!("retrying"), &ann), "before it has run");
    bench.queue_again(&repaired).await;
    bench.deliver().await;

    let record = bench.record(&receipt).expect("a record");
    let shop = json!({ "id": "shop", "type": "service_account" });
    assert_eq!((&record["outcome"], &record["repaired_by"]), (&json!("succeeded"), &ann));
    assert_eq!(record["principal"], shop, "its sender is who sent it");
    let (stored, published) = only_event(&bench, "A");
    assert_eq!((&stored["revision"], &stored["repaired_by"], &stored["principal"]), (&json!(1), &ann, &shop));
    let text = |name: &str| published.extension(name).map(ToString::to_string);
    assert_eq!((text("commandrevision").as_deref(), text("repairedby").as_deref()), (Some("1"), Some("user:ann")));
    assert_eq!(text("authid").as_deref(), Some("shop"));
}

#[tokio::test(start_paused = true)]
async fn the_original_of_a_repaired_command_is_dropped_before_it_and_after_it() {
    let bench = probe::bench();
    let (receipt, original) = parked(&bench).await;
    let repaired = resubmit(&bench, &receipt, Some(repaired())).await;

    bench.queue_again(&original).await;
    let again = send(&bench).await;
    assert_eq!(again.command_key, receipt.command_key, "and a client that repeats itself");
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "retrying", "the repaired one is still to come");
    assert_eq!(bench.events("A"), []);
    let items = bench.parked();
    assert_eq!(items.len(), 3, "what is resubmitted, what was done before, and what it was before: {items:?}");

    bench.queue_again(&repaired).await;
    bench.deliver().await;
    assert_eq!(bench.events("A"), noted(&receipt));

    let record = bench.record(&receipt);
    bench.queue_again(&original).await;
    bench.deliver().await;
    assert_eq!((bench.record(&receipt), bench.events("A")), (record, noted(&receipt).to_vec()));
    assert!(bench.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn original_and_repaired_in_one_batch_are_told_apart() {
    let bench = probe::bench();
    let (receipt, original) = parked(&bench).await;
    let repaired = resubmit(&bench, &receipt, Some(repaired())).await;
    for body in [&original, &repaired, &original, &repaired] {
        bench.queue_again(body).await;
    }
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "succeeded");
    assert_eq!(bench.events("A"), noted(&receipt));
    assert!(bench.waiting().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_repair_in_vain_waits_again_under_the_same_entry() {
    let bench = probe::bench();
    let (receipt, original) = parked(&bench).await;
    let first = bench.parked()[0].clone();
    bench.wait_for_visibility().await;
    let still_wrong = resubmit(&bench, &receipt, Some(json!({ "tekst": "n" }))).await;
    bench.queue_again(&still_wrong).await;
    bench.deliver().await;

    assert_eq!(bench.outcome(&receipt), "parked");
    let [now, done, before] = &bench.parked()[..] else { panic!("three items, not {:?}", bench.parked()) };
    assert_eq!((&now["id"], &before["message"]), (&first["id"], &json!(original)));
    assert_eq!((&now["stage"], &now["revision"], &now["message"]), (&json!("waiting"), &json!(1), &json!(still_wrong)));
    assert_eq!(now["first_parked_at"], first["first_parked_at"]);
    assert!(text(&now["parked_at"]) > text(&first["parked_at"]), "{now}");
    let what = |item: &Value| {
        let history = item["history"].as_array().expect("a history");
        history.iter().map(|done| text(&done["what"])).collect::<Vec<_>>()
    };
    assert_eq!(what(done), ["parked"]);
    assert_eq!(what(now), ["resubmitted"]);

    // Neither the original nor the repaired one runs while it waits; the next revision does.
    for body in [&original, &still_wrong] {
        bench.queue_again(body).await;
    }
    bench.deliver().await;
    assert_eq!(bench.outcome(&receipt), "parked");
    let repaired = resubmit(&bench, &receipt, Some(repaired())).await;
    bench.queue_again(&repaired).await;
    bench.deliver().await;
    assert_eq!(bench.events("A"), noted(&receipt));
    assert_eq!(bench.record(&receipt).expect("a record")["revision"], 2);
}

#[tokio::test(start_paused = true)]
async fn what_is_resubmitted_as_it_was_succeeds_once_a_build_can_read_it() {
    let bench = probe::bench();
    let receipt =
        bench.send_event(bench.event("1", "Whisper", 2).subject("A").data_json(&json!({ "text": "psst" }))).await;
    bench.deliver().await;
    let resubmitted = resubmit(&bench, &receipt, None).await;
    bench.queue_again(&resubmitted).await;
    let messages = bench.receive();

    let later = Bench::on(bench.aws.clone(), &LATER);
    for _ in 0..2 {
        assert_eq!(later.handle(&messages).await, NOTHING);
        let record = later.record(&receipt).expect("a record");
        assert_eq!((&record["outcome"], &record["version"]), (&json!("succeeded"), &json!(1)));
        assert!(record["expires_at"].is_u64() && record["problem"].is_null(), "{record}");
        assert_eq!((&record["revision"], &record["repaired_by"]), (&json!(1), &Value::Null), "as it was");
        assert_eq!(later.events("A"), noted(&receipt));
        let (stored, published) = only_event(&later, "A");
        assert_eq!((&stored["revision"], &stored["repaired_by"]), (&json!(1), &Value::Null));
        assert_eq!(published.extension("repairedby"), None);
    }
    // And the earlier build cannot undo it.
    assert_eq!(bench.handle(&messages).await, NOTHING);
    assert_eq!(bench.outcome(&receipt), "succeeded");
}
