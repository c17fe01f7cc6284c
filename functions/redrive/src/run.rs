//! One run over one queue's dead letters.
//!
//! Commands go behind canaries: a few are sent ahead, and only when one of them has its outcome do the others follow.
//! They stay in the dead-letter queue until then, so whoever looks next knows where they are, and their streams keep
//! their order.

use std::collections::HashSet;
use std::time::Duration;

use kernel::command::Command;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::clock::Clock;
use lambda::telemetry::chain;
use recovery::{DeadLetter, Failure, Returning, send_back};
use store::operations::{OperationRecord, expires_too_soon};
use tokio::time::{Instant, sleep_until};

use crate::tally::{Fate, Tally};
use crate::triage::{Letter, State, Triage, key};
use crate::{Canary, QueueReport, Redrive, Request, RunError, WayBack};

/// How many dead letters are worked on together: ten calls to receive them, one to look up their outcomes.
const CHUNK: usize = 100;
/// How many canaries are on their way at the same time, each of another stream. One stream may fail for reasons of its
/// own.
const CANARIES: usize = 5;
/// How many letters are looked through for canaries, when those at the front will not do.
const MOST_SEEN: usize = 500;
/// How many letters a dry run looks at. Somebody waits for its answer.
const MOST_SEEN_DRY: usize = 1000;
/// How long a run waits for a canary's outcome; after that the next one looks.
const CANARY_WAIT: Duration = Duration::from_secs(20);
/// Time kept to finish what was begun.
const RESERVE: Duration = Duration::from_secs(3);

pub(crate) struct Run<'a> {
    redrive: &'a Redrive,
    way: &'a WayBack,
    triage: Triage<'a>,
    dry: bool,
    clock: Clock,
    finish_by: Instant,
    tally: Tally,
    canary: Option<Canary>,
    /// Dead letters that were there when the run began, about.
    found: u64,
    /// Dead letters received so far.
    received: u64,
    /// Letters looked at and left. They are returned at the end of the run; sooner, this run would receive them again.
    held: Vec<DeadLetter>,
}

impl<'a> Run<'a> {
    pub fn new(redrive: &'a Redrive, way: &'a WayBack, request: &Request, now: Timestamp, finish_by: Instant) -> Self {
        let Redrive { operations, pace, .. } = redrive;
        Self {
            redrive,
            way,
            triage: Triage { way, operations, pace: *pace, now, by_hand: request.by_hand },
            dry: request.dry_run,
            clock: Clock::start(now),
            finish_by,
            tally: Tally::new(&way.name, now),
            canary: None,
            found: 0,
            received: 0,
            held: Vec::new(),
        }
    }

    pub async fn work(&mut self) -> Result<(), RunError> {
        self.found = self.way.dead_letters.depth().await?.visible;
        self.tally.found(self.found);
        if self.dry {
            return self.look_ahead().await;
        }
        let mut follow = Vec::new();
        if self.way.context.is_some() {
            match self.send_ahead().await? {
                Some(letters) => follow = letters,
                None => return Ok(()),
            }
        }
        self.all(follow).await
    }

    /// Gives back what was left, and says what was done.
    pub async fn end(self) -> QueueReport {
        if let Err(error) = self.way.dead_letters.give_back(&self.held).await {
            tracing::warn!(queue = self.way.name, error = chain(&error), "they come back by themselves");
        }
        QueueReport { canary: self.canary, ..self.tally.report() }
    }

