//! Clients: they send commands, send them again when no answer comes, follow what became of them, and read what they
//! wrote.

use std::rc::Rc;
use std::time::Duration;

use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::Receipt;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::chaos::Role;
use crate::http::{Answer, request};
use crate::journal::Kind;
use crate::world::{PUBLIC_URL, SOURCE, TENANTS, World};

const TIMEOUT: Duration = Duration::from_secs(10);
const STRUCTURED: &str = "application/cloudevents+json";
const REUSED: &str = "id reused for other content";
const BATCH: &str = "application/cloudevents-batch+json";

/// A quantity that does not arrive as it was sent: see `Chaos::rewrite`.
pub const DAMAGED_ON_ITS_WAY: usize = 654_321;

/// Commands of one tenant that are to be sent together.
struct Sending {
    tenant: &'static str,
    commands: Vec<(u32, Value)>,
}

/// What is sent next: aggregates, and which of them many want.
#[derive(Default)]
pub struct Workload {
    sent: usize,
    orders: usize,
    policies: usize,
    /// By tenant.
    hot: [usize; 3],
}

/// Sends as many commands as the plan says, by many writers, and comes back when all were accepted and followed.
pub async fn run(world: &Rc<World>) {
    let workload = Rc::new(std::cell::RefCell::new(Workload::default()));
    let mut writers = JoinSet::new();
    for _ in 0..world.plan.writers() {
        writers.spawn_local(write(Rc::clone(world), Rc::clone(&workload)));
    }
    writers.join_all().await;
}

async fn write(world: Rc<World>, workload: Rc<std::cell::RefCell<Workload>>) {
    let mut later = JoinSet::new();
    loop {
        let sending = workload.borrow_mut().next(&world);
        let Some(Sending { tenant, commands }) = sending else { break };
        sleep(world.between(Duration::ZERO, Duration::from_secs(12))).await;
        let alone = commands.len() == 1;
        send(&world, tenant, &commands).await;
        let (first, event) = commands.into_iter().next().expect("at least one");
        if world.chance(if alone { 250 } else { 100 }) {
            follow(&world, tenant, first).await;
        }
        if world.chance(40) {
            later.spawn_local(again(Rc::clone(&world), tenant, first, event));
        }
    }
    later.join_all().await;
}

/// The same once more, minutes or hours later; or other content under the same id.
async fn again(world: Rc<World>, tenant: &'static str, command: u32, mut event: Value) {
    sleep(world.between(Duration::from_secs(1), Duration::from_mins(40))).await;
    let other = world.plan.ills && event["type"] == "SubmitOrder" && world.chance(400);
    if other {
        event["data"]["customer"] = json!(format!("{tenant}-other"));
        world.chaos.journal().count(REUSED);
    }
    send(&world, tenant, &[(command, event)]).await;
}

impl Workload {
    fn next(&mut self, world: &World) -> Option<Sending> {
        if self.sent >= world.plan.commands {
            return None;
        }
        let at = world.below(TENANTS.len());
        let tenant = TENANTS[at];
        let mut wanted = Vec::new();
        if world.chance(world.plan.hot) {
            self.hot[at] += 1;
            wanted.push(Self::at_a_hot_one(world, self.hot[at]));
        } else if world.chance(300) {
            self.policies += 1;
            let stream = format!("p-{}", self.policies);
            wanted.push((Kind::Bind, stream.clone()));
            if world.chance(500) {
                wanted.push((Kind::CancelPolicy, stream));
            }
        } else {
            self.orders += 1;
            let stream = format!("o-{}", self.orders);
            wanted.push((Kind::Submit, stream.clone()));
            match world.below(5) {
                0 => wanted.extend([(Kind::Ship, stream.clone()), (Kind::Cancel, stream)]),
                1 => wanted.extend([(Kind::Cancel, stream.clone()), (Kind::Cancel, stream)]),
                2 => wanted.extend([(Kind::Cancel, stream.clone()), (Kind::Ship, stream)]),
                3 => wanted.push((Kind::Ship, stream)),
                _ => {}
            }
        }
        wanted.truncate(world.plan.commands - self.sent);
        let commands = wanted.into_iter().map(|(kind, stream)| self.command(world, tenant, kind, &stream)).collect();
        Some(Sending { tenant, commands })
    }

    /// What many writers want at one time of one order: its beginning, its end, and all that comes too late. Or of one
    /// policy: a long history.
    fn at_a_hot_one(world: &World, nth: usize) -> (Kind, String) {
        const ORDER: [Kind; 4] = [Kind::Submit, Kind::Ship, Kind::Cancel, Kind::Cancel];
        if nth.is_multiple_of(3) {
            return (world.pick(&ORDER), format!("hot-{}", nth / 120));
        }
        let kind = match world.below(20) {
            0 | 1 => Kind::Bind,
            2 if world.chance(300) => Kind::CancelPolicy,
            _ => Kind::Adjust,
        };
        (kind, format!("hot-{}", nth / 150))
    }

