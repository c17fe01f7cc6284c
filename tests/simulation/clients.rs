//! Clients: they send commands, send them again when no answer comes, follow what became of them, and read what they
//! wrote.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bench::Answer;
use bench::platform::PUBLIC_URL;
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::http::{request, version};
use crate::invocation::{Died, Role};
use crate::workload::{self, Sending, Workload};
use crate::world::{TENANTS, World};

const TIMEOUT: Duration = Duration::from_secs(10);
const STRUCTURED: &str = "application/cloudevents+json";
const BATCH: &str = "application/cloudevents-batch+json";

const REUSED: &str = "id reused for other content";
const ANSWER_LOST: &str = "202 lost on its way to the client";

/// Sends as many commands as the plan says, by many writers, and comes back when all were accepted and followed.
pub async fn run(world: &Rc<World>) {
    let workload = Rc::new(RefCell::new(Workload::default()));
    let mut writers = JoinSet::new();
    for _ in 0..world.plan.writers() {
        writers.spawn_local(write(Rc::clone(world), Rc::clone(&workload)));
    }
    writers.join_all().await;
}

async fn write(world: Rc<World>, workload: Rc<RefCell<Workload>>) {
    let mut later = JoinSet::new();
    loop {
        let sending = workload.borrow_mut().next(&world);
        let Some(Sending { tenant, commands }) = sending else { break };
        sleep(world.between(Duration::ZERO, Duration::from_secs(12))).await;
        let alone = commands.len() == 1;
        let (first, event) = commands.first().cloned().expect("at least one");
        if world.chance(8) {
            let soon = world.between(Duration::ZERO, Duration::from_secs(2));
            later.spawn_local(again(Rc::clone(&world), tenant, first, event.clone(), soon));
        }
        send(&world, tenant, &commands).await;
        if world.chance(if alone { 250 } else { 100 }) {
            follow(&world, tenant, first).await;
            browse(&world, tenant, event["subject"].as_str().expect("a subject")).await;
        }
        if world.chance(40) {
            let late = world.between(Duration::from_secs(1), Duration::from_mins(40));
            later.spawn_local(again(Rc::clone(&world), tenant, first, event, late));
        }
    }
    later.join_all().await;
}

/// The same once more, at the same time or much later; or other content under the same id, perhaps for another order.
async fn again(world: Rc<World>, tenant: &'static str, command: u32, mut event: Value, pause: Duration) {
    sleep(pause).await;
    if world.plan.ills && event["type"] == "SubmitOrder" && world.chance(400) {
        event["data"]["customer"] = json!(format!("{tenant}-other"));
        if world.chance(500) {
            event["subject"] = json!(format!("{}-other", event["subject"].as_str().expect("a subject")));
        }
        let content = workload::content(tenant, "orders", &event);
        let mut journal = world.chaos.journal();
        journal.count(REUSED);
        journal.known[command as usize].contents.push(content);
    }
    send(&world, tenant, &[(command, event)]).await;
}

/// Sends until it is accepted: together as a batch, or one after the other.
async fn send(world: &Rc<World>, tenant: &'static str, commands: &[(u32, Value)]) {
    if commands.len() > 1 && world.chance(500) {
        let events: Vec<&Value> = commands.iter().map(|(_, event)| event).collect();
        let numbers: Vec<u32> = commands.iter().map(|(number, _)| *number).collect();
        accepted(world, tenant, &numbers, BATCH, &json!(events).to_string()).await;
    } else {
        for (number, event) in commands {
            accepted(world, tenant, &[*number], STRUCTURED, &event.to_string()).await;
        }
    }
}

