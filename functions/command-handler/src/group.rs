//! The commands of one stream in a batch, in order: load, decide, commit, until none is left or nothing helps.

use std::collections::VecDeque;
use std::sync::Arc;

use kernel::back_off::BackOff;
use kernel::context::{Aggregate, AggregateType};
use kernel::ids::StreamId;
use kernel::operation::Status;
use kernel::parking::Reason;
use lambda::clock::Clock;
use lambda::telemetry::{chain, chain_in_full, metric};
use recovery::batch::Received;
use store::operations::{OperationRecord, expires_too_soon};
use store::{CommitBuilder, CommitError, Entry, Loaded, Refusal, StoreError};

use crate::CommandHandler;
use crate::defect::Defect;
use crate::delivery::Delivery;
use crate::verdict::{Asked, Predecided, Verdict};

/// How often a group starts over after a conflict with another handler. After that, its messages go back to the queue.
const MOST_CONFLICTS: u32 = 8;

/// How long a group waits after a conflict.
const BACK_OFF: BackOff = BackOff::of_millis(10, 320);

pub(crate) struct Group {
    pub stream: StreamId,
    aggregate_type: &'static AggregateType,
    /// Commands without an outcome yet, in order. Those that are left at the end go back to the queue.
    pub pending: VecDeque<Delivery>,
    /// At most how many commands the next transaction takes.
    at_once: usize,
}

/// Why a group cannot go on now. Its messages go back to the queue.
pub(crate) struct Stop {
    /// For the log.
    logged: String,
    /// In full, for the person who repairs.
    error: String,
}

/// A transaction ready to be sent.
struct Batch {
    commit: CommitBuilder,
    /// How each of the first pending commands ends if it succeeds.
    outcomes: Vec<Status>,
    /// The aggregate after it.
    aggregate: Arc<dyn Aggregate>,
}

impl Group {
    pub fn begin(first: Delivery) -> Self {
        Self {
            stream: first.command.stream.clone(),
            aggregate_type: first.aggregate_type,
            pending: VecDeque::from([first]),
            at_once: usize::MAX,
        }
    }

    /// Finishes as many of the pending commands as it can.
    pub async fn run(&mut self, handler: &CommandHandler, clock: Clock) -> Result<(), Stop> {
        let mut conflicts = 0;
        let mut known: Option<Loaded> = None;
        while !self.pending.is_empty() {
            let base = if let Some(base) = known.take() {
                base
            } else {
                let _loading = handler.deciding.loading();
                handler.events.load(self.aggregate_type, &self.stream).await?
            };
            let batch = self.decide(handler, &base, clock).await?;
            match handler.events.commit(batch.commit, clock.now()).await {
                Ok(head) => {
                    let events = head.version - base.version;
                    metrics::counter!(metric::COMMITTED, "Context" => handler.context.name).increment(events);
                    self.finish(handler.context.name, &batch.outcomes);
                    known = Some(Loaded { aggregate: batch.aggregate, head });
                }
                Err(CommitError::Refused { stream_moved, entries }) => {
                    let entries = self.keep_records(handler, entries, clock).await?;
                    conflicts += u32::from(stream_moved);
                    self.learn(handler.context.name, stream_moved, entries);
                    known = (!stream_moved).then_some(base);
                }
                Err(CommitError::Busy) => conflicts += 1,
                // Each command goes alone now. That shows which one is at fault.
                Err(CommitError::Invalid(_) | CommitError::AggregateTooLarge) if batch.outcomes.len() > 1 => {
                    self.at_once = 1;
                }
                Err(error @ CommitError::AggregateTooLarge) => {
                    self.pending[0].predecided =
                        Some(Predecided::Parked(Defect::new(Reason::TooLarge, error.to_string())));
                }
                Err(CommitError::Invalid(source)) => {
                    let defect = Defect::new(Reason::RefusedByStore, chain_in_full(source.as_ref()));
                    if batch.outcomes == [Status::Parked] {
                        return Err(format!("it cannot be parked either: {}", defect.error).into());
                    }
                    self.pending[0].predecided = Some(Predecided::Parked(defect));
                }
                Err(CommitError::Store(error)) => return Err(error.into()),
            }
            if conflicts > MOST_CONFLICTS {
                return Err(format!("others were at the stream, {conflicts} times over").into());
            }
            if known.is_none() && conflicts > 0 {
                tokio::time::sleep(BACK_OFF.full_jitter(conflicts, fastrand::f64())).await;
            }
        }
        Ok(())
    }

