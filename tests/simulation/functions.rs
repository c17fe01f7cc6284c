//! What starts functions: pollers of queues, streams, and schedules.

use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use bench::is_told;
use bench::platform::{commands, dead_retries, retries, timers, webhooks};
use kernel::timestamp::Timestamp;
use notifier::Notifier;
use publisher::Publisher;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use store::jobs::{Job, Task};
use subscriber::{BatchSubscriber, Runner};
use testkit::{Aws, Message, TABLES};
use tokio::time::{Instant, sleep};

use crate::ills::{POISON, ills};
use crate::invocation::{Invocation, Role};
use crate::lanes::{self, Consumer, Record, consume};
use crate::plan::{MOST_NOTIFICATION_AGE, MOST_RECORD_AGE, RETRIES_VISIBILITY, SCHEDULE, VISIBILITY};
use crate::releases::{Deployed, Rollout};
use crate::verification;
use crate::world::{CONTEXTS, World, queues_of};

const TIMEOUT: Duration = Duration::from_secs(30);
/// How long before its time-out a function ends its work, so that it can answer.
pub const RESERVE: Duration = Duration::from_secs(2);
/// The longest pause between two looks for work.
pub const MOST_IDLE: Duration = Duration::from_secs(5);

/// Starts all of it; it goes on until the runtime ends.
pub fn start(world: &Rc<World>) {
    for context in CONTEXTS {
        for nth in 0..4 {
            tokio::task::spawn_local(handle_commands(Rc::clone(world), context, nth));
        }
    }
    for nth in 0..3 {
        tokio::task::spawn_local(update(Rc::clone(world), nth));
    }
    for _ in 0..2 {
        tokio::task::spawn_local(listen(Rc::clone(world)));
        tokio::task::spawn_local(ask_provider(Rc::clone(world)));
        tokio::task::spawn_local(send_mails(Rc::clone(world)));
        tokio::task::spawn_local(hand_in(Rc::clone(world)));
        tokio::task::spawn_local(dispatch(Rc::clone(world)));
    }
    for _ in 0..3 {
        tokio::task::spawn_local(deliver(Rc::clone(world)));
    }
    let committed = |record: &Value| record["eventName"] == "INSERT";
    tokio::task::spawn_local(lanes::read(Rc::clone(world), TABLES.events, |world| &world.committed, committed));
    tokio::task::spawn_local(lanes::read(Rc::clone(world), TABLES.operations, |world| &world.ended, is_told));
    for lane in 0..world.committed.count() {
        tokio::task::spawn_local(publish(Rc::clone(world), lane));
    }
    for lane in 0..world.ended.count() {
        tokio::task::spawn_local(notify(Rc::clone(world), lane));
    }
    tokio::task::spawn_local(retry_publishing(Rc::clone(world)));
    tokio::task::spawn_local(redrive(Rc::clone(world)));
    tokio::task::spawn_local(sweep(Rc::clone(world)));
    if world.endpoints.are_there {
        tokio::task::spawn_local(sweep_webhooks(Rc::clone(world)));
    }
    if world.plan.ills {
        tokio::task::spawn_local(ills(Rc::clone(world)));
    }
    if world.plan.rollout.is_some() {
        tokio::task::spawn_local(roll_out(Rc::clone(world)));
        tokio::task::spawn_local(rebuild(Rc::clone(world)));
    }
    if verification::is_wanted(world) {
        tokio::task::spawn_local(verification::goes_on(Rc::clone(world)));
    }
}

/// Deploys the new release beside the one before, then alone, and perhaps goes back the same way, as commands are sent.
async fn roll_out(world: Rc<World>) {
    let Some(rollout) = world.plan.rollout else { return };
    let stages = rollout.stages();
    for (nth, stage) in stages.into_iter().enumerate() {
        while world.chaos.journal().of_clients() < world.plan.commands * nth / stages.len() {
            sleep(Duration::from_secs(1)).await;
        }
        if world.deployed.replace(stage) == stage {
            continue;
        }
        world.queries.forget();
        if rollout == Rollout::Layout && stage == Deployed::New {
            ask_for_rebuild(&world).await;
        }
    }
}

