//! One run over one queue's dead letters.
//!
//! Commands go behind a canary: one is sent ahead, and only when it has its outcome do the others follow. It stays in
//! the dead-letter queue until then, so whoever looks next knows where it is, and its stream keeps its order.

use std::collections::HashSet;
use std::time::Duration;

use kernel::command::Command;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use lambda::telemetry::chain;
use messaging::dead_letters::{DeadLetter, Failure, Order, Returning, send_back};
use store::operations::OperationRecord;
use tokio::time::{Instant, sleep_until};

use crate::triage::{Letter, State, Triage, key};
use crate::{Canary, QueueReport, Redrive, Request, Route, RunError};

/// How many dead letters are worked on together: ten calls to receive them, one to look up their outcomes.
const CHUNK: usize = 100;
/// How many batches are looked through for a canary, when those at the front will not do.
const CANARY_BATCHES: usize = 10;
/// How long a run waits for the canary's outcome; after that the next one looks.
const CANARY_WAIT: Duration = Duration::from_secs(20);
/// Time kept to finish what was begun.
const RESERVE: Duration = Duration::from_secs(3);

pub(crate) struct Run<'a> {
    redrive: &'a Redrive,
    route: &'a Route,
    triage: Triage<'a>,
    dry: bool,
    started: Instant,
    finish_by: Instant,
    report: QueueReport,
    /// Dead letters received so far.
    received: u64,
    /// Looked at and left; they are given back at the end, for given back at once they would be received again.
    held: Vec<DeadLetter>,
}

impl<'a> Run<'a> {
    pub fn new(redrive: &'a Redrive, route: &'a Route, request: &Request, now: Timestamp, finish_by: Instant) -> Self {
        let Redrive { operations, pace, .. } = redrive;
        Self {
            redrive,
            route,
            triage: Triage { route, operations, pace: *pace, now, by_hand: request.by_hand },
            dry: request.dry_run,
            started: Instant::now(),
            finish_by,
            report: QueueReport { name: route.name.clone(), ..QueueReport::default() },
            received: 0,
            held: Vec::new(),
        }
    }

    pub async fn work(&mut self) -> Result<(), RunError> {
        self.report.found = self.route.dead_letters.depth().await?.visible;
        let mut follow = Vec::new();
        if self.route.context.is_some() && !self.dry {
            match self.send_ahead().await? {
                Some(letters) => follow = letters,
                None => return Ok(()),
            }
        }
        self.all(follow).await
    }

    /// Gives back what was left, and says what was done.
    pub async fn end(self) -> QueueReport {
        if let Err(error) = self.route.dead_letters.give_back(&self.held).await {
            tracing::warn!(queue = self.route.name, error = chain(&error), "they come back by themselves");
        }
        self.report
    }

    /// Finds out whether the context is up. Gives what was received for that and is still to be dealt with, if it is.
    async fn send_ahead(&mut self) -> Result<Option<Vec<Letter>>, RunError> {
        let mut seen = Vec::new();
        for _ in 0..CANARY_BATCHES {
            let letters = self.receive(1).await?;
            if letters.is_empty() {
                break;
            }
            let handled_since = letters.iter().any(|letter| letter.handled_since);
            // No operation would tell of what is no command, so it is no canary, and waits for none.
            let (letters, strangers): (Vec<_>, Vec<_>) =
                self.clear(letters).await?.into_iter().partition(|letter| letter.command.is_some());
            self.deal_with(strangers).await?;
            let up = if handled_since { Some(true) } else { self.canary(&letters).await? };
            seen.extend(letters);
            match up {
                Some(true) => {
                    self.report.canary = Some(Canary::Passed);
                    // What has its outcome by now, the canary for one, is seen by looking again.
                    let again = self.triage.look(seen.into_iter().map(|letter| letter.dead).collect()).await?;
                    return Ok(Some(self.clear(again).await?));
                }
                Some(false) => {
                    self.report.canary = Some(Canary::OnItsWay);
                    self.hold(seen);
                    return Ok(None);
                }
                None => {}
            }
        }
        // There is nobody to send ahead. What has used up its attempts was tried for long enough, unless others will be
        // due that can tell whether the context is up.
        if seen.iter().all(|letter| letter.state == State::Exhausted) {
            self.deal_with(seen).await?;
        } else {
            self.hold(seen);
        }
        Ok(None)
    }

    /// Whether the canary has passed: the one that is on its way, or else one that is sent now. `None` if none of these
    /// can be sent ahead.
    async fn canary(&mut self, letters: &[Letter]) -> Result<Option<bool>, RunError> {
        if let Some(ahead) = letters.iter().find(|letter| letter.state == State::OnItsWay) {
            return self.passes(ahead).await.map(Some);
        }
        let Some(canary) = candidate(letters) else { return Ok(None) };
        // That it is on its way has to be on record before it is sent.
        let marks = canary.command.iter().map(|command| self.mark(command, canary.attempts + 1)).collect();
        if !self.redrive.operations.mark_retrying(marks).await?.is_empty() {
            return Ok(Some(true)); // it has got its outcome just now
        }
        self.send(std::slice::from_ref(canary)).await?;
        self.report.redriven += 1;
        self.passes(canary).await.map(Some)
    }

