//! What is asked of single orders and policies, in which order, and what must have become of it.

use std::fmt;

use serde_json::{Value, json};

use crate::api::{fresh, submit_order, to_order};

/// Commands for one aggregate, all from one writer, in the order they are sent.
#[derive(Clone)]
pub struct Story {
    pub collection: &'static str,
    pub aggregate: String,
    pub commands: Vec<Sent>,
}

/// A command, and the operations it was answered with: one, and one more for each repeat.
#[derive(Clone)]
pub struct Sent {
    pub event: Value,
    pub operations: Vec<String>,
}

/// What became of a command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The aggregate is in this version now.
    Succeeded(u64),
    /// By which rule.
    Rejected(String),
}

/// The one rule that looks beyond the aggregate.
const NUMBER_TAKEN: &str = "policies:number-taken";

impl Story {
    /// One of a few courses that orders take, good and bad.
    pub fn of_order(course: usize, customer: &str) -> Self {
        let courses: [&[&str]; 7] = [
            &["SubmitOrder", "ShipOrder"],
            &["SubmitOrder", "CancelOrder"],
            &["SubmitOrder", "ShipOrder", "CancelOrder"],
            &["SubmitOrder", "CancelOrder", "ShipOrder", "CancelOrder"],
            &["CancelOrder", "SubmitOrder"],
            &["SubmitOrder", "SubmitOrder", "ShipOrder", "ShipOrder"],
            &["ShipOrder", "SubmitOrder", "ShipOrder"],
        ];
        let order = fresh("O");
        let command = |name: &&str| match *name {
            "SubmitOrder" => submit_order(&order, customer),
            "ShipOrder" => to_order(name, &order, &json!({ "trackingNumber": fresh("T"), "carrier": "Snail" })),
            _ => to_order(name, &order, &json!({ "reason": fresh("because") })),
        };
        let commands = courses[course % courses.len()].iter().map(command).map(Sent::new).collect();
        Self { collection: "orders", aggregate: order, commands }
    }

    /// A policy of that number, which others may want as well.
    pub fn of_policy(course: usize, holder: &str, number: &str) -> Self {
        let courses: [&[&str]; 4] = [
            &["BindPolicy", "CancelPolicy"],
            &["BindPolicy", "AdjustPremium", "AdjustPremium", "CancelPolicy", "AdjustPremium"],
            &["CancelPolicy", "BindPolicy", "BindPolicy"],
            &["BindPolicy", "CancelPolicy", "CancelPolicy"],
        ];
        let policy = fresh("P");
        let command = |(nth, name): (usize, &&str)| {
            let data = match *name {
                // Another one each time.
                "AdjustPremium" => json!({ "premium": 13_000 + nth }),
                "BindPolicy" => json!({ "number": number, "holder": holder, "premium": 12900, "currency": "EUR",
                                        "from": "2026-02-01", "until": "2027-02-01" }),
                _ => json!({}),
            };
            let mut event = to_order(name, &policy, &data);
            event["source"] = json!("https://broker.example/portal");
            event
        };
        let commands = courses[course % courses.len()].iter().enumerate().map(command).map(Sent::new).collect();
        Self { collection: "policies", aggregate: policy, commands }
    }

    pub fn path(&self) -> String {
        format!("/{}/{}", self.collection, self.aggregate)
    }

    /// The events that the commands cause when they take effect in the order they were sent, each with the command's id.
    /// Fails if these are not the outcomes they have then.
    pub fn events(&self, outcomes: &[Outcome]) -> Result<Vec<(&'static str, &str)>, String> {
        let all: Vec<usize> = (0..self.commands.len()).collect();
        self.events_in(&all, outcomes)
    }

    /// The same for commands that may have overtaken each other: in the first order that these outcomes and this history
    /// fit.
    pub fn events_in_any_order(
        &self,
        outcomes: &[Outcome],
        history: &[(String, String)],
    ) -> Result<Vec<(&'static str, &str)>, String> {
        let fits = |events: &Vec<(&'static str, &str)>| {
            events.iter().map(|(ty, id)| ((*ty).to_owned(), (*id).to_owned())).eq(history.iter().cloned())
        };
        let orders = permutations(self.commands.len());
        let fitting = orders.iter().filter_map(|order| self.events_in(order, outcomes).ok()).find(fits);
        fitting.ok_or_else(|| format!("no order of {self} explains {outcomes:?} and {history:?}"))
    }

