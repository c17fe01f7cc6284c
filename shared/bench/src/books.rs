//! [`Books`]: what every account of a tenant should have, told three ways: by its counter, by its own stream, and by the
//! decisions that moved its money.

use std::collections::BTreeMap;

use kernel::domain_event::RecordedEvent;
use serde_json::Value;
use testkit::{Aws, TABLES};

use crate::handling::{events, text};

/// Everything that has happened at a tenant's, and the counters of now.
pub struct Books {
    events: Vec<RecordedEvent>,
    /// What each account can spend.
    available: BTreeMap<String, i64>,
}

impl Books {
    pub fn of(aws: &Aws, tenant: &str) -> Self {
        let commits = aws.items(TABLES.events).into_iter();
        let commits = commits.filter(|commit| text(&commit["stream_id"]).split('/').next() == Some(tenant));
        let prefix = format!("{tenant}#accounts#counter#available/");
        let amount = |item: Value| {
            let key = text(&item["guard_key"]);
            let account = key.strip_prefix(&prefix)?.split_once('/')?.1.to_owned();
            Some((account, item["amount"].as_i64().expect("an amount")))
        };
        Self {
            events: commits.flat_map(events).collect(),
            available: aws.items(TABLES.guards).into_iter().filter_map(amount).collect(),
        }
    }

    /// The data of all events of this type, and whose they are.
    pub fn of_type(&self, ty: &str) -> impl Iterator<Item = (&str, Value)> {
        let events = self.events.iter().filter(move |event| event.event.ty == ty);
        events.map(|event| {
            let data = serde_json::from_str(event.event.data.get()).expect("JSON");
            (event.stream.aggregate.as_str(), data)
        })
    }

    /// What decisions have moved, by account.
    fn moved(&self) -> BTreeMap<String, i64> {
        let mut moved = BTreeMap::<String, i64>::new();
        let mut move_by = |account: &str, amount: &Value, sign: i64| {
            *moved.entry(account.to_owned()).or_default() += sign * amount.as_i64().expect("an amount");
        };
        for (account, data) in self.of_type("MoneyDeposited") {
            move_by(account, &data["amount"]["amount"], 1);
        }
        for (account, data) in self.of_type("MoneyTransferred") {
            move_by(account, &data["amount"]["amount"], -1);
            move_by(&text(&data["to"]), &data["amount"]["amount"], 1);
        }
        for (_, data) in self.of_type("PolicyBound") {
            if let Some(account) = data.get("account") {
                move_by(&text(account), &data["premium"], -1);
            }
        }
        for (_, data) in self.of_type("PremiumAdjusted").chain(self.of_type("PolicyCancelled")) {
            if let Some(settlement) = data.get("settlement") {
                move_by(&text(&settlement["account"]), &settlement["amount"], 1);
            }
        }
        moved
    }

    /// What each account's document says, folded from its own stream.
    fn documents(&self) -> BTreeMap<String, Value> {
        let mut streams = BTreeMap::<String, Vec<RecordedEvent>>::new();
        for event in self.events.iter().filter(|event| event.stream.context == "accounts") {
            streams.entry(event.stream.aggregate.to_string()).or_default().push(event.clone());
        }
        let model = catalog::read_model("accounts").expect("a read model").read_model;
        let document = |events: &[_]| model.project(None, events).expect("a document").document;
        let read = |events: &[_]| serde_json::from_str(&document(events)).expect("JSON");
        streams.into_iter().map(|(account, events)| (account, read(&events))).collect()
    }

    /// The accounts that have spent more than they had.
    pub fn overdrawn(&self) -> Vec<String> {
        let overdrawn = self.available.iter().filter(|(_, available)| **available < 0);
        overdrawn.map(|(account, available)| format!("{account} is overdrawn: {available}")).collect()
    }

    /// Whatever does not add up.
    pub fn differences(&self) -> Vec<String> {
        let (mut found, mut moved, documents) = (self.overdrawn(), self.moved(), self.documents());
        for (account, available) in &self.available {
            let Some(document) = documents.get(account) else {
                found.push(format!("{account} was never opened"));
                continue;
            };
            let balance = available - document["overdraft"].as_i64().expect("an amount");
            let moved = moved.remove(account).unwrap_or_default();
            if balance != moved {
                found.push(format!("{account} has {balance}, and {moved} was moved"));
            }
            if document["balance"] != balance {
                found.push(format!("{account} has {balance}, and has recorded {}", document["balance"]));
            }
        }
        found.extend(moved.into_iter().map(|(account, amount)| format!("{amount} went to {account}, which is none")));
        found
    }
}
