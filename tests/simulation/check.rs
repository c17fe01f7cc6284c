//! What must hold when everything has come to rest.

use std::collections::{BTreeMap, BTreeSet};

use kernel::command::Command;
use kernel::context::Undecided;
use kernel::decider::Guard;
use kernel::domain_event::{EventData, RecordedEvent};
use kernel::effect::{Effect, Recorded};
use kernel::ids::StreamId;
use kernel::operation::Status;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use store::event_store::Commit;
use store::operations::OperationRecord;
use testkit::TABLES;

use crate::clients::{digest, is_hidden, operation, read_own, status};
use crate::journal::{Journal, Known};
use crate::rules::{Kind, Stage, decide, guards};
use crate::world::{CONTEXTS, TENANTS, World, queues};
use crate::{processes, read_models, reports, webhooks};

/// Whether nothing happens before a timer is due, if one is set.
pub fn is_quiet(world: &World) -> bool {
    queues().iter().all(|queue| world.aws.is_empty(queue))
        && world.committed.ahead() + world.ended.ahead() == 0
        && !world.has_parked()
        && webhooks::have_all(&world.aws)
        && !world.has_jobs()
}

/// What is still there, if it does not come to rest.
pub fn unrest(world: &World) -> String {
    let queued = queues().into_iter().filter(|queue| !world.aws.is_empty(queue)).map(|queue| {
        let messages = world.aws.messages(&queue);
        format!("{queue}: {} messages, the first {:?}", messages.len(), messages.first())
    });
    let parked = world.parked().into_iter().map(|item| format!("parked: {item}"));
    let timers = world.aws.items(TABLES.timers).into_iter().map(|item| format!("timer: {item}"));
    let webhooks = world.aws.items(TABLES.webhooks).into_iter().filter(|item| !item["due"].is_null());
    let webhooks = webhooks.map(|item| format!("webhook: {item}"));
    queued.chain(parked.take(5)).chain(timers.take(5)).chain(webhooks.take(5)).collect::<Vec<_>>().join("\n")
}

/// All commits, by stream and number.
pub fn commits(world: &World) -> Vec<Commit> {
    let commits = world.aws.items(TABLES.events).into_iter();
    commits.map(|commit| serde_json::from_value(commit).expect("a commit")).collect()
}

/// The records of all operations.
pub fn operations(world: &World) -> Vec<OperationRecord> {
    let records = world.aws.items(TABLES.operations).into_iter();
    records.map(|record| serde_json::from_value(record).expect("a record")).collect()
}

/// Checks everything. What does not hold is noted in the journal.
pub async fn all(world: &World) {
    let (commits, operations) = (commits(world), operations(world));
    let events = streams(world);
    published(world, &events);
    world.endpoints.got(world, &events);
    readable(world, &events);
    outcomes(world, &events).await;
    let commands = by_stream(world);
    effects(world, &events, &commands, (&commits, &operations));
    numbers(world);
    queueing(world);
    order(world, &commands);
    read_models::are_the_fold(world, &events).await;
    reports::are_the_fold(world, &events).await;
    processes::have_ended(world, &events, &commits, &operations);
    isolation(world);
}

/// The events of each stream.
pub type Streams = BTreeMap<String, Vec<RecordedEvent>>;

/// All events by stream, in order; their commits have no gaps, and time does not run backwards.
fn streams(world: &World) -> Streams {
    let mut streams = Streams::new();
    let mut next: BTreeMap<String, (u64, u64, u64)> = BTreeMap::new();
    let mut journal = world.chaos.journal();
    for commit in world.aws.items(TABLES.events) {
        let stream = commit["stream_id"].as_str().expect("a stream").to_owned();
        let number = |name: &str| commit[name].as_u64().expect("a number");
        let (commit_number, first, at) = (number("commit_number"), number("first_version"), number("committed_at"));
        let (expected, version, before) = *next.get(&stream).unwrap_or(&(1, 1, 0));
        if (commit_number, first) != (expected, version) {
            journal.violation(None, format!("stream {stream}: a gap before commit {commit_number}, version {first}"));
        }
        if at < before {
            journal.violation(None, format!("stream {stream}: commit {commit_number} is older than the one before"));
        }
        let stored: Vec<EventData> = serde_json::from_str(commit["events"].as_str().expect("text")).expect("events");
        let id = StreamId::parse(&stream).expect("a stream id");
        let time = Timestamp::from_millis(at);
        let recorded =
            (version..).zip(stored).map(|(version, event)| RecordedEvent { stream: id.clone(), version, time, event });
        let all = streams.entry(stream.clone()).or_default();
        all.extend(recorded);
        next.insert(stream, (expected + 1, all.len() as u64 + 1, at));
    }
    streams
}

