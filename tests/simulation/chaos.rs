//! Who calls AWS, and what becomes of the call.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use serde_json::Value;
use testkit::{Attempt, Aws, Effect, Fault, Service, TABLES};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep};

use crate::journal::Journal;
use crate::plan::{Guard, MOST_LATENCY, Plan};

/// A function of the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Role {
    Ingest,
    Query,
    /// Of a context's commands.
    Handler(&'static str),
    Publisher,
    Updater,
    Redrive,
    Operator,
}

impl Role {
    /// About how many calls an invocation makes at most.
    fn calls(self) -> u32 {
        if matches!(self, Self::Redrive | Self::Operator) { 40 } else { 5 }
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
    /// Its way to the database is gone.
    cut_off: AtomicBool,
    /// What it works on.
    pub commands: Mutex<Vec<u32>>,
}

tokio::task_local! {
    static INVOCATION: Arc<Invocation>;
}

/// Why an invocation gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Died;

/// A chosen fault, in place of drawn ones: at which call of a command's life, counted over all invocations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Point {
    ErrorBefore,
    AnswerLost,
    KilledBefore,
    KilledAfter,
}

/// Whatever can go wrong.
pub struct Chaos {
    pub plan: Plan,
    pub journal: Arc<Mutex<Journal>>,
    state: Mutex<State>,
}

