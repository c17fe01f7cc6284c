//! What a rebuild writes: documents that are not what their events make of them, and nothing else.

use bench::layouts;
use bench::platform::topic;
use kernel::ids::{StreamId, TenantId};
use serde_json::{Value, json};
use store::jobs::Task;
use testkit::TABLES;

use crate::world::{World, all, cancel, of_stream, totals};

#[tokio::test(start_paused = true)]
async fn documents_of_the_release_before_get_this_builds_layout_and_totals() {
    let world = World::new();
    world.orders(40).await;
    world.project(&world.updater(layouts::read_models_of), 0..40).await;
    assert_eq!(world.totals().await, [("seen".to_owned(), 40), ("ever".to_owned(), 40)].into());
    let commands = world.aws.items(TABLES.operations);
    let counts = world.rebuilt().await;
    assert_eq!((counts["streams"], counts["events"], counts["written"]), (40, 54, 40), "{counts:?}");
    assert!(!counts.contains_key("failed"), "{counts:?}");
    world.hold().await;
    assert!(world.aws.published(&topic()).is_empty(), "nothing is published");
    assert_eq!(world.aws.items(TABLES.operations), commands, "and nobody is told");
    let counts = world.rebuilt().await;
    assert_eq!((counts["right"], counts.get("written")), (40, None), "a second one finds nothing: {counts:?}");
}

/// A collection that is new to a build has no documents yet.
#[tokio::test(start_paused = true)]
async fn documents_that_are_missing_are_filled_from_history() {
    let world = World::new();
    world.orders(30).await;
    world.project(&world.updater(catalog::read_models_of), [3, 4]).await;
    let counts = world.rebuilt().await;
    assert_eq!((counts["written"], counts["right"]), (28, 2), "{counts:?}");
    world.hold().await;
}