    /// Says what a run would do, and does nothing. What it would do behind a canary depends on that.
    async fn look_ahead(&mut self) -> Result<(), RunError> {
        let letters = self.receive(MOST_SEEN_DRY).await?;
        let up = letters.iter().any(|letter| letter.handled_since);
        self.canary = up.then_some(Canary::Passed);
        let commands: Vec<Letter> = letters.iter().filter(|letter| letter.is_open_command()).cloned().collect();
        let room = CANARIES.saturating_sub(on_their_way(&commands).count());
        let canaries: Vec<&Letter> = candidates(&commands).into_iter().take(room).collect();
        let nobody_tells = !up && canaries.is_empty() && on_their_way(&commands).next().is_none();
        let all_used_up = commands.iter().all(|letter| letter.state == State::Exhausted);
        self.tally.count(Fate::Redriven, canaries);
        for letter in &letters {
            let behind = !up && letter.is_open_command() && !(nobody_tells && all_used_up);
            let fate = match letter.state {
                State::Settled | State::Repeat => Fate::Settled,
                State::OnItsWay | State::Waiting => Fate::Waiting,
                State::Due | State::Exhausted if behind && nobody_tells => Fate::Waiting,
                State::Due | State::Exhausted if behind => Fate::BehindCanary,
                State::Due => Fate::Redriven,
                State::Exhausted | State::TooOld => Fate::Parked,
            };
            self.tally.count(fate, [letter]);
        }
        self.held.extend(letters.into_iter().map(|letter| letter.dead));
        Ok(())
    }

    /// Finds out whether the context is up. Gives what was received for that and is still to be dealt with, if it is.
    async fn send_ahead(&mut self) -> Result<Option<Vec<Letter>>, RunError> {
        let mut seen: Vec<Letter> = Vec::new();
        let mut up = false;
        while !up && seen.len() < MOST_SEEN {
            let received = self.received;
            let letters = self.receive(1).await?;
            if self.received == received {
                break;
            }
            up = letters.iter().any(|letter| letter.handled_since);
            // Only commands have operations to watch, so other messages are no canaries and wait for none.
            let (letters, strangers): (Vec<_>, Vec<_>) =
                self.clear(letters).await?.into_iter().partition(|letter| letter.command.is_some());
            self.deal_with(strangers).await?;
            seen.extend(letters);
            let untried = candidates(&seen).into_iter().filter(|letter| letter.sent == 0).count();
            if on_their_way(&seen).count() + untried >= CANARIES {
                break;
            }
        }
        if !up {
            let canaries = candidates(&seen).into_iter().take(CANARIES.saturating_sub(on_their_way(&seen).count()));
            let canaries: Vec<Letter> = canaries.cloned().collect();
            let ahead: Vec<Letter> = on_their_way(&seen).cloned().chain(canaries.iter().cloned()).collect();
            if ahead.is_empty() {
                // There is nobody to send ahead. What has used up its attempts was tried for long enough, unless others
                // will be due that can tell whether the context is up.
                if seen.iter().all(|letter| letter.state == State::Exhausted) {
                    self.deal_with(seen).await?;
                } else {
                    self.hold(Fate::Waiting, seen);
                }
                return Ok(None);
            }
            // The records say `retrying` before the canaries are sent.
            let closed = self.redrive.operations.mark_retrying(self.marks(&canaries)).await?;
            self.send(&canaries).await?;
            self.tally.count(Fate::Redriven, &canaries);
            up = !closed.is_empty() || self.one_passes(&ahead).await?;
        }
        if !up {
            self.canary = Some(Canary::OnItsWay);
            let (behind, rest) =
                seen.into_iter().partition(|letter| matches!(letter.state, State::Due | State::Exhausted));
            self.hold(Fate::BehindCanary, behind);
            self.hold(Fate::Waiting, rest);
            return Ok(None);
        }
        self.canary = Some(Canary::Passed);
        // Looking again finds the letters that have their outcome by now, such as the canary.
        let again = self.triage.look(seen.into_iter().map(|letter| letter.dead).collect()).await?;
        Ok(Some(self.clear(again).await?))
    }

