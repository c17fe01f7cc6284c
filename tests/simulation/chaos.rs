//! Who calls AWS, and what becomes of the call.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use fastrand::Rng;
use http::Request;
use serde_json::Value;
use testkit::{Attempt, Aws, Effect, Fault, Service};
use tokio::time::Instant;

use crate::guards::without;
use crate::invocation::{Answered, Death, Died, INVOCATION, Injected, Invocation, Role, call_id};
use crate::journal::Journal;
use crate::plan::Plan;
use crate::workload::DAMAGED_ON_ITS_WAY;

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
    journal: Mutex<Journal>,
    state: Mutex<State>,
    started: Instant,
}

struct State {
    random: Rng,
    calm: bool,
    outages: Vec<Outage>,
    points: Vec<(u64, Point)>,
    /// What each call was, if points are chosen.
    names: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    Context(&'static str),
    Registry,
    Topic,
    Queues,
    Database,
    Mail,
    Provider,
}

impl Down {
    fn name(self) -> &'static str {
        match self {
            Self::Context(_) => "context down for minutes",
            Self::Registry => "registry down for minutes",
            Self::Topic => "topic down for minutes",
            Self::Queues => "queues down for minutes",
            Self::Database => "database down for minutes",
            Self::Mail => "mail down for minutes",
            Self::Provider => "payment provider down for minutes",
        }
    }

    fn meets(self, invocation: Option<&Invocation>, attempt: &Attempt<'_>) -> bool {
        match self {
            Self::Context(context) => {
                attempt.service == Service::DynamoDb && invocation.is_some_and(|it| it.role == Role::Handler(context))
            }
            Self::Registry => attempt.operation == "Query" && attempt.body.contains(r#""TableName":"registry""#),
            Self::Topic => attempt.service == Service::Sns,
            Self::Queues => attempt.service == Service::Sqs,
            Self::Database => attempt.service == Service::DynamoDb,
            Self::Mail => attempt.service == Service::Ses,
            Self::Provider => false, // no service of AWS
        }
    }
}

struct Outage {
    what: Down,
    until: Instant,
    /// Whether anybody noticed.
    felt: bool,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Chaos {
    pub fn begin(plan: Plan, aws: &Aws, points: Vec<(u64, Point)>) -> Arc<Self> {
        let chaos = Arc::new(Self {
            plan,
            journal: Mutex::default(),
            state: Mutex::new(State {
                random: Rng::with_seed(plan.seed ^ 0xc4a0_5000),
                calm: false,
                outages: Vec::new(),
                points,
                names: Vec::new(),
            }),
            started: Instant::now(),
        });
        let asked = Arc::clone(&chaos);
        aws.inject(move |attempt| asked.ask(attempt));
        let seeing = Arc::clone(&chaos);
        aws.observe(move |effect| seeing.see(effect));
        let (rewriting, world) = (Arc::clone(&chaos), aws.clone());
        aws.rewrite(move |attempt| rewriting.rewrite(&world, attempt));
        chaos
    }

    pub fn journal(&self) -> MutexGuard<'_, Journal> {
        let mut journal = lock(&self.journal);
        journal.now = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        journal
    }

    /// From now on all goes well.
    pub fn calm(&self) {
        lock(&self.state).calm = true;
    }

    pub fn forget_points(&self) {
        lock(&self.state).points.clear();
    }

    pub fn is_calm(&self) -> bool {
        lock(&self.state).calm
    }

    pub fn take_down(&self, what: Down, time: Duration) {
        self.journal().count(what.name());
        lock(&self.state).outages.push(Outage { what, until: Instant::now() + time, felt: false });
    }

    /// What the calls were, if points were chosen.
    pub fn calls(&self) -> Vec<String> {
        lock(&self.state).names.clone()
    }

    /// A new invocation; perhaps one that is to die.
    pub fn invocation(&self, role: Role) -> Arc<Invocation> {
        let dies_at = {
            let mut state = lock(&self.state);
            let dies = !state.calm && state.random.u32(..1000) < self.plan.deaths();
            dies.then(|| (state.random.u32(1..=role.calls()), state.random.bool()))
        };
        Invocation::new(role, dies_at)
    }