#[tokio::test(start_paused = true)]
async fn a_document_that_is_bent_behind_or_ahead_is_set_right() {
    let world = World::new();
    world.orders(9).await;
    world.project(&world.updater(catalog::read_models_of), 0..9).await;
    world
        .bend("O-1", |row| row["document"] = json!(row["document"].as_str().unwrap_or_default().replace("300", "301")));
    world.bend("O-2", |row| row["owner_key"] = json!("acme#orders#nobody"));
    world.bend("O-4", |row| row["version"] = json!(7));
    world.bend("O-5", |row| row["document"] = json!("no JSON"));
    world.bend("O-7", |row| row["list_sort"] = json!("~"));
    let events = world.bench.recorded("O-8");
    world.bench.send("O-8", "later", cancel()).await;
    world.deliver().await;
    assert_eq!((events.len(), world.row("O-8").expect("a document")["version"].as_u64()), (1, Some(1)), "it is behind");
    let counts = world.rebuilt().await;
    assert_eq!((counts["written"], counts["right"]), (6, 3), "{counts:?}");
    world.hold().await;
    assert_eq!(world.row("O-4").expect("a document")["version"], 1, "it cannot be further than its stream");
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for_is_rebuilt_and_nothing_else() {
    let world = World::new();
    world.orders(4).await;
    for (collection, tenant) in [(Some("payments"), None), (None, Some("globex"))] {
        let tenant = tenant.map(|tenant| TenantId::parse(tenant).expect("a tenant"));
        let task = Task::Rebuild { collection: collection.map(str::to_owned), tenant, stream: None, dry_run: false };
        let job = world.ask(task, 2, None).await;
        world.work().await;
        assert_eq!(world.counts(&job).await.get("written"), None);
        assert!(world.aws.items(TABLES.read_models).is_empty());
    }
    let tenant = Some(TenantId::parse("acme").expect("a tenant"));
    world
        .ask(Task::Rebuild { collection: Some("orders".to_owned()), tenant, stream: None, dry_run: false }, 2, None)
        .await;
    world.work().await;
    world.hold().await;
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_says_what_would_be_written_and_writes_nothing() {
    let world = World::new();
    world.orders(12).await;
    world.project(&world.updater(layouts::read_models_of), 0..12).await;
    world.bend("O-3", |row| row["version"] = json!(9));
    let stored = world.aws.items(TABLES.read_models);
    let job = world
        .ask(
            Task::Rebuild { collection: Some("orders".to_owned()), tenant: None, stream: None, dry_run: true },
            2,
            None,
        )
        .await;
    world.work().await;
    assert_eq!(world.counts(&job).await["written"], 12);
    assert_eq!(world.aws.items(TABLES.read_models), stored);
}

/// Of what cannot be read, the rest hears nothing.
#[tokio::test(start_paused = true)]
async fn a_stream_that_cannot_be_read_is_named_and_holds_up_nobody() {
    let world = World::new();
    world.orders(10).await;
    for (order, attribute, value) in [("O-1", "events", json!("[")), ("O-2", "first_version", json!(3))] {
        let mut commits = world.aws.items(TABLES.events).into_iter();
        let mut commit =
            commits.find(|commit| commit["stream_id"] == format!("acme/orders/{order}")).expect("a commit");
        commit[attribute] = value;
        world.aws.insert(TABLES.events, &commit);
    }
    let mut foreign = world.aws.items(TABLES.events).pop().expect("a commit");
    foreign["stream_id"] = json!("acme/nowhere/X-1");
    world.aws.insert(TABLES.events, &foreign);
    let job = world.ask(all(), 2, None).await;
    world.work().await;
    let counts = world.counts(&job).await;
    assert_eq!((counts["written"], counts["failed"]), (8, 3), "{counts:?}");
    let segments = world.rebuild.jobs.segments(&job).await.expect("segments");
    let mut failures: Vec<_> = segments.values().flat_map(|segment| &segment.failures).collect();
    failures.sort_by(|a, b| a.what.cmp(&b.what));
    let named: Vec<_> = failures.iter().map(|failure| failure.what.as_str()).collect();
    assert_eq!(named, ["acme/nowhere/X-1", "orders/acme/orders/O-1", "orders/acme/orders/O-2"]);
    assert!(failures.iter().all(|failure| !failure.error.is_empty()), "{failures:?}");
    assert!(!world.job(&job).await.is_open(), "it has ended all the same");
}

/// One that is too large for the store is refused with its whole transaction.
#[tokio::test(start_paused = true)]
async fn a_document_that_the_store_refuses_is_named_and_holds_up_nobody() {
    let world = World::new();
    world.orders(10).await;
    world.aws.inject(|attempt| {
        let refused = attempt.operation == "TransactWriteItems" && attempt.body.contains("\"O-5\"");
        if refused { testkit::Fault::refuse(400, "ValidationException") } else { testkit::Fault::None }
    });
    let counts = world.rebuilt().await;
    assert_eq!((counts["written"], counts["failed"]), (9, 1), "{counts:?}");
}

/// A contribution is as far as the last event that it hears.
#[tokio::test(start_paused = true)]
async fn a_contribution_that_is_behind_by_what_it_does_not_hear_is_right() {
    let world = World::new();
    world.orders(3).await;
    world.project(&world.updater(catalog::read_models_of), 0..3).await;
    let mut commits = world.aws.items(TABLES.events).into_iter();
    let mut commit = commits.find(|commit| commit["stream_id"] == "acme/orders/O-1").expect("a commit");
    let unheard = commit["events"].as_str().expect("events").replace("OrderSubmitted", "ChargeRequested");
    commit["stream_id"] = json!("acme/payments/O-1");
    commit["events"] = json!(unheard);
    let data = r#"{"customer":"C-1","amount":{"amount":1,"currency":"EUR"},"due":"2026-01-15T09:30:00Z"}"#;
    let mut events: Vec<Value> = serde_json::from_str(&unheard).expect("JSON");
    events[0]["data"] = serde_json::from_str(data).expect("JSON");
    let mut called_off = events[0].clone();
    (called_off["type"], called_off["data"]) = (json!("PaymentCalledOff"), json!({}));
    commit["events"] = json!(json!([events[0]]).to_string());
    world.aws.insert(TABLES.events, &commit);
    let customers =
        || Task::Rebuild { collection: Some("customers".to_owned()), tenant: None, stream: None, dry_run: false };
    let job = world.ask(customers(), 1, None).await;
    world.work().await;
    assert_eq!(world.counts(&job).await["written"], 1, "{:?}", world.counts(&job).await);
    commit["events"] = json!(json!([events[0], called_off]).to_string());
    world.aws.insert(TABLES.events, &commit);
    let job = world.ask(customers(), 1, None).await;
    world.work().await;
    assert_eq!(world.counts(&job).await.get("written"), None, "{:?}", world.counts(&job).await);
}

#[tokio::test(start_paused = true)]
async fn one_stream_is_rebuilt_without_a_walk_and_no_other() {
    let world = World::new();
    world.orders(6).await;
    world.project(&world.updater(catalog::read_models_of), 0..6).await;
    for order in ["O-1", "O-2"] {
        world.bend(order, |row| row["version"] = json!(7));
    }
    let job = world.ask(of_stream("O-1"), 1, None).await;
    world.aws.forget_calls();
    world.work().await;
    assert_eq!(world.aws.count("Scan"), 0);
    let counts = world.counts(&job).await;
    let shown_in =
        catalog::read_models_of(&StreamId::parse("acme/orders/O-1").expect("a stream")).map_or(0, |all| all.len());
    assert_eq!((counts["streams"], counts["written"], counts["right"]), (1, 1, shown_in as u64 - 1), "{counts:?}");
    let version = |order| world.row(order).expect("a document")["version"].clone();
    assert_eq!((version("O-1"), version("O-2")), (json!(1), json!(7)));
    let Task::Rebuild { tenant, stream, .. } = of_stream("O-2") else { panic!() };
    for (collection, written) in [("customers", 0), ("orders", 1)] {
        let (tenant, stream) = (tenant.clone(), stream.clone());
        let task = Task::Rebuild { collection: Some(collection.to_owned()), tenant, stream, dry_run: false };
        let job = world.ask(task, 1, None).await;
        world.work().await;
        assert_eq!(world.counts(&job).await.get("written").copied().unwrap_or_default(), written, "{collection}");
    }
    world.hold().await;
}

#[tokio::test(start_paused = true)]
async fn of_a_stream_without_events_there_is_nothing_to_make_and_a_document_says_that_they_are_gone() {
    let world = World::new();
    world.orders(2).await;
    let job = world.ask(of_stream("O-1"), 1, None).await;
    world.work().await;
    assert_eq!(world.counts(&job).await.get("failed"), None);
    let mut orphan = world.row("O-1").expect("a document");
    orphan["id"] = json!("O-9");
    world.aws.insert(TABLES.read_models, &orphan);
    let stored = world.aws.items(TABLES.read_models);
    for (order, failed) in [("O-8", 0), ("O-9", 1)] {
        let job = world.ask(of_stream(order), 1, None).await;
        world.work().await;
        let counts = world.counts(&job).await;
        assert_eq!(counts.get("failed").copied().unwrap_or_default(), failed, "{order}: {counts:?}");
        assert!(!world.job(&job).await.is_open());
        let segments = world.rebuild.jobs.segments(&job).await.expect("segments");
        let failures: Vec<_> = segments.values().flat_map(|segment| &segment.failures).collect();
        assert!(failures.iter().all(|failure| failure.error.contains("restore the events")), "{failures:?}");
    }
    assert_eq!(world.aws.items(TABLES.read_models), stored);
}

/// What it has added to totals nobody knows, so they are counted anew.
#[tokio::test(start_paused = true)]
async fn a_document_that_cannot_be_read_is_made_anew_and_totals_with_it() {
    for (attribute, value) in [
        ("version", json!("one")),
        ("document", json!({ "customer": "C-1" })),
        ("tallies", json!("none")),
        ("tallies", json!([{ "name": "submitted", "amount": 0.5 }])),
        ("revision", json!(-1)),
    ] {
        for others in [0..0, 0..5] {
            let world = World::new();
            world.orders(6).await;
            world.project(&world.updater(catalog::read_models_of), 0..6).await;
            // One of them has stood for something else before.
            world.bend("O-2", |row| row["version"] = json!(0));
            world.bend_total(false, "submitted", 4);
            world.bend_total(true, "submitted", -1);
            for order in ["O-1", "O-4"] {
                world.bend(order, |row| row[attribute] = value.clone());
            }
            let stored = world.aws.items(TABLES.read_models);
            let Task::Rebuild { collection, tenant, stream, .. } = all() else { panic!() };
            let job = world.ask(Task::Rebuild { collection, tenant, stream, dry_run: true }, 2, None).await;
            world.work().await;
            assert_eq!(world.counts(&job).await["written"], 3, "{attribute}");
            assert_eq!(world.aws.items(TABLES.read_models), stored, "a dry run writes nothing");
            world.work().await;
            assert_eq!(world.aws.items(TABLES.read_models), stored, "and asks for nothing");

            let job = world.ask(all(), 2, None).await;
            world.work().await;
            let counts = world.counts(&job).await;
            assert_eq!((counts["written"], counts.get("failed")), (3, None), "{attribute}: {counts:?}");
            for nth in others {
                world.bench.send(&format!("O-{nth}"), &format!("later-{nth}"), cancel()).await;
                world.deliver().await;
                world.project(&world.updater(catalog::read_models_of), [nth]).await;
            }
            world.work().await;
            world.hold().await;
            let open = world.rebuild.jobs.open().await.expect("jobs");
            let asked = world.rebuild.jobs.newest("recount", 9).await.expect("jobs");
            assert_eq!((open.len(), asked.len()), (0, 1), "they are counted once for both");
            assert_eq!((&asked[0].task, asked[0].requested_by.as_str()), (&totals(), "user:olga"));
            assert!(asked[0].id().starts_with(&job), "{}", asked[0].id());
        }
    }
}
