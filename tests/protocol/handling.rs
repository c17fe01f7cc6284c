//! The command's way: queue, command handler, one transaction.
//!
//! **Queue** (SQS FIFO). Delivers at least once, in order per stream; while somebody holds messages of a stream, nobody
//! gets others of it. What is not answered for in time is given out again. What was received `max_receives` times and
//! is still there goes to the dead letters.
//!
//! **Handler** (`functions/command-handler/src/group.rs`). Receives, loads the stream, decides, sends one transaction,
//! answers. Refused, it drops what is at fault and begins again; failed, it gives the rest back, and what has failed
//! for the last time it sends to the dead letters itself before it answers (`shared/recovery/src/batch.rs`).
//!
//! **Transaction** (`shared/store/src/commit.rs`). The commit, on condition that its number is free, and each command's
//! operation record, on condition that the command is [open](Protocol::is_open): all or nothing.

use crate::protocol::{Guard, Protocol};
use crate::state::{Batch, Commit, Event, Message, Outcome, Parked, Record, Stage, State, Step, Stream, Worker};

/// What a batch takes of a stream, at most.
const BATCH: usize = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// Ingest answers 202: the next command is in the queue.
    Accept,
    /// A fault: a client sends its first command again.
    Repeat,
    /// A handler, by its number, receives a batch of a stream.
    Receive(usize, Stream),
    /// SQS moves a message to the dead letters that was received too often.
    GiveUp(Stream),
    /// What a handler does next, and what may happen to it.
    Work(usize, Deed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deed {
    Load,
    Commit,
    Bury,
    Answer,
    /// The transaction was sent; its answer does not come.
    LoseAnswer,
    Fail,
    Crash,
    TimeOut,
}

/// What the transaction's conditions said. Nothing of it was written.
struct Refused {
    stream_moved: bool,
    /// By the place in the batch: which commands were open.
    open: Vec<bool>,
}

impl Protocol {
    pub fn handling(&self, state: &State, offers: &mut Vec<Handling>) {
        if state.accepted < self.commands.len() {
            offers.push(Handling::Accept);
        }
        if state.left.repeats > 0 && state.accepted > 0 {
            offers.push(Handling::Repeat);
        }
        // Who is idle is like any other who is.
        let idle = state.workers.iter().position(|worker| *worker == Worker::Idle);
        for stream in Stream::ALL {
            match state.queue[stream as usize].first() {
                Some(_) if state.is_held(stream) => {}
                Some(head) if head.receives >= self.max_receives => offers.push(Handling::GiveUp(stream)),
                Some(_) => offers.extend(idle.map(|worker| Handling::Receive(worker, stream))),
                None => {}
            }
        }
        for (worker, at) in state.workers.iter().enumerate() {
            let Worker::At(step, batch) = at else { continue };
            let (next, committing) = match step {
                Step::Load => (Deed::Load, false),
                Step::Commit { .. } => (Deed::Commit, true),
                Step::Bury => (Deed::Bury, false),
                Step::Answer => (Deed::Answer, false),
            };
            let deeds = [
                (true, next),
                (committing && state.left.lost_answers > 0, Deed::LoseAnswer),
                ((committing || next == Deed::Load) && state.left.failures > 0, Deed::Fail),
                (state.left.crashes > 0, Deed::Crash),
                (batch.held > 0 && state.left.time_outs > 0, Deed::TimeOut),
            ];
            offers.extend(
                deeds.into_iter().filter(|(possible, _)| *possible).map(|(_, deed)| Handling::Work(worker, deed)),
            );
        }
    }

    pub fn handle(&self, state: &mut State, action: Handling) {
        match action {
            Handling::Accept => {
                state.send(Message::new(self.commands[state.accepted]));
                state.accepted += 1;
            }
            // The deduplication of a FIFO queue is a courtesy of five minutes; here there is none.
            Handling::Repeat => {
                state.left.repeats -= 1;
                state.send(Message::new(self.commands[0]));
            }
            Handling::Receive(worker, stream) => {
                let mut pending: Vec<Message> = Vec::new();
                for message in state.queue[stream as usize].iter_mut().take(BATCH) {
                    // No item twice in a transaction, so a second of the same command waits for the next batch.
                    let again = pending.iter().any(|earlier| earlier.command == message.command);
                    if again || message.receives >= self.max_receives {
                        break;
                    }
                    message.receives += 1;
                    pending.push(*message);
                }
                state.workers[worker] = Worker::At(Step::Load, Batch { stream, held: pending.len(), pending });
            }
            Handling::GiveUp(stream) => {
                let message = state.queue[stream as usize].remove(0);
                state.bury(message);
            }
            Handling::Work(worker, deed) => {
                let Worker::At(step, batch) = std::mem::replace(&mut state.workers[worker], Worker::Idle) else {
                    return;
                };
                state.workers[worker] = self.work(state, step, batch, deed);
            }
        }
    }

    /// What one handler does next.
    fn work(&self, state: &mut State, step: Step, mut batch: Batch, deed: Deed) -> Worker {
        let next = match (deed, step) {
            (Deed::Load, _) => Step::Commit { base: state.events[batch.stream as usize].len() },
            (Deed::Commit, Step::Commit { base }) => match self.transact(state, base, &batch) {
                Ok(()) => {
                    batch.pending.clear();
                    Step::Answer
                }
                Err(Refused { stream_moved, open }) => {
                    // Who has its outcome is acknowledged and dropped; the others go on.
                    let mut open = open.into_iter();
                    batch.pending.retain(|_| open.next() == Some(true));
                    match (batch.pending.is_empty(), stream_moved) {
                        (true, _) => Step::Answer,
                        (false, true) => Step::Load,
                        (false, false) => step,
                    }
                }
            },
            (Deed::LoseAnswer, Step::Commit { base }) => {
                state.left.lost_answers -= 1;
                let _ = self.transact(state, base, &batch);
                self.give_back(&batch)
            }
            (Deed::Fail, _) => {
                state.left.failures -= 1;
                self.give_back(&batch)
            }
            (Deed::TimeOut, _) => {
                state.left.time_outs -= 1;
                batch.held = 0;
                step
            }
            (Deed::Bury, _) => {
                let is_last = |message: &Message| message.receives >= self.max_receives;
                batch.pending.iter().copied().filter(is_last).for_each(|message| state.bury(message));
                batch.pending.retain(|message| !is_last(message));
                Step::Answer
            }
            (Deed::Crash, _) => {
                state.left.crashes -= 1;
                return Worker::Idle;
            }
            // An answer after the time ran out is for nobody: the messages are no longer this handler's.
            _ => {
                let mut place = 0;
                state.queue[batch.stream as usize].retain(|message| {
                    place += 1;
                    place > batch.held || batch.pending.iter().any(|pending| pending.command == message.command)
                });
                return Worker::Idle;
            }
        };
        Worker::At(next, batch)
    }

    fn give_back(&self, batch: &Batch) -> Step {
        let last = batch.pending.iter().any(|message| message.receives >= self.max_receives);
        if last { Step::Bury } else { Step::Answer }
    }

    /// The one transaction. `base`: after how many commits the stream was when the commands were decided.
    fn transact(&self, state: &mut State, base: usize, batch: &Batch) -> Result<(), Refused> {
        let stream = batch.stream as usize;
        let (poisoned, sound): (Vec<Message>, Vec<Message>) =
            batch.pending.iter().partition(|message| self.poisoned == Some(message.command) && !message.repaired);

        let stream_moved = state.events[stream].len() > base && !sound.is_empty() && self.holds(Guard::CommitNumber);
        let open: Vec<bool> = batch.pending.iter().map(|message| self.is_open(state, *message)).collect();
        if stream_moved || open.contains(&false) {
            return Err(Refused { stream_moved, open });
        }

        let events: Vec<Event> =
            sound.iter().map(|&Message { command, revision, .. }| Event { command, revision }).collect();
        if !events.is_empty() {
            let commits = &mut state.events[stream];
            let before = commits[..base].iter().map(|commit| commit.events.len()).sum::<usize>();
            let commit = Commit { first_version: before + 1, events };
            match commits.get_mut(base) {
                None => commits.push(commit),
                Some(another) => *another = commit, // only without the condition
            }
        }
        for message in sound {
            state.record(message, Outcome::Succeeded);
        }
        for message in poisoned {
            state.park(message);
        }
        Ok(())
    }

    /// `put_if_open` in `shared/store/src/operations.rs`: a command is open while it has no record, or one that says it
    /// is retried, in the same revision. So the first outcome stays; a parked command waits for its operator, whatever
    /// comes again of it meanwhile; and once it is resubmitted, what was before does not run.
    pub fn is_open(&self, state: &State, message: Message) -> bool {
        let Some(record) = state.operations[message.command as usize] else { return true };
        (record.outcome == Outcome::Retrying || !self.holds(Guard::Operation))
            && (record.revision == message.revision || !self.holds(Guard::Revision))
    }
}

impl State {
    /// Whether somebody holds messages of the stream.
    fn is_held(&self, stream: Stream) -> bool {
        self.workers
            .iter()
            .any(|worker| matches!(worker, Worker::At(_, batch) if batch.stream == stream && batch.held > 0))
    }

    pub fn record(&mut self, message: Message, outcome: Outcome) {
        let attempt = if outcome == Outcome::Retrying { message.attempts } else { 0 };
        self.operations[message.command as usize] = Some(Record { outcome, revision: message.revision, attempt });
        if outcome == Outcome::Succeeded || outcome == Outcome::Discarded {
            self.seen.first_outcome[message.command as usize].get_or_insert(outcome);
        }
    }

    /// Sets a command aside for a person, and says so in its operation, in one transaction.
    pub fn park(&mut self, message: Message) {
        let message = Message { receives: 0, ..message };
        self.seen.aside[message.command as usize] = true;
        self.parked[message.command as usize] = Some(Parked { message, stage: Stage::Waiting });
        self.record(message, Outcome::Parked);
    }
}
