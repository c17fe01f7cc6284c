//! What must hold when everything has come to rest.

use std::collections::BTreeMap;

use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use testkit::TABLES;

use crate::clients::{digest, operation};
use crate::journal::Kind;
use crate::world::{TENANTS, World, queues};

/// Whether nothing is under way and nobody has to act.
pub fn at_rest(world: &World) -> bool {
    queues().iter().all(|queue| world.aws.is_empty(queue))
        && world.lanes.borrow().iter().all(std::collections::VecDeque::is_empty)
        && world.aws.items(TABLES.parked).iter().all(|item| item["waiting"].is_null() && item["unsent"].is_null())
}

/// What is still there, if it does not come to rest.
pub fn unrest(world: &World) -> String {
    let queued = queues().into_iter().filter(|queue| !world.aws.is_empty(queue)).map(|queue| {
        let messages = world.aws.messages(&queue);
        format!("{queue}: {} messages, the first {:?}", messages.len(), messages.first())
    });
    let parked = world
        .aws
        .items(TABLES.parked)
        .into_iter()
        .filter(|item| !item["waiting"].is_null() || !item["unsent"].is_null());
    queued.chain(parked.map(|item| format!("parked: {item}"))).collect::<Vec<_>>().join("\n")
}

/// Checks everything. What does not hold is noted in the journal.
pub async fn all(world: &World) {
    let events = streams(world);
    outcomes(world).await;
    effects(world, &events);
    order(world);
    read_models(world, &events);
    isolation(world);
}

type Streams = BTreeMap<String, Vec<RecordedEvent>>;

/// All events by stream, in order; their commits have no gaps.
fn streams(world: &World) -> Streams {
    let mut streams = Streams::new();
    let mut next: BTreeMap<String, (u64, u64)> = BTreeMap::new();
    let mut journal = world.chaos.journal();
    for commit in world.aws.items(TABLES.events) {
        let stream = commit["stream_id"].as_str().unwrap_or_default().to_owned();
        let (number, first) = (commit["commit_number"].as_u64(), commit["first_version"].as_u64());
        let expected = *next.get(&stream).unwrap_or(&(1, 1));
        if (number, first) != (Some(expected.0), Some(expected.1)) {
            journal.violation(None, format!("stream {stream}: a gap before commit {number:?}, version {first:?}"));
        }
        let events: Vec<kernel::domain_event::StoredEvent> =
            serde_json::from_str(commit["events"].as_str().unwrap_or_default()).expect("events");
        let id = StreamId::parse(&stream).expect("a stream id");
        let time = Timestamp::from_millis(commit["committed_at"].as_u64().unwrap_or_default());
        let recorded = (expected.1..).zip(events).map(|(version, event)| RecordedEvent {
            stream: id.clone(),
            version,
            time,
            event,
        });
        let all = streams.entry(stream.clone()).or_default();
        all.extend(recorded);
        next.insert(stream, (expected.0 + 1, all.len() as u64 + 1));
    }
    streams
}

/// Every command that was accepted has one outcome, and its client sees it, whichever receipt they hold.
async fn outcomes(world: &World) {
    let records: BTreeMap<String, Value> = world
        .aws
        .items(TABLES.operations)
        .into_iter()
        .map(|record| (record["operation_key"].as_str().unwrap_or_default().to_owned(), record))
        .collect();
    let count = world.chaos.journal().known.len();
    for command in 0..count {
        let number = u32::try_from(command).unwrap_or_default();
        let (tenant, receipts, effect) = {
            let journal = world.chaos.journal();
            let known = &journal.known[command];
            (known.tenant.clone(), known.receipts.clone(), known.effect)
        };
        let Some(first) = receipts.first() else {
            world.chaos.journal().violation(Some(number), "it was never accepted");
            continue;
        };
        let key = kernel::receipt::Receipt::read(first).map(|receipt| format!("{tenant}#{}", receipt.command_key));
        let Some(record) = key.and_then(|key| records.get(&key)) else {
            world.chaos.journal().violation(Some(number), "it is lost: accepted, and nothing is on record");
            continue;
        };
        let outcome = record["outcome"].as_str().unwrap_or_default();
        let expected = effect.map_or("discarded", |(_, outcome)| outcome);
        if outcome != expected {
            world.chaos.journal().violation(Some(number), format!("on record as {outcome}, and it was {expected}"));
        }
        let mut asked: Vec<String> = Vec::new();
        for receipt in &receipts {
            let digest = digest(receipt);
            if asked.contains(&digest) {
                continue; // of the same content
            }
            let seen = operation(world, tenant.as_str(), number, receipt).await.unwrap_or_default();
            let wanted = if record["digest"].as_str() == Some(&digest) { outcome } else { "rejected" };
            if seen != wanted {
                world.chaos.journal().violation(Some(number), format!("its client sees {seen} and not {wanted}"));
            }
            asked.push(digest);
        }
    }
}

