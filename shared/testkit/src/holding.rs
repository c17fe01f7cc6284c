//! Items that transactions hold. `DynamoDB` prepares a transaction's items and then commits them, and refuses them to all
//! other transactions meanwhile.

use std::collections::HashSet;

use serde_json::Value;

use crate::answer::Answer;
use crate::aws::{Aws, lock};
use crate::clock::Latency;
use crate::faults;
use crate::request::Request;
use crate::tables;

#[derive(Debug, Default)]
pub(crate) struct Holding {
    /// From prepare to commit; nothing is held if not said.
    time: Option<Latency>,
    held: HashSet<String>,
}

impl Holding {
    pub fn set(&mut self, time: Latency) {
        self.time = Some(time);
    }
}

/// A transaction's items, until this is dropped.
pub(crate) struct Held<'a> {
    aws: &'a Aws,
    items: Vec<String>,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        let mut holding = lock(&self.aws.world.holding);
        for item in &self.items {
            holding.held.remove(item);
        }
    }
}

/// Holds the items of a transaction until it may commit, or refuses those that others hold.
pub(crate) async fn prepare<'a>(aws: &'a Aws, request: &Request) -> Result<Held<'a>, Answer> {
    let (held, time) = {
        let mut holding = lock(&aws.world.holding);
        let Some(time) = holding.time.as_mut().filter(|_| request.operation == "TransactWriteItems") else {
            return Ok(Held { aws, items: Vec::new() });
        };
        let time = time.draw();
        let items = items(request);
        let met: Vec<usize> = (0..items.len()).filter(|index| holding.held.contains(&items[*index])).collect();
        if !met.is_empty() {
            return Err(faults::transaction_conflict(request, &met));
        }
        holding.held.extend(items.iter().cloned());
        (Held { aws, items }, time)
    };
    tokio::time::sleep(time).await;
    Ok(held)
}

/// The table and the key of each.
fn items(request: &Request) -> Vec<String> {
    let body: Value = serde_json::from_str(&request.body).unwrap_or_default();
    let actions = body["TransactItems"].as_array().into_iter().flatten();
    let actions = actions.filter_map(|action| action.as_object()?.values().next());
    let name = |action: &Value| {
        let table = action["TableName"].as_str().unwrap_or_default();
        let keys = tables::find(table).map_or(&[][..], |table| &table.keys);
        let item = if action["Item"].is_object() { &action["Item"] } else { &action["Key"] };
        keys.iter().fold(table.to_owned(), |name, key| format!("{name} {}", item[key]))
    };
    actions.map(name).collect()
}
