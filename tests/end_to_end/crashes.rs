//! Processes that are killed while they work.

use std::fs;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::json;

use crate::api::{Client, fresh, stack, submit_order, to_order};

/// Kills the processes of a function with SIGKILL; gives how many there were. Only children of the stack's own server
/// are touched.
fn kill(function: &str) -> usize {
    let server = stack()["server_pid"].as_u64().expect("the server's process id");
    let name = format!("AWS_LAMBDA_FUNCTION_NAME={function}");
    let is_ours = |pid: &str| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        environment.split(|byte| *byte == 0).any(|variable| variable == name.as_bytes()) && descends(pid, server)
    };
    let pids: Vec<String> = fs::read_dir("/proc")
        .expect("a proc file system")
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.bytes().all(|byte| byte.is_ascii_digit()))
        .filter(|pid| is_ours(pid))
        .collect();
    for pid in &pids {
        // It may have ended by itself meanwhile.
        let _ = Command::new("kill").args(["-KILL", pid]).status();
    }
    pids.len()
}

/// Whether a process is a descendant of another.
fn descends(pid: &str, ancestor: u64) -> bool {
    let mut pid = pid.to_owned();
    loop {
        // The name stands in parentheses and may contain anything; the parent is the second field behind it.
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        let parent = stat.rsplit_once(')').and_then(|(_, rest)| rest.split_whitespace().nth(1).map(str::to_owned));
        match parent {
            Some(parent) if parent == ancestor.to_string() => return true,
            Some(parent) if parent != "0" && parent != "1" => pid = parent,
            _ => return false,
        }
    }
}

#[test]
fn a_handler_killed_in_the_middle_loses_nothing_and_doubles_nothing() {
    let (client, customer) = (Client::of("demo"), fresh("C"));
    let handler = stack()["contexts"]["orders"]["command_handler"].as_str().expect("the handler's name").to_owned();
    let orders: Vec<String> = (0..20).map(|_| fresh("O")).collect();
    let over = AtomicBool::new(false);
    let killed = thread::scope(|scope| {
        let killer = scope.spawn(|| {
            let mut killed = 0;
            // Four messages' worth of receives are left to each command for finishing after the last kill.
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
        over.store(true, Ordering::Relaxed);
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