    /// Waits for the outcome of one of them.
    async fn one_passes(&self, canaries: &[Letter]) -> Result<bool, RunError> {
        let until = (Instant::now() + CANARY_WAIT).min(self.finish_by - RESERVE);
        let mut pause = Duration::from_millis(500);
        loop {
            let commands = || canaries.iter().filter_map(|letter| letter.command.as_ref());
            let records = self.redrive.operations.find_all(commands().map(key)).await?;
            let has_passed = |command: &Command| {
                let record = records.get(&key(command));
                record.is_some_and(|it| it.outcome != Status::Retrying || it.revision != command.revision)
            };
            if commands().any(has_passed) {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
            sleep_until((Instant::now() + pause).min(until)).await;
            pause *= 2;
        }
    }

    /// Deals with these and with all that was there when the run began.
    async fn all(&mut self, mut letters: Vec<Letter>) -> Result<(), RunError> {
        loop {
            while letters.len() < CHUNK {
                let more = self.receive(CHUNK - letters.len()).await?;
                if more.is_empty() {
                    break;
                }
                letters.extend(self.clear(more).await?);
            }
            if letters.is_empty() {
                return Ok(());
            }
            self.deal_with(std::mem::take(&mut letters)).await?;
        }
    }

    /// The next dead letters, about as many as asked for, looked at; none when all were received, or time is up.
    async fn receive(&mut self, many: usize) -> Result<Vec<Letter>, RunError> {
        let mut dead = Vec::new();
        while dead.len() < many && self.received < self.found && Instant::now() + RESERVE < self.finish_by {
            let hidden_for = self.finish_by.saturating_duration_since(Instant::now()) + Duration::from_secs(30);
            let batch = self.way.dead_letters.receive(hidden_for).await?;
            if batch.is_empty() {
                break;
            }
            self.received += batch.len() as u64;
            dead.extend(batch);
        }
        Ok(self.triage.look(dead).await?)
    }

    /// Drops what needs nothing more, parks what the queue would soon forget, and gives the rest.
    async fn clear(&mut self, letters: Vec<Letter>) -> Result<Vec<Letter>, RunError> {
        let (old, letters): (Vec<_>, Vec<_>) = letters.into_iter().partition(|letter| letter.state == State::TooOld);
        self.deal_with(old).await?;
        let (done, rest): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| matches!(letter.state, State::Settled | State::Repeat));
        let done = self.keep_records(done).await?;
        self.tally.count(Fate::Settled, &done);
        // A repeat may be the only sign that a canary has failed. Its record says so before the repeat is deleted.
        let failed = done.iter().filter(|letter| letter.state == State::Repeat && letter.dead.failure.attempts > 0);
        let failed = failed.filter_map(|Letter { dead, command, .. }| {
            let mark = self.mark(command.as_ref()?, dead.failure.attempts);
            Some(OperationRecord { failed_at: Some(dead.sent_at), ..mark })
        });
        self.redrive.operations.mark_retrying(failed.collect()).await?;
        self.delete(&done).await?;
        Ok(rest)
    }

    /// The records of what is settled are kept as long as if it had been handled now. Gives these letters, and leaves to
    /// the next run those whose record has expired meanwhile.
    async fn keep_records(&mut self, letters: Vec<Letter>) -> Result<Vec<Letter>, RunError> {
        let until = self.clock.now().plus(self.redrive.retention).seconds();
        let mut known = Vec::with_capacity(letters.len());
        for letter in letters {
            let command = letter.command.as_ref().filter(|_| expires_too_soon(letter.expires_at, until));
            match command.map(key) {
                Some(key) if !self.redrive.operations.keep(&key, until).await? => {
                    self.hold(Fate::Waiting, vec![letter]);
                }
                _ => known.push(letter),
            }
        }
        Ok(known)
    }