/// What a stream's commands do to it, in the order in which they took effect: the rules once more, in short.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Nothing,
    Open,
    Shipped,
    Cancelled,
}

fn decide(stage: Stage, kind: Kind) -> Option<(Stage, &'static [&'static str])> {
    match (kind, stage) {
        (Kind::Submit, Stage::Nothing) => Some((Stage::Open, &["OrderSubmitted"])),
        (Kind::Ship, Stage::Open) => Some((Stage::Shipped, &["OrderShipped"])),
        (Kind::Cancel, Stage::Open) => Some((Stage::Cancelled, &["OrderCancelled"])),
        (Kind::Bind, Stage::Nothing) => Some((Stage::Open, &["PolicyBound"])),
        (Kind::Adjust, Stage::Open) => Some((Stage::Open, &["PremiumAdjusted"])),
        (Kind::CancelPolicy, Stage::Open) => Some((Stage::Cancelled, &["PolicyCancelled"])),
        (Kind::Cancel | Kind::CancelPolicy, Stage::Cancelled) => Some((Stage::Cancelled, &[])),
        _ => None,
    }
}

/// By stream, the commands that took effect, in that order.
fn by_stream(world: &World) -> BTreeMap<String, Vec<u32>> {
    let journal = world.chaos.journal();
    let mut streams: BTreeMap<String, Vec<(u64, u32)>> = BTreeMap::new();
    for (number, known) in (0..).zip(&journal.known) {
        if let Some((nth, _)) = known.effect {
            streams.entry(known.stream.clone()).or_default().push((nth, number));
        }
    }
    let in_order = |mut commands: Vec<(u64, u32)>| {
        commands.sort_unstable();
        commands.into_iter().map(|(_, number)| number).collect()
    };
    streams.into_iter().map(|(stream, commands)| (stream, in_order(commands))).collect()
}

/// Each command's outcome and events are what the rules say, and its events are in its stream once.
fn effects(world: &World, events: &Streams) {
    for (stream, commands) in by_stream(world) {
        let mut stage = Stage::Nothing;
        let mut expected: Vec<(u32, &str)> = Vec::new();
        let mut wrong = Vec::new();
        let mut journal = world.chaos.journal();
        for command in commands {
            let known = &journal.known[command as usize];
            let outcome = known.effect.map_or("", |(_, outcome)| outcome);
            match (decide(stage, known.kind), outcome) {
                (Some((next, events)), "succeeded") => {
                    stage = next;
                    expected.extend(events.iter().map(|event| (command, *event)));
                }
                (None, "rejected") => {}
                // Its number may be taken.
                (Some(_), "rejected") if known.kind == Kind::Bind => {}
                _ => wrong.push((command, format!("it {outcome}, against the rules"))),
            }
        }
        let actual: Vec<(Option<u32>, &str)> = events.get(&stream).map_or_else(Vec::new, |events| {
            let command = |event: &RecordedEvent| {
                let receipt = kernel::receipt::Receipt::read(&event.event.cause.operation)?;
                journal.find(&receipt.command_key.to_string())
            };
            events.iter().map(|event| (command(event), event.event.ty.as_str())).collect()
        });
        if actual != expected.iter().map(|(command, ty)| (Some(*command), *ty)).collect::<Vec<_>>() {
            let first = expected.first().map(|(command, _)| *command);
            wrong.push((first.unwrap_or_default(), format!("{stream} holds {actual:?} and should hold {expected:?}")));
        }
        for (command, what) in wrong {
            journal.violation(Some(command), what);
        }
    }
    let mut journal = world.chaos.journal();
    let known: std::collections::BTreeSet<_> = journal.known.iter().map(|known| known.stream.clone()).collect();
    for stream in events.keys().filter(|stream| !known.contains(*stream)) {
        journal.violation(None, format!("nobody ever wanted a stream {stream}"));
    }
}