    /// Runs an invocation to its end, and notes which of its faults took effect.
    pub async fn invoke<T: Answered>(
        &self,
        it: Arc<Invocation>,
        timeout: Duration,
        work: impl Future<Output = T>,
    ) -> Result<T, Died> {
        let answer = Arc::clone(&it).run(timeout, Box::pin(work)).await;
        let failed = answer.as_ref().map_or(true, Answered::failed);
        let mut journal = self.journal();
        for Injected { fault, .. } in lock(&it.faults).drain(..) {
            if failed || fault != SOME {
                journal.took(fault);
            }
        }
        drop(journal);
        answer
    }

    fn see(&self, effect: &Effect<'_>) {
        let mut journal = self.journal();
        let in_time = INVOCATION.try_with(|it| {
            let mut faults = lock(&it.faults);
            if faults.is_empty() {
                return;
            }
            let call = call_id(effect.operation, effect.body);
            if faults.iter().any(|injected| injected.call == call && injected.fault == BEHIND) {
                let page: Value = serde_json::from_str(effect.answer).expect("JSON");
                if page["Count"] != page["ScannedCount"] {
                    journal.took(BEHIND);
                }
            }
            if effect.told && effect.status == 200 {
                faults.retain(|injected| injected.call != call || injected.fault == SOME);
            }
        });
        let changes = !matches!(effect.operation, "GetItem" | "BatchGetItem" | "Query");
        if in_time.is_err() && !effect.told && effect.status == 200 && changes {
            journal.took(LATE);
        }
        journal.see(effect);
    }

    fn ask(&self, attempt: &Attempt<'_>) -> Fault {
        let invocation = INVOCATION.try_with(Arc::clone).ok();
        let (fault, name) = self.fault(invocation.as_deref(), attempt);
        let mut journal = self.journal();
        journal.mix(&[attempt.nth.to_le_bytes()[0]]);
        note(&mut journal, invocation.as_deref(), (attempt.operation, attempt.body), name);
        fault
    }

    /// What becomes of a request to the payment provider: it is answered, refused, or not heard of again.
    pub fn ask_provider(&self, request: &Request<String>) -> Fault {
        let (it, method) = (INVOCATION.with(Arc::clone), request.method().as_str());
        let (fault, name) = self.fault_of_provider(&it, method);
        note(&mut self.journal(), Some(&it), (method, request.uri().path()), name);
        fault
    }

    /// What becomes of a request to a tenant's endpoint.
    pub fn ask_endpoint(&self, host: &str) -> Fault {
        let it = INVOCATION.with(Arc::clone);
        let mut state = lock(&self.state);
        let (fault, name) = match () {
            () if state.calm => (Fault::None, None),
            () if state.random.u32(..1000) >= 2 * self.plan.faults => (Fault::None, None),
            () => match state.random.u32(..3) {
                0 => (Fault::refuse(503, "down"), Some("error")),
                1 => (Fault::Hang, Some("request lost")),
                _ => (Fault::HangAfter, Some("answer lost")),
            },
        };
        drop(state);
        note(&mut self.journal(), Some(&it), ("webhook", host), name);
        fault
    }

    fn fault_of_provider(&self, it: &Invocation, method: &str) -> (Fault, Option<&'static str>) {
        let mut state = lock(&self.state);
        let refused = || Fault::refuse(503, "down");
        match state.point(self.plan, Some(it), method) {
            Some(Point::ErrorBefore) => return (refused(), Some(REFUSED)),
            Some(Point::AnswerLost) => return (Fault::HangAfter, Some("answer lost")),
            Some(Point::KilledBefore) => return some(kill(it, Death::BeforeThisCall)),
            Some(Point::KilledAfter) => return some(kill(it, Death::AfterThisCall)),
            None => {}
        }
        if state.calm {
            return (Fault::None, None);
        }
        if let Some(death) = it.calls() {
            return some(killed(death));
        }
        if state.is_down(&mut self.journal(), |down| down == Down::Provider) {
            return (refused(), Some(DOWN));
        }
        if state.random.u32(..1000) >= self.plan.faults {
            return (Fault::None, None);
        }
        match state.random.u32(..4) {
            0 => (refused(), Some("error")),
            1 => (Fault::Hang, Some("request lost")),
            2 => (Fault::HangAfter, Some("answer lost")),
            _ => (Fault::Late(state.late()), Some(LATE)),
        }
    }

