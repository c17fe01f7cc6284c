//! Events sent again to one subscriber.

use std::collections::BTreeSet;
use std::time::Duration;

use kernel::cloud_event::CloudEvent;
use kernel::domain_event::RecordedEvent;
use kernel::ids::TenantId;
use serde_json::json;
use store::jobs::Task;
use testkit::{Aws, Fault, Message, TABLES};
use tokio::time::{Instant, sleep};

use crate::world::World;

fn to_listener(types: &[&str]) -> Task {
    Task::Replay {
        subscriber: "listener".to_owned(),
        context: "orders".to_owned(),
        tenant: None,
        types: types.iter().map(|ty| (*ty).to_owned()).collect(),
        from: None,
        to: None,
        dry_run: false,
    }
}

fn sent(world: &World) -> Vec<Message> {
    world.aws.messages(&Aws::queue_url("listener-updates"))
}

fn ids(messages: &[Message]) -> BTreeSet<String> {
    let event = |message: &Message| CloudEvent::from_json(message.body.as_bytes()).expect("a CloudEvent");
    messages
        .iter()
        .map(|message| RecordedEvent::from_cloud_event(&event(message)).expect("a domain event").id())
        .collect()
}

#[tokio::test(start_paused = true)]
async fn a_context_s_events_go_to_one_subscriber_and_nobody_else_with_a_mark() {
    let world = World::new();
    world.orders(9).await;
    let stored = world.aws.items(TABLES.events);
    let job = world.ask(to_listener(&[]), 2, None).await;
    world.work().await;
    let messages = sent(&world);
    assert_eq!((messages.len(), ids(&messages).len(), world.counts(&job).await["sent"]), (12, 12, 12));
    for message in &messages {
        assert_eq!(message.attribute("replay"), Some(job.as_str()));
        assert_eq!((message.attribute("tenant"), message.attribute("context")), (Some("acme"), Some("orders")));
        assert_eq!(message.group.as_deref(), Some("acme"), "fair among tenants");
    }
    assert!(world.aws.published(&bench::platform::topic()).is_empty());
    assert!(world.aws.items(TABLES.read_models).is_empty());
    assert_eq!(world.aws.items(TABLES.events), stored);
}

#[tokio::test(start_paused = true)]
async fn types_tenants_and_times_are_chosen() {
    let world = World::new();
    world.orders(3).await;
    sleep(Duration::from_mins(10)).await;
    let noon = world.aws.now().into();
    sleep(Duration::from_mins(10)).await;
    world.bench.send("O-1", "later", crate::world::cancel()).await;
    world.deliver().await;
    let Task::Replay { subscriber, context, types, dry_run, .. } = to_listener(&["OrderCancelled"]) else { panic!() };
    let task = |tenant: Option<&str>, from, to| Task::Replay {
        subscriber: subscriber.clone(),
        context: context.clone(),
        tenant: tenant.map(|tenant| TenantId::parse(tenant).expect("a tenant")),
        types: types.clone(),
        from,
        to,
        dry_run,
    };
    for (task, count) in [
        (task(None, None, None), 2),
        (task(Some("acme"), None, None), 2),
        (task(Some("globex"), None, None), 0),
        (task(None, Some(noon), None), 1),
        (task(None, None, Some(noon)), 1),
    ] {
        let before = sent(&world).len();
        let job = world.ask(task, 1, None).await;
        world.work().await;
        assert_eq!(world.counts(&job).await.get("sent").copied().unwrap_or_default(), count);
        assert_eq!(sent(&world).len() - before, usize::try_from(count).expect("small"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dry_run_sends_nothing_and_a_stream_that_cannot_be_read_is_named() {
    let world = World::new();
    world.orders(4).await;
    let mut commits = world.aws.items(TABLES.events).into_iter();
    let mut commit = commits.find(|commit| commit["stream_id"] == "acme/orders/O-1").expect("a commit");
    commit["events"] = json!("[");
    world.aws.insert(TABLES.events, &commit);
    let Task::Replay { subscriber, context, .. } = to_listener(&[]) else { panic!() };
    let task = Task::Replay { subscriber, context, tenant: None, types: vec![], from: None, to: None, dry_run: true };
    let job = world.ask(task, 1, None).await;
    world.work().await;
    let counts = world.counts(&job).await;
    assert_eq!((counts["sent"], counts["failed"], sent(&world).len()), (5, 1, 0), "{counts:?}");
}

#[tokio::test(start_paused = true)]
async fn a_replay_keeps_its_pace_and_goes_on_where_it_was() {
    let world = World::new();
    world.orders(2).await;
    let commits = world.aws.items(TABLES.events);
    let commit = commits.iter().find(|commit| commit["stream_id"] == "acme/orders/O-1").expect("the order");
    for nth in 0..2_000 {
        let mut copy = commit.clone();
        copy["stream_id"] = json!(format!("acme/orders/X-{nth}"));
        world.aws.insert(TABLES.events, &copy);
    }
    let job = world.ask(to_listener(&[]), 1, Some(100)).await;
    let began = Instant::now();
    let mut nth = 0;
    world.aws.inject(move |attempt| {
        nth += u32::from(attempt.operation == "SendMessageBatch");
        if nth == 120 { Fault::Hang } else { Fault::None }
    });
    let _ = world.rebuild.work(world.aws.now().into(), Instant::now() + Duration::from_mins(1)).await;
    world.aws.heal();
    for _ in 0..3 {
        sleep(Duration::from_mins(3)).await;
        world.work().await;
    }
    assert!(!world.job(&job).await.is_open());
    assert!(began.elapsed() >= Duration::from_secs(15), "{:?}", began.elapsed());
    let messages = sent(&world);
    assert_eq!(ids(&messages).len(), 2_003, "all of them");
    assert!(messages.len() < 2_003 + 500, "{}: at most a page of them twice", messages.len());
}