    /// Decides the pending commands, each on the state that those before it leave, as many as one transaction takes.
    async fn decide(&mut self, handler: &CommandHandler, base: &Loaded, clock: Clock) -> Result<Batch, Stop> {
        let mut batch = Batch {
            commit: handler.events.begin(&self.stream, base),
            outcomes: Vec::new(),
            aggregate: Arc::clone(&base.aggregate),
        };
        let asked = self.pending.iter().take(self.at_once).map(|delivery| match &delivery.predecided {
            Some(predecided) => Asked::Known(predecided.clone()),
            None => Asked::Command(Arc::clone(&delivery.command)),
        });
        let verdicts = handler.deciding.decide(handler.context, base, asked.collect()).await;
        let verdicts = verdicts.ok_or_else(|| "nobody was there to decide".to_owned())?;
        for (delivery, verdict) in self.pending.iter_mut().zip(verdicts) {
            if let Verdict::Parked(defect) = &verdict {
                delivery.predecided = Some(Predecided::Parked(defect.clone()));
            }
            let entry = handler.entry(delivery, verdict, batch.commit.version(), clock.now());
            if batch.commit.add(&entry).is_ok() {
                batch.take(entry);
                continue;
            }
            if batch.outcomes.is_empty() {
                let error = "its events and records exceed what one transaction can hold".to_owned();
                let defect = Defect::new(Reason::TooLarge, error);
                delivery.predecided = Some(Predecided::Parked(defect.clone()));
                let entry = handler.entry(delivery, Verdict::Parked(defect), batch.commit.version(), clock.now());
                if batch.commit.add(&entry).is_err() {
                    return Err("it is too large to be parked".to_owned().into());
                }
                batch.take(entry);
            }
            // The next transaction begins with it, or with the one behind it, which was decided on what is not recorded.
            break;
        }
        Ok(batch)
    }

    /// The first pending commands have their outcomes.
    fn finish(&mut self, context: &'static str, outcomes: &[Status]) {
        for (delivery, outcome) in self.pending.drain(..outcomes.len()).zip(outcomes) {
            let metric = match outcome {
                Status::Rejected => metric::REJECTED,
                Status::Parked => metric::PARKED,
                _ => metric::SUCCEEDED,
            };
            metrics::counter!(metric, "Context" => context).increment(1);
            let went_well = *outcome == Status::Succeeded && delivery.is_first_attempt();
            let span = if went_well { delivery.short_span() } else { delivery.span(context) };
            span.in_scope(|| {
                if let (Status::Parked, Some(Predecided::Parked(defect))) = (outcome, &delivery.predecided) {
                    tracing::error!(reason = defect.reason.as_str(), "parked");
                } else {
                    tracing::info!("{}", outcome.as_str());
                }
            });
        }
    }

    /// The records that repeats have met are kept as long as if the commands had been handled now. Gives the refusals,
    /// without those whose record has expired meanwhile: these commands are to be decided again.
    async fn keep_records(
        &self,
        handler: &CommandHandler,
        entries: Vec<(usize, Refusal)>,
        clock: Clock,
    ) -> Result<Vec<(usize, Refusal)>, StoreError> {
        let until = handler.expiry(clock.now());
        let mut known = Vec::with_capacity(entries.len());
        for (index, refusal) in entries {
            if let Refusal::Duplicate { expires_at, .. } = refusal
                && expires_too_soon(expires_at, until)
            {
                let receipt = &self.pending[index].command.receipt;
                let key = OperationRecord::key(&self.stream.tenant, receipt.command_key);
                if !handler.events.keep_operation(&key, until).await? {
                    continue;
                }
            }
            known.push((index, refusal));
        }
        Ok(known)
    }

    /// Takes note of why single commands cannot be part of the transaction.
    ///
    /// A repeat is one whatever the state. All else was found out on the state that the commands before it were to
    /// leave: behind the first one that is refused that state has never been, and nothing found out on it counts.
    fn learn(&mut self, context: &'static str, stream_moved: bool, entries: Vec<(usize, Refusal)>) {
        let first = if stream_moved { None } else { entries.iter().map(|(index, _)| *index).min() };
        let mut repeats = Vec::new();
        for (index, refusal) in entries {
            match refusal {
                Refusal::Duplicate { same_content, .. } => repeats.push((index, same_content)),
                Refusal::Guard(rejection) => {
                    self.pending[index].predecided.get_or_insert(Predecided::Rejected(rejection));
                }
            }
        }
        for delivery in self.pending.iter_mut().skip(first.map_or(0, |first| first + 1)) {
            let void = match &delivery.predecided {
                Some(Predecided::Rejected(_)) => true,
                Some(Predecided::Parked(defect)) => defect.is_of_its_state(),
                None => false,
            };
            delivery.predecided.take_if(|_| void);
        }
        repeats.sort_unstable();
        repeats.dedup_by_key(|repeat| repeat.0);
        for (index, same_content) in repeats.into_iter().rev() {
            let Some(delivery) = self.pending.remove(index) else { continue };
            metrics::counter!(metric::DUPLICATES, "Context" => context).increment(1);
            delivery.span(context).in_scope(|| tracing::info!(same_content, "it has its outcome already"));
        }
    }

    /// What goes back to the queue, with the reason.
    pub fn give_back(self, context: &'static str, Stop { logged, error }: Stop) -> Vec<(Received, String)> {
        let (stream, waiting) = (self.stream.pseudonym(), self.pending.len());
        tracing::error!(tenant = %self.stream.tenant, context, stream, waiting, error = logged, "to be retried");
        for delivery in &self.pending {
            metrics::counter!(metric::RETRIED, "Context" => context).increment(1);
            delivery.span(context).in_scope(|| tracing::warn!("given back to the queue"));
        }
        self.pending.into_iter().map(|delivery| (delivery.received, error.clone())).collect()
    }
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self { logged: chain(&error), error: chain_in_full(&error) }
    }
}

/// A reason of our own may be logged as it is.
impl From<String> for Stop {
    fn from(error: String) -> Self {
        Self { logged: error.clone(), error }
    }
}

impl Batch {
    fn take(&mut self, entry: Entry) {
        self.outcomes.push(entry.operation.outcome);
        if let Some(next) = entry.next {
            self.aggregate = next;
        }
    }
}