    fn events_in(&self, order: &[usize], outcomes: &[Outcome]) -> Result<Vec<(&'static str, &str)>, String> {
        let mut events: Vec<(&'static str, &str)> = Vec::new();
        for &index in order {
            let command = &self.commands[index];
            let expected = match decide(events.last().map(|(ty, _)| *ty), command.ty()) {
                _ if outcomes[index] == Outcome::Rejected(NUMBER_TAKEN.to_owned())
                    && command.ty() == "BindPolicy"
                    && events.is_empty() =>
                {
                    continue;
                }
                Err(rule) => Outcome::Rejected(rule.to_owned()),
                Ok(event) => {
                    events.extend(event.map(|event| (event, command.id())));
                    Outcome::Succeeded(events.len() as u64)
                }
            };
            if expected != outcomes[index] {
                return Err(format!("{self}: {} should be {expected:?} in {outcomes:?}", command.ty()));
            }
        }
        Ok(events)
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let types: Vec<_> = self.commands.iter().map(Sent::ty).collect();
        write!(f, "{} {types:?}", self.path())
    }
}

impl Sent {
    /// Its events name it by its id.
    fn new(mut event: Value) -> Self {
        event["correlationid"] = event["id"].clone();
        Self { event, operations: Vec::new() }
    }

    pub fn id(&self) -> &str {
        self.event["id"].as_str().expect("an id")
    }

    pub fn ty(&self) -> &str {
        self.event["type"].as_str().expect("a type")
    }

    /// As an operation says it that has ended.
    pub fn outcome(operation: &Value) -> Outcome {
        match (operation["status"].as_str(), operation["error"]["type"].as_str()) {
            (Some("succeeded"), None) => {
                Outcome::Succeeded(operation["resource"]["version"].as_u64().expect("a version"))
            }
            (Some("rejected"), Some(ty)) => Outcome::Rejected(ty.trim_start_matches("urn:waybill:problem:").to_owned()),
            _ => panic!("neither succeeded nor rejected: {operation:#}"),
        }
    }
}

/// The rules: the event that a command causes after this last one, if any, or by which rule it is rejected.
fn decide(last: Option<&str>, command: &str) -> Result<Option<&'static str>, &'static str> {
    match (command, last) {
        ("SubmitOrder", None) => Ok(Some("OrderSubmitted")),
        ("SubmitOrder", _) => Err("orders:already-submitted"),
        ("ShipOrder" | "CancelOrder", None) => Err("orders:unknown-order"),
        ("ShipOrder", Some("OrderSubmitted")) => Ok(Some("OrderShipped")),
        ("CancelOrder", Some("OrderSubmitted")) => Ok(Some("OrderCancelled")),
        ("ShipOrder" | "CancelOrder", Some("OrderShipped")) => Err("orders:already-shipped"),
        ("ShipOrder", _) => Err("orders:already-cancelled"),
        ("BindPolicy", None) => Ok(Some("PolicyBound")),
        ("BindPolicy", _) => Err("policies:already-bound"),
        ("AdjustPremium" | "CancelPolicy", None) => Err("policies:unknown-policy"),
        ("AdjustPremium", Some("PolicyBound" | "PremiumAdjusted")) => Ok(Some("PremiumAdjusted")),
        ("AdjustPremium", _) => Err("policies:policy-cancelled"),
        ("CancelPolicy", Some("PolicyBound" | "PremiumAdjusted")) => Ok(Some("PolicyCancelled")),
        ("CancelOrder" | "CancelPolicy", _) => Ok(None),
        _ => panic!("no rule for {command}"),
    }
}

fn permutations(count: usize) -> Vec<Vec<usize>> {
    if count == 0 {
        return vec![Vec::new()];
    }
    let insert = |shorter: Vec<usize>| {
        (0..count).map(move |at| {
            let mut longer = shorter.clone();
            longer.insert(at, count - 1);
            longer
        })
    };
    permutations(count - 1).into_iter().flat_map(insert).collect()
}

/// The document that an aggregate's events add up to, without its times.
pub fn folded(collection: &str, history: &[Value]) -> Value {
    let mut document = json!({});
    for event in history {
        let mut data = event["data"].clone();
        let status = match event["type"].as_str() {
            Some("OrderSubmitted") => "submitted",
            Some("OrderShipped") => "shipped",
            Some("OrderCancelled" | "PolicyCancelled") => "cancelled",
            Some("PolicyBound" | "PremiumAdjusted") => "active",
            _ => panic!("no rule for {event:#}"),
        };
        if let Some(reason) = data.as_object_mut().and_then(|data| data.remove("reason")) {
            data["cancellationReason"] = reason;
        }
        // Readers of orders know the parcel's members as the order's own.
        if let Some(Value::Object(parcel)) = data.as_object_mut().and_then(|data| data.remove("parcel")) {
            data.as_object_mut().expect("data").extend(parcel);
        }
        if let Some(lines) = data["lines"].as_array() {
            data["pieces"] = json!(lines.iter().filter_map(|line| line["quantity"].as_u64()).sum::<u64>());
        }
        // When it takes effect, and what that is worth, is the account's business.
        data.as_object_mut().expect("data").retain(|name, _| !["effective", "settlement"].contains(&name.as_str()));
        for (name, value) in data.as_object().expect("data") {
            document[name] = value.clone();
        }
        document["id"] = event["subject"].clone();
        document["status"] = json!(status);
        if event["type"] == "PolicyBound" {
            document["boundAt"] = event["time"].clone();
        }
        if collection == "orders" {
            document["updatedAt"] = event["time"].clone();
        }
    }
    document
}