/// Each stream can be folded by the release that is deployed, or it stands still.
fn readable(world: &World, events: &Streams) {
    let mut journal = world.chaos.journal();
    for (stream, events) in events {
        let context = CONTEXTS.into_iter().find(|context| events[0].stream.context == *context).expect("a context");
        let aggregate_type = world.release(context, 0).aggregate_type(&events[0].stream);
        let mut aggregate = aggregate_type.expect("a type of aggregate").empty();
        for event in events {
            *journal.versions.entry((event.event.ty.clone(), event.event.schema)).or_default() += 1;
            if let Err(error) = aggregate.evolve(&event.event) {
                journal.violation(None, format!("{stream} stands still: {error}"));
            }
        }
    }
}

/// Every event was published.
fn published(world: &World, events: &Streams) {
    world.audit();
    let published = world.published.borrow();
    for event in events.values().flatten() {
        let id = format!("{}/{}", event.stream, event.version);
        if !published.contains(&id) {
            world.chaos.journal().violation(None, format!("{id} was never published"));
        }
    }
}

/// Every command that was accepted has one outcome, and its client sees it, whichever receipt they hold, and nobody else.
async fn outcomes(world: &World, events: &Streams) {
    let key = |record: &Value| record["operation_key"].as_str().expect("a key").to_owned();
    let records = world.aws.items(TABLES.operations).into_iter().map(|record| (key(&record), record));
    let records: BTreeMap<String, Value> = records.collect();
    let versions = versions(world, events);
    let count = u32::try_from(world.chaos.journal().known.len()).expect("not that many");
    for command in 0..count {
        let (tenant, receipts, effect, discarded, stream) = {
            let journal = world.chaos.journal();
            let known = &journal.known[command as usize];
            let stream = known.stream().to_owned();
            (known.tenant.clone(), known.receipts.clone(), known.effect, known.discarded, stream)
        };
        let wrong = |what: String| world.chaos.journal().violation(Some(command), what);
        let Some(first) = receipts.first() else {
            wrong("it was never accepted".to_owned());
            continue;
        };
        let key = Receipt::read(first).map(|receipt| format!("{tenant}#{}", receipt.command_key));
        let Some(record) = key.and_then(|key| records.get(&key)) else {
            wrong("it is lost: accepted, and nothing is on record".to_owned());
            continue;
        };
        let outcome = record["outcome"].as_str().expect("an outcome");
        let expected = effect.map_or(if discarded { "discarded" } else { "nothing" }, |(_, outcome)| outcome);
        if outcome != expected {
            wrong(format!("on record as {outcome}, and it was {expected}"));
        }
        let of_content: BTreeMap<String, &String> = receipts.iter().map(|receipt| (digest(receipt), receipt)).collect();
        for (digest, receipt) in of_content {
            let operation = operation(world, tenant.as_str(), command, receipt).await.unwrap_or_default();
            let its_own = record["digest"].as_str() == Some(&digest);
            let wanted = if its_own { outcome } else { "rejected" };
            let seen = status(&operation).unwrap_or_default();
            if seen != wanted {
                wrong(format!("its client sees {seen} and not {wanted}"));
            }
            if its_own && outcome == "succeeded" {
                let version = operation["resource"]["version"].as_u64().unwrap_or_default();
                let newest = events.get(&stream).map_or(0, Vec::len) as u64;
                if versions.get(&command).map_or(version == 0 || version > newest, |made| *made != version) {
                    let made = versions.get(&command);
                    wrong(format!("it made version {made:?} of {newest}, and its client is told {version}"));
                }
                if read_own(world, tenant.as_str(), command, &operation).await.is_none_or(|read| read > newest) {
                    wrong("its resource cannot be read".to_owned());
                }
            }
        }
        let stranger = TENANTS[(command as usize + 1) % TENANTS.len()];
        if command % 10 == 0 && stranger != tenant.as_str() && !is_hidden(world, stranger, first).await {
            wrong(format!("{stranger} is shown its operation"));
        }
    }
    if records.len() != count as usize {
        let what = format!("{} operations are on record for {count} commands", records.len());
        world.chaos.journal().violation(None, what);
    }
}