    /// Parks what has used up its attempts, sends back what is due, leaves the rest.
    async fn deal_with(&mut self, letters: Vec<Letter>) -> Result<(), RunError> {
        let (used_up, rest): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| matches!(letter.state, State::Exhausted | State::TooOld));
        let (due, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|letter| letter.state == State::Due);
        self.hold(Fate::Waiting, rest);
        self.park(used_up).await?;
        self.redrive(due).await
    }

    async fn park(&mut self, letters: Vec<Letter>) -> Result<(), RunError> {
        let mut parked = Vec::new();
        for letter in letters {
            match self.redrive.park(self.way, &letter, self.clock.now()).await {
                Ok(now_parked) => {
                    self.tally.count(if now_parked { Fate::Parked } else { Fate::Settled }, [&letter]);
                    parked.push(letter);
                }
                // The others can be parked for all that.
                Err(error) => {
                    let message_id = &letter.dead.message_id;
                    tracing::error!(queue = self.way.name, message_id, error = chain(&error), "not parked");
                    self.hold(Fate::Waiting, vec![letter]);
                }
            }
        }
        self.delete(&parked).await
    }

    async fn redrive(&mut self, due: Vec<Letter>) -> Result<(), RunError> {
        let closed = self.redrive.operations.mark_retrying(self.marks(&due)).await?;
        let is_closed = |letter: &Letter| letter.command.as_ref().is_some_and(|command| closed.contains(&key(command)));
        let (settled, open): (Vec<_>, Vec<_>) = due.into_iter().partition(is_closed);
        self.tally.count(Fate::Settled, &settled);
        self.delete(&settled).await?;
        if open.is_empty() {
            return Ok(());
        }
        self.send(&open).await?;
        self.tally.count(Fate::Redriven, &open);
        self.delete(&open).await?;
        // Slow enough for the queue's consumers.
        let so_far = u32::try_from(self.tally.redriven()).unwrap_or(u32::MAX);
        let due_at = self.clock.started + Duration::from_secs(1) * so_far / self.redrive.pace.rate.max(1);
        sleep_until(due_at.min(self.finish_by - RESERVE)).await;
        Ok(())
    }

    /// Sends them back to their queue.
    async fn send(&self, letters: &[Letter]) -> Result<(), RunError> {
        let now = self.clock.now();
        let returning = letters.iter().map(|Letter { dead, command, attempts, .. }| {
            let attempts = attempts + 1;
            let deduplication_id = match command {
                Some(command) => Command::deduplication_id(command.receipt.command_key, command.revision, attempts),
                None => format!("{}.{attempts}", dead.message_id),
            };
            let failure = Failure {
                attempts,
                first_failed_at: dead.failure.first_failed_at.or(Some(dead.sent_at)),
                redriven_at: Some(now),
                error: dead.failure.error.clone(),
            };
            Returning { body: dead.body.clone(), group: dead.group.clone(), deduplication_id, failure }
        });
        Ok(send_back(&self.redrive.sqs, &self.way.queue_url, returning.collect()).await?)
    }

    /// Records of operations that are sent back once more.
    fn marks(&self, letters: &[Letter]) -> Vec<OperationRecord> {
        letters.iter().filter_map(|letter| Some(self.mark(letter.command.as_ref()?, letter.attempts + 1))).collect()
    }

    fn mark(&self, command: &Command, attempt: u32) -> OperationRecord {
        let detail = format!("it failed for a passing reason and is sent back to its queue: attempt {attempt}");
        OperationRecord {
            problem: Some(Problem::retrying(detail).to_json()),
            attempt: Some(attempt),
            ..OperationRecord::of(command, self.clock.now())
        }
    }

    async fn delete(&self, letters: &[Letter]) -> Result<(), RunError> {
        let dead: Vec<_> = letters.iter().map(|letter| letter.dead.clone()).collect();
        Ok(self.way.dead_letters.delete(&dead).await?)
    }

    fn hold(&mut self, fate: Fate, letters: Vec<Letter>) {
        self.tally.count(fate, &letters);
        self.held.extend(letters.into_iter().map(|letter| letter.dead));
    }
}

/// Commands that can be sent ahead: due, and the first of their streams (but for those that are to be parked). The ones
/// that were sent least often come first, so that those which always fail do not stand in for all.
fn candidates(letters: &[Letter]) -> Vec<&Letter> {
    let mut streams = HashSet::new();
    let mut candidates: Vec<&Letter> = letters
        .iter()
        .filter(|letter| letter.state != State::Exhausted && streams.insert(letter.dead.group.ordered()))
        .filter(|letter| letter.state == State::Due && letter.command.is_some())
        .collect();
    candidates.sort_by_key(|letter| letter.sent);
    candidates
}

fn on_their_way(letters: &[Letter]) -> impl Iterator<Item = &Letter> {
    letters.iter().filter(|letter| letter.state == State::OnItsWay)
}
