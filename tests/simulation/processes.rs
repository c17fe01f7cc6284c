//! What follows from what: everything that an event, a commit or a refusal asks for was carried out, and nothing else; no
//! order is charged for and not confirmed, or the other way round; no money is lost; and every mail that was due is sent.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bench::platform::PUBLIC_URL;
use bench::{Books, text};
use kernel::domain_event::RecordedEvent;
use kernel::effect::Recorded;
use kernel::ids::{AggregateId, CommandKey, StreamId};
use kernel::operation::Status as Outcome;
use kernel::peers::{DISCARDED, Refusal};
use kernel::system_command::{EffectPlace, SystemCommand};
use payment_provider::{Charge, Status};
use serde_json::Value;
use store::event_store::Commit;
use store::operations::OperationRecord;

use crate::check::Streams;
use crate::world::{TENANTS, World};

/// Holds all of that.
pub fn have_ended(world: &World, events: &Streams, commits: &[Commit], operations: &[OperationRecord]) {
    let mut wrong = commands(world, events, commits, operations);
    wrong.extend(payments(world, events));
    wrong.extend(TENANTS.iter().flat_map(|tenant| Books::of(&world.aws, tenant).differences()));
    wrong.extend(mails(world, events));
    for what in wrong {
        world.chaos.journal().violation(None, what);
    }
}

/// The keys of commands that the installation hands in.
#[derive(Default)]
struct Asked {
    /// With who asks for each.
    certainly: BTreeMap<String, String>,
    perhaps: BTreeSet<String>,
}

/// Whatever was asked for was sent (so that it must have an outcome), and nothing else.
fn commands(world: &World, events: &Streams, commits: &[Commit], operations: &[OperationRecord]) -> Vec<String> {
    let mut asked = Asked::default();
    let mut wrong = Vec::new();
    for event in events.values().flatten() {
        asked.heard(event);
        wrong.extend(asked.found_out(world, event));
    }
    asked.effects(commits);
    asked.refusals(operations);
    let journal = world.chaos.journal();
    let sent = journal.of_system();
    let missing = asked.certainly.iter().filter(|(key, _)| !sent.contains_key(key.as_str()));
    wrong.extend(missing.map(|(_, why)| format!("{why}, and nothing was sent")));
    let is_asked = |key: &str| asked.certainly.contains_key(key) || asked.perhaps.contains(key);
    let unasked = sent.iter().filter(|(key, _)| !is_asked(key));
    wrong.extend(unasked.map(|(_, command)| format!("nobody has asked for this:\n{}", journal.life(*command))));
    wrong
}

impl Asked {
    /// What contexts hear of each other.
    fn heard(&mut self, event: &RecordedEvent) {
        for context in catalog::CONTEXTS {
            let follows = |heard: &kernel::peers::Heard| heard.hear(event).expect("it can be read").is_some();
            if context.hears.iter().any(follows) {
                let StreamId { tenant, context: source, .. } = &event.stream;
                let key = CommandKey::of_system(tenant, source, &event.id(), context.name);
                self.certainly.insert(key.to_string(), format!("{} hears {}", context.name, event.id()));
            }
        }
    }

    /// What subscribers may find out about an event. Of a payment's request, one outcome has to be known.
    fn found_out(&mut self, world: &World, event: &RecordedEvent) -> Option<String> {
        let outcomes: &[&str] = match event.event.ty.as_str() {
            "ChargeRequested" => &["RecordCharge", "RecordDecline"],
            "VoidRequested" => &["RecordCharge", "RecordVoid"],
            "RefundRequested" => &["RecordRefund"],
            "StepAwaited" | "ReminderDue" | "StepEscalated" => &["RecordNotification"],
            _ => return None,
        };
        let StreamId { tenant, context, .. } = &event.stream;
        let key =
            |outcome: &&str| CommandKey::of_system(tenant, context, &format!("{}.{outcome}", event.id()), context);
        let keys: Vec<_> = outcomes.iter().map(|outcome| key(outcome).to_string()).collect();
        let is_known = keys.iter().any(|key| world.chaos.journal().find(key).is_some());
        self.perhaps.extend(keys);
        let is_sure = context == "payments";
        (is_sure && !is_known).then(|| format!("nobody knows what came of {}, {}", event.id(), event.event.ty))
    }

