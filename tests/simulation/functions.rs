//! What starts functions: pollers of queues, the stream's reader, the schedule, and what else happens by itself.

use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent};
use kernel::timestamp::Timestamp;
use serde::de::IgnoredAny;
use serde_json::json;
use testkit::{Aws, Message, TABLES};
use tokio::time::{Instant, sleep};

use crate::chaos::Down;
use crate::invocation::{Invocation, Role};
use crate::plan::{MOST_RECORD_AGE, RETRIES_VISIBILITY, SCHEDULE, VISIBILITY};
use crate::releases::Deployed;
use crate::world::{self, CONTEXTS, Record, TENANTS, World};

/// A function's time-out, and what of it is kept back to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const RESERVE: Duration = Duration::from_secs(2);
const MOST_IDLE: Duration = Duration::from_secs(5);

/// Starts all of it; it goes on until the runtime ends.
pub fn start(world: &Rc<World>) {
    for context in CONTEXTS {
        for nth in 0..4 {
            tokio::task::spawn_local(handle_commands(Rc::clone(world), context, nth));
        }
    }
    for _ in 0..3 {
        tokio::task::spawn_local(update(Rc::clone(world)));
    }
    tokio::task::spawn_local(read_stream(Rc::clone(world)));
    let lanes = world.lanes.borrow().len();
    for lane in 0..lanes {
        tokio::task::spawn_local(publish(Rc::clone(world), lane));
    }
    tokio::task::spawn_local(retry_publishing(Rc::clone(world)));
    tokio::task::spawn_local(redrive(Rc::clone(world)));
    if world.plan.ills {
        tokio::task::spawn_local(ills(Rc::clone(world)));
    }
    if world.plan.rollout.is_some() {
        tokio::task::spawn_local(roll_out(Rc::clone(world)));
    }
}

/// Deploys the new release beside the one before, then alone, and goes back the same way, as commands are sent.
async fn roll_out(world: Rc<World>) {
    let stages = Deployed::STAGES;
    for (nth, stage) in stages.into_iter().enumerate() {
        while world.chaos.journal().known.len() < world.plan.commands * nth / stages.len() {
            sleep(Duration::from_secs(1)).await;
        }
        world.deployed.set(stage);
    }
}

/// Pauses between looks that find nothing.
struct Idle(Duration);

impl Idle {
    fn new() -> Self {
        Self(Duration::from_millis(50))
    }

    async fn pause(&mut self) {
        sleep(self.0).await;
        self.0 = (self.0 * 2).min(MOST_IDLE);
    }
}

/// Lambda's event source of a queue.
struct Source {
    queue: String,
    role: Role,
    visibility: Duration,
    timeout: Duration,
}

async fn handle_commands(world: Rc<World>, context: &'static str, nth: usize) {
    let role = Role::Handler(context);
    let source = Source { queue: world::commands(context), role, visibility: VISIBILITY, timeout: TIMEOUT };
    let fresh = || world.handler(context, nth);
    poll(&world, source, fresh, async |handler, event, now, finish_by| handler.handle(event, now, finish_by).await)
        .await;
}

async fn update(world: Rc<World>) {
    let source = Source { queue: world::updates(), role: Role::Updater, visibility: VISIBILITY, timeout: TIMEOUT };
    let fresh = || world.updater();
    poll(&world, source, fresh, async |updater, event, now, finish_by| updater.handle(event, now, finish_by).await)
        .await;
}