async fn ask_for_rebuild(world: &World) {
    let task = Task::Rebuild { collection: None, tenant: None, stream: None, dry_run: false };
    let job = Job::new(task, 3, None, "client:platform", world.now(0));
    while world.rebuild().jobs.add(&job).await.is_err() {
        sleep(Duration::from_secs(1)).await;
    }
}

/// On schedule, while there is something to do.
async fn rebuild(world: Rc<World>) {
    const TIMEOUT: Duration = Duration::from_mins(15);
    let mut rebuild = world.rebuild();
    loop {
        sleep(world.pause(Duration::from_mins(1))).await;
        if !world.has_jobs_of("rebuild") {
            continue;
        }
        let it = world.chaos.invocation(Role::Rebuild);
        let work = rebuild.work(world.now(0), Instant::now() + TIMEOUT - RESERVE);
        if world.chaos.invoke(it, TIMEOUT, work).await.is_err() {
            rebuild = world.rebuild();
        }
    }
}

/// Pauses between looks that find nothing.
pub struct Idle(Duration);

impl Idle {
    pub fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    pub async fn pause(&mut self, world: &World) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(world.pause(MOST_IDLE));
    }
}

/// Lambda's event source of a queue.
struct Source {
    queue: String,
    role: Role,
    visibility: Duration,
    timeout: Duration,
    batch: usize,
}

impl Source {
    fn of(queue: String, role: Role) -> Self {
        Self { queue, role, visibility: VISIBILITY, timeout: TIMEOUT, batch: 10 }
    }
}

async fn handle_commands(world: Rc<World>, context: &'static str, nth: usize) {
    let source = Source::of(commands(context), Role::Handler(context));
    let fresh = || world.handler(context, nth);
    poll(&world, source, fresh, async |handler, event, now, finish_by| handler.handle(event, now, finish_by).await)
        .await;
}

async fn update(world: Rc<World>, nth: usize) {
    subscribe(&world, "read-model", Role::Updater, || world.updater(nth)).await;
}

async fn listen(world: Rc<World>) {
    subscribe(&world, "listener", Role::Listener, || world.listener()).await;
}

async fn ask_provider(world: Rc<World>) {
    subscribe(&world, "payment-gateway", Role::Gateway, || world.gateway()).await;
}

async fn send_mails(world: Rc<World>) {
    subscribe(&world, "notification-sender", Role::Sender, || world.sender()).await;
}

async fn subscribe<S: BatchSubscriber>(world: &World, name: &str, role: Role, fresh: impl Fn() -> Runner<S>) {
    let [queue, ..] = queues_of(name);
    let source = Source::of(queue, role);
    poll(world, source, fresh, async |runner, event, now, finish_by| runner.handle(event, now, finish_by).await).await;
}

async fn hand_in(world: Rc<World>) {
    let source = Source::of(timers(), Role::Timekeeper);
    let fresh = || world.timekeeper();
    poll(&world, source, fresh, async |timekeeper, event, now, finish_by| {
        timekeeper.hand_in(event, now, finish_by).await
    })
    .await;
}

async fn dispatch(world: Rc<World>) {
    subscribe(&world, "webhook-dispatcher", Role::Dispatcher, || world.dispatcher()).await;
}

async fn deliver(world: Rc<World>) {
    let (visibility, timeout) = (VISIBILITY * 2, TIMEOUT * 2);
    let source = Source { visibility, timeout, batch: 1, ..Source::of(webhooks(), Role::Webhooks) };
    let fresh = || world.webhook_sender();
    // Leases go by clocks, which AWS keeps.
    poll(&world, source, fresh, async |sender, event, _, finish_by| {
        sender.deliver(event, world.now(0), finish_by).await
    })
    .await;
}

