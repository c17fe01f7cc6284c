//! Triage: what is to become of each dead letter.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::time::Duration;

use kernel::back_off::BackOff;
use kernel::command::Command;
use kernel::operation::Status;
use kernel::timestamp::Timestamp;
use recovery::DeadLetter;
use store::StoreError;
use store::operations::{OperationRecord, Operations};

use crate::{Pace, WayBack};

/// A dead letter that has been looked at.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub dead: DeadLetter,
    /// The command in it; `None` for other messages.
    pub command: Option<Command>,
    /// How often it was sent back and failed again.
    pub attempts: u32,
    /// How often it was sent back, as far as its record tells, whatever became of that.
    pub sent: u32,
    /// Its context has decided it since it failed, and so was up.
    pub handled_since: bool,
    pub state: State,
    /// When the record of its outcome expires, in seconds since 1970.
    pub expires_at: Option<u64>,
    /// When it is due: the first run after that sends it back, if its context is up. Of one that is on its way, when it is
    /// taken for lost. `None`: it is not to be sent.
    pub due_at: Option<Timestamp>,
}

impl Letter {
    /// Whether it is a command that a canary tells about.
    pub fn is_open_command(&self) -> bool {
        self.command.is_some() && !matches!(self.state, State::Settled | State::Repeat | State::TooOld)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It has its outcome, waits for a person, or was overtaken by another revision.
    Settled,
    /// The same command lies there before it.
    Repeat,
    /// It was sent back a while ago and nothing is known of it yet.
    OnItsWay,
    /// Its attempts are used up.
    Exhausted,
    /// It has lain there almost as long as the queue keeps it.
    TooOld,
    Due,
    Waiting,
}

/// The wait before the attempt after `attempts`. Up to a quarter more, by the message, so that what failed together
/// does not come back together. The first attempt does not wait.
fn wait_after(attempts: u32, back_off: BackOff, message: &impl std::hash::Hash) -> Duration {
    let Some(doublings) = attempts.checked_sub(1) else { return Duration::ZERO };
    let wait = back_off.limit(doublings);
    let mut hasher = DefaultHasher::new();
    (message, attempts).hash(&mut hasher);
    let jitter = u32::try_from(hasher.finish() % 256).unwrap_or_default();
    wait + wait * jitter / 1024
}

/// For how long a command that was sent back may be on its way. One that fails is a dead letter again within a quarter of
/// an hour, mostly half of that ([`recovery::back_off`]). After twice as long it is sent once more, which counts as the same
/// attempt: perhaps nobody was there to receive it.
pub(crate) const PATIENCE: Duration = Duration::from_mins(30);

/// A queue forgets messages after 14 days. Before that, they are parked.
const TOO_OLD: Duration = Duration::from_hours(10 * 24);

/// What triage goes by.
pub(crate) struct Triage<'a> {
    pub way: &'a WayBack,
    pub operations: &'a Operations,
    pub pace: Pace,
    /// When the run began.
    pub now: Timestamp,
    pub by_hand: bool,
}

