//! What starts functions: pollers of queues, the stream's reader, the schedule, and what else happens by itself.

use std::rc::Rc;
use std::time::Duration;

use aws_lambda_events::sqs::SqsEvent;
use serde_json::{Value, json};
use testkit::{Aws, Message, TABLES};
use tokio::time::{Instant, sleep};

use crate::chaos::{Down, Invocation, Role, invoke};
use crate::plan::{MOST_RECORD_AGE, RETRIES_VISIBILITY, SCHEDULE, VISIBILITY};
use crate::world::{self, CONTEXTS, Record, World};

/// A function's time-out, and what of it is kept back to answer.
const TIMEOUT: Duration = Duration::from_secs(30);
const RESERVE: Duration = Duration::from_secs(2);
const MOST_IDLE: Duration = Duration::from_secs(5);

/// Starts all of it; it goes on until the runtime ends.
pub fn start(world: &Rc<World>) {
    for context in CONTEXTS {
        for _ in 0..4 {
            tokio::task::spawn_local(handle_commands(Rc::clone(world), context));
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

async fn handle_commands(world: Rc<World>, context: &'static str) {
    let queue = world::commands(context);
    let mut idle = Idle::new();
    let mut handler = world.handler(context);
    let mut skew = world.skew();
    loop {
        let messages = world.aws.receive(&queue, 10, VISIBILITY);
        if messages.is_empty() {
            idle.pause().await;
            continue;
        }
        idle = Idle::new();
        let it = world.chaos.invocation(Role::Handler(context));
        delivered(&world, &it, &messages);
        let event: SqsEvent = serde_json::from_value(Aws::sqs_event(&messages)).expect("an event");
        let work = handler.handle(event, world.now(skew), Instant::now() + TIMEOUT - RESERVE);
        let answer = invoke(it, TIMEOUT, work).await;
        if answer.is_err() {
            handler = world.handler(context);
            skew = world.skew();
        }
        acknowledge(&world, &messages, answer.ok().map(|answer| json!(answer)));
    }
}

/// Notes who gets which commands, and where they stand in their queue.
fn delivered(world: &World, it: &Invocation, messages: &[Message]) {
    let mut journal = world.chaos.journal();
    for message in messages {
        let Some(command) = journal.of_message(&message.body) else { continue };
        it.works_on(Some(command));
        journal.say(Some(command), format!("delivered, for the {}. time", message.receive_count));
        let sequence = message.sequence_number.as_ref().and_then(|number| number.parse::<u128>().ok());
        let known = &mut journal.known[command as usize];
        known.first_sequence = [known.first_sequence, sequence].into_iter().flatten().min();
    }
}

/// Deletes what the answer does not name; without an answer nothing.
fn acknowledge(world: &World, messages: &[Message], answer: Option<Value>) {
    let response = answer.unwrap_or_else(|| json!("died"));
    for message in Aws::succeeded(messages, &response) {
        world.aws.delete(message);
    }
    // What is left after its last receive goes to the dead letters at the next one.
    let mut journal = world.chaos.journal();
    for message in messages.iter().filter(|message| message.receive_count >= world.plan.max_receives) {
        if let Some(command) = journal.of_message(&message.body)
            && message.queue_url.contains("-commands")
            && journal.known[command as usize].effect.is_none()
        {
            journal.known[command as usize].set_aside = true;
        }
    }
}

async fn update(world: Rc<World>) {
    let queue = world::updates();
    let mut idle = Idle::new();
    let updater = world.updater();
    let mut skew = world.skew();
    loop {
        let messages = world.aws.receive(&queue, 10, VISIBILITY);
        if messages.is_empty() {
            idle.pause().await;
            continue;
        }
        idle = Idle::new();
        let it = world.chaos.invocation(Role::Updater);
        let event: SqsEvent = serde_json::from_value(Aws::sqs_event(&messages)).expect("an event");
        let work = updater.handle(event, world.now(skew), Instant::now() + TIMEOUT - RESERVE);
        let answer = invoke(it, TIMEOUT, work).await;
        if answer.is_err() {
            skew = world.skew();
        }
        acknowledge(&world, &messages, answer.ok().map(|answer| json!(answer)));
    }
}

/// Puts what is written to the events table into the lanes, by stream.
async fn read_stream(world: Rc<World>) {
    const PAST: usize = 3_000;
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
    let again: std::collections::VecDeque<Record> = again.collect();
    let ahead = world.lanes.borrow()[lane].len();
    if again.len() > ahead {
        world.chaos.journal().rewound += (again.len() - ahead) as u64;
        world.lanes.borrow_mut()[lane] = again;
    }
}

/// Lambda's event source of one lane: in order, again and again until it succeeds or is too old, in halves when it fails.
async fn publish(world: Rc<World>, lane: usize) {
    const BATCH: usize = 50;
    let mut idle = Idle::new();
    let publisher = world.publisher();
    let mut skew = world.skew();
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
        if let Ok(Ok(())) = invoke(it, TIMEOUT * 2, work).await {
            world.lanes.borrow_mut()[lane].drain(..batch.len());
            size = (size * 2).min(BATCH);
            failing_since = None;
            pause = Duration::from_millis(500);
            continue;
        }
        skew = world.skew();
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

async fn retry_publishing(world: Rc<World>) {
    let queue = world::retries();
    let mut idle = Idle::new();
    let publisher = world.publisher();
    loop {
        let messages = world.aws.receive(&queue, 10, RETRIES_VISIBILITY);
        if messages.is_empty() {
            idle.pause().await;
            continue;
        }
        let event: SqsEvent = serde_json::from_value(Aws::sqs_event(&messages)).expect("an event");
        let it = world.chaos.invocation(Role::Publisher);
        let finish_by = Instant::now() + TIMEOUT * 2 - RESERVE;
        let work = publisher.handle_retries(event, world.now(0), finish_by);
        let answer = invoke(it, TIMEOUT * 2, work).await;
        acknowledge(&world, &messages, answer.ok().map(|answer| json!(answer)));
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
            let report = invoke(it, TIMEOUT, work).await;
            world.chaos.journal().say(None, format!("redrive: {report:?}"));
        });
    }
}

/// What goes wrong from time to time.
async fn ills(world: Rc<World>) {
    let (second, minute) = (Duration::from_secs(1), Duration::from_mins(1));
    let noted = |fault: &'static str| {
        let mut journal = world.chaos.journal();
        journal.count(fault);
        journal.took(fault);
    };
    for nth in 0_usize.. {
        sleep(world.between(20 * second, 4 * minute)).await;
        if world.chaos.is_calm() {
            return;
        }
        match world.below(12) {
            0 | 1 => {
                let context = world.pick(&CONTEXTS);
                noted("context down for minutes");
                world.chaos.take_down(Down::Context(context), world.between(minute, 8 * minute));
            }
            2 => {
                noted("registry down for minutes");
                world.chaos.take_down(Down::Registry, world.between(minute, 10 * minute));
            }
            3 => {
                noted("topic down");
                let time = if nth % 3 == 0 { 40 * minute } else { world.between(minute, 5 * minute) };
                world.chaos.take_down(Down::Topic, time);
            }
            4 | 5 => {
                noted("stream rewound");
                let past = world.past.borrow().len();
                let from = past - world.below(past.min(300));
                world.rewind.borrow_mut().iter_mut().for_each(|rewind| *rewind = Some(from));
            }
            6 | 7 => {
                noted("poison in a command queue");
                let id = format!("poison-{nth}");
                let body = world.pick(&["garbage", "{}", r#"{"specversion":"1.0","id":"1","source":"/","type":"T"}"#]);
                world.aws.put(&world::commands(world.pick(&CONTEXTS)), Some(&id), Some(&id), body);
            }
            8 => {
                noted("poison for the read models");
                world.aws.put(&world::updates(), None, None, "garbage");
            }
            9 => {
                noted("poison for the publisher");
                world.aws.put(&world::retries(), None, None, "garbage");
            }
            _ => {
                noted("all environments replaced");
                world.deploy();
            }
        }
    }
}
