//! For each kind of damage: it is done, exactly it is found, its action mends it, and nothing is found after.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};
use store::findings::{Finding, State};
use testkit::TABLES;

use crate::world::{World, bind, cancel, submit};

/// Kind and stream of each finding.
fn told(findings: &[Finding]) -> Vec<(String, String)> {
    let told = |finding: &Finding| (finding.kind.as_str().to_owned(), finding.stream.clone().unwrap_or_default());
    findings.iter().map(told).collect()
}

/// Finds exactly this, twice the same.
#[track_caller]
fn expect(found: &[Finding], expected: &[(&str, &str)]) {
    let expected: BTreeSet<_> =
        expected.iter().map(|(kind, stream)| ((*kind).to_owned(), (*stream).to_owned())).collect();
    let told: BTreeSet<_> = told(found).into_iter().collect();
    assert_eq!(told, expected, "{found:#?}");
    assert_eq!(found.len(), expected.len(), "{found:#?}");
}

/// The damage is there: exactly it is found, and its action, which the verifier does itself, mends it.
async fn found_and_mended(world: &World, expected: &[(&str, &str)]) {
    found(world, expected).await;
    for finding in world.open().await {
        let answer = world.ask("POST", &format!("/findings/{}/mend", finding.id), "").await;
        assert_eq!(answer.status, 202, "{finding:#?}\n{answer:#?}");
        assert_eq!(answer.json()["mended"]["by"], "user:olga");
    }
    mended(world).await;
}

/// Exactly this is found, by one verification and by the next.
async fn found(world: &World, expected: &[(&str, &str)]) {
    world.pass().await;
    for _ in 0..2 {
        world.verify().await;
        expect(&world.open().await, expected);
    }
}

/// Nothing is found any more.
async fn mended(world: &World) {
    let known = world.open().await;
    world.settle().await;
    world.rebuild().await;
    world.pass().await;
    world.verify().await;
    expect(&world.open().await, &[]);
    let closed = world.findings(&[State::Closed]).await;
    for finding in known {
        let now = closed.iter().find(|closed| closed.id == finding.id).expect("it is closed");
        assert!(now.closed_at.is_some() && now.first_seen == finding.first_seen, "{now:#?}");
    }
}

