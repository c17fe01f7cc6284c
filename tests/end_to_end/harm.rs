//! What is done to the functions while they work: processes killed, connections cut.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use std::{fmt, fs};

use crate::api::{PATIENCE, stack, wait_for};

/// Between two cuts; every third time, a function is killed as well.
const PACE: Duration = Duration::from_millis(200);

/// What was done.
#[derive(Debug, Default)]
pub struct Harm {
    /// Processes killed, by function.
    pub kills: BTreeMap<String, usize>,
    /// Connections cut.
    pub cut: usize,
    /// Those of them on which an answer was awaited.
    pub awaited: usize,
}

impl Harm {
    /// Kills every function in turn and cuts all connections, again and again, until it is over and no function has been
    /// spared.
    pub fn until(over: &AtomicBool) -> Self {
        let functions = functions();
        let mut harm = Self { kills: functions.iter().map(|name| (name.clone(), 0)).collect(), ..Self::default() };
        let started = Instant::now();
        for (round, next) in functions.iter().cycle().enumerate() {
            for _ in 0..3 {
                harm.cut();
                thread::sleep(PACE);
            }
            *harm.kills.get_mut(next).expect("counted") += kill(next);
            let spared = harm.kills.values().any(|kills| *kills == 0);
            if over.load(Ordering::Relaxed) && !spared {
                break;
            }
            assert!(started.elapsed() < PATIENCE || !spared, "nothing to kill in {round} rounds: {harm}");
        }
        harm
    }

    fn cut(&mut self) {
        let (cut, awaited) = cut();
        self.cut += cut;
        self.awaited += awaited;
    }
}

impl fmt::Display for Harm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "killed {:?}; cut {} connections, {} of them awaiting an answer", self.kills, self.cut, self.awaited)
    }
}

/// A flag that is raised at the end, whatever the end is.
pub struct Raised<'a>(pub &'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// All of the stack's functions that commands go through and operators use, by name.
pub fn functions() -> Vec<String> {
    let stack = stack();
    let name = |value: &serde_json::Value| value.as_str().expect("a function's name").to_owned();
    let prefix = name(&stack["stack_name"]);
    // Others have nothing to do while these stories are told, so there is nothing of them to kill.
    let handlers = ["orders", "policies"].map(|context| name(&stack["contexts"][context]["command_handler"]));
    let others = ["ingest", "publisher", "read-model-updater", "query", "redrive", "operator"];
    handlers.into_iter().chain(others.map(|function| format!("{prefix}-{function}"))).collect()
}

/// Kills the processes of a function with SIGKILL and sees them dead; gives how many there were. Only children of the
/// stack's own server are touched.
pub fn kill(function: &str) -> usize {
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
    for pid in &pids {
        wait_for(&format!("the end of {function}, process {pid}"), || match stat(pid) {
            Some((state, _)) if state != "Z" => Err(state),
            _ => Ok(()),
        });
    }
    pids.len()
}

/// Cuts all connections between functions and AWS; gives how many there were, and how many awaited an answer.
pub fn cut() -> (usize, usize) {
    let scissors = stack()["scissors"].as_str().expect("where to cut").to_owned();
    let mut told = String::new();
    let mut relay = TcpStream::connect(&scissors).expect("the relay listens");
    relay.read_to_string(&mut told).expect("the relay answers");
    let mut numbers = told.split_whitespace().map(|number| number.parse().expect("a number"));
    match (numbers.next(), numbers.next()) {
        (Some(cut), Some(awaited)) => (cut, awaited),
        _ => panic!("the relay says {told:?}"),
    }
}

/// Whether a process is a descendant of another.
fn descends(pid: &str, ancestor: u64) -> bool {
    let mut pid = pid.to_owned();
    loop {
        match stat(&pid) {
            Some((_, parent)) if parent == ancestor.to_string() => return true,
            Some((_, parent)) if parent != "0" && parent != "1" => pid = parent,
            _ => return false,
        }
    }
}

/// A process's state and its parent.
fn stat(pid: &str) -> Option<(String, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may contain anything.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned);
    Some((fields.next()?, fields.next()?))
}
