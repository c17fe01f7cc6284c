//! Processes that are killed while they work.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::api::{Client, fresh, stack, submit_order, to_order};
use crate::harm::{Raised, kill};

#[test]
fn a_handler_killed_in_the_middle_loses_nothing_and_doubles_nothing() {
    let (client, customer) = (Client::of("demo"), fresh("C"));
    let handler = stack()["contexts"]["orders"]["command_handler"].as_str().expect("the handler's name").to_owned();
    let orders: Vec<String> = (0..20).map(|_| fresh("O")).collect();
    let over = AtomicBool::new(false);
    let killed = thread::scope(|scope| {
        let at_the_end = Raised(&over);
        let killer = scope.spawn(|| {
            let mut killed = 0;
            // Few kills beside the receives that each command has, so none of them becomes a dead letter.
            while !over.load(Ordering::Relaxed) && killed < 3 {
                killed += kill(&handler);
                thread::sleep(Duration::from_millis(150));
            }
            killed
        });
        let mut operations = Vec::new();
        for order in &orders {
            operations.push(client.submit(&submit_order(order, &customer)));
            operations.push(client.submit(&to_order("ShipOrder", order, &json!({ "trackingNumber": "T-1" }))));
        }
        for operation in operations {
            client.succeeded(&operation);
        }
        drop(at_the_end);
        killer.join().expect("the killer comes back")
    });
    assert!(killed > 0, "no process of {handler} was there to be killed");
    for order in &orders {
        let history = client.history(&format!("/orders/{order}"));
        let types: Vec<_> = history.iter().map(|event| event["type"].as_str().expect("a type")).collect();
        assert_eq!(types, ["OrderSubmitted", "OrderShipped"], "{order}");
        let document = client.read(&format!("/orders/{order}?version=2")).json();
        assert_eq!(document["status"], "shipped");
    }
}