/// What only a person can do is refused to be done here, with what that is.
async fn is_for_a_person(world: &World, told: &str) {
    for finding in world.open().await {
        let answer = world.ask("POST", &format!("/findings/{}/mend", finding.id), "").await;
        assert_eq!(answer.status, 409, "{answer:#?}");
        let detail = answer.json()["detail"].as_str().expect("a detail").to_owned();
        assert!(detail.contains(told), "{detail}");
    }
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

#[tokio::test(start_paused = true)]
async fn where_nothing_is_damaged_nothing_is_found() {
    let world = World::busy().await;
    let counts = world.verify().await;
    expect(&world.open().await, &[]);
    assert!(counts["streams"] >= 14 && counts["operations"] >= 20 && counts["documents"] >= 20, "{counts:?}");
    assert!(counts["claims"] >= 2 && counts["timers"] >= 2, "{counts:?}");
    assert_eq!(counts.get("unjudged").copied().unwrap_or_default(), 0, "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_publication_that_was_lost() {
    let world = World::busy().await;
    // Its effects are lost with it: the payment that is to begin, and what that would have set.
    world.unpublished("orders", "lost", "lost", submit(false)).await;
    found_and_mended(&world, &[("publication-lost", "acme/orders/lost")]).await;
    assert_eq!(world.it.events("acme/payments/lost").first().map(String::as_str), Some("ChargeRequested"));
}

#[tokio::test(start_paused = true)]
async fn the_newest_publication_of_a_stream_that_was_lost() {
    let world = World::busy().await;
    world.unpublished("orders", "account-new", "too-late", cancel()).await;
    found_and_mended(&world, &[("publication-lost", "acme/orders/account-new")]).await;
    assert_eq!(world.row("orders", "account-new")["version"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_behind() {
    let world = World::busy().await;
    let before = world.row("customers/orders", "account-new");
    world.it.send("orders", "account-new", "cancelled", cancel()).await;
    world.settle().await;
    world.put(TABLES.read_models, &before);
    found_and_mended(&world, &[("document-behind", "acme/orders/account-new")]).await;
    assert_eq!(world.row("customers/orders", "account-new")["version"], 2);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_gone() {
    let world = World::busy().await;
    let row = world.row("customers/orders", "account-new");
    world.delete(TABLES.read_models, &row).await;
    found_and_mended(&world, &[("document-behind", "acme/orders/account-new")]).await;
    assert_eq!(world.row("customers/orders", "account-new")["document"], row["document"]);
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_bent() {
    let world = World::busy().await;
    let row = world.row("orders", "paid-new");
    let mut bent = row.clone();
    let mut document: Value = serde_json::from_str(text(&row["document"])).expect("JSON");
    document["customer"] = json!("C-8");
    bent["document"] = json!(document.to_string());
    world.put(TABLES.read_models, &bent);
    found_and_mended(&world, &[("document-bent", "acme/orders/paid-new")]).await;
    assert_eq!(world.row("orders", "paid-new")["document"], row["document"]);
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_named_and_what_it_says_is_not_kept() {
    let world = World::busy().await;
    let mut bent = world.row("orders", "paid-new");
    let mut document: Value = serde_json::from_str(text(&bent["document"])).expect("JSON");
    document["customer"] = json!("C-secret");
    bent["document"] = json!(document.to_string());
    bent["list_sort"] = json!("elsewhere");
    world.put(TABLES.read_models, &bent);
    world.verify().await;
    let finding = world.open().await.pop().expect("a finding");
    assert_eq!(finding.actual, "it differs in /customer, its place in lists");
    assert!(!format!("{finding:?}").contains("C-secret"));
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_ahead() {
    let world = World::busy().await;
    let mut row = world.row("orders", "paid-new");
    row["version"] = json!(9);
    world.put(TABLES.read_models, &row);
    found_and_mended(&world, &[("document-ahead", "acme/orders/paid-new")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read() {
    let world = World::busy().await;
    let mut row = world.row("customers/orders", "paid-new");
    row["version"] = json!("three");
    world.put(TABLES.read_models, &row);
    found_and_mended(&world, &[("document-unreadable", "acme/orders/paid-new")]).await;
}

#[tokio::test(start_paused = true)]
async fn a_document_without_a_stream() {
    let world = World::busy().await;
    let mut row = world.row("customers/orders", "account-new");
    row["id"] = json!("nobody");
    row["tallies"] = json!([]);
    world.put(TABLES.read_models, &row);
    found(&world, &[("document-without-stream", "acme/orders/nobody")]).await;
    is_for_a_person(&world, "backup").await;
    // No backup has it: somebody deletes it.
    world.delete(TABLES.read_models, &row).await;
    mended(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_total_that_is_off() {
    let world = World::busy().await;
    let of_orders =
        |item: &Value| item["collection_key"] == "acme#orders#totals#all" && item["sum:submitted"].is_number();
    let mut shard = world.items(TABLES.read_models).into_iter().find(of_orders).expect("a shard");
    shard["sum:submitted"] = json!(shard["sum:submitted"].as_i64().expect("a number") + 7);
    world.put(TABLES.read_models, &shard);
    found(&world, &[("total-off", "")]).await;
    let finding = world.open().await.pop().expect("a finding");
    assert!(finding.actual.starts_with("submitted is "), "{finding:#?}");
    found_and_mended(&world, &[("total-off", "")]).await;
}

#[tokio::test(start_paused = true)]
async fn an_event_without_operation() {
    let world = World::busy().await;
    let record = world.record("SubmitOrder", "account-new");
    world.delete(TABLES.operations, &record).await;
    found_and_mended(&world, &[("event-without-operation", "acme/orders/account-new")]).await;
    let written = world.record("unknown", "account-new");
    for name in ["outcome", "digest", "context", "subject", "version", "commit_number", "resource", "principal"] {
        assert_eq!(written[name], record[name], "{name}");
    }
    assert!(written["expires_at"].as_u64() <= record["expires_at"].as_u64());
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_says_something_else() {
    let world = World::busy().await;
    let record = world.record("SubmitOrder", "account-new");
    let mut other = record.clone();
    other["outcome"] = json!("rejected");
    world.put(TABLES.operations, &other);
    found_and_mended(&world, &[("operation-differs", "acme/orders/account-new")]).await;
    assert_eq!(world.record("SubmitOrder", "account-new")["outcome"], "succeeded");
}

#[tokio::test(start_paused = true)]
async fn an_operation_that_cannot_be_read() {
    let world = World::busy().await;
    let mut record = world.record("SubmitOrder", "account-new");
    record["revision"] = json!("first");
    world.put(TABLES.operations, &record);
    found_and_mended(&world, &[("operation-differs", "acme/orders/account-new")]).await;
}

#[tokio::test(start_paused = true)]
async fn an_operation_without_events() {
    let world = World::busy().await;
    let mut record = world.record("SubmitOrder", "account-new");
    // One that nobody knows, of a commit that is not there.
    record["operation_key"] = json!(format!("acme#{}", "ab".repeat(16)));
    record["commit_number"] = json!(7);
    world.put(TABLES.operations, &record);
    found_and_mended(&world, &[("operation-without-events", "acme/orders/account-new")]).await;
    let given_up = world.item(TABLES.operations, |item| item["operation_key"] == record["operation_key"]);
    assert_eq!(given_up["outcome"], "discarded");
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_is_gone_between_others() {
    let world = World::busy().await;
    let commit = world.commit("acme/payments/paid-new", 1);
    world.delete(TABLES.events, &commit).await;
    found(&world, &[("commit-missing", "acme/payments/paid-new")]).await;
    is_for_a_person(&world, "backup").await;
    world.put(TABLES.events, &commit);
    drop(world.it.aws.stream_event(TABLES.events));
    mended(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_commit_that_cannot_be_read() {
    let world = World::busy().await;
    let commit = world.commit("acme/payments/paid-new", 1);
    let mut damaged = commit.clone();
    damaged["events"] = json!("[{");
    world.put(TABLES.events, &damaged);
    found(&world, &[("commit-unreadable", "acme/payments/paid-new")]).await;
    is_for_a_person(&world, "backup").await;
    world.put(TABLES.events, &commit);
    drop(world.it.aws.stream_event(TABLES.events));
    mended(&world).await;
}

/// All that knows of it says so.
#[tokio::test(start_paused = true)]
async fn a_stream_that_is_cut_short() {
    let world = World::busy().await;
    world.it.send("orders", "account-new", "cancelled", cancel()).await;
    world.settle().await;
    let commit = world.commit("acme/orders/account-new", 2);
    world.delete(TABLES.events, &commit).await;
    world.pass().await;
    world.verify().await;
    let stream = "acme/orders/account-new".to_owned();
    let (ahead, without) = ("document-ahead".to_owned(), "operation-without-events".to_owned());
    let expected = [(ahead.clone(), stream.clone()), (ahead, stream.clone()), (without, stream)];
    assert_eq!(told(&world.open().await), expected);
    world.put(TABLES.events, &commit);
    drop(world.it.aws.stream_event(TABLES.events));
    mended(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_is_missing() {
    let world = World::busy().await;
    let claim = world.item(TABLES.guards, |guard| guard["holder"] == "P-new");
    world.delete(TABLES.guards, &claim).await;
    found_and_mended(&world, &[("claim-missing", "acme/policies/P-new")]).await;
    assert_eq!(world.item(TABLES.guards, |guard| guard["holder"] == "P-new"), claim);
}

#[tokio::test(start_paused = true)]
async fn a_claim_that_another_has_taken() {
    let world = World::busy().await;
    let claim = world.item(TABLES.guards, |guard| guard["holder"] == "P-new");
    world.delete(TABLES.guards, &claim).await;
    world.it.send("policies", "P-other", "other", bind("N-NEW")).await;
    world.settle().await;
    found(&world, &[("claim-missing", "acme/policies/P-new")]).await;
    is_for_a_person(&world, "whose it is").await;
}

#[tokio::test(start_paused = true)]
async fn a_claim_without_owner() {
    let world = World::busy().await;
    world.put(TABLES.guards, &json!({ "guard_key": "acme#policies#claim#policy-number#N-7", "holder": "nobody" }));
    world.put(TABLES.guards, &json!({ "guard_key": "acme#policies#claim#policy-number#N-8", "holder": "P-new" }));
    found_and_mended(
        &world,
        &[("claim-without-owner", "acme/policies/P-new"), ("claim-without-owner", "acme/policies/nobody")],
    )
    .await;
    world.it.send("policies", "P-7", "P-7", bind("N-7")).await;
    world.settle().await;
    assert_eq!(world.it.events("acme/policies/P-7"), ["PolicyBound"], "the number is free again");
}

#[tokio::test(start_paused = true)]
async fn a_timer_that_is_lost() {
    let world = World::busy().await;
    let timer = world.item(TABLES.timers, |timer| text(&timer["timer_key"]).starts_with("acme/payments/waiting-new#"));
    world.delete(TABLES.timers, &timer).await;
    found_and_mended(&world, &[("timer-lost", "acme/payments/waiting-new")]).await;
    let again = world.item(TABLES.timers, |again| again["timer_key"] == timer["timer_key"]);
    assert_eq!((&again["due"], &again["commit_number"]), (&timer["due"], &timer["commit_number"]));
}

/// The sweep does not see it: its place in the index is of another time.
#[tokio::test(start_paused = true)]
async fn a_timer_that_is_overdue() {
    let world = World::busy().await;
    let mut timer =
        world.item(TABLES.timers, |timer| text(&timer["timer_key"]).starts_with("acme/payments/waiting-new#"));
    let due = timer["due"].as_u64().expect("a time");
    timer["look_at"] = json!(due + 365 * 24 * 60 * 60 * 1000);
    world.put(TABLES.timers, &timer);
    let far = Duration::from_millis(due.saturating_sub(world.now().millis()));
    world.it.pass(far).await;
    world.it.aws.remove(&bench::platform::timers(), |_| true);
    found_and_mended(&world, &[("timer-overdue", "acme/payments/waiting-new")]).await;
    assert!(world.it.events("acme/payments/waiting-new").len() > 1, "its command was handed in");
}

#[tokio::test(start_paused = true)]
async fn a_sent_command_that_is_lost() {
    let world = World::busy().await;
    let of_it = world.record("ConfirmOrder", "paid-new");
    // It was never handled: neither its record nor what it did is there.
    world.delete(TABLES.operations, &of_it).await;
    let commit = world.commit("acme/orders/paid-new", 2);
    assert!(text(&commit["events"]).contains("OrderConfirmed"), "{commit}");
    world.delete(TABLES.events, &commit).await;
    for collection in ["orders", "customers/orders"] {
        let row = world.row(collection, "paid-new");
        world.delete(TABLES.read_models, &row).await;
    }
    // Read models as they were before, and their totals.
    let tenant = kernel::ids::TenantId::parse("acme").expect("a tenant");
    for collection in ["orders", "customers"] {
        let task = store::jobs::Task::Rebuild {
            collection: Some(collection.to_owned()),
            tenant: Some(tenant.clone()),
            stream: None,
            dry_run: false,
        };
        world.asked_of_rebuild(task).await;
        world
            .asked_of_rebuild(store::jobs::Task::Recount { tenant: tenant.clone(), collection: collection.to_owned() })
            .await;
    }
    found_and_mended(&world, &[("command-lost", "acme/payments/paid-new")]).await;
    assert_eq!(world.it.events("acme/orders/paid-new").last().map(String::as_str), Some("OrderConfirmed"));
}

#[tokio::test(start_paused = true)]
async fn a_command_that_should_have_followed_from_what_was_heard() {
    let world = World::busy().await;
    // The listener has lost it: everything else is done.
    world.it.send("orders", "unheard", "unheard", submit(false)).await;
    world.it.handle().await;
    world.it.publish().await;
    world.it.aws.remove(&bench::platform::heard(), |_| true);
    world.settle().await;
    assert_eq!(world.it.events("acme/payments/unheard"), [] as [&str; 0]);
    found_and_mended(&world, &[("command-lost", "acme/orders/unheard")]).await;
    assert_eq!(world.it.events("acme/payments/unheard").first().map(String::as_str), Some("ChargeRequested"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_that_was_not_told() {
    let world = World::busy().await;
    let told = world.record("RecordUnconfirmed", "refused-new");
    assert_eq!(world.record("ConfirmOrder", "refused-new")["outcome"], "rejected");
    world.delete(TABLES.operations, &told).await;
    assert_eq!(told["commit_number"], 0, "it has left no event: {told}");
    found_and_mended(&world, &[("refusal-untold", "acme/orders/refused-new")]).await;
    world.record("RecordUnconfirmed", "refused-new");
}

/// Sets a command aside as redrive does, and gives its parked message.
async fn parked(world: &World, order: &str) -> Value {
    let receipt = world.it.send("orders", order, order, submit(true)).await;
    let queue = bench::platform::commands("orders");
    let message = world.it.aws.messages(&queue).pop().expect("a message");
    let header = kernel::command::Header::read(&message.body).expect("a command");
    world.it.aws.remove(&queue, |_| true);
    let now = world.now();
    let (reason, error) = (kernel::parking::Reason::AttemptsUsedUp, "it failed".to_owned());
    let cause = recovery::summary::Cause { reason, error, attempts: 10, first_failed_at: now, parked_at: now };
    let parked =
        store::parked::ParkedMessage::new(recovery::summary::of_command("orders", &header, cause), message.body);
    let record = store::operations::OperationRecord {
        outcome: kernel::operation::Status::Parked,
        ..store::operations::OperationRecord::headed(header, "orders", now)
    };
    world.verifier.parked.park_command(&parked, &record).await.expect("parked");
    world.item(TABLES.parked, |item| item["operation"] == receipt.to_string())
}

#[tokio::test(start_paused = true)]
async fn a_parked_command_that_is_forgotten() {
    let world = World::busy().await;
    let item = parked(&world, "forgotten").await;
    found(&world, &[("parked-forgotten", "")]).await;
    is_for_a_person(&world, "decide").await;
    let parked = &world.verifier.parked;
    let message =
        parked.find(text(&item["parked_key"]), text(&item["id"])).await.expect("an answer").expect("a message");
    let decision = store::parked::OperatorAction { by: "olga", reason: Some("not wanted"), at: world.now() };
    parked.discard(&message, decision, world.now().seconds() + 1_000_000).await.expect("discarded");
    mended(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_parked_command_whose_message_is_lost() {
    let world = World::busy().await;
    let item = parked(&world, "vanished").await;
    world.delete(TABLES.parked, &item).await;
    found(&world, &[("parked-lost", "acme/orders/vanished")]).await;
    let finding = world.open().await.pop().expect("a finding");
    let answer = world.ask("POST", &format!("/findings/{}/mend", finding.id), "").await;
    assert_eq!(answer.status, 202, "{answer:#?}");
    assert_eq!(world.record("SubmitOrder", "vanished")["outcome"], "retrying");
    // Its sender sends it again, under its id, and it is carried out. (The queue forgets what it had after five minutes.)
    world.it.pass(Duration::from_mins(6)).await;
    world.it.send("orders", "vanished", "vanished", submit(true)).await;
    mended(&world).await;
    assert_eq!(world.it.events("acme/orders/vanished"), ["OrderSubmitted"]);
}

#[tokio::test(start_paused = true)]
async fn a_retry_that_nobody_makes() {
    let world = World::busy().await;
    let item = parked(&world, "retried").await;
    world.delete(TABLES.parked, &item).await;
    let mut record = world.record("SubmitOrder", "retried");
    record["outcome"] = json!("retrying");
    world.put(TABLES.operations, &record);
    found(&world, &[("retry-forgotten", "acme/orders/retried")]).await;
    is_for_a_person(&world, "sent again").await;
    world.it.pass(Duration::from_mins(6)).await;
    world.it.send("orders", "retried", "retried", submit(true)).await;
    mended(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_resubmission_that_was_not_sent() {
    let world = World::busy().await;
    let item = parked(&world, "unsent").await;
    let parked = &world.verifier.parked;
    let message =
        parked.find(text(&item["parked_key"]), text(&item["id"])).await.expect("an answer").expect("a message");
    let decision = store::parked::OperatorAction { by: "olga", reason: None, at: world.now() };
    let body = kernel::command::Header::revised(&message.message, 1).expect("a command");
    parked.resubmit(&message, body, false, decision).await.expect("resubmitted");
    world.pass().await;
    world.verify().await;
    let kinds: BTreeSet<_> = told(&world.open().await).into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, ["resubmission-unsent", "retry-forgotten"].map(str::to_owned).into(), "nobody moves it");
    is_for_a_person(&world, "sen").await;
    world.it.pass(Duration::from_mins(6)).await;
    let redrive = redrive::Redrive::from_environment(
        &bench::platform::environment(),
        world.it.aws.dynamodb(),
        world.it.aws.sqs(),
    );
    let request = redrive::Request { context: Some("orders".to_owned()), ..redrive::Request::default() };
    redrive.expect("settings").run(&request, world.now(), tokio::time::Instant::now() + Duration::from_mins(1)).await;
    mended(&world).await;
    assert_eq!(world.it.events("acme/orders/unsent"), ["OrderSubmitted"]);
}

/// A command whose record alone is lost is not handed in again, which would carry it out twice.
#[tokio::test(start_paused = true)]
async fn a_sent_command_whose_record_alone_is_lost() {
    let world = World::busy().await;
    let record = world.record("ConfirmOrder", "paid-new");
    world.delete(TABLES.operations, &record).await;
    found_and_mended(&world, &[("event-without-operation", "acme/orders/paid-new")]).await;
    assert_eq!(world.it.events("acme/orders/paid-new"), ["OrderSubmitted", "OrderConfirmed"]);
}

/// One read model alone hears of payments.
#[tokio::test(start_paused = true)]
async fn the_only_document_of_a_stream_from_which_something_has_followed() {
    let world = World::busy().await;
    let row = world.row("payments", "paid-new");
    world.delete(TABLES.read_models, &row).await;
    let contribution = world
        .items(TABLES.read_models)
        .into_iter()
        .find(|row| row["collection_key"] == "acme#customers/payments" && row["id"] == "paid-new");
    if let Some(contribution) = contribution {
        world.delete(TABLES.read_models, &contribution).await;
    }
    world.pass().await;
    world.verify().await;
    let kinds: BTreeSet<_> = told(&world.open().await).into_iter().map(|(kind, _)| kind).collect();
    assert!(!kinds.contains("publication-lost") && kinds.contains("document-behind"), "{kinds:?}");
}

/// What was known then is not done now.
#[tokio::test(start_paused = true)]
async fn what_is_true_no_more_is_not_mended() {
    let world = World::busy().await;
    world.put(TABLES.guards, &json!({ "guard_key": "acme#policies#claim#policy-number#N-7", "holder": "P-7" }));
    found(&world, &[("claim-without-owner", "acme/policies/P-7")]).await;
    let id = world.open().await[0].id.clone();
    // Its holder comes to be, and has it by right.
    world.it.send("policies", "P-7", "P-7", bind("N-7")).await;
    world.settle().await;
    let answer = world.ask("POST", &format!("/findings/{id}/mend"), "").await;
    assert_eq!(answer.status, 409, "{answer:#?}");
    assert_eq!(answer.json()["type"], "urn:waybill:problem:not-mended");
    world.item(TABLES.guards, |guard| guard["holder"] == "P-7");
    mended(&world).await;
}

/// A finding closes because it is seen to be right, and not because nobody has looked.
#[tokio::test(start_paused = true)]
async fn what_is_hidden_by_other_damage_stays_open() {
    let world = World::busy().await;
    let claim = world.item(TABLES.guards, |guard| guard["holder"] == "P-new");
    world.delete(TABLES.guards, &claim).await;
    found(&world, &[("claim-missing", "acme/policies/P-new")]).await;
    let commit = world.commit("acme/policies/P-new", 1);
    let mut damaged = commit.clone();
    damaged["events"] = json!("[{");
    world.put(TABLES.events, &damaged);
    let both = [("claim-missing", "acme/policies/P-new"), ("commit-unreadable", "acme/policies/P-new")];
    found(&world, &both).await;
    world.put(TABLES.events, &commit);
    drop(world.it.aws.stream_event(TABLES.events));
    found(&world, &both[..1]).await;
}
