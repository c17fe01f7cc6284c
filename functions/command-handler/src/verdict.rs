//! Deciding one command, with whatever its decider does kept to it.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use kernel::command::Command;
use kernel::context::{Aggregate, Context, Decided, Undecided};
use kernel::decider::Rejection;
use kernel::domain_event::{EventData, RecordedEvent, Unpublishable};
use kernel::effect::RecordedEffect;
use kernel::parking::Reason;
use lambda::telemetry::chain_in_full;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::defect::Defect;
use crate::effects;

/// What became of deciding.
pub(crate) enum Verdict {
    Decided {
        decided: Decided,
        effects: Vec<RecordedEffect>,
    },
    Rejected(Rejection),
    /// The aggregate is not at this version, and the command was for that one only.
    Unexpected {
        expected: u64,
    },
    /// It cannot succeed as it stands.
    Parked(Defect),
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

pub(crate) async fn decide(
    deciding: Deciding,
    context: &Context,
    aggregate: &Arc<dyn Aggregate>,
    command: &Arc<Command>,
) -> Verdict {
    let (of, what) = (Arc::clone(aggregate), Arc::clone(command));
    let decide = move || of.decide(&what);
    let decided = match deciding {
        Deciding::Inline => catch_unwind(AssertUnwindSafe(decide)).map_err(panic_message),
        Deciding::OnAThread => match timeout(PATIENCE, spawn_blocking(decide)).await {
            Ok(Ok(decided)) => Ok(decided),
            Ok(Err(error)) => Err(match error.try_into_panic() {
                Ok(panic) => panic_message(panic),
                Err(_) => "the decision was cancelled".to_owned(),
            }),
            Err(_) => return Verdict::Parked(Defect::new(Reason::Hung, format!("no decision within {PATIENCE:?}"))),
        },
    };
    match decided {
        Ok(Ok(decided)) => match recordable(context, command, &decided) {
            Ok(effects) => Verdict::Decided { decided, effects },
            Err(defect) => Verdict::Parked(defect),
        },
        Ok(Err(Undecided::Rejected(rejection))) => Verdict::Rejected(rejection),
        Ok(Err(Undecided::Unreadable(error))) => {
            Verdict::Parked(Defect::new(Reason::Unreadable, chain_in_full(&error)))
        }
        Err(panic) => Verdict::Parked(Defect::new(Reason::Panicked, panic)),
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