    /// Waits for the canary's outcome.
    async fn passes(&self, canary: &Letter) -> Result<bool, RunError> {
        let Some(Command { stream, receipt, revision, .. }) = &canary.command else { return Ok(false) };
        let until = (Instant::now() + CANARY_WAIT).min(self.finish_by - RESERVE);
        let mut pause = Duration::from_millis(500);
        loop {
            let record = self.redrive.operations.find(&stream.tenant, receipt.command_key).await?;
            let open = |record: &OperationRecord| record.outcome == Status::Retrying && record.revision == *revision;
            if record.is_some_and(|record| !open(&record)) {
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
        while dead.len() < many && self.received < self.report.found && Instant::now() + RESERVE < self.finish_by {
            let hidden_for = self.finish_by.saturating_duration_since(Instant::now()) + Duration::from_secs(30);
            let batch = self.route.dead_letters.receive(hidden_for).await?;
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
        self.report.settled += done.len() as u64;
        if self.dry {
            self.held.extend(done.into_iter().map(|letter| letter.dead));
        } else {
            self.delete(&done).await?;
        }
        Ok(rest)
    }

    /// Parks what has used up its attempts, sends back what is due, leaves the rest.
    async fn deal_with(&mut self, letters: Vec<Letter>) -> Result<(), RunError> {
        let (used_up, rest): (Vec<_>, Vec<_>) =
            letters.into_iter().partition(|letter| matches!(letter.state, State::Exhausted | State::TooOld));
        let (due, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|letter| letter.state == State::Due);
        self.hold(rest);
        if self.dry {
            self.report.parked += used_up.len() as u64;
            self.report.redriven += due.len() as u64;
            self.held.extend(used_up.into_iter().chain(due).map(|letter| letter.dead));
            return Ok(());
        }
        self.park(used_up).await?;
        self.redrive(due).await
    }

    async fn park(&mut self, letters: Vec<Letter>) -> Result<(), RunError> {
        let mut parked = Vec::new();
        for letter in letters {
            match self.redrive.park(self.route, &letter, self.now()).await {
                Ok(now_parked) => {
                    self.report.parked += u64::from(now_parked);
                    self.report.settled += u64::from(!now_parked);
                    parked.push(letter);
                }
                // The others can be parked for all that.
                Err(error) => {
                    let message_id = &letter.dead.message_id;
                    tracing::error!(queue = self.route.name, message_id, error = chain(&error), "not parked");
                    self.hold(vec![letter]);
                }
            }
        }
        self.delete(&parked).await
    }

    async fn redrive(&mut self, due: Vec<Letter>) -> Result<(), RunError> {
        let marks =
            due.iter().filter_map(|letter| Some(self.mark(letter.command.as_ref()?, letter.attempts + 1))).collect();
        let closed = self.redrive.operations.mark_retrying(marks).await?;
        let is_closed = |letter: &Letter| letter.command.as_ref().is_some_and(|command| closed.contains(&key(command)));
        let (settled, open): (Vec<_>, Vec<_>) = due.into_iter().partition(is_closed);
        self.report.settled += settled.len() as u64;
        self.delete(&settled).await?;
        if open.is_empty() {
            return Ok(());
        }
        self.send(&open).await?;
        self.report.redriven += open.len() as u64;
        self.delete(&open).await?;
        // Slow enough for the queue's consumers.
        let so_far = u32::try_from(self.report.redriven).unwrap_or(u32::MAX);
        let due_at = self.started + Duration::from_secs(1) * so_far / self.redrive.pace.rate.max(1);
        sleep_until(due_at.min(self.finish_by - RESERVE)).await;
        Ok(())
    }

    /// Sends them back to their queue.
    async fn send(&self, letters: &[Letter]) -> Result<(), RunError> {
        let now = self.now();
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
            let order = dead.group.clone().map(|group| Order { group, deduplication_id });
            Returning { body: dead.body.clone(), order, failure }
        });
        Ok(send_back(&self.redrive.sqs, &self.route.queue_url, returning.collect()).await?)
    }

    /// The record of an operation that is being retried.
    fn mark(&self, command: &Command, attempt: u32) -> OperationRecord {
        let detail = format!("it failed for a passing reason and was sent back to its queue, for the {attempt}. time");
        OperationRecord {
            outcome: Status::Retrying,
            problem: Some(Problem::retrying(detail).to_json()),
            attempt: Some(attempt),
            ..OperationRecord::of(command, self.now())
        }
    }

    async fn delete(&self, letters: &[Letter]) -> Result<(), RunError> {
        let dead: Vec<_> = letters.iter().map(|letter| letter.dead.clone()).collect();
        Ok(self.route.dead_letters.delete(&dead).await?)
    }

    fn hold(&mut self, letters: Vec<Letter>) {
        self.report.waiting += letters.len() as u64;
        self.held.extend(letters.into_iter().map(|letter| letter.dead));
    }

    fn now(&self) -> Timestamp {
        self.triage.now.plus(self.started.elapsed())
    }
}

/// The command to send ahead: due, the first of its stream (but for those that are to be parked), and of such the one
/// that has failed least, so that one which always fails does not stand in for all.
fn candidate(letters: &[Letter]) -> Option<&Letter> {
    let mut streams = HashSet::new();
    letters
        .iter()
        .filter(|letter| letter.state != State::Exhausted && streams.insert(letter.dead.group.as_deref()))
        .filter(|letter| letter.state == State::Due && letter.command.is_some())
        .min_by_key(|letter| letter.attempts)
}