async fn accepted(world: &Rc<World>, tenant: &'static str, commands: &[u32], content_type: &str, body: &str) {
    let mut pause = Duration::from_millis(500);
    loop {
        for command in commands {
            world.chaos.journal().say(Some(*command), "sent by its client");
        }
        let warm = world.ingest();
        let it = world.chaos.invocation(Role::Ingest);
        for command in commands {
            it.works_on(*command);
        }
        let request = request("POST", "/commands", &format!("{tenant}-shop"), content_type, Some(body));
        let work = warm.function.handle(request, world.now(warm.skew));
        match world.chaos.invoke(it, TIMEOUT, work).await.map(Answer::of) {
            Ok(answer) if answer.status == 202 => {
                isolated(world, tenant, &answer.text);
                // Once in a while the answer does not reach the client.
                if world.plan.faults > 0 && !world.chaos.is_calm() && world.chance(20) {
                    world.chaos.journal().count(ANSWER_LOST);
                    world.chaos.journal().took(ANSWER_LOST);
                } else {
                    return note(world, commands, &answer.json());
                }
            }
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => {
                let what = format!("refused with {}: {}", answer.status, answer.text);
                return world.chaos.journal().violation(Some(commands[0]), what);
            }
            Err(Died) => world.ingests.drop(&warm),
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}

fn note(world: &World, commands: &[u32], answer: &Value) {
    let operations = answer["operations"].as_array().map_or_else(|| vec![answer], |all| all.iter().collect());
    let mut journal = world.chaos.journal();
    for (command, operation) in commands.iter().zip(operations) {
        let receipt = operation["id"].as_str().expect("an operation has an id").to_owned();
        journal.say(Some(*command), "accepted");
        let receipts = &mut journal.known[*command as usize].receipts;
        let other = receipts.first().is_some_and(|first| digest(first) != digest(&receipt));
        receipts.push(receipt);
        if other {
            journal.took(REUSED);
        }
    }
}

/// No byte of another tenant's is in it.
pub fn isolated(world: &World, tenant: &str, text: &str) {
    if let Some(other) = TENANTS.iter().find(|other| **other != tenant && text.contains(**other)) {
        world.chaos.journal().violation(None, format!("{tenant} was shown something of {other}'s: {text}"));
    }
}

pub async fn get(world: &World, tenant: &str, target: &str) -> Option<Answer> {
    let warm = world.query();
    let it = world.chaos.invocation(Role::Query);
    let request = request("GET", target, &format!("{tenant}-shop"), "application/json", None);
    let answer = world.chaos.invoke(it, TIMEOUT, warm.function.handle(request, world.now(warm.skew))).await;
    let answer = answer.inspect_err(|Died| world.queries.drop(&warm)).ok()?;
    let answer = Answer::of(answer);
    isolated(world, tenant, &answer.text);
    Some(answer)
}

/// Asks for the operation until it has ended, and then reads what it wrote. Patience ends with a person's.
async fn follow(world: &World, tenant: &str, command: u32) {
    let mut pause = Duration::from_secs(1);
    for _ in 0..9 {
        let Some(receipt) = world.chaos.journal().known[command as usize].receipts.first().cloned() else { return };
        let operation = operation(world, tenant, command, &receipt).await;
        if let Some(operation) = &operation {
            read_own(world, tenant, command, operation).await;
        }
        match operation.as_ref().and_then(status) {
            Some("succeeded" | "rejected" | "discarded") => return,
            _ => sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_mins(2));
    }
}

pub fn status(operation: &Value) -> Option<&str> {
    operation["status"].as_str()
}

/// The operation as its client sees it, which is never another one after it has ended.
pub async fn operation(world: &World, tenant: &str, command: u32, receipt: &str) -> Option<Value> {
    let answer = get(world, tenant, &format!("/operations/{receipt}")).await?;
    if answer.status == 503 {
        return None;
    }
    let operation = answer.json();
    let Some(status) = status(&operation).filter(|_| answer.status == 200) else {
        let what = format!("its operation is answered with {}: {}", answer.status, answer.text);
        world.chaos.journal().violation(Some(command), what);
        return None;
    };
    let mut journal = world.chaos.journal();
    let seen = &mut journal.known[command as usize].seen;
    if let Some(before) = seen.get(receipt).filter(|before| *before != status) {
        let what = format!("its client saw {before}, and now {status}");
        journal.violation(Some(command), what);
    } else if matches!(status, "succeeded" | "rejected" | "discarded") {
        seen.insert(receipt.to_owned(), status.to_owned());
    }
    drop(journal);
    Some(operation)
}

/// Of an operation that succeeded, the resource: never older than the operation says. Gives its version, if it can be
/// read yet.
pub async fn read_own(world: &World, tenant: &str, command: u32, operation: &Value) -> Option<u64> {
    let (href, made) = (operation["resource"]["href"].as_str()?, operation["resource"]["version"].as_u64()?);
    let path = href.strip_prefix(PUBLIC_URL).unwrap_or(href);
    let document = read(world, tenant, path).await?;
    let read = version(&document);
    let wrong = match document.status.as_u16() {
        200 => read.is_none_or(|read| read < made),
        404 | 503 => false,
        _ => true,
    };
    if wrong {
        let what = format!("asked for version {made}, got {} and {read:?}", document.status);
        world.chaos.journal().violation(Some(command), what);
    }
    read.filter(|_| document.status == 200)
}

/// A document, which is never older than one that was read before.
async fn read(world: &World, tenant: &str, path: &str) -> Option<Answer> {
    let newest = world.chaos.journal().reads.newest(tenant, path);
    let document = get(world, tenant, path).await?;
    let read = version(&document);
    if document.status == 200 {
        world.chaos.journal().reads.add(tenant, path, &document);
    }
    if document.status == 404 && newest > 0 || read.is_some_and(|read| read < newest) {
        let what = format!("{path} was read at version {newest}, and then {} and {read:?}", document.status);
        world.chaos.journal().violation(None, what);
    }
    Some(document)
}

/// Documents, lists, reports and histories: whatever they hold, it is the tenant's own.
async fn browse(world: &World, tenant: &str, subject: &str) {
    let customer = format!("{tenant}-{}", world.below(50));
    let target = match world.below(10) {
        0 => format!("/orders?customer={customer}"),
        1 => format!("/policies?holder={customer}"),
        2 => format!("/payments?customer={customer}"),
        3 => format!("/accounts?holder={customer}"),
        4 => "/reports/orders".to_owned(),
        5 => format!("/payments/{subject}/history"),
        6 => format!("/customers/{customer}"),
        7 | 8 => format!("/orders/{subject}"),
        _ => format!("/orders/{subject}/history"),
    };
    let is_order = target.starts_with("/orders/") && !target.ends_with("/history");
    let answer = if is_order { read(world, tenant, &target).await } else { get(world, tenant, &target).await };
    if let Some(answer) = answer
        && !matches!(answer.status.as_u16(), 200 | 404 | 503)
    {
        let what = format!("{target} is answered with {}: {}", answer.status, answer.text);
        world.chaos.journal().violation(None, what);
    }
}

/// What is asked for with a receipt that is another tenant's is not there.
pub async fn is_hidden(world: &World, tenant: &str, receipt: &str) -> bool {
    get(world, tenant, &format!("/operations/{receipt}")).await.is_some_and(|answer| answer.status == 404)
}

/// The digest of the content that a receipt is for.
pub fn digest(receipt: &str) -> String {
    Receipt::read(receipt).expect("a receipt").digest.to_string()
}
