//! Bringing documents forward, again and again, until all of them are where the batch says.

use std::time::Duration;

use kernel::context::{ProjectError, Projected};
use kernel::domain_event::RecordedEvent;
use store::StoreError;
use store::read_models::{Change, ReadModels, Row, WriteError};

use crate::{Target, Updater};

/// Rounds that others may spoil before the rest is left to a later delivery.
const MOST_ROUNDS: u32 = 8;

/// Where a batch is.
pub(crate) struct Progress<'a> {
    updater: &'a Updater,
    targets: Vec<Target>,
    /// Documents that this build cannot bring forward.
    stuck: Vec<Target>,
    pub applied: Vec<RecordedEvent>,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum ProgressError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("others kept writing the same documents")]
    Contended,
}

/// One document's next step.
struct Step {
    change: Change,
    events: Vec<RecordedEvent>,
}

impl<'a> Progress<'a> {
    pub fn new(updater: &'a Updater, targets: Vec<Target>) -> Self {
        Self { updater, targets, stuck: Vec::new(), applied: Vec::new() }
    }

    /// Ids of the messages whose documents are not there yet.
    pub fn unfinished(self) -> impl Iterator<Item = String> {
        self.targets.into_iter().chain(self.stuck).flat_map(|target| target.message_ids)
    }

    pub async fn run(&mut self) -> Result<(), ProgressError> {
        for round in 0..MOST_ROUNDS {
            self.round().await?;
            if self.targets.is_empty() {
                return Ok(());
            }
            let most = 10_u64 << round.min(5);
            tokio::time::sleep(Duration::from_millis(fastrand::u64(..most))).await;
        }
        Err(ProgressError::Contended)
    }

    /// One read of all documents, one write of as many as a transaction takes.
    async fn round(&mut self) -> Result<(), ProgressError> {
        let keys: Vec<_> = self.targets.iter().map(|target| target.key.clone()).collect();
        let mut rows = self.updater.read_models.get_many(&keys).await?;
        let mut steps = Vec::new();
        let mut waiting = Vec::new();
        for target in std::mem::take(&mut self.targets) {
            let row = rows.remove(&target.key);
            let reached = row.as_ref().map_or(0, |row| row.version);
            if target.events.last_key_value().is_none_or(|(newest, _)| *newest <= reached) {
                continue; // it is there already
            }
            let events = match self.missing(&target, reached).await {
                Ok(events) => events,
                Err(error) => {
                    self.targets.extend(waiting);
                    self.targets.push(target);
                    return Err(error.into());
                }
            };
            match step(&target, row, events) {
                Ok(step) => {
                    steps.push(step);
                    waiting.push(target);
                }
                Err(error) => {
                    let error = lambda::telemetry::chain(&error);
                    tracing::error!(stream = %target.stream, error, "cannot be projected");
                    self.stuck.push(target);
                }
            }
        }
        // Documents leave the list once they are written; the next round finds those of a failed transaction again.
        while !steps.is_empty() {
            let rest = steps.split_off(ReadModels::fitting(steps.iter().map(|step| &step.change)));
            let changes: Vec<Change> = steps.iter().map(|step| step.change.clone()).collect();
            let written = self.updater.read_models.write(&changes).await;
            let tried: Vec<Target> = waiting.drain(..steps.len()).collect();
            match written {
                Ok(()) => self.applied.extend(steps.into_iter().flat_map(|step| step.events)),
                Err(WriteError::Overtaken(_) | WriteError::Busy) => self.targets.extend(tried),
                Err(WriteError::Store(error)) => {
                    self.targets.extend(tried);
                    self.targets.extend(waiting);
                    return Err(error.into());
                }
            }
            steps = rest;
        }
        Ok(())
    }

    /// The events after `reached`, from the batch if it has them all, else from the store.
    async fn missing(&self, target: &Target, reached: u64) -> Result<Vec<RecordedEvent>, StoreError> {
        let newer = || target.events.range(reached + 1..);
        let without_gaps = newer().map(|(version, _)| *version).eq(reached + 1..=reached + newer().count() as u64);
        if without_gaps {
            return Ok(newer().map(|(_, event)| event.clone()).collect());
        }
        self.updater.streams.after(&target.stream, reached).await
    }
}

fn step(target: &Target, row: Option<Row>, events: Vec<RecordedEvent>) -> Result<Step, ProjectError> {
    let before = row.as_ref().map(|row| target.read_model.tallies(&row.document)).transpose()?.unwrap_or_default();
    let Projected { document, listing, mut tallies } =
        target.read_model.project(row.as_ref().map(|row| row.document.as_str()), &events)?;
    tallies.extend(before.into_iter().map(|(name, amount)| (name, -amount)));
    let to_version = events.last().map_or(0, |event| event.version);
    let from_version = row.map(|row| row.version);
    let change = Change { key: target.key.clone(), from_version, to_version, document, listing, tallies };
    Ok(Step { change, events })
}
