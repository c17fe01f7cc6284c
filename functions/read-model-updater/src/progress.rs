//! Bringing documents forward, again and again, until all of them are where the batch says.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;

use futures_util::future::join_all;
use kernel::back_off::BackOff;
use kernel::context::ProjectError;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use lambda::telemetry::{chain, chain_in_full};
use store::StoreError;
use store::read_models::{Change, ChangeError, Key, ReadModels, Row, WriteError};

use crate::{Target, Updater};

/// Rounds that others may spoil before the rest is left to a later delivery.
const MOST_ROUNDS: u32 = 8;

/// How long it leaves the documents to others after a round.
const BACK_OFF: BackOff = BackOff::of_millis(10, 320);

/// Where a batch is. It may be dropped or fail at any point: what is not known to be done is still in `targets`.
pub(crate) struct Progress<'a> {
    updater: &'a Updater,
    /// Documents leave only once they are seen to be, or were written, where the batch says.
    targets: BTreeMap<Key, Target>,
    /// Those of them that another round would not bring forward, and why.
    stuck: BTreeMap<Key, String>,
    /// Events whose documents were written.
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

/// Why a document has no next step. The others of its batch have theirs.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Change(#[from] ChangeError),
}

impl<'a> Progress<'a> {
    pub fn new(updater: &'a Updater, targets: BTreeMap<Key, Target>) -> Self {
        Self { updater, targets, stuck: BTreeMap::new(), applied: Vec::new() }
    }

    /// Places of the events whose documents are not there yet, each with the document's own error or else with this one.
    pub fn unfinished(self, error: &str) -> impl Iterator<Item = (usize, String)> {
        let Self { targets, mut stuck, .. } = self;
        targets.into_iter().flat_map(move |(key, target)| {
            let error = stuck.remove(&key).unwrap_or_else(|| error.to_owned());
            target.places.into_iter().map(move |place| (place, error.clone()))
        })
    }

    pub async fn run(&mut self) -> Result<(), ProgressError> {
        for round in 0..MOST_ROUNDS {
            self.round().await?;
            if self.targets.len() == self.stuck.len() {
                return Ok(());
            }
            tokio::time::sleep(BACK_OFF.full_jitter(round, fastrand::f64())).await;
        }
        Err(ProgressError::Contended)
    }

    /// One read of all documents, one write of as many as a transaction takes.
    async fn round(&mut self) -> Result<(), StoreError> {
        let mut steps = Vec::new();
        let mut outage = None;
        for (key, row) in self.rows().await? {
            if row.as_ref().is_some_and(|row| self.targets[&key].newest <= row.version) {
                self.targets.remove(&key); // it is there already
                continue;
            }
            match self.step(&key, row.as_ref(), outage.is_none()).await {
                Ok(Some(step)) => steps.push(step),
                Ok(None) => {} // others may go on without asking the store
                Err(StepError::Store(error @ StoreError::Unavailable { .. })) => outage = Some(error),
                Err(error) => self.retry_later(&key, &error),
            }
        }
        self.write(steps).await?;
        outage.map_or(Ok(()), Err)
    }