struct State {
    random: Rng,
    calm: bool,
    /// Until when something is down.
    down: Vec<(Down, Instant)>,
    points: Vec<(u64, Point)>,
    calls: u64,
    started: Instant,
    /// What each call was, if points are chosen.
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    Context(&'static str),
    Registry,
    Topic,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chaos {
    pub fn begin(plan: Plan, aws: &Aws, points: Vec<(u64, Point)>) -> Arc<Self> {
        let chaos = Arc::new(Self {
            plan,
            journal: Arc::default(),
            state: Mutex::new(State {
                random: Rng::with_seed(plan.seed ^ 0xc4a0_5000),
                calm: false,
                down: Vec::new(),
                points,
                calls: 0,
                started: Instant::now(),
                names: Vec::new(),
            }),
        });
        let (asked, world) = (Arc::clone(&chaos), aws.clone());
        aws.inject(move |attempt| asked.ask(&world, attempt));
        let seeing = Arc::clone(&chaos);
        aws.observe(move |effect| seeing.see(effect));
        chaos
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        let now = self.started().elapsed();
        let mut journal = lock(&self.journal);
        journal.now = u64::try_from(now.as_millis()).unwrap_or(u64::MAX);
        journal
    }

    fn started(&self) -> Instant {
        lock(&self.state).started
    }

    /// From now on all goes well.
    pub fn calm(&self) {
        lock(&self.state).calm = true;
    }

    pub fn is_calm(&self) -> bool {
        lock(&self.state).calm
    }

    pub fn take_down(&self, what: Down, time: Duration) {
        lock(&self.state).down.push((what, Instant::now() + time));
    }

    /// How many calls there were, and what they were if points are chosen.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).names.clone()
    }

    /// A new invocation; perhaps one that is to die.
    pub fn invocation(&self, role: Role) -> Arc<Invocation> {
        let dies_at = {
            let mut state = lock(&self.state);
            let dies = !state.calm && state.random.u32(..1000) < self.plan.deaths;
            dies.then(|| (state.random.u32(1..=role.calls()), state.random.bool()))
        };
        if dies_at.is_some() {
            self.journal().count("(invocations that were to die)");
        }
        Arc::new(Invocation {
            role,
            calls: AtomicU32::new(0),
            dies_at,
            dying: Notify::new(),
            dies_after: AtomicBool::new(false),
            cut_off: AtomicBool::new(false),
            commands: Mutex::default(),
        })
    }

    fn see(&self, effect: &Effect<'_>) {
        let mut journal = self.journal();
        if effect.status == 200 && !effect.told {
            journal.took("answer lost");
        }
        journal.see(effect);
    }

    fn ask(&self, aws: &Aws, attempt: &Attempt<'_>) -> Fault {
        let invocation = INVOCATION.try_with(Arc::clone).ok();
        let (fault, name) = self.fault(invocation.as_deref(), attempt);
        {
            let mut journal = self.journal();
            journal.mix(attempt.operation.as_bytes());
            journal.mix(&[attempt.nth.to_le_bytes()[0]]);
            if let Some(name) = name {
                journal.count(name);
                journal.mix(name.as_bytes());
                let commands = invocation.as_ref().map(|it| lock(&it.commands).clone()).unwrap_or_default();
                let role = invocation.as_ref().map_or("nobody".to_owned(), |it| format!("{:?}", it.role));
                for command in commands.into_iter().take(20) {
                    journal.say(Some(command), format!("{role}: {} {name}", attempt.operation));
                }
            }
        }
        match (fault, self.plan.without) {
            (fault, Some(Guard::SendBeforeDelete)) => {
                // Whatever becomes of the send.
                without(Guard::SendBeforeDelete, aws, invocation.as_deref(), attempt);
                fault
            }
            (Fault::None, Some(guard)) => without(guard, aws, invocation.as_deref(), attempt),
            (fault, _) => fault,
        }
    }

    fn fault(&self, invocation: Option<&Invocation>, attempt: &Attempt<'_>) -> (Fault, Option<&'static str>) {
        let mut state = lock(&self.state);
        if let Some(point) = state.point(self.plan, invocation, attempt) {
            return point;
        }
        if state.calm {
            return (Fault::None, None);
        }
        if let Some(it) = invocation {
            let call = it.calls.fetch_add(1, Ordering::Relaxed) + 1;
            if let Some((at, after)) = it.dies_at
                && call == at
            {
                it.die(after);
                return if after {
                    (Fault::HangAfter, Some("killed after a call"))
                } else {
                    (Fault::Hang, Some("killed before a call"))
                };
            }
            if it.cut_off.load(Ordering::Relaxed) && attempt.service == Service::DynamoDb {
                return (Fault::Hang, Some("cut off"));
            }
        }
        let now = Instant::now();
        state.down.retain(|(_, until)| *until > now);
        let is_down = state.down.iter().any(|(what, _)| match what {
            Down::Context(context) => {
                attempt.service == Service::DynamoDb
                    && invocation.is_some_and(|invocation| invocation.role == Role::Handler(context))
            }
            Down::Registry => attempt.operation == "Query" && attempt.body.contains(r#""TableName":"registry""#),
            Down::Topic => attempt.service == Service::Sns,
        });
        if is_down {
            return (Fault::refuse(500, "InternalServerError"), Some("down"));
        }
        if state.random.u32(..1000) >= self.plan.faults {
            return (Fault::None, None);
        }
        state.draw(self.plan, invocation, attempt)
    }
}

impl State {
    /// What becomes of a call by choice.
    fn point(
        &mut self,
        plan: Plan,
        invocation: Option<&Invocation>,
        attempt: &Attempt<'_>,
    ) -> Option<(Fault, Option<&'static str>)> {
        if self.calm || self.points.is_empty() {
            return None;
        }
        let redrives = invocation.is_some_and(|it| it.role == Role::Redrive);
        if invocation.is_some_and(|it| it.role == Role::Operator) || (redrives && plan.max_receives > 1) {
            return None; // they look, and find nothing
        }
        self.calls += 1;
        let role = invocation.map_or("nobody".to_owned(), |it| format!("{:?}", it.role));
        self.names.push(format!("{role}: {}", attempt.operation));
        let (_, point) = self.points.iter().find(|(at, _)| *at == self.calls)?;
        Some(match (point, invocation) {
            (Point::ErrorBefore, _) => (Fault::refuse(400, "AccessDenied"), Some("refused for good")),
            (Point::AnswerLost, _) | (Point::KilledAfter, None) => (Fault::LoseAnswer, Some("answer lost")),
            (Point::KilledBefore, Some(it)) => {
                it.die(false);
                (Fault::Hang, Some("killed before a call"))
            }
            (Point::KilledAfter, Some(it)) => {
                it.die(true);
                (Fault::HangAfter, Some("killed after a call"))
            }
            (Point::KilledBefore, None) => (Fault::LoseRequest, Some("request lost")),
        })
    }

    fn draw(
        &mut self,
        plan: Plan,
        invocation: Option<&Invocation>,
        attempt: &Attempt<'_>,
    ) -> (Fault, Option<&'static str>) {
        let batch = matches!(
            attempt.operation,
            "SendMessageBatch"
                | "DeleteMessageBatch"
                | "ChangeMessageVisibilityBatch"
                | "PublishBatch"
                | "BatchGetItem"
        );
        let transaction = attempt.operation == "TransactWriteItems";
        let drawn = if plan.late && transaction { 78 } else { self.random.u32(..100) };
        match drawn {
            0..15 => (Fault::refuse(500, "InternalServerError"), Some("error")),
            15..25 => (Fault::refuse(400, "AccessDenied"), Some("refused for good")),
            25..37 => (Fault::Throttle, Some("throttled")),
            37..45 => (Fault::LoseRequest, Some("request lost")),
            45..63 => (Fault::LoseAnswer, Some("answer lost")),
            63..68 => (Fault::Hang, Some("hung")),
            68..73 => (Fault::HangAfter, Some("happened and hung")),
            73..78 => {
                let time = Duration::from_millis(self.random.u64(500..9_000));
                (Fault::Delay(time), Some("slow"))
            }
            78..83 if transaction => {
                if let Some(it) = invocation {
                    it.cut_off.store(true, Ordering::Relaxed);
                }
                let time = Duration::from_millis(self.random.u64(5_000..300_000));
                (Fault::Late(time), Some("late"))
            }
            83..92 if transaction => (Fault::TransactionConflict { item: 0 }, Some("transaction conflict")),
            _ if batch => {
                let failing = (0..10).filter(|_| self.random.u32(..3) == 0).collect();
                (Fault::FailEntries(failing), Some("items failed"))
            }
            _ => (Fault::LoseAnswer, Some("answer lost")),
        }
    }
}

impl Invocation {
    fn die(&self, after: bool) {
        self.dies_after.store(after, Ordering::Relaxed);
        self.dying.notify_one();
    }

    pub fn works_on(&self, command: Option<u32>) {
        lock(&self.commands).extend(command);
    }

    async fn death(&self) {
        self.dying.notified().await;
        if self.dies_after.load(Ordering::Relaxed) {
            sleep(MOST_LATENCY + Duration::from_millis(2)).await;
        }
    }
}

/// Runs an invocation to its end: its answer, its death at a call, or its time-out.
pub async fn invoke<T>(it: Arc<Invocation>, timeout: Duration, work: impl Future<Output = T>) -> Result<T, Died> {
    let work = INVOCATION.scope(Arc::clone(&it), Box::pin(work));
    tokio::select! {
        biased;
        () = it.death() => Err(Died),
        answer = work => Ok(answer),
        () = sleep(timeout) => Err(Died),
    }
}

/// What a call would be if the guard were not there.
fn without(guard: Guard, aws: &Aws, invocation: Option<&Invocation>, attempt: &Attempt<'_>) -> Fault {
    let table = match guard {
        Guard::Operation => TABLES.operations,
        Guard::ReadModel => TABLES.read_models,
        Guard::SendBeforeDelete => {
            if attempt.operation == "SendMessageBatch"
                && invocation.is_some_and(|invocation| invocation.role == Role::Redrive)
            {
                delete_first(aws, attempt.body);
            }
            return Fault::None;
        }
    };
    if attempt.operation != "TransactWriteItems" || !attempt.body.contains(&format!("\"TableName\":\"{table}\"")) {
        return Fault::None;
    }
    let mut body: Value = serde_json::from_str(attempt.body).unwrap_or_default();
    for action in body["TransactItems"].as_array_mut().into_iter().flatten() {
        if let Some(put) = action.get_mut("Put").filter(|put| put["TableName"] == table).and_then(Value::as_object_mut)
        {
            put.retain(|name, _| !matches!(name.as_str(), "ConditionExpression" | "ExpressionAttributeValues"));
        }
    }
    Fault::Altered(body.to_string())
}

/// Deletes the dead letters that are about to be sent back, the canary among them.
fn delete_first(aws: &Aws, body: &str) {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let entries: Vec<&str> =
        body["Entries"].as_array().into_iter().flatten().filter_map(|entry| entry["MessageBody"].as_str()).collect();
    let url = body["QueueUrl"].as_str().unwrap_or_default();
    if url.contains("-commands") {
        aws.remove(&url.replace("-commands", "-dead-letters"), |letter| entries.contains(&letter.body.as_str()));
    }
}
