//! Bringing documents forward, again and again, until all of them are where the batch says.

use std::collections::{BTreeMap, VecDeque};
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use kernel::back_off::BackOff;
use kernel::context::{ProjectError, Projected, ReadModel};
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::projection::Tally;
use lambda::telemetry::{chain, chain_in_full};
use store::StoreError;
use store::read_models::{Change, Key, ReadModels, Row, WriteError};

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
    Project(#[from] ProjectError),
    #[error("the store does not have what comes after version {0}")]
    Missing(u64),
    #[error("a projection panicked")]
    Panicked,
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
            let target = &self.targets[&key];
            if row.as_ref().is_some_and(|row| target.newest() <= row.version) {
                self.targets.remove(&key); // it is there already
                continue;
            }
            let reached = row.as_ref().map_or(0, |row| row.version);
            let events = match target.after(reached) {
                Some(events) => events,
                None if outage.is_some() => continue, // others may go on without asking the store
                None => match self.updater.streams.after(&target.stream, reached).await {
                    Ok(events) => events,
                    Err(error @ StoreError::Corrupt { .. }) => {
                        self.retry_later(&key, &error);
                        continue;
                    }
                    Err(error) => {
                        outage = Some(error);
                        continue;
                    }
                },
            };
            // A projection is the context's code: a panic of it is about this document, and holds up no other.
            let step = catch_unwind(AssertUnwindSafe(|| step(&key, target, row.as_ref(), events)));
            match step.unwrap_or(Err(StepError::Panicked)) {
                Ok(step) => steps.push(step),
                Err(error) => self.retry_later(&key, &error),
            }
        }
        self.write(steps).await?;
        outage.map_or(Ok(()), Err)
    }

    /// The documents that are not stuck, as stored. One that cannot be read gets stuck and does not hide the others.
    async fn rows(&mut self) -> Result<Vec<(Key, Option<Row>)>, StoreError> {
        let keys: Vec<Key> = self.targets.keys().filter(|key| !self.stuck.contains_key(key)).cloned().collect();
        let read_models = &self.updater.read_models;
        match read_models.get_many(&keys).await {
            Ok(mut found) => {
                let with_row = |key: Key| {
                    let row = found.remove(&key);
                    (key, row)
                };
                return Ok(keys.into_iter().map(with_row).collect());
            }
            Err(StoreError::Corrupt { .. }) => {} // one of them; which, only single reads say
            Err(error) => return Err(error),
        }
        let mut rows = Vec::new();
        for key in keys {
            match read_models.get(&key.tenant, key.collection, &key.id).await {
                Ok(row) => rows.push((key, row)),
                Err(error @ StoreError::Corrupt { .. }) => self.retry_later(&key, &error),
                Err(error) => return Err(error),
            }
        }
        Ok(rows)
    }

    /// Writes as many documents at a time as a transaction takes. Those that others overtook are left to the next
    /// round. Those of a transaction that the store refuses are written alone, for it may be about one of them only;
    /// two refusals in a row are about the store.
    async fn write(&mut self, mut steps: Vec<Step>) -> Result<(), StoreError> {
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
                Err(WriteError::Store(error)) if steps.len() > 1 => {
                    tracing::warn!(error = chain(&error), "writing one by one");
                    // Lest two that are refused keep the same others waiting at every delivery.
                    fastrand::shuffle(&mut steps);
                    for step in steps {
                        transactions.push_front(vec![step]);
                    }
                }
                Err(WriteError::Store(error)) if refused => return Err(error),
                Err(WriteError::Store(error)) => {
                    refused = true;
                    for change in &changes {
                        self.retry_later(&change.key, &error);
                    }
                }
            }
        }
        Ok(())
    }

    fn written(&mut self, change: &Change, events: Vec<RecordedEvent>) {
        self.applied.extend(events);
        if self.targets.get(&change.key).is_some_and(|target| target.newest() <= change.to_version) {
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
    /// The version its document is to reach.
    fn newest(&self) -> u64 {
        self.events.last_key_value().map_or(0, |(version, _)| *version)
    }

    /// The events after `reached`, if the batch brought them without gaps.
    fn after(&self, reached: u64) -> Option<Vec<RecordedEvent>> {
        let newer: Vec<_> = self.events.range(reached + 1..).map(|(_, event)| event.clone()).collect();
        follow(&newer, reached).then_some(newer)
    }
}

/// Whether these events are some, and the ones right after version `reached`.
fn follow(events: &[RecordedEvent], reached: u64) -> bool {
    !events.is_empty() && events.iter().zip(reached + 1..).all(|(event, version)| event.version == version)
}

fn step(key: &Key, target: &Target, row: Option<&Row>, events: Vec<RecordedEvent>) -> Result<Step, StepError> {
    let from_version = row.map(|row| row.version);
    let reached = from_version.unwrap_or(0);
    let to_version = match events.last() {
        Some(newest) if follow(&events, reached) => newest.version,
        _ => return Err(StepError::Missing(reached)),
    };
    let taken_back = row.map(|row| counted(target.read_model, row)).transpose()?.unwrap_or_default();
    let Projected { document, listing, tallies } =
        target.read_model.project(row.map(|row| row.document.as_str()), &events)?;
    let change = Change { key: key.clone(), from_version, to_version, document, listing, tallies, taken_back };
    Ok(Step { change, events })
}

/// What a stored document has added to totals. Releases before stored no tallies with it, and knew no days.
fn counted(read_model: &dyn ReadModel, row: &Row) -> Result<Vec<Tally>, ProjectError> {
    if let Some(tallies) = &row.tallies {
        return Ok(tallies.clone());
    }
    let tallies = read_model.project(Some(&row.document), &[])?.tallies;
    Ok(tallies.into_iter().map(|tally| Tally { day: None, ..tally }).collect())
}

#[cfg(test)]
mod tests;