async fn retry_publishing(world: Rc<World>) {
    let (visibility, timeout) = (RETRIES_VISIBILITY, TIMEOUT * 2);
    let source = Source { visibility, timeout, ..Source::of(retries(), Role::Publisher) };
    let fresh = || world.publisher();
    poll(&world, source, fresh, async |publisher, event, now, finish_by| {
        publisher.handle_retries(event, now, finish_by).await
    })
    .await;
}

/// Invokes the function with what there is, in one environment until an invocation dies in it. What the answer does not
/// name is deleted; without an answer nothing.
async fn poll<F>(
    world: &World,
    Source { queue, role, visibility, timeout, batch }: Source,
    fresh: impl Fn() -> F,
    handle: impl AsyncFn(&F, SqsEvent, Timestamp, Instant) -> SqsBatchResponse,
) {
    let mut idle = Idle::new();
    let (mut function, mut skew) = (fresh(), world.skew());
    let mut deployed = world.deployed.get();
    loop {
        if std::mem::replace(&mut deployed, world.deployed.get()) != deployed {
            function = fresh();
        }
        let messages = world.aws.receive(&queue, batch, visibility);
        buried(world);
        if messages.is_empty() {
            idle.pause(world).await;
            continue;
        }
        idle = Idle::new();
        let it = world.chaos.invocation(role);
        delivered(world, &it, &messages);
        let event = serde_json::from_value(Aws::sqs_event(&messages)).expect("an event");
        let work = handle(&function, event, world.now(skew), Instant::now() + timeout - RESERVE);
        let answer = world.chaos.invoke(it, timeout, work).await;
        if answer.is_err() {
            (function, skew) = (fresh(), world.skew());
        }
        let response = answer.map_or_else(|_| json!("died"), |answer| json!(answer));
        for message in Aws::succeeded(&messages, &response) {
            world.aws.delete(message);
        }
    }
}

/// Notes what that receive has moved to the dead letters.
fn buried(world: &World) {
    let mut journal = world.chaos.journal();
    for message in world.aws.take_buried() {
        if message.queue_url.ends_with("-dead-letters.fifo")
            && let Some((command, _)) = journal.of_message(&message.body)
        {
            journal.dead_lettered(command);
        }
    }
}

/// Notes who gets which commands and events, and where commands stand in their queue.
fn delivered(world: &World, it: &Invocation, messages: &[Message]) {
    let mut journal = world.chaos.journal();
    for message in messages {
        let Some((command, digest)) = journal.of_message(&message.body) else {
            if journal.poison.remove(&message.body) {
                journal.took(POISON);
            }
            continue;
        };
        it.works_on(command);
        journal.say(Some(command), format!("{:?} gets it, for the {}. time", it.role, message.receive_count));
        let sequence = message.sequence_number.as_ref().and_then(|number| number.parse::<u128>().ok());
        let known = &mut journal.known[command as usize];
        if let Some(content) = known.contents.iter_mut().find(|content| content.digest == digest) {
            content.first_sequence = [content.first_sequence, sequence].into_iter().flatten().min();
        }
        known.redriven |= message.queue_url.contains("-commands") && message.attribute("redrivenat").is_some();
    }
}

/// The publisher of one lane of commits.
async fn publish(world: Rc<World>, lane: usize) {
    const GIVEN_UP: &str = "batch of the stream given up";
    let (lanes, role) = (&world.committed, Role::Publisher);
    let consumer = Consumer { lanes, lane, role, timeout: TIMEOUT * 2, most_age: MOST_RECORD_AGE };
    let handle = async |publisher: &Publisher, event: &Value, skew| {
        let event = serde_json::from_value(event.clone()).expect("an event of the stream");
        publisher.handle_stream(event, world.now(skew)).await
    };
    let give_up = |event: &Value| {
        let record = world.aws.on_failure_record(event);
        world.aws.put(&dead_retries(), None, None, &record.to_string());
        world.chaos.journal().count(GIVEN_UP);
        world.chaos.journal().took(GIVEN_UP);
    };
    consume(&world, consumer, || world.publisher(), handle, |batch| has_published(&world, batch), give_up).await;
}

