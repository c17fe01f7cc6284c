//! Deciding one command, with whatever its decider does kept to it.

use std::sync::Arc;
use std::time::Duration;

use kernel::command::Command;
use kernel::context::{Aggregate, Decided, Undecided};
use kernel::decider::Rejection;
use lambda::telemetry::chain;
use tokio::task::{JoinError, spawn_blocking};
use tokio::time::timeout;

/// What became of deciding.
pub(crate) enum Verdict {
    Decided(Decided),
    Rejected(Rejection),
    /// It cannot succeed as it stands.
    Parked(Fault),
}

/// Why a command must wait for a person.
#[derive(Debug, Clone)]
pub(crate) struct Fault {
    /// In kebab case: what a person groups by.
    pub reason: &'static str,
    pub error: String,
}

impl Fault {
    pub const TOO_LARGE: &str = "too-large";
    pub const PANICKED: &str = "panicked";

    /// `error` is clipped: a panic may quote all that it panicked over, and must still fit beside the message.
    pub fn new(reason: &'static str, mut error: String) -> Self {
        const MAX_ERROR: usize = 4 * 1024;
        error.truncate(error.floor_char_boundary(MAX_ERROR));
        Self { reason, error }
    }

    /// Whether deciding on another state could do without it. A hang could too, but is too dear to be tried again.
    pub fn is_of_its_state(&self) -> bool {
        matches!(self.reason, Self::TOO_LARGE | Self::PANICKED)
    }
}

/// What a decision may take. A pure function on a state in memory takes microseconds; one that takes this long hangs.
const PATIENCE: Duration = Duration::from_secs(2);

/// What an event's data may weigh, so that the event with its attributes still fits an SNS message.
const MAX_EVENT_DATA: usize = 256 * 1024 - 4 * 1024;

/// Decides on a thread of its own, where a panic ends and a hang holds nobody up.
///
/// A thread that hangs cannot be ended: it goes on until the environment does.
pub(crate) async fn decide(aggregate: &Arc<dyn Aggregate>, command: &Arc<Command>) -> Verdict {
    let (aggregate, command) = (Arc::clone(aggregate), Arc::clone(command));
    match timeout(PATIENCE, spawn_blocking(move || aggregate.decide(&command))).await {
        Ok(Ok(Ok(decided))) => match decided.events.iter().find(|event| event.data.get().len() > MAX_EVENT_DATA) {
            None => Verdict::Decided(decided),
            Some(event) => {
                let error = format!("its {} would exceed what can be published", event.ty);
                Verdict::Parked(Fault::new(Fault::TOO_LARGE, error))
            }
        },
        Ok(Ok(Err(Undecided::Rejected(rejection)))) => Verdict::Rejected(rejection),
        Ok(Ok(Err(Undecided::Unreadable(error)))) => Verdict::Parked(Fault::new("unreadable", chain(&error))),
        Ok(Err(panic)) => Verdict::Parked(Fault::new(Fault::PANICKED, panic_message(panic))),
        Err(_) => Verdict::Parked(Fault::new("hung", format!("no decision within {PATIENCE:?}"))),
    }
}

fn panic_message(error: JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the decision was cancelled".to_owned() };
    match panic.downcast::<String>() {
        Ok(text) => *text,
        Err(panic) => panic.downcast::<&str>().map_or_else(|_| "no message".to_owned(), |text| (*text).to_owned()),
    }
}
