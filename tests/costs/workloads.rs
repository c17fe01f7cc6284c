//! What is measured: a few ways to send commands.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::installation::{Installation, command, text};
use crate::storage::Storage;
use crate::usage::{Usage, number};

/// Documents in a list whose length nobody has asked for.
pub const LISTED: usize = 20;

/// How many commands a workload sends.
const COMMANDS: usize = 100;

/// A way to send commands.
pub struct Workload {
    pub name: &'static str,
    /// In a sentence, for the page.
    pub what: &'static str,
    /// Commands that are on their way at the same time.
    in_flight: usize,
    /// Commands in one HTTP request.
    together: usize,
    command: fn(usize) -> Value,
}

pub const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "singly",
        what: "one command after the other, each for another policy",
        in_flight: 1,
        together: 1,
        command: |nth| adjust("singly", 20_000 + nth, nth, nth),
    },
    Workload {
        name: "bursts",
        what: "so many at once that Lambda gets ten of ten policies in a batch",
        in_flight: COMMANDS,
        together: 1,
        command: |nth| adjust("bursts", 30_000 + nth, nth, nth),
    },
    Workload {
        name: "one stream",
        what: "a burst of commands for one and the same policy",
        in_flight: COMMANDS,
        together: 1,
        command: |nth| adjust("stream", 40_000 + nth, nth, 0),
    },
    Workload {
        name: "HTTP batches",
        what: "a burst that comes in HTTP requests with a hundred commands each",
        in_flight: COMMANDS,
        together: 100,
        command: |nth| adjust("batched", 50_000 + nth, nth, nth),
    },
    Workload {
        name: "new orders",
        what: "one new order after the other, which makes a document and moves its totals",
        in_flight: 1,
        together: 1,
        command: order,
    },
];

/// What a workload took, per command.
pub struct Taken {
    pub usage: Usage,
    /// Calls to AWS that functions made, by operation.
    pub calls: BTreeMap<String, f64>,
    /// What the tables have grown by.
    pub storage: Storage,
    /// Where the outcomes are.
    pub operations: Vec<String>,
}

impl Workload {
    pub async fn run(&self, installation: &mut Installation) -> Taken {
        let before = Storage::of(&installation.aws).await;
        installation.take_usage();
        installation.aws.forget_calls();
        let commands: Vec<Value> = (0..COMMANDS).map(self.command).collect();
        let mut operations = Vec::new();
        for flight in commands.chunks(self.in_flight) {
            for request in flight.chunks(self.together) {
                operations.extend(installation.submit(request).await);
            }
            installation.settle().await;
        }
        installation.dispatch().await;
        let usage = installation.take_usage().times(1.0 / number(COMMANDS));
        let mut calls = BTreeMap::new();
        for call in installation.aws.calls() {
            *calls.entry(call.operation).or_default() += 1;
        }
        let calls = calls.into_iter().map(|(operation, count)| (operation, number(count) / number(COMMANDS))).collect();
        let storage = Storage::of(&installation.aws).await.since(&before, number(COMMANDS));
        Taken { usage, calls, storage, operations }
    }
}

/// How many commands' events a window gathers, in turn.
pub const IN_A_WINDOW: [usize; 4] = [1, 5, 10, 50];

/// A command of so many whose events are gathered before they are published and projected. Each is handled by itself.
pub async fn gather(installation: &mut Installation, in_a_window: usize) -> Usage {
    installation.take_usage();
    for nth in 0..COMMANDS {
        let command = adjust(&format!("gathered-{in_a_window}"), 60_000 + in_a_window * COMMANDS + nth, nth, nth);
        installation.submit(&[command]).await;
        assert!(installation.handle().await, "the command");
        installation.push().await;
        if (nth + 1) % in_a_window == 0 {
            installation.publish_and_project().await;
        }
    }
    installation.dispatch().await;
    installation.take_usage().times(1.0 / number(COMMANDS))
}

/// Binds the policies that the workloads adjust. It also warms up what functions remember.
pub async fn prepare(installation: &Installation) {
    for nth in 0..COMMANDS {
        let number = format!("HH-2026-{nth:04}");
        let data = json!({
            "number": number, "holder": "H-7", "premium": 12900, "currency": "EUR",
            "from": "2026-02-01", "until": "2027-02-01",
        });
        installation.submit(&[command("BindPolicy", &format!("bind-{nth:04}"), &policy(nth), &data)]).await;
    }
    installation.settle().await;
    installation.dispatch().await;
    installation.read("/policies/P-0000").await;
}

/// What it takes to read the outcome of each command once, and then the document that it changed.
pub async fn read_outcomes(installation: &mut Installation, operations: &[String]) -> Usage {
    installation.take_usage();
    for path in operations {
        let operation = installation.read(path).await;
        assert_eq!(operation["status"], "succeeded", "{operation}");
        installation.read(text(&operation["resource"]["href"])).await;
    }
    installation.take_usage().times(1.0 / number(operations.len()))
}

/// What one list of [`LISTED`] documents takes.
pub async fn list_documents(installation: &mut Installation) -> Usage {
    installation.take_usage();
    let list = installation.read("/policies?holder=H-7").await;
    assert_eq!(list["items"].as_array().map(Vec::len), Some(LISTED), "{list}");
    installation.take_usage()
}

fn policy(nth: usize) -> String {
    format!("P-{nth:04}")
}

/// The premium is another one than before, for a command that changes nothing makes no event.
fn adjust(workload: &str, premium: usize, nth: usize, of: usize) -> Value {
    command("AdjustPremium", &format!("{workload}-{nth:04}"), &policy(of), &json!({ "premium": premium }))
}

fn order(nth: usize) -> Value {
    let data = json!({
        "customer": "C-7",
        "lines": [
            { "sku": "TEA-EARL-GREY-100", "quantity": 2, "unitPrice": { "amount": 450, "currency": "EUR" } },
            { "sku": "POT-CAST-IRON", "quantity": 1, "unitPrice": { "amount": 3990, "currency": "EUR" } },
        ],
    });
    command("SubmitOrder", &format!("checkout-{nth:04}"), &format!("O-{nth:04}"), &data)
}