/// By command, the version that it made: that of the last event it caused.
fn versions(world: &World, events: &Streams) -> BTreeMap<u32, u64> {
    let journal = world.chaos.journal();
    let caused = events.values().flatten().filter_map(|event| Some((cause(&journal, event)?, event.version)));
    caused.collect()
}

fn cause(journal: &Journal, event: &RecordedEvent) -> Option<u32> {
    journal.find(&Receipt::read(&event.event.cause.operation)?.command_key.to_string())
}

/// By stream, the commands that took effect, in that order.
type Commands = BTreeMap<String, Vec<u32>>;

fn by_stream(world: &World) -> Commands {
    let journal = world.chaos.journal();
    let mut streams: BTreeMap<String, Vec<(u64, u32)>> = BTreeMap::new();
    for (number, known) in (0..).zip(&journal.known) {
        if let Some((nth, _)) = known.effect {
            streams.entry(known.stream().to_owned()).or_default().push((nth, number));
        }
    }
    let in_order = |mut commands: Vec<(u64, u32)>| {
        commands.sort_unstable();
        commands.into_iter().map(|(_, number)| number).collect()
    };
    streams.into_iter().map(|(stream, commands)| (stream, in_order(commands))).collect()
}

/// Each command's outcome and events are what the rules say, and its events are in its stream once.
fn effects(
    world: &World,
    events: &Streams,
    commands: &Commands,
    (commits, operations): (&[Commit], &[OperationRecord]),
) {
    let mut expectations = Vec::new();
    let (reasons, stored) = (reasons(operations), stored_effects(commits));
    for (stream, commands) in commands {
        let events = events.get(stream).map(Vec::as_slice).unwrap_or_default();
        let mut journal = world.chaos.journal();
        let id = StreamId::parse(stream).expect("a stream id");
        let Expected { events: expected, effects, mut wrong } = if matches!(&*id.context, "orders" | "policies") {
            by_rules(&journal, &reasons, commands, &mut expectations)
        } else {
            by_decider(&journal, &reasons, &id, commands, events)
        };
        let actual = stored.get(stream).map(Vec::as_slice).unwrap_or_default();
        if *actual != effects {
            wrong.push((None, format!("{stream} causes {actual:?} and should cause {effects:?}")));
        }
        let actual: Vec<_> = events.iter().map(|event| (cause(&journal, event), event.event.ty.clone())).collect();
        if actual != expected.iter().map(|(command, ty)| (Some(*command), ty.clone())).collect::<Vec<_>>() {
            let first = expected.first().map(|(command, _)| *command);
            wrong.push((first, format!("{stream} holds {actual:?} and should hold {expected:?}")));
        }
        for (event, (command, _)) in events.iter().zip(expected) {
            let (data, says) = (event.event.data.get(), &journal.known[command as usize].content().says);
            if let Some(missing) = says.iter().find(|words| !data.contains(words.as_str())) {
                wrong.push((Some(command), format!("its event does not say {missing}: {data}")));
            }
        }
        for (command, what) in wrong {
            journal.violation(command, what);
        }
    }
    let mut journal = world.chaos.journal();
    for met in expectations {
        *journal.expectations.entry(met).or_default() += 1;
    }
    let contents = journal.known.iter().flat_map(|known| &known.contents);
    let wanted: BTreeSet<String> = contents.map(|content| content.stream.clone()).collect();
    for stream in events.keys().filter(|stream| !wanted.contains(*stream)) {
        journal.violation(None, format!("nobody ever wanted a stream {stream}"));
    }
    for stream in events.keys().filter(|stream| !commands.contains_key(*stream)) {
        journal.violation(None, format!("{stream} holds events, and no command of it took effect"));
    }
}

