//! What several tests here do with a bench.

use bench::{Bench, events};
use kernel::cloud_event::CloudEvent;
use kernel::command::{Command, Principal, Repair};
use kernel::ids::TenantId;
use kernel::receipt::Receipt;
use serde_json::Value;
use store::parked::{OperatorAction, ParkedMessage};
use testkit::Message;

/// What an operator does with a parked command: it is resubmitted, repaired if there is other data for it. Gives the
/// message to be queued.
pub async fn resubmit(bench: &Bench, receipt: &Receipt, data: Option<Value>) -> String {
    let parked = &bench.handler.parked;
    let key = ParkedMessage::key(TenantId::parse("acme").ok().as_ref(), bench.handler.context.name);
    let id = ParkedMessage::id(receipt.accepted_at, receipt.command_key);
    let found = parked.find(&key, &id).await.expect("an answer").expect("a parked command");
    let event = CloudEvent::from_json(found.message.as_bytes()).expect("a CloudEvent");
    let ann = Principal::read("user:ann");
    let data = data.map(|data| kernel::RawValue::from_string(data.to_string()).expect("JSON"));
    let repair = data.map(|data| Repair { data, by: &ann });
    let repaired = repair.is_some();
    let revised = Command::revised(event, found.summary.revision + 1, repair).expect("a command").to_json();
    let decision = OperatorAction { by: "ann", reason: None, at: bench.now() };
    parked.resubmit(&found, revised, repaired, decision).await.expect("resubmitted").message
}

/// The aggregate's only event: as it is stored, and as it is published.
pub fn only_event(bench: &Bench, aggregate: &str) -> (Value, CloudEvent) {
    let commits = bench.commits(aggregate);
    let [commit] = &commits[..] else { panic!("one commit, not {commits:#?}") };
    let stored: Value = serde_json::from_str(commit["events"].as_str().expect("text")).expect("events");
    let recorded = events(commit.clone());
    let [event] = &recorded[..] else { panic!("one event, not {recorded:#?}") };
    (stored[0].clone(), event.to_cloud_event("https://api.example"))
}

pub fn ids(messages: &[Message]) -> Vec<String> {
    messages.iter().map(|message| message.id.clone()).collect()
}

/// The messages of one aggregate's group.
pub fn of_group(messages: &[Message], aggregate: &str) -> Vec<Message> {
    let of = |message: &&Message| message.group.as_ref().is_some_and(|group| group.ends_with(&format!("/{aggregate}")));
    messages.iter().filter(of).cloned().collect()
}

pub fn strings(receipts: &[Receipt]) -> Vec<String> {
    receipts.iter().map(ToString::to_string).collect()
}
