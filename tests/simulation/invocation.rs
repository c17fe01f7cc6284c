//! Invocations of functions: what they work on, what went wrong with their calls, and whether they are to die.

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lambda_events::sqs::SqsBatchResponse;
use lambda_http::{Body, Response};
use serde_json::Value;
use testkit::{Attempt, Service};
use tokio::sync::Notify;
use tokio::time::sleep;

use crate::chaos::lock;
use crate::plan::MOST_LATENCY;

/// A function of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Ingest,
    Query,
    /// Of a context's commands.
    Handler(&'static str),
    Publisher,
    Updater,
    Listener,
    Gateway,
    Sender,
    /// Of timers that are due.
    Timekeeper,
    /// The timekeeper on its schedule.
    Sweep,
    Notifier,
    /// Notes which endpoints want which events.
    Dispatcher,
    /// Sends webhooks.
    Webhooks,
    /// The sender of webhooks on its schedule.
    WebhookSweep,
    Redrive,
    Rebuild,
    Verifier,
    Operator,
}

impl Role {
    /// About how many calls an invocation makes at most.
    pub fn calls(self) -> u32 {
        if matches!(self, Self::Redrive | Self::Rebuild | Self::Verifier | Self::Operator | Self::Webhooks) {
            40
        } else {
            5
        }
    }
}

/// One invocation of a function.
pub struct Invocation {
    pub role: Role,
    calls: AtomicU32,
    /// At which call it is to die, and whether that call still happens.
    dies_at: Option<(u32, bool)>,
    dying: Notify,
    dies_after: AtomicBool,
    /// Its ways that are gone.
    cut_off: Mutex<Vec<Service>>,
    /// What it works on.
    pub commands: Mutex<Vec<u32>>,
    /// What went wrong with its calls, and no retry has made good.
    pub faults: Mutex<Vec<Injected>>,
    /// Calls that are refused from now on, however often they are tried again.
    refused: Mutex<HashSet<u64>>,
}

pub struct Injected {
    pub fault: &'static str,
    pub call: u64,
}

/// What a call has in common with its retries, and with whoever makes the same call. The SDK writes members in any order.
pub fn call_id(operation: &str, body: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    match serde_json::from_str::<Value>(body) {
        Ok(body) => (operation, body).hash(&mut hasher),
        Err(_) => (operation, body).hash(&mut hasher), // SNS gets a form
    }
    hasher.finish()
}

tokio::task_local! {
    pub static INVOCATION: Arc<Invocation>;
}

/// How an invocation is to die.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    BeforeThisCall,
    AfterThisCall,
}

impl Invocation {
    /// `dies_at`: which call is its last one, and whether that still happens.
    pub fn new(role: Role, dies_at: Option<(u32, bool)>) -> Arc<Self> {
        Arc::new(Self {
            role,
            calls: AtomicU32::new(0),
            dies_at,
            dying: Notify::new(),
            dies_after: AtomicBool::new(false),
            cut_off: Mutex::default(),
            commands: Mutex::default(),
            faults: Mutex::default(),
            refused: Mutex::default(),
        })
    }

    /// Runs it to its end: its answer, its death at a call, or its time-out.
    pub async fn run<T>(self: Arc<Self>, timeout: Duration, work: impl Future<Output = T>) -> Result<T, Died> {
        let work = INVOCATION.scope(Arc::clone(&self), work);
        tokio::select! {
            biased;
            () = self.death() => Err(Died),
            answer = work => Ok(answer),
            () = sleep(timeout) => Err(Died),
        }
    }

    /// It makes another call: perhaps its last one.
    pub fn calls(&self) -> Option<Death> {
        let call = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let (_, after) = self.dies_at.filter(|(last, _)| *last == call)?;
        self.die(after);
        Some(if after { Death::AfterThisCall } else { Death::BeforeThisCall })
    }

    pub fn refuse(&self, attempt: &Attempt<'_>) {
        lock(&self.refused).insert(call_id(attempt.operation, attempt.body));
    }

    pub fn is_refused(&self, attempt: &Attempt<'_>) -> bool {
        let refused = lock(&self.refused);
        !refused.is_empty() && refused.contains(&call_id(attempt.operation, attempt.body))
    }

    pub fn cut_off(&self, service: Service) {
        lock(&self.cut_off).push(service);
    }

    pub fn is_cut_off(&self, service: Service) -> bool {
        lock(&self.cut_off).contains(&service)
    }

    pub fn die(&self, after: bool) {
        self.dies_after.store(after, Ordering::Relaxed);
        self.dying.notify_one();
    }

    pub fn works_on(&self, command: u32) {
        lock(&self.commands).push(command);
    }

    async fn death(&self) {
        self.dying.notified().await;
        if self.dies_after.load(Ordering::Relaxed) {
            sleep(MOST_LATENCY + Duration::from_millis(2)).await;
        }
    }
}

/// What a function answers.
pub trait Answered {
    /// Whether the invocation has to be made again, for some of its work at least.
    fn failed(&self) -> bool;
}

impl Answered for Response<Body> {
    fn failed(&self) -> bool {
        self.status().is_server_error()
    }
}

impl Answered for SqsBatchResponse {
    fn failed(&self) -> bool {
        !self.batch_item_failures.is_empty()
    }
}

impl Answered for redrive::Report {
    fn failed(&self) -> bool {
        self.queues.iter().any(|queue| queue.error.is_some())
    }
}

impl<E> Answered for Result<(), E> {
    fn failed(&self) -> bool {
        self.is_err()
    }
}

/// Why an invocation gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;