    /// What commits send, and what their timers hand in, unless they were cancelled or set anew: then it may have been too late
    /// for that.
    fn effects(&mut self, commits: &[Commit]) {
        let mut timers: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
        for commit in commits {
            let (stream, committed_at) = (commit.stream().expect("a stream"), commit.committed_at());
            for (place, recorded) in commit.effects().expect("effects").iter().enumerate() {
                let place = EffectPlace { stream: &stream, commit_number: commit.commit_number, committed_at, place };
                let command = SystemCommand::of_effect(recorded, place, PUBLIC_URL);
                let key = command.map(|command| command.expect("a command").key.to_string());
                match (&recorded.effect, key) {
                    (Recorded::SetTimer { name, .. } | Recorded::CancelTimer { name }, key) => {
                        let before = timers.entry((stream.to_string(), name.clone())).or_default();
                        self.perhaps.extend(std::mem::take(before));
                        before.extend(key);
                    }
                    (Recorded::Send { .. }, key) => {
                        self.certainly.extend(key.map(|key| (key, format!("{stream} sends a command"))));
                    }
                }
            }
        }
        for ((stream, name), keys) in timers {
            self.certainly.extend(keys.into_iter().map(|key| (key, format!("the timer {name} of {stream} was due"))));
        }
    }

    /// What senders are told.
    fn refusals(&mut self, operations: &[OperationRecord]) {
        for operation in operations {
            let Some(reply_to) = &operation.reply_to else { continue };
            let reason = match operation.outcome {
                Outcome::Rejected => operation.reason(),
                Outcome::Discarded => DISCARDED.to_owned(),
                _ => continue,
            };
            let StreamId { tenant, context, .. } = &reply_to.stream;
            let sender = catalog::context(context).expect("a context");
            let aggregate = AggregateId::parse(&operation.subject).expect("an id");
            let refusal = Refusal { command: &operation.command_type, aggregate: &aggregate, reason: &reason };
            if sender.recipient(&operation.command_type).and_then(|to| (to.refused)(refusal)).is_some() {
                let id = format!("{}.{}", operation.operation_key, operation.revision);
                let key = CommandKey::of_system(tenant, &operation.context, &id, context);
                self.certainly.insert(key.to_string(), format!("{} hears of a refusal", reply_to.stream));
            }
        }
    }
}

