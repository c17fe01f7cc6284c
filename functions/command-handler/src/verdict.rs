//! Deciding the commands of one stream, with whatever the decider does over one kept to it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use kernel::command::Command;
use kernel::context::{Aggregate, Context, Decided, Undecided};
use kernel::decider::{Guard, Rejection};
use kernel::domain_event::{EventData, RecordedEvent, Unpublishable};
use kernel::effect::RecordedEffect;
use kernel::parking::Reason;
use lambda::telemetry::chain_in_full;
use store::Loaded;
use tokio::task::{JoinHandle, spawn_blocking};
use tokio::time::{Instant, timeout_at};

use crate::defect::Defect;
use crate::effects;

/// What became of deciding.
pub(crate) enum Verdict {
    Decided(Decision),
    Rejected(Rejection),
    /// The aggregate is not at this version, and the command was for that one only.
    Unexpected {
        expected: u64,
    },
    /// It cannot succeed as it stands.
    Parked(Defect),
}

/// What a command causes, as it is recorded.
pub(crate) struct Decision {
    pub events: Vec<EventData>,
    pub guards: Vec<Guard>,
    pub effects: Vec<RecordedEffect>,
    /// The aggregate after `events`.
    pub next: Arc<dyn Aggregate>,
}

/// What is known of a command before it is decided (again).
#[derive(Debug, Clone)]
pub(crate) enum Predecided {
    /// A guard did not hold.
    Rejected(Rejection),
    Parked(Defect),
}

impl From<Predecided> for Verdict {
    fn from(predecided: Predecided) -> Self {
        match predecided {
            Predecided::Rejected(rejection) => Self::Rejected(rejection),
            Predecided::Parked(defect) => Self::Parked(defect),
        }
    }
}

/// What is to be decided.
pub(crate) enum Asked {
    Command(Arc<Command>),
    /// Deciding it again would not change that.
    Known(Predecided),
}

/// What a decision may take. A pure function on a state in memory takes microseconds; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// Where commands are decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Deciding {
    /// On a thread of its own, where a panic ends and a hang holds nobody up.
    ///
    /// A thread that hangs cannot be ended: it goes on until the environment does.
    #[default]
    OnAThread,
    /// Where the handler runs: a panic still ends there, but a hang holds up everything. For simulations, which repeat
    /// exactly only without threads.
    Inline,
}

/// Decides commands of one stream, in order, each on the state that those before it leave; the first one on `base`. Gives a
/// verdict for each of them, or for those up to the first one that hangs.
pub(crate) async fn decide(
    deciding: Deciding,
    context: &'static Context,
    base: &Loaded,
    asked: Vec<Asked>,
) -> Vec<Verdict> {
    let (aggregate, version) = (Arc::clone(&base.aggregate), base.version);
    match deciding {
        Deciding::Inline => {
            let mut verdicts = Vec::with_capacity(asked.len());
            decide_each(context, aggregate, version, asked, |verdict| verdicts.push(verdict));
            verdicts
        }
        Deciding::OnAThread => {
            let (tell, told) = mpsc::channel();
            let count = asked.len();
            // Once for all of them: waking a thread takes longer than most decisions.
            let thread = spawn_blocking(move || {
                decide_each(context, aggregate, version, asked, |verdict| {
                    let _nobody_waits_any_more = tell.send((verdict, Instant::now()));
                });
            });
            verdicts_of(thread, told, count).await
        }
    }
}

/// The verdicts that the thread tells, with the time of each. It hangs if there is none for too long.
async fn verdicts_of(
    mut thread: JoinHandle<()>,
    told: mpsc::Receiver<(Verdict, Instant)>,
    count: usize,
) -> Vec<Verdict> {
    let mut verdicts = Vec::with_capacity(count);
    let mut since = Instant::now();
    loop {
        let end = timeout_at(since + PATIENCE, &mut thread).await;
        let before = verdicts.len();
        for (verdict, at) in told.try_iter() {
            verdicts.push(verdict);
            since = at;
        }
        let defect = match end {
            _ if verdicts.len() == count => return verdicts,
            Ok(_) => Defect::new(Reason::Panicked, "the decision was cancelled".to_owned()),
            Err(_) if verdicts.len() > before => continue,
            Err(_) => Defect::new(Reason::Hung, format!("no decision within {PATIENCE:?}")),
        };
        verdicts.push(Verdict::Parked(defect));
        return verdicts;
    }
}

fn decide_each(
    context: &Context,
    mut aggregate: Arc<dyn Aggregate>,
    mut version: u64,
    asked: Vec<Asked>,
    mut tell: impl FnMut(Verdict),
) {
    for asked in asked {
        let verdict = match asked {
            Asked::Known(predecided) => predecided.into(),
            Asked::Command(command) => match command.expected_version {
                Some(expected) if expected != version => Verdict::Unexpected { expected },
                _ => decide_one(context, &*aggregate, &command),
            },
        };
        if let Verdict::Decided(decision) = &verdict {
            version += decision.events.len() as u64;
            aggregate = Arc::clone(&decision.next);
        }
        tell(verdict);
    }
}

fn decide_one(context: &Context, aggregate: &dyn Aggregate, command: &Command) -> Verdict {
    match catch_unwind(AssertUnwindSafe(|| aggregate.decide(command))) {
        Ok(Ok(decided)) => match recordable(context, command, &decided) {
            Ok(effects) => {
                let Decided { events, guards, next, .. } = decided;
                Verdict::Decided(Decision { events, guards, effects, next: next.into() })
            }
            Err(defect) => Verdict::Parked(defect),
        },
        Ok(Err(Undecided::Rejected(rejection))) => Verdict::Rejected(rejection),
        Ok(Err(Undecided::Unreadable(error))) => {
            Verdict::Parked(Defect::new(Reason::Unreadable, chain_in_full(&error)))
        }
        Err(panic) => Verdict::Parked(Defect::new(Reason::Panicked, panic_message(panic))),
    }
}

/// The decision's effects as they are stored, if all that it causes can be stored and go out.
fn recordable(context: &Context, command: &Command, decided: &Decided) -> Result<Vec<RecordedEffect>, Defect> {
    match decided.events.iter().find_map(|event| unpublishable(command, event)) {
        Some(defect) => Err(defect),
        None => effects::recorded(context, command, decided),
    }
}

/// Why an event of the command's could never be published, if so.
fn unpublishable(command: &Command, event: &EventData) -> Option<Defect> {
    let (stream, time) = (command.stream.clone(), command.receipt.accepted_at);
    let recorded = RecordedEvent { stream, version: u64::MAX, time, event: event.clone() };
    let error = recorded.check_publishable().err()?;
    let reason = if matches!(error, Unpublishable::TooLarge { .. }) { Reason::TooLarge } else { Reason::Unpublishable };
    Some(Defect::new(reason, format!("its {} could not be published: {}", event.ty, chain_in_full(&error))))
}

fn panic_message(panic: Box<dyn Any + Send>) -> String {
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "no message".to_owned(), |text| (*text).to_owned()),
    }
}