/// The notifier of one lane of operations.
async fn notify(world: Rc<World>, lane: usize) {
    let (lanes, role) = (&world.ended, Role::Notifier);
    let consumer = Consumer { lanes, lane, role, timeout: TIMEOUT, most_age: MOST_NOTIFICATION_AGE };
    let handle = async |notifier: &Notifier, event: &Value, _| {
        notifier.handle(serde_json::from_value(event.clone()).expect("an event of the stream")).await
    };
    let given_up = |_: &Value| world.chaos.journal().violation(None, "the notifier has lost a batch");
    consume(&world, consumer, || world.notifier(), handle, |_| {}, given_up).await;
}

/// All that these commits hold, now that the publisher has said so; a rewind might publish what it forgot.
fn has_published(world: &World, batch: &[Record]) {
    world.audit();
    let published = world.published.borrow();
    for record in batch {
        let commit = &record["dynamodb"]["NewImage"];
        let (stream, events) = (commit["stream_id"]["S"].as_str(), commit["events"]["S"].as_str());
        let events: Vec<IgnoredAny> = serde_json::from_str(events.expect("events")).expect("JSON");
        let first: u64 = commit["first_version"]["N"].as_str().and_then(|first| first.parse().ok()).expect("a version");
        for (version, _) in (first..).zip(events) {
            let id = format!("{}/{version}", stream.expect("a stream"));
            if !published.contains(&id) {
                world.chaos.journal().violation(None, format!("{id} was not published, and its commit is done with"));
            }
        }
    }
}

/// On schedule.
async fn sweep(world: Rc<World>) {
    let (mut timekeeper, mut skew) = (world.timekeeper(), world.skew());
    loop {
        sleep(world.pause(Duration::from_mins(1))).await;
        if !world.has_timers() {
            continue;
        }
        let it = world.chaos.invocation(Role::Sweep);
        let work = timekeeper.sweep(world.now(skew), Instant::now() + TIMEOUT - RESERVE);
        if world.chaos.invoke(it, TIMEOUT, work).await.is_err() {
            (timekeeper, skew) = (world.timekeeper(), world.skew());
        }
    }
}

/// On schedule.
async fn sweep_webhooks(world: Rc<World>) {
    let mut sender = world.webhook_sender();
    loop {
        sleep(world.pause(Duration::from_mins(1))).await;
        let it = world.chaos.invocation(Role::WebhookSweep);
        let work = sender.sweep(world.now(0), Instant::now() + TIMEOUT - RESERVE);
        if world.chaos.invoke(it, TIMEOUT, work).await.is_err() {
            sender = world.webhook_sender();
        }
    }
}

/// On schedule; a run may still go on when the next begins.
async fn redrive(world: Rc<World>) {
    const TIMEOUT: Duration = Duration::from_mins(5);
    loop {
        sleep(world.pause(SCHEDULE)).await;
        if !world.has_dead_letters() && !world.has_parked() {
            continue;
        }
        let world = Rc::clone(&world);
        tokio::task::spawn_local(async move {
            let warm = world.redrive();
            let request = redrive::Request::default();
            let it = world.chaos.invocation(Role::Redrive);
            let work = warm.function.run(&request, world.now(warm.skew), Instant::now() + TIMEOUT - RESERVE);
            let report = world.chaos.invoke(it, TIMEOUT, work).await;
            if report.is_err() {
                world.redrives.drop(&warm);
            }
            world.chaos.journal().say(None, format!("redrive: {report:?}"));
        });
    }
}