async fn retry_publishing(world: Rc<World>) {
    let (visibility, timeout) = (RETRIES_VISIBILITY, TIMEOUT * 2);
    let source = Source { queue: world::retries(), role: Role::Publisher, visibility, timeout };
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
    Source { queue, role, visibility, timeout }: Source,
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
        let messages = world.aws.receive(&queue, 10, visibility);
        buried(world);
        if messages.is_empty() {
            idle.pause().await;
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

/// Puts what is written to the events table into the lanes, by stream.
async fn read_stream(world: Rc<World>) {
    const PAST: usize = 20_000;
    let mut idle = Idle::new();
    loop {
        let mut event = world.aws.stream_event(TABLES.events);
        let records = event["Records"].as_array_mut().map(std::mem::take).unwrap_or_default();
        if records.is_empty() {
            idle.pause().await;
            continue;
        }
        for record in records {
            enter(&world, Rc::new(record));
        }
        let too_many = world.past.borrow().len().saturating_sub(PAST);
        world.past.borrow_mut().drain(..too_many);
        idle = Idle::new();
        sleep(Duration::from_millis(100)).await;
    }
}

fn enter(world: &World, record: Record) {
    if record["eventName"] != "INSERT" {
        return; // filtered out, as in `template.yaml`
    }
    let lane = lane_of(world, &record);
    world.past.borrow_mut().push_back(Rc::clone(&record));
    world.lanes.borrow_mut()[lane].push_back(record);
}

fn lane_of(world: &World, record: &Record) -> usize {
    let stream = record["dynamodb"]["Keys"]["stream_id"]["S"].as_str().unwrap_or_default();
    let hash = stream.bytes().fold(7, |hash: usize, byte| hash.wrapping_mul(31) + usize::from(byte));
    hash % world.lanes.borrow().len()
}

/// Reads a lane again from an earlier place on, in order, if somebody has asked for that.
fn rewind(world: &World, lane: usize) {
    let Some(from) = world.rewind.borrow_mut()[lane].take() else { return };
    let past = world.past.borrow();
    let again = past.iter().skip(from).filter(|record| lane_of(world, record) == lane).cloned();
    let again: VecDeque<Record> = again.collect();
    let ahead = world.lanes.borrow()[lane].len();
    if again.len() > ahead {
        world.chaos.journal().rewound += again.len() - ahead;
        world.lanes.borrow_mut()[lane] = again;
    }
}

/// Lambda's event source of one lane: in order, again and again until it succeeds or is too old, in halves when it fails.
async fn publish(world: Rc<World>, lane: usize) {
    const BATCH: usize = 50;
    let mut idle = Idle::new();
    let (mut publisher, mut skew) = (world.publisher(), world.skew());
    let mut size = BATCH;
    let mut failing_since: Option<Instant> = None;
    let mut pause = Duration::from_millis(500);
    loop {
        rewind(&world, lane);
        let batch: Vec<Record> = world.lanes.borrow()[lane].iter().take(size).cloned().collect();
        if batch.is_empty() {
            idle.pause().await;
            continue;
        }
        idle = Idle::new();
        let event = json!({ "Records": batch });
        let it = world.chaos.invocation(Role::Publisher);
        let incoming = serde_json::from_value(event.clone()).expect("an event of the stream");
        let work = publisher.handle_stream(incoming, world.now(skew));
        let answer = world.chaos.invoke(it, TIMEOUT * 2, work).await;
        if matches!(answer, Ok(Ok(()))) {
            has_published(&world, &batch);
            world.lanes.borrow_mut()[lane].drain(..batch.len());
            size = (size * 2).min(BATCH);
            failing_since = None;
            pause = Duration::from_millis(500);
            continue;
        }
        if answer.is_err() {
            (publisher, skew) = (world.publisher(), world.skew());
        }
        let since = *failing_since.get_or_insert_with(Instant::now);
        if since.elapsed() > MOST_RECORD_AGE {
            let record = world.aws.on_failure_record(&event);
            world.aws.put(&world::dead_retries(), None, None, &record.to_string());
            world.lanes.borrow_mut()[lane].drain(..batch.len());
            world.chaos.journal().count("batch of the stream given up");
            world.chaos.journal().took("batch of the stream given up");
            failing_since = None;
        }
        size = (batch.len() / 2).max(1);
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
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

/// On schedule; a run may still go on when the next begins.
async fn redrive(world: Rc<World>) {
    const TIMEOUT: Duration = Duration::from_mins(5);
    loop {
        sleep(SCHEDULE).await;
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

const POISON: &str = "poison in a queue";

/// What goes wrong from time to time.
async fn ills(world: Rc<World>) {
    const SECOND: Duration = Duration::from_secs(1);
    const MINUTE: Duration = Duration::from_mins(1);
    for nth in 0_usize.. {
        sleep(world.between(10 * SECOND, 2 * MINUTE)).await;
        if world.chaos.is_calm() {
            return;
        }
        // One of five lasts until the dead letters fill.
        let outage = if world.chance(200) { 30 * MINUTE } else { 6 * MINUTE };
        let outage = world.between(MINUTE, outage);
        match world.below(15) {
            0 | 1 => world.chaos.take_down(Down::Context(world.pick(&CONTEXTS)), outage),
            2 => world.chaos.take_down(Down::Registry, outage.min(10 * MINUTE)),
            3 => world.chaos.take_down(Down::Topic, outage),
            4 => world.chaos.take_down(Down::Queues, outage.min(5 * MINUTE)),
            5 => world.chaos.take_down(Down::Database, outage.min(5 * MINUTE)),
            6 | 7 => rewind_all(&world),
            8 | 9 => poison(&world, &world::commands(world.pick(&CONTEXTS)), nth),
            10 => poison(&world, &world::updates(), nth),
            11 => poison(&world, &world::retries(), nth),
            _ => world.deploy(),
        }
    }
}

/// A message that nobody can read.
fn poison(world: &World, queue: &str, nth: usize) {
    let id = format!("poison-{nth}");
    let body = match nth % 3 {
        0 => format!("garbage {nth}"),
        1 => json!({ "garbage": nth }).to_string(),
        _ => json!({ "specversion": "1.0", "id": id, "source": "/", "type": "Garbage" }).to_string(),
    };
    let fifo = queue.contains(".fifo");
    // Half of it stands in the way of commands.
    let context = CONTEXTS.iter().find(|context| queue.contains(**context));
    let group = match context {
        Some(context) if world.chance(500) => format!("{}/{context}/hot-{}", world.pick(&TENANTS), world.below(3)),
        _ => id.clone(),
    };
    world.aws.put(queue, fifo.then_some(group.as_str()), fifo.then_some(id.as_str()), &body);
    let mut journal = world.chaos.journal();
    journal.count(POISON);
    journal.poison.insert(body);
}

/// All lanes are to be read again from some place on: a few hundred records ago, or, one time of five, as far back as
/// can be.
fn rewind_all(world: &World) {
    let past = world.past.borrow().len();
    let from = if world.chance(200) { 0 } else { past - world.below(past.min(300)) };
    world.rewind.borrow_mut().iter_mut().for_each(|rewind| *rewind = Some(from));
    let ahead: usize = world.lanes.borrow().iter().map(VecDeque::len).sum();
    let mut journal = world.chaos.journal();
    journal.count("stream rewound");
    if past - from > ahead {
        journal.took("stream rewound");
    }
}