    fn command(&mut self, world: &World, tenant: &str, kind: Kind, aggregate: &str) -> (u32, Value) {
        self.sent += 1;
        let id = format!("c-{}", self.sent);
        let tenant_id = TenantId::parse(tenant).expect("a tenant");
        let key = CommandKey::of(&tenant_id, SOURCE, &id).to_string();
        let stream = format!("{tenant}/{}/{aggregate}", kind.context());
        let number = world.chaos.journal().command(key, &tenant_id, &stream, kind);
        let sku = format!("{tenant}-sku");
        let data = match kind {
            Kind::Submit => {
                let damaged = world.plan.ills && world.chance(10);
                let quantity = if damaged { DAMAGED_ON_ITS_WAY } else { 1 + self.sent % 7 };
                let price = json!({ "amount": 100 + self.sent, "currency": "EUR" });
                json!({
                    "customer": format!("{tenant}-{}", self.sent % 50),
                    "lines": [{ "sku": sku, "quantity": quantity, "unitPrice": price }],
                })
            }
            Kind::Ship => json!({ "trackingNumber": format!("{tenant}-{}", self.sent) }),
            Kind::Cancel => json!({ "reason": format!("{tenant} has no use for it") }),
            // Now and then a number that is taken.
            Kind::Bind => json!({
                "number": format!("N-{}", if self.sent.is_multiple_of(20) { 1 } else { self.sent }),
                "holder": format!("{tenant}-{}", self.sent % 50),
                "premium": 100, "currency": "EUR", "from": "2026-02-01", "until": "2027-02-01",
            }),
            // Another one each time.
            Kind::Adjust => json!({ "premium": 1_000 + self.sent }),
            Kind::CancelPolicy => json!({}),
        };
        let event = json!({
            "specversion": "1.0", "id": id, "source": SOURCE, "type": kind.name(), "subject": aggregate,
            "datacontenttype": "application/json", "data": data,
        });
        (number, event)
    }
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
            it.works_on(Some(*command));
        }
        let request = request("POST", "/commands", &format!("{tenant}-shop"), content_type, Some(body));
        let work = warm.function.handle(request, world.now(warm.skew));
        match world.chaos.invoke(it, TIMEOUT, work).await.map(Answer::of) {
            Ok(answer) if answer.status == 202 => {
                isolated(world, tenant, &answer.text);
                // Once in a while the answer does not reach the client.
                if world.plan.faults > 0 && !world.chaos.is_calm() && world.chance(20) {
                    world.chaos.journal().count("202 lost on its way to the client");
                    world.chaos.journal().took("202 lost on its way to the client");
                } else {
                    return note(world, commands, &answer.json());
                }
            }
            Ok(answer) if answer.status == 503 => {}
            Ok(answer) => {
                let what = format!("refused with {}: {}", answer.status, answer.text);
                return world.chaos.journal().violation(Some(commands[0]), what);
            }
            Err(_) => world.drop_ingest(&warm),
        }
        sleep(pause).await;
        pause = (pause * 2).min(Duration::from_mins(1));
    }
}

fn note(world: &World, commands: &[u32], answer: &Value) {
    let operations = answer["operations"].as_array().map_or_else(|| vec![answer], |all| all.iter().collect());
    let mut journal = world.chaos.journal();
    for (command, operation) in commands.iter().zip(operations) {
        let receipt = operation["id"].as_str().unwrap_or_default().to_owned();
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

async fn get(world: &World, tenant: &str, target: &str) -> Option<Answer> {
    let warm = world.query();
    let it = world.chaos.invocation(Role::Query);
    let request = request("GET", target, &format!("{tenant}-shop"), "application/json", None);
    let answer = world.chaos.invoke(it, TIMEOUT, warm.function.handle(request, world.now(warm.skew))).await.ok()?;
    let answer = Answer::of(answer);
    isolated(world, tenant, &answer.text);
    Some(answer)
}

/// Asks for the operation until it has ended, and then reads what it wrote. Patience ends with a person's.
async fn follow(world: &World, tenant: &str, command: u32) {
    let mut pause = Duration::from_secs(1);
    for _ in 0..9 {
        let Some(receipt) = world.chaos.journal().known[command as usize].receipts.first().cloned() else { return };
        match operation(world, tenant, command, &receipt).await.as_deref() {
            Some("succeeded" | "rejected" | "discarded") => return,
            _ => sleep(pause).await,
        }
        pause = (pause * 2).min(Duration::from_mins(2));
    }
}

/// The operation's status as its client sees it. Of one that succeeded, its resource is read as well.
pub async fn operation(world: &World, tenant: &str, command: u32, receipt: &str) -> Option<String> {
    let answer = get(world, tenant, &format!("/operations/{receipt}")).await?;
    if answer.status == 503 {
        return None;
    }
    let operation = answer.json();
    let Some(status) = operation["status"].as_str().filter(|_| answer.status == 200) else {
        let what = format!("its operation is answered with {}: {}", answer.status, answer.text);
        world.chaos.journal().violation(Some(command), what);
        return None;
    };
    if let (Some(href), Some(version)) =
        (operation["resource"]["href"].as_str(), operation["resource"]["version"].as_u64())
    {
        let target = href.strip_prefix(PUBLIC_URL).unwrap_or(href);
        if let Some(document) = get(world, tenant, target).await
            && document.status == 200
            && document.version.is_none_or(|read| read < version)
        {
            let what = format!("asked for version {version}, shown {:?}", document.version);
            world.chaos.journal().violation(Some(command), what);
        }
    }
    Some(status.to_owned())
}

/// Whether all receipts of a command lead to one outcome, but for those of other content.
pub fn digest(receipt: &str) -> String {
    Receipt::read(receipt).map(|receipt| receipt.digest.to_string()).unwrap_or_default()
}