impl Triage<'_> {
    /// Looks at dead letters that were received together, in their order.
    pub async fn look(&self, letters: Vec<DeadLetter>) -> Result<Vec<Letter>, StoreError> {
        let letters: Vec<_> = letters.into_iter().map(|dead| (self.command(&dead), dead)).collect();
        let keys = letters.iter().filter_map(|(command, _)| command.as_ref().map(key));
        let records = self.operations.find_all(keys).await?;
        // When a command that was sent back failed again, by what it had become.
        let returned: HashMap<(String, u32), Timestamp> = letters
            .iter()
            .filter_map(|(command, dead)| Some(((key(command.as_ref()?), dead.failure.attempts), dead.sent_at)))
            .collect();
        let mut first: HashMap<Identity, usize> = HashMap::new();
        let mut blocked: HashMap<String, Option<Timestamp>> = HashMap::new();
        let mut looked_at: Vec<Letter> = Vec::with_capacity(letters.len());
        for (command, dead) in letters {
            let record = command.as_ref().and_then(|command| records.get(&key(command)));
            let sent = record.and_then(|record| record.attempt).unwrap_or_default();
            // The record's attempt counts once its copy has come back. Until then the copy may still be in the queue.
            let failed_again = command.as_ref().and_then(|command| returned.get(&(key(command), sent))).copied();
            let failed_again = failed_again.or(record.and_then(|record| record.failed_at));
            let attempts = if failed_again.is_some() { dead.failure.attempts.max(sent) } else { dead.failure.attempts };
            let (mut state, mut due_at) = self.state(&dead, command.as_ref(), record, failed_again, attempts);
            if let Some(command) = command.as_ref().filter(|_| state != State::Settled) {
                match first.entry(identity(command)) {
                    Entry::Vacant(entry) => _ = entry.insert(looked_at.len()),
                    // The first one keeps its place, and learns what the last one failed on.
                    Entry::Occupied(entry) => {
                        (state, due_at) = (State::Repeat, None);
                        let kept = &mut looked_at[*entry.get()].dead.failure;
                        kept.error = dead.failure.error.clone().or(kept.error.take());
                    }
                }
            }
            // Not before the one ahead of it.
            if let Some(ahead) = dead.group.ordered().and_then(|group| blocked.get(group)).copied() {
                if matches!(state, State::Due | State::Exhausted) {
                    state = State::Waiting;
                }
                due_at = due_at.max(ahead).filter(|_| state == State::Waiting).or(due_at);
            }
            if let Some(group) = dead.group.ordered().filter(|_| matches!(state, State::Waiting | State::OnItsWay)) {
                blocked.insert(group.to_owned(), due_at);
            }
            let handled_since = record.is_some_and(|record| {
                matches!(record.outcome, Status::Succeeded | Status::Rejected) && record.recorded_at > dead.sent_at
            });
            let expires_at = record.and_then(|record| record.expires_at);
            looked_at.push(Letter { dead, command, attempts, sent, handled_since, state, expires_at, due_at });
        }
        Ok(looked_at)
    }

    fn command(&self, dead: &DeadLetter) -> Option<Command> {
        Command::open(dead.body.as_bytes(), self.way.context?.name).ok()
    }

    fn state(
        &self,
        dead: &DeadLetter,
        command: Option<&Command>,
        record: Option<&OperationRecord>,
        failed_again: Option<Timestamp>,
        attempts: u32,
    ) -> (State, Option<Timestamp>) {
        if let (Some(command), Some(record)) = (command, record) {
            if !record.is_open_to(command) {
                return (State::Settled, None);
            }
            let sent_since = record.attempt.unwrap_or_default() > dead.failure.attempts;
            if sent_since && failed_again.is_none() && self.now.since(record.recorded_at) < PATIENCE {
                return (State::OnItsWay, Some(record.recorded_at.plus(PATIENCE)));
            }
        }
        self.when_due(dead, attempts, failed_again)
    }

    /// `failed_at`: since when it has failed, as far as that is known beside the dead letter itself.
    fn when_due(&self, dead: &DeadLetter, attempts: u32, failed_at: Option<Timestamp>) -> (State, Option<Timestamp>) {
        if self.now.since(dead.sent_at) > TOO_OLD {
            return (State::TooOld, None);
        }
        if attempts >= self.pace.most_attempts {
            return (State::Exhausted, None);
        }
        let last = dead.sent_at.max(failed_at.unwrap_or(dead.sent_at));
        let due_at = last.plus(wait_after(attempts, self.pace.back_off, &dead.body));
        // A letter that came during this run is left to the next one.
        if last > self.now || dead.failure.redriven_at.is_some_and(|time| time >= self.now) {
            return (State::Waiting, Some(due_at));
        }
        let is_due = self.by_hand || self.now >= due_at;
        (if is_due { State::Due } else { State::Waiting }, Some(due_at))
    }
}

/// Two letters with the same identity are one command. The key alone may stand for two: a client may use an id again.
type Identity = (String, u32, String);

fn identity(command: &Command) -> Identity {
    (key(command), command.revision, command.receipt.digest.to_string())
}

/// The key of a command's operation.
pub(crate) fn key(command: &Command) -> String {
    OperationRecord::key(&command.stream.tenant, command.receipt.command_key)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn back_off_doubles_up_to_its_limit_and_differs_by_message() {
        let back_off = BackOff { first: Duration::from_mins(5), longest: Duration::from_hours(6) };
        assert_eq!(wait_after(0, back_off, &"m"), Duration::ZERO);
        for (attempts, minutes) in [(1, 5), (2, 10), (3, 20), (7, 320), (8, 360), (100, 360)] {
            let wait = Duration::from_mins(minutes);
            let after = wait_after(attempts, back_off, &"m");
            assert!(after >= wait && after <= wait * 5 / 4, "{after:?} after {attempts}");
        }
        let waits: HashSet<_> = (0..100).map(|message| wait_after(3, back_off, &message)).collect();
        assert!(waits.len() > 50, "they do not come back together");
    }
}