/// By operation, why it was rejected.
type Reasons = BTreeMap<String, String>;

fn reasons(operations: &[OperationRecord]) -> Reasons {
    let rejected = operations.iter().filter(|operation| operation.outcome == Status::Rejected);
    rejected.map(|operation| (operation.operation_key.clone(), operation.reason())).collect()
}

/// By stream, what its commits cause outside of it, in order.
fn stored_effects(commits: &[Commit]) -> BTreeMap<String, Vec<Effect>> {
    let mut streams: BTreeMap<String, Vec<Effect>> = BTreeMap::new();
    for commit in commits {
        let effects = commit.effects().expect("effects").into_iter().map(|recorded| match recorded.effect {
            Recorded::Send { to, command } => Effect::Send { to: to.aggregate, command },
            Recorded::SetTimer { name, due, command } => Effect::SetTimer { name, due, command },
            Recorded::CancelTimer { name } => Effect::CancelTimer { name },
        });
        streams.entry(commit.stream_id.clone()).or_default().extend(effects);
    }
    streams
}

/// What a stream should hold, with who caused it, and whose outcome is wrong.
#[derive(Default)]
struct Expected {
    events: Vec<(u32, String)>,
    effects: Vec<Effect>,
    wrong: Vec<(Option<u32>, String)>,
}

impl Expected {
    fn against_the_rules(&mut self, command: u32, known: &Known) {
        let outcome = known.effect.map_or("", |(_, outcome)| outcome);
        self.wrong.push((Some(command), format!("it {outcome}, against the rules")));
    }
}

/// By the rules of [`rules`](crate::rules). Also tells which commands met the version that they expected.
fn by_rules(journal: &Journal, reasons: &Reasons, commands: &[u32], expectations: &mut Vec<bool>) -> Expected {
    let (mut expected, mut stage) = (Expected::default(), Stage::Nothing);
    for &command in commands {
        let known = &journal.known[command as usize];
        let outcome = known.effect.map_or("", |(_, outcome)| outcome);
        let version = known.content().expected_version;
        let met = version.is_none_or(|version| version == expected.events.len() as u64);
        expectations.extend(version.map(|_| met));
        match (decide(stage, known.kind).filter(|_| met), outcome) {
            (Some((next, events)), "succeeded") => {
                stage = next;
                expected.events.extend(events.iter().map(|event| (command, (*event).to_owned())));
            }
            (None, "rejected") => {}
            (Some(_), "rejected") if guards(stage, known.kind).contains(&known.reason(reasons)) => {}
            _ => expected.against_the_rules(command, known),
        }
    }
    expected
}

/// By the context's own decider, which is asked once more about each command, alone and in order.
fn by_decider(
    journal: &Journal,
    reasons: &Reasons,
    stream: &StreamId,
    commands: &[u32],
    events: &[RecordedEvent],
) -> Expected {
    let mut expected = Expected::default();
    let context = catalog::context(&stream.context).expect("a context");
    let mut aggregate = context.aggregate_type(stream).expect("a type of aggregate").empty();
    let mut events = events.iter().peekable();
    for &command in commands {
        let known = &journal.known[command as usize];
        let outcome = known.effect.map_or("", |(_, outcome)| outcome);
        let message = known.content().message.as_deref().unwrap_or_default();
        let mut sent = Command::open(message.as_bytes(), context.name).expect("a command");
        let caused: Vec<_> =
            std::iter::from_fn(|| events.next_if(|event| cause(journal, event) == Some(command))).collect();
        // What a client sent more than once was accepted more than once: this time it was.
        let accepted = caused.first().and_then(|event| Receipt::read(&event.event.cause.operation));
        sent.receipt = accepted.unwrap_or(sent.receipt);
        match (aggregate.decide(&sent), outcome) {
            (Ok(decided), "succeeded") => {
                expected.effects.extend(decided.effects);
                let says = |event: &EventData| event.data.get().to_owned();
                let caused = caused.iter().map(|event| says(&event.event));
                if !decided.events.iter().map(says).eq(caused) {
                    expected.wrong.push((Some(command), "its events say something else".to_owned()));
                }
                expected.events.extend(decided.events.into_iter().map(|event| (command, event.ty)));
            }
            (Ok(decided), "rejected") if may_refuse(&decided.guards, known.reason(reasons)) => {}
            (Err(Undecided::Rejected(why)), "rejected") if why.reason == known.reason(reasons) => {}
            _ => expected.against_the_rules(command, known),
        }
        for event in caused {
            if let Err(error) = aggregate.evolve(&event.event) {
                expected.wrong.push((Some(command), format!("its event cannot be folded: {error}")));
            }
        }
    }
    expected
}