/// Of an order that is to be paid: confirmed, and charged once; or cancelled, and nothing charged, or all given back.
fn payments(world: &World, events: &Streams) -> Vec<String> {
    let mut charges: BTreeMap<String, Vec<Charge>> = BTreeMap::new();
    for charge in world.provider.charges() {
        charges.entry(charge.key.clone()).or_default().push(charge);
    }
    let mut refunds: BTreeMap<String, i64> = BTreeMap::new();
    for refund in world.provider.refunds() {
        *refunds.entry(refund.charge).or_default() += refund.amount;
    }
    let mut wrong = Vec::new();
    for (stream, order) in events.iter().filter(|(_, events)| events[0].stream.context == "orders") {
        let submitted = data(&order[0]);
        if submitted["payWithinSeconds"].is_null() {
            continue;
        }
        let payment = StreamId { context: "payments".to_owned(), ..order[0].stream.clone() };
        let payment = events.get(&payment.to_string()).map(Vec::as_slice).unwrap_or_default();
        let asked = payment.iter().find(|event| event.event.ty == "ChargeRequested");
        let key = asked.map(|event| CommandKey::of(&event.stream.tenant, "payments", &event.id()).to_string());
        let mut made = key.and_then(|key| charges.remove(&key)).unwrap_or_default();
        made.retain(|charge| charge.status == Status::Charged);
        let given_back = |charge: &Charge| refunds.get(&charge.id).copied().unwrap_or_default();
        let kept: i64 = made.iter().map(|charge| charge.amount - given_back(charge)).sum();
        let has = |ty: &str| order.iter().any(|event| event.event.ty == ty);
        let due = submitted["total"]["amount"].as_i64().expect("an amount");
        let is_right = match (has("OrderCancelled"), has("OrderConfirmed")) {
            (true, _) => kept == 0 && made.len() <= 1,
            (false, true) => {
                let is_right = |made: &Charge| {
                    submitted["customer"] == made.customer && submitted["total"]["currency"] == made.currency
                };
                kept == due && made.len() == 1 && made.iter().all(is_right)
            }
            (false, false) => false,
        };
        if !is_right {
            let types =
                |events: &[RecordedEvent]| events.iter().map(|event| event.event.ty.clone()).collect::<Vec<_>>();
            let (order, payment) = (types(order), types(payment));
            wrong.push(format!("{stream} is {order:?} and its payment {payment:?}, of {due} is kept {kept}: {made:?}"));
        }
    }
    let unasked = charges.into_values().flatten().filter(|charge| charge.status == Status::Charged);
    wrong.extend(unasked.map(|charge| format!("nobody has asked for {charge:?}")));
    wrong
}

/// What asks for a mail, and what says that none is wanted any more.
const REQUESTS: [&str; 3] = ["StepAwaited", "ReminderDue", "StepEscalated"];
const ENDS: [&str; 3] = ["OnboardingGivenUp", "OnboardingCompleted", "PatientWithdrawn"];
/// How long a mail may wait for whatever fails.
const A_DAY: Duration = Duration::from_hours(24);

/// What became of each mail that an event of a patient asks for is on record, unless something newer has overtaken it within a
/// day; and all that is on record as delivered was sent, where nothing fails no more than that.
fn mails(world: &World, events: &Streams) -> Vec<String> {
    let mut sent: BTreeMap<String, usize> = BTreeMap::new();
    for mail in world.aws.mails() {
        *sent.entry(mail.to).or_default() += 1;
    }
    let mut delivered: BTreeMap<String, usize> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (stream, events) in events.iter().filter(|(_, events)| events[0].stream.context == "patients") {
        let is = |event: &RecordedEvent, types: &[&str]| types.contains(&event.event.ty.as_str());
        let enrolled = events.iter().find(|event| is(event, &["PatientEnrolled"])).map(data);
        let recorded: Vec<Value> =
            events.iter().filter(|event| is(event, &["NotificationRecorded"])).map(data).collect();
        let mut news = events.iter().filter(|event| is(event, &REQUESTS) || is(event, &ENDS)).peekable();
        while let Some(request) = news.next() {
            if !is(request, &REQUESTS) {
                continue;
            }
            let newer = news.peek().is_some_and(|newer| newer.time.since(request.time) < A_DAY);
            match recorded.iter().find(|mail| mail["request"] == request.version) {
                Some(mail) if mail["delivered"] == true => {
                    let whose = if is(request, &["StepEscalated"]) { "/practice/email" } else { "/contact/email" };
                    let to = enrolled.as_ref().and_then(|enrolled| enrolled.pointer(whose)).map(text);
                    *delivered.entry(to.unwrap_or_default()).or_default() += 1;
                }
                None if !newer => wrong.push(format!("{stream}: no mail was sent for {}", request.event.ty)),
                _ => {}
            }
        }
    }
    for (address, delivered) in delivered {
        let sent = sent.remove(&address).unwrap_or_default();
        if sent < delivered || (!world.plan.ills && sent > delivered) {
            wrong.push(format!("{delivered} mails to {address} are on record, and {sent} were sent"));
        }
    }
    wrong
}

fn data(event: &RecordedEvent) -> Value {
    serde_json::from_str(event.event.data.get()).expect("JSON")
}
