//! The way back of what failed: redrive, parking, an operator.
//!
//! **Redrive** (`functions/redrive/src/{triage,run}.rs`). Takes a stream's dead letters in order. One that is closed is
//! deleted. One whose attempts are used up is parked, in one transaction with its operation, and then deleted. Any
//! other is marked `retrying` with its attempt on the condition that it is open, then sent to its queue, then deleted:
//! a crash in between sends it twice and loses nothing. A letter does not know that it was sent; the mark does, so the
//! attempts are the greater number of the two.
//!
//! **Operator** (`shared/store/src/parked.rs`, `functions/operator/src/{resubmit,discard}.rs`). Takes a waiting message
//! in the revision it saw: resubmits it, as it is or repaired, or discards it. Resubmitting opens the operation for the
//! next revision alone. The message is sent after that, and that it was sent is noted after that; whatever stands there
//! as unsent is sent by whoever finds it (`functions/redrive/src/unsent.rs`).

use crate::protocol::{Guard, Protocol};
use crate::state::{Command, Message, Outcome, Redriving, Stage, State, Stream};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Recovery {
    /// Redrive looks at a stream's first dead letter, and marks or parks it.
    Look(Stream),
    SendBack,
    Delete,
    Resubmit(Command),
    Repair(Command),
    Discard(Command),
    SendResubmitted(Command),
    NoteSent(Command),
    /// Faults, from here on.
    CrashOfRedrive,
    CrashBeforeNote(Command),
}

impl Protocol {
    pub fn recovery(&self, state: &State, offers: &mut Vec<Recovery>) {
        match &state.redrive {
            None => {
                let streams = Stream::ALL.into_iter().filter(|stream| !state.dead_letters[*stream as usize].is_empty());
                offers.extend(streams.map(Recovery::Look));
            }
            Some(Redriving { dealt_with, deleted, .. }) => {
                let careful = self.holds(Guard::DeleteAfterSend);
                let crashes = state.left.crashes > 0;
                let steps = [
                    (!dealt_with && (*deleted || careful), Recovery::SendBack),
                    (!deleted && (*dealt_with || !careful), Recovery::Delete),
                    (crashes, Recovery::CrashOfRedrive),
                ];
                offers.extend(steps.into_iter().filter(|(possible, _)| *possible).map(|(_, step)| step));
            }
        }
        for parked in state.parked.iter().flatten() {
            let Message { command, revision, repaired, .. } = parked.message;
            match parked.stage {
                Stage::Waiting => {
                    offers.push(Recovery::Discard(command));
                    if revision < self.most_revisions {
                        offers.push(Recovery::Resubmit(command));
                        offers
                            .extend((self.poisoned == Some(command) && !repaired).then_some(Recovery::Repair(command)));
                    }
                }
                Stage::Unsent => offers.push(Recovery::SendResubmitted(command)),
                Stage::Sent => {
                    offers.push(Recovery::NoteSent(command));
                    offers.extend((state.left.crashes > 0).then_some(Recovery::CrashBeforeNote(command)));
                }
                Stage::Resubmitted | Stage::Discarded => {}
            }
        }
    }

    pub fn recover(&self, state: &mut State, action: Recovery) {
        match action {
            Recovery::Look(stream) => self.look(state, stream),
            Recovery::SendBack | Recovery::Delete => {
                let Some(mut run) = state.redrive.take() else { return };
                if action == Recovery::SendBack {
                    state.send(run.letter);
                    run.dealt_with = true;
                } else {
                    state.dead_letters[run.letter.command.stream() as usize].remove(0);
                    run.deleted = true;
                }
                state.redrive = (!run.dealt_with || !run.deleted).then_some(run);
            }
            Recovery::CrashOfRedrive => {
                state.left.crashes -= 1;
                state.redrive = None;
            }
            Recovery::CrashBeforeNote(command) => {
                state.left.crashes -= 1;
                state.set_stage(command, Stage::Unsent);
            }
            Recovery::Resubmit(command) | Recovery::Repair(command) => {
                let Some(message) = state.act(command, Stage::Unsent) else { return };
                message.revision += 1;
                message.attempts = 0;
                message.repaired |= action == Recovery::Repair(command);
                let opened = *message;
                state.record(opened, Outcome::Retrying);
            }
            Recovery::Discard(command) => {
                let Some(message) = state.act(command, Stage::Discarded) else { return };
                let given_up = *message;
                state.record(given_up, Outcome::Discarded);
            }
            Recovery::SendResubmitted(command) => {
                let Some(parked) = state.parked[command as usize] else { return };
                state.send(parked.message);
                state.set_stage(command, Stage::Sent);
            }
            Recovery::NoteSent(command) => state.set_stage(command, Stage::Resubmitted),
        }
    }

    fn look(&self, state: &mut State, stream: Stream) {
        let letter = state.dead_letters[stream as usize][0];
        if !self.is_open(state, letter) {
            state.dead_letters[stream as usize].remove(0);
            return;
        }
        let marked = state.operations[letter.command as usize].map_or(0, |record| record.attempt);
        let attempts = letter.attempts.max(marked);
        let exhausted = attempts >= self.most_attempts;
        let letter = Message { attempts: if exhausted { attempts } else { attempts + 1 }, ..letter };
        if exhausted {
            state.park(letter);
        } else {
            state.record(letter, Outcome::Retrying);
        }
        state.redrive = Some(Redriving { letter, dealt_with: exhausted, deleted: false });
    }
}

impl State {
    /// Claims a parked message that waits and whose operation is parked in the same revision; both, or nothing.
    fn act(&mut self, command: Command, stage: Stage) -> Option<&mut Message> {
        let record = self.operations[command as usize]?;
        let parked = self.parked[command as usize].as_mut()?;
        let agree = record.outcome == Outcome::Parked && record.revision == parked.message.revision;
        (parked.stage == Stage::Waiting && agree).then(|| {
            parked.stage = stage;
            &mut parked.message
        })
    }

    fn set_stage(&mut self, command: Command, stage: Stage) {
        if let Some(parked) = &mut self.parked[command as usize] {
            parked.stage = stage;
        }
    }
}