/// Whether one of the guards refuses for that reason: not one that only adds.
fn may_refuse(guards: &[Guard], reason: &str) -> bool {
    guards.iter().any(|guard| match guard {
        Guard::Claim { otherwise, .. } => otherwise.reason == reason,
        Guard::Release { .. } => reason == "claim-not-held",
        Guard::Adjust { by, at_least, otherwise, .. } => {
            otherwise.reason == reason && at_least.is_some_and(|bound| *by <= 0 || bound > *by)
        }
    })
}

/// No two policies of a tenant have one number, and who is told that a number is taken is told the truth.
fn numbers(world: &World) {
    let mut journal = world.chaos.journal();
    let binds = (0_u32..).zip(&journal.known).filter(|(_, known)| known.kind == Kind::Bind);
    let mut binds: Vec<_> = binds.filter_map(|(command, known)| Some((known.effect?, command))).collect();
    binds.sort_unstable();
    let mut holders: BTreeMap<(String, String), String> = BTreeMap::new();
    let mut bound: BTreeSet<String> = BTreeSet::new();
    let mut wrong = Vec::new();
    for ((_, outcome), command) in binds {
        let known = &journal.known[command as usize];
        let (stream, number) = (known.stream().to_owned(), known.content().says[0].clone());
        let holder = holders.get(&(known.tenant.to_string(), number.clone()));
        match (outcome, holder) {
            ("succeeded", None) => {
                bound.insert(stream.clone());
                holders.insert((known.tenant.to_string(), number), stream);
            }
            ("succeeded", Some(holder)) => wrong.push((command, format!("{number} was {holder}'s"))),
            (_, None) if !bound.contains(&stream) => wrong.push((command, format!("{number} was nobody's"))),
            _ => {}
        }
    }
    for (command, what) in wrong {
        journal.violation(Some(command), what);
    }
}

/// Commands are queued as their client sent them.
fn queueing(world: &World) {
    let mut journal = world.chaos.journal();
    let mut before: Option<(usize, u128)> = None;
    for command in 0..journal.known.len() {
        let known = &journal.known[command];
        let Some(sequence) = known.contents[0].first_sequence else { continue };
        let Some(turn) = known.turn else { continue };
        if before.is_some_and(|before| before.0 == turn && before.1 > sequence) {
            journal.violation(u32::try_from(command).ok(), "it was queued before one that was sent earlier");
        }
        before = Some((turn, sequence));
    }
}

/// Commands of a stream take effect as they were queued, but for those that were parked or dead letters before.
fn order(world: &World, commands: &Commands) {
    for commands in commands.values() {
        let mut journal = world.chaos.journal();
        let mut newest: Option<(u128, u32)> = None;
        for &command in commands {
            let known = &journal.known[command as usize];
            let Some(sequence) = known.content().first_sequence else { continue };
            let is_late = newest.filter(|(before, _)| *before > sequence);
            newest = newest.max(Some((sequence, command)));
            match is_late {
                Some((_, other)) if !known.dead_lettered && !known.parked => {
                    journal.violation(Some(command), format!("it took effect after command {other}, which came later"));
                }
                _ => {}
            }
        }
    }
}

/// What is stored for a tenant holds nothing of another.
fn isolation(world: &World) {
    for table in [TABLES.events, TABLES.operations, TABLES.read_models, TABLES.parked, TABLES.guards, TABLES.timers] {
        for item in world.aws.items(table) {
            let text = item.to_string();
            let there: Vec<_> = TENANTS.iter().filter(|tenant| text.contains(**tenant)).collect();
            if there.len() > 1 {
                world.chaos.journal().violation(None, format!("{table} mixes {there:?}: {text}"));
            }
        }
    }
}