    /// Takes a guard off; or makes of an accepted command one that no handler can read, as an ingest would that is newer
    /// than its handlers.
    fn rewrite(&self, aws: &Aws, attempt: &Attempt<'_>) -> Option<String> {
        let by = INVOCATION.try_with(|it| it.role).ok();
        if by == Some(Role::Ingest) && attempt.service == Service::Sqs {
            let number = DAMAGED_ON_ITS_WAY.to_string();
            if attempt.body.contains(&number) {
                self.journal().count(DAMAGED);
                return Some(attempt.body.replace(&number, r#"\"one\""#));
            }
        }
        without(self.plan.without?, aws, by, attempt)
    }

    fn fault(&self, invocation: Option<&Invocation>, attempt: &Attempt<'_>) -> (Fault, Option<&'static str>) {
        let mut state = lock(&self.state);
        let refused = invocation.is_some_and(|it| it.is_refused(attempt));
        let point = state.point(self.plan, invocation, attempt.operation);
        if refused {
            return (Fault::refuse(400, "AccessDenied"), Some(REFUSED));
        }
        if let Some(point) = point {
            return some(at_point(point, invocation, attempt));
        }
        if state.calm {
            return (Fault::None, None);
        }
        if let Some(it) = invocation {
            if let Some(death) = it.calls() {
                return some(killed(death));
            }
            if it.is_cut_off(attempt.service) {
                return (Fault::Hang, Some(CUT_OFF));
            }
        }
        if state.is_down(&mut self.journal(), |down| down.meets(invocation, attempt)) {
            return (Fault::refuse(500, "InternalServerError"), Some(DOWN));
        }
        if state.random.u32(..1000) >= self.plan.faults {
            return (Fault::None, None);
        }
        state.draw(self.plan, invocation, attempt)
    }
}

/// A command that has to be repaired.
pub const DAMAGED: &str = "command that needs repair";
const REFUSED: &str = "refused for good";
/// Calls during an outage, and calls after one that came late: consequences, not faults of their own.
pub const DOWN: &str = "down";
pub const CUT_OFF: &str = "cut off";
const BEHIND: &str = "index behind its table";
/// Some items of a batch.
const SOME: &str = "items failed";
/// A change that is made after its caller is gone, if it is made.
const LATE: &str = "late";
pub const MOST_LATE: Duration = Duration::from_mins(6);

impl State {
    fn is_down(&mut self, journal: &mut Journal, meets: impl Fn(Down) -> bool) -> bool {
        let now = Instant::now();
        self.outages.retain(|outage| outage.until > now);
        let outage = self.outages.iter_mut().find(|outage| meets(outage.what));
        if let Some(outage) = &outage
            && !outage.felt
        {
            journal.took(outage.what.name());
        }
        outage.map(|outage| outage.felt = true).is_some()
    }

    /// How late something comes.
    fn late(&mut self) -> Duration {
        let most = u64::try_from(MOST_LATE.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.random.u64(5_000..most))
    }

    /// What becomes of a call by choice.
    fn point(&mut self, plan: Plan, invocation: Option<&Invocation>, operation: &str) -> Option<Point> {
        if self.points.is_empty() {
            return None;
        }
        let looks = |role| match role {
            Role::Operator | Role::Sweep | Role::Dispatcher | Role::WebhookSweep => true,
            Role::Redrive => plan.max_receives > 1,
            _ => false,
        };
        if invocation.is_some_and(|it| looks(it.role)) {
            return None; // they look, and find nothing
        }
        let role = invocation.map_or("nobody".to_owned(), |it| format!("{:?}", it.role));
        self.names.push(format!("{role}: {operation}"));
        let nth = self.names.len() as u64;
        self.points.iter().find(|(at, _)| *at == nth).map(|(_, point)| *point)
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
        let may_be_late = transaction
            || matches!(
                attempt.operation,
                "SendMessage" | "SendMessageBatch" | "DeleteMessageBatch" | "ChangeMessageVisibilityBatch"
            );
        let drawn = if plan.late && transaction { 78 } else { self.random.u32(..100) };
        // Of half the calls that a retry would make good, the retries are refused.
        if (drawn < 15 || (25..63).contains(&drawn))
            && self.random.bool()
            && let Some(it) = invocation
        {
            it.refuse(attempt);
        }
        match drawn {
            0..15 => (Fault::refuse(500, "InternalServerError"), Some("error")),
            15..25 => (Fault::refuse(400, "AccessDenied"), Some(REFUSED)),
            25..37 => (Fault::Throttle, Some("throttled")),
            37..45 => (Fault::LoseRequest, Some("request lost")),
            45..63 => (Fault::LoseAnswer, Some("answer lost")),
            63..68 => (Fault::Hang, Some("hung")),
            68..73 => (Fault::HangAfter, Some("happened and hung")),
            73..78 => {
                let time = Duration::from_millis(self.random.u64(500..9_000));
                (Fault::Delay(time), Some("slow"))
            }
            78..83 if may_be_late => {
                if let Some(it) = invocation {
                    it.cut_off(attempt.service);
                }
                (Fault::Late(self.late()), Some(LATE))
            }
            83..92 if transaction => {
                let items = attempt.body.matches("\"TableName\"").count();
                (Fault::TransactionConflict { item: self.random.usize(..items.max(1)) }, Some("transaction conflict"))
            }
            _ if batch => {
                let sure = self.random.usize(..entries(attempt).max(1));
                let failing = (0..10).filter(|nth| *nth == sure || self.random.u32(..3) == 0).collect();
                (Fault::FailEntries(failing), Some(SOME))
            }
            _ if attempt.body.contains("\"IndexName\"") => {
                let behind = (0..10).filter(|_| self.random.bool()).collect();
                (Fault::FailEntries(behind), Some(BEHIND))
            }
            _ => (Fault::LoseAnswer, Some("answer lost")),
        }
    }
}

fn some((fault, name): (Fault, &'static str)) -> (Fault, Option<&'static str>) {
    (fault, Some(name))
}

/// The call at which an invocation dies.
fn killed(death: Death) -> (Fault, &'static str) {
    match death {
        Death::BeforeThisCall => (Fault::Hang, "killed before a call"),
        Death::AfterThisCall => (Fault::HangAfter, "killed after a call"),
    }
}

fn kill(it: &Invocation, death: Death) -> (Fault, &'static str) {
    it.die(death == Death::AfterThisCall);
    killed(death)
}

/// A call of AWS at such a point.
fn at_point(point: Point, invocation: Option<&Invocation>, attempt: &Attempt<'_>) -> (Fault, &'static str) {
    match (point, invocation) {
        (Point::ErrorBefore, _) => (Fault::refuse(400, "AccessDenied"), REFUSED),
        (Point::AnswerLost, Some(it)) => {
            it.refuse(attempt);
            (Fault::LoseAnswer, "answer lost")
        }
        (Point::AnswerLost | Point::KilledAfter, None) => (Fault::LoseAnswer, "answer lost"),
        (Point::KilledBefore, Some(it)) => kill(it, Death::BeforeThisCall),
        (Point::KilledAfter, Some(it)) => kill(it, Death::AfterThisCall),
        (Point::KilledBefore, None) => (Fault::LoseRequest, "request lost"),
    }
}

/// Notes a call, and what goes wrong with it.
fn note(
    journal: &mut Journal,
    invocation: Option<&Invocation>,
    (operation, body): (&str, &str),
    fault: Option<&'static str>,
) {
    journal.calls += 1;
    journal.mix(operation.as_bytes());
    let Some(fault) = fault else { return };
    journal.count(fault);
    journal.mix(fault.as_bytes());
    let Some(it) = invocation else { return };
    for command in lock(&it.commands).iter().take(20) {
        journal.say(Some(*command), format!("{:?}: {operation} {fault}", it.role));
    }
    if fault != LATE {
        lock(&it.faults).push(Injected { fault, call: call_id(operation, body) });
    }
}

/// How many entries there are in a batch.
fn entries(attempt: &Attempt<'_>) -> usize {
    let mark = match attempt.operation {
        "PublishBatch" => ".Id=",
        "BatchGetItem" => "_key\":",
        _ => "\"Id\":",
    };
    attempt.body.matches(mark).count()
}
