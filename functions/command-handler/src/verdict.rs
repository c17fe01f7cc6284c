//! Deciding commands, with whatever the decider does over one kept to it.

use std::any::Any;
use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use kernel::command::Command;
use kernel::context::{Aggregate, Context, Decided, Undecided};
use kernel::decider::{Guard, Rejection};
use kernel::domain_event::{EventData, RecordedEvent, Unpublishable};
use kernel::effect::RecordedEffect;
use kernel::parking::Reason;
use lambda::telemetry::chain_in_full;

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

/// Decides commands of one stream, in order, each on the state that those before it leave, until `tell` breaks.
pub(crate) fn decide_each(
    context: &Context,
    aggregate: &Arc<dyn Aggregate>,
    mut version: u64,
    asked: &[Asked],
    mut tell: impl FnMut(Verdict) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut aggregate = Arc::clone(aggregate);
    for asked in asked {
        let verdict = match asked {
            Asked::Known(predecided) => predecided.clone().into(),
            Asked::Command(command) => match command.expected_version {
                Some(expected) if expected != version => Verdict::Unexpected { expected },
                _ => catch_unwind(AssertUnwindSafe(|| decide_one(context, &*aggregate, command)))
                    .unwrap_or_else(|panic| Verdict::Parked(Defect::new(Reason::Panicked, panic_message(panic)))),
            },
        };
        if let Verdict::Decided(decision) = &verdict {
            version += decision.events.len() as u64;
            aggregate = Arc::clone(&decision.next);
        }
        tell(verdict)?;
    }
    ControlFlow::Continue(())
}

fn decide_one(context: &Context, aggregate: &dyn Aggregate, command: &Command) -> Verdict {
    match aggregate.decide(command) {
        Ok(decided) => match recordable(context, command, &decided) {
            Ok(effects) => {
                let Decided { events, guards, next, .. } = decided;
                Verdict::Decided(Decision { events, guards, effects, next: next.into() })
            }
            Err(defect) => Verdict::Parked(defect),
        },
        Err(Undecided::Rejected(rejection)) => Verdict::Rejected(rejection),
        Err(Undecided::Unreadable(error)) => Verdict::Parked(Defect::new(Reason::Unreadable, chain_in_full(&error))),
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