/// Commands of a stream take effect as they were queued, but for those that were parked or dead letters: sent there by their
/// function, which the journal knows, or by their queue.
fn order(world: &World) {
    buried_by_queues(world);
    for commands in by_stream(world).into_values() {
        let mut journal = world.chaos.journal();
        let mut newest: Option<(u128, u32)> = None;
        for command in commands {
            let known = &journal.known[command as usize];
            let Some(sequence) = known.first_sequence.filter(|_| !known.dead_lettered && !known.parked) else {
                continue;
            };
            match newest {
                Some((before, other)) if before > sequence => {
                    journal.violation(Some(command), format!("it took effect after command {other}, which came later"));
                }
                _ => newest = Some((sequence, command)),
            }
        }
    }
}

fn buried_by_queues(world: &World) {
    let mut journal = world.chaos.journal();
    for message in world.aws.buried() {
        if let Some(command) = journal.of_message(&message.body)
            && message.queue_url.contains("-dead-letters.fifo")
        {
            journal.known[command as usize].dead_lettered = true;
        }
    }
}

/// Every document and every total is what the events make of them.
fn read_models(world: &World, events: &Streams) {
    let mut documents: BTreeMap<(String, String), (String, u64)> = BTreeMap::new();
    let mut totals: BTreeMap<(String, String), i64> = BTreeMap::new();
    for events in events.values() {
        let stream = &events[0].stream;
        let context = catalog::context(&stream.context).expect("a context");
        for read_model in context.read_models {
            let projected = read_model.project(None, events).expect("a document");
            let partition = format!("{}#{}", stream.tenant, read_model.collection());
            for (name, amount) in projected.tallies {
                *totals.entry((format!("{partition}#totals"), name)).or_default() += amount;
            }
            documents.insert((partition, stream.aggregate.to_string()), (projected.document, events.len() as u64));
        }
    }
    let mut journal = world.chaos.journal();
    for row in world.aws.items(TABLES.read_models) {
        let text = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        let key = (text("collection_key"), text("id"));
        if key.0.ends_with("#totals") {
            let amount = row["amount"].as_i64().unwrap_or_default();
            let expected = totals.remove(&key).unwrap_or_default();
            if amount != expected {
                journal.violation(None, format!("the total {key:?} is {amount} and should be {expected}"));
            }
        } else {
            let actual = (text("document"), row["version"].as_u64().unwrap_or_default());
            let expected = documents.remove(&key);
            if expected.as_ref() != Some(&actual) {
                journal.violation(None, format!("the document {key:?} is {actual:?} and should be {expected:?}"));
            }
        }
    }
    for missing in documents.keys() {
        journal.violation(None, format!("the document {missing:?} is missing"));
    }
    for (missing, amount) in totals.iter().filter(|(_, amount)| **amount != 0) {
        journal.violation(None, format!("the total {missing:?} is missing and should be {amount}"));
    }
}

/// What is stored for a tenant holds nothing of another.
fn isolation(world: &World) {
    for table in [TABLES.events, TABLES.operations, TABLES.read_models, TABLES.parked, TABLES.guards] {
        for item in world.aws.items(table) {
            let text = item.to_string();
            let there: Vec<_> = TENANTS.iter().filter(|tenant| text.contains(**tenant)).collect();
            if there.len() > 1 {
                world.chaos.journal().violation(None, format!("{table} mixes {there:?}: {text}"));
            }
        }
    }
}
