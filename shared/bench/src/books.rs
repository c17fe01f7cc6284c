//! What every account should have, told three ways: by its counter, by its own stream, and by the decisions that moved its
//! money.

use std::collections::BTreeMap;

use bench::text;
use kernel::domain_event::RecordedEvent;
use serde_json::Value;
use testkit::{Aws, TABLES};

/// Everything that has happened, and the counters of now.
pub struct Books {
    pub events: Vec<RecordedEvent>,
    /// What each account can spend.
    available: BTreeMap<String, i64>,
}

impl Books {
    pub fn of(aws: &Aws) -> Self {
        let events = aws.items(TABLES.events).into_iter().flat_map(bench::events).collect();
        let amount = |item: Value| {
            let key = text(&item["guard_key"]);
            let account = key.strip_prefix("acme#accounts#counter#available/")?.split_once('/')?.1.to_owned();
            Some((account, item["amount"].as_i64().expect("an amount")))
        };
        Self { events, available: aws.items(TABLES.guards).into_iter().filter_map(amount).collect() }
    }

    /// The data of all events of this type, and whose they are.
    pub fn of_type(&self, ty: &str) -> impl Iterator<Item = (&str, Value)> {
        let events = self.events.iter().filter(move |event| event.event.ty == ty);
        events.map(|event| {
            let data = serde_json::from_str(event.event.data.get()).expect("JSON");
            (event.stream.aggregate.as_str(), data)
        })
    }

    /// Every decision that has moved money, by how much, and on which account.
    fn moves(&self) -> Vec<(String, i64)> {
        let mut moves = Vec::new();
        let mut move_by = |account: &str, amount: &Value, sign: i64| {
            moves.push((account.to_owned(), sign * amount.as_i64().expect("an amount")));
        };
        for (account, data) in self.of_type("MoneyDeposited") {
            move_by(account, &data["amount"]["amount"], 1);
        }
        for (account, data) in self.of_type("MoneyTransferred") {
            move_by(account, &data["amount"]["amount"], -1);
            move_by(&text(&data["to"]), &data["amount"]["amount"], 1);
        }
        for (_, data) in self.of_type("PolicyBound") {
            move_by(&text(&data["account"]), &data["premium"], -1);
        }
        for (_, data) in self.of_type("PremiumAdjusted").chain(self.of_type("PolicyCancelled")) {
            if let Some(settlement) = data.get("settlement") {
                move_by(&text(&settlement["account"]), &settlement["amount"], 1);
            }
        }
        moves
    }

    /// What an account's document says, folded from its own stream.
    fn document(&self, account: &str) -> Value {
        let mut own: Vec<_> = self.events.iter().filter(|event| event.stream.context == "accounts").cloned().collect();
        own.retain(|event| event.stream.aggregate.as_str() == account);
        let model = catalog::read_model("accounts").expect("a read model").read_model;
        serde_json::from_str(&model.project(None, &own).expect("a document").document).expect("JSON")
    }

    /// No account has spent more than it had.
    pub fn assert_none_is_overdrawn(&self) {
        for (account, available) in &self.available {
            assert!(*available >= 0, "{account} is overdrawn: {available}");
        }
    }

    pub fn assert_they_balance(&self) {
        self.assert_none_is_overdrawn();
        let mut balances: BTreeMap<String, i64> = BTreeMap::new();
        for (account, amount) in self.moves() {
            *balances.entry(account).or_default() += amount;
        }
        for (account, available) in &self.available {
            let document = self.document(account);
            let balance = available - document["overdraft"].as_i64().expect("an amount");
            let moved = balances.remove(account).unwrap_or_default();
            assert_eq!(balance, moved, "{account} has what was moved");
            assert_eq!(document["balance"], balance, "{account} has recorded what was moved");
        }
        assert_eq!(balances, BTreeMap::new(), "no money went where no account is");
    }
}