    /// A document's next step: onto what is stored, or, if this build would have stored something of another layout or cannot
    /// read it, anew. `None` if that takes events of the store, and it may not be asked.
    async fn step(&self, key: &Key, row: Option<&Row>, may_ask: bool) -> Result<Option<Step>, StepError> {
        let target = &self.targets[key];
        let reached = row.map_or(0, |row| row.version);
        let newer = || target.events.range(reached + 1..).map(|(_, event)| event.clone()).collect();
        if row.is_none_or(|row| row.layout == target.read_model.layout()) {
            let events = match target.after(reached) {
                Some(events) => events,
                None if !may_ask => return Ok(None),
                None => self.updater.streams.after(&target.stream, reached).await?,
            };
            match Change::forward(key.clone(), target.read_model, row, &events) {
                Ok(change) => return Ok(Some(Step { change, events })),
                Err(ChangeError::Project(ProjectError::Document(_))) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if !may_ask {
            return Ok(None);
        }
        let events = self.updater.streams.after(&target.stream, 0).await?;
        let change = Change::anew(key.clone(), target.read_model, row, &events)?;
        if change.to_version <= reached {
            return Err(ChangeError::Missing(reached).into());
        }
        Ok(Some(Step { change, events: newer() }))
    }

    /// The documents that are not stuck, as stored. One that cannot be read gets stuck and does not hide the others.
    async fn rows(&mut self) -> Result<Vec<(Key, Option<Row>)>, StoreError> {
        let keys: Vec<Key> = self.targets.keys().filter(|key| !self.stuck.contains_key(key)).cloned().collect();
        let mut rows = Vec::new();
        for (key, row) in self.updater.read_models.get_each(keys).await? {
            match row {
                Ok(row) => rows.push((key, row)),
                Err(error) => self.retry_later(&key, &error),
            }
        }
        Ok(rows)
    }

    /// Writes documents by themselves that move no totals, and of the others as many at a time as a transaction takes. Those
    /// that others overtook are left to the next round. Those of a transaction that the store refuses are written alone, for
    /// it may be about one of them only; two refusals in a row are about the store.
    async fn write(&mut self, steps: Vec<Step>) -> Result<(), StoreError> {
        let (mut steps, alone): (Vec<_>, Vec<_>) = steps.into_iter().partition(|step| step.change.moves_totals());
        let outage = self.write_alone(alone).await.err();
        let mut transactions = VecDeque::new();
        while !steps.is_empty() {
            let rest = steps.split_off(ReadModels::fitting(steps.iter().map(|step| &step.change)));
            transactions.push_back(std::mem::replace(&mut steps, rest));
        }
        let mut refused = false;
        while let Some(mut steps) = transactions.pop_front() {
            let changes: Vec<Change> = steps.iter().map(|step| step.change.clone()).collect();
            match self.updater.read_models.write(&changes).await {
                Ok(()) => {
                    refused = false;
                    for Step { change, events } in steps {
                        self.written(&change, events);
                    }
                }
                Err(WriteError::Overtaken(_) | WriteError::Busy) => refused = false,
                Err(WriteError::Store(error) | WriteError::Refused(error)) if steps.len() > 1 => {
                    tracing::warn!(error = chain(&error), "writing one by one");
                    // Lest two that are refused keep the same others waiting at every delivery.
                    fastrand::shuffle(&mut steps);
                    for step in steps {
                        transactions.push_front(vec![step]);
                    }
                }
                Err(WriteError::Store(error)) if refused => return Err(error),
                Err(WriteError::Refused(error)) => {
                    refused = false; // it is about this document
                    for change in &changes {
                        self.retry_later(&change.key, &error);
                    }
                }
                Err(WriteError::Store(error)) => {
                    refused = true;
                    for change in &changes {
                        self.retry_later(&change.key, &error);
                    }
                }
            }
        }
        outage.map_or(Ok(()), Err)
    }

    /// Writes documents that move no totals, side by side.
    async fn write_alone(&mut self, steps: Vec<Step>) -> Result<(), StoreError> {
        let read_models = &self.updater.read_models;
        let writes = steps.into_iter().map(|step| async move {
            let written = read_models.write(std::slice::from_ref(&step.change)).await;
            (step, written)
        });
        let mut outage = None;
        for (Step { change, events }, written) in join_all(writes).await {
            match written {
                Ok(()) => self.written(&change, events),
                Err(WriteError::Overtaken(_) | WriteError::Busy) => {}
                Err(WriteError::Refused(error)) => self.retry_later(&change.key, &error),
                Err(WriteError::Store(error)) => outage = Some(error),
            }
        }
        outage.map_or(Ok(()), Err)
    }

    fn written(&mut self, change: &Change, events: Vec<RecordedEvent>) {
        self.applied.extend(events);
        if self.targets.get(&change.key).is_some_and(|target| target.newest <= change.to_version) {
            self.targets.remove(&change.key);
        }
    }

    /// Leaves a document to a later delivery, or to the dead letters and whoever repairs.
    fn retry_later(&mut self, key: &Key, error: &(dyn Error + 'static)) {
        if let Some(target) = self.targets.get(key) {
            let StreamId { tenant, context, .. } = &target.stream;
            let stream = target.stream.pseudonym();
            tracing::error!(%tenant, context, stream, error = chain(error), "cannot be projected");
            self.stuck.insert(key.clone(), chain_in_full(error));
        }
    }
}

impl Target {
    /// The events after `reached`, if the batch brought them without gaps.
    fn after(&self, reached: u64) -> Option<Vec<RecordedEvent>> {
        let newer: Vec<_> = self.events.range(reached + 1..).map(|(_, event)| event.clone()).collect();
        let follow = newer.iter().zip(reached + 1..).all(|(event, version)| event.version == version);
        (follow && !newer.is_empty()).then_some(newer)
    }
}

#[cfg(test)]
mod tests;
