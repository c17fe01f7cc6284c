//! Streams: commits without gaps, and all that follows from them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::future::try_join_all;
use kernel::domain_event::RecordedEvent;
use kernel::ids::{CommandKey, StreamId};
use kernel::operation::Status;
use kernel::receipt::Receipt;
use kernel::timestamp::Timestamp;
use store::StoreError;
use store::event_store::Commit;
use store::findings::{Found, Kind, Place};
use store::guards::claim_key;
use store::jobs::Segment;
use store::operations::OperationRecord;
use store::read_models::Key;
use store::stream_positions::CommitReference;
use store::timers::TimerId;
use walk::counting::Counting as _;
use walk::page::{Commits, by_stream};

use crate::Verifier;
use crate::caused::caused;
use crate::documents::documents;
use crate::facts::{Facts, Read};
use crate::patience::Patience;
use crate::verify::{Judged, Scope};

/// All commits of a stream, each by itself.
type Each = Vec<(CommitReference, Result<Commit, StoreError>)>;

impl Verifier {
    /// A page of the events table.
    pub(crate) async fn streams(
        &self,
        scope: Scope<'_>,
        patience: Patience,
        which: (u32, u32),
        segment: &mut Segment,
        most: i32,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let scanned = self.streams.scan(which, segment.after.as_ref(), most).await?;
        let next = scanned.next.clone();
        let items = scanned.commits.len();
        let mut streams: Vec<(String, Each)> = Vec::new();
        for Commits { stream_id, commits, may_be_cut } in by_stream(scanned, segment.after.as_ref()) {
            let tenant = StreamId::parse(&stream_id).ok().map(|stream| stream.tenant);
            if !scope.has_tenant(tenant.as_ref()) {
                continue;
            }
            let from_its_first = commits.first().is_some_and(|(at, _)| at.commit_number == 1);
            let commits = if may_be_cut || !from_its_first { self.streams.each(&stream_id).await? } else { commits };
            streams.push((stream_id, commits));
        }
        segment.add("streams", streams.len() as u64);
        let judged = self.judge(streams, patience, segment).await?;
        let found = self.twice(judged, |stream_id| self.again(stream_id, patience)).await?;
        segment.after = next;
        Ok((found, items))
    }

    /// One stream alone.
    pub(crate) async fn one_stream(
        &self,
        stream_id: &str,
        patience: Patience,
        segment: &mut Segment,
    ) -> Result<Vec<Found>, StoreError> {
        segment.add("streams", 1);
        let commits = self.streams.each(stream_id).await?;
        let judged = self.judge(vec![(stream_id.to_owned(), commits)], patience, segment).await?;
        self.twice(judged, |stream_id| self.again(stream_id, patience)).await
    }

    /// The stream as it is now.
    pub(crate) async fn again(&self, stream_id: String, patience: Patience) -> Result<Vec<Found>, StoreError> {
        let commits = self.streams.each(&stream_id).await?;
        let judged = self.judge(vec![(stream_id, commits)], patience, &mut Segment::default()).await?;
        Ok(judged.into_iter().flat_map(|(_, found)| found).collect())
    }

    /// What does not fit of these streams.
    async fn judge(
        &self,
        streams: Vec<(String, Each)>,
        patience: Patience,
        segment: &mut Segment,
    ) -> Result<Judged<String>, StoreError> {
        let (mut judged, mut whole) = (Vec::new(), Vec::new());
        for (stream_id, commits) in streams {
            segment.add("commits", commits.len() as u64);
            match self.facts(&stream_id, commits, patience) {
                Ok(facts) => whole.push((stream_id, facts)),
                // All else would follow from that.
                Err(found) => judged.push((stream_id, vec![*found])),
            }
        }
        for (_, facts) in &mut whole {
            self.leave_out_what_was_not_heard(&mut facts.caused, patience.now()).await?;
            segment.add("events", facts.events.len() as u64);
            segment.add("unknown", u64::from(!facts.is_known));
        }
        let read = self.read(whole.iter().map(|(_, facts)| facts), patience).await?;
        for (stream_id, facts) in whole {
            let mut found = outcomes(&facts, &read, patience);
            let since = self.collections_since(&facts, patience).await?;
            let documents = documents(&facts, self.read_models_of, &read, &since, patience);
            // What was not published was not carried out either.
            let published_to = documents
                .iter()
                .filter(|found| found.kind == Kind::PublicationLost)
                .find_map(|found| Some(found.place.commit.as_ref()?.commit_number))
                .unwrap_or(u64::MAX);
            found.extend(documents);
            for lost in caused(&facts, &read, published_to, patience) {
                if !self.was_carried_out(&lost).await? {
                    found.push(lost);
                }
            }
            found.extend(claims(&facts, &read));
            judged.push((stream_id, found));
        }
        Ok(judged)
    }

    /// Since when there are the collections of these documents. What is new to a release is filled by a rebuild.
    async fn collections_since(
        &self,
        facts: &Facts,
        patience: Patience,
    ) -> Result<BTreeMap<&'static str, Timestamp>, StoreError> {
        const FIRST: Duration = Duration::from_hours(24);
        let now = patience.now();
        let first = self.since("verifier", "first", now).await?;
        let mut since = BTreeMap::new();
        for key in &facts.documents {
            let known = self.since("collection", key.collection, now).await?;
            // Those that there were when this was first verified are as old as anything.
            let is_old = known.since(first) < FIRST;
            since.insert(key.collection, if is_old { Timestamp::from_millis(0) } else { known });
        }
        Ok(since)
    }

    /// Whether the events of a command are there whose record is not: then the record alone is lost, which is found with them.
    async fn was_carried_out(&self, lost: &Found) -> Result<bool, StoreError> {
        let (Some(key), Some(to)) = (&lost.place.operation, lost.place.to.as_deref()) else { return Ok(false) };
        let of_it = |commit: Commit| {
            commit.events().unwrap_or_default().into_iter().any(|event| record_key(&event).as_ref() == Some(key))
        };
        Ok(self.streams.each(to).await?.into_iter().any(|(_, commit)| commit.is_ok_and(of_it)))
    }

    /// The stream, if its commits are without gaps and can be read.
    fn facts(&self, stream_id: &str, each: Each, patience: Patience) -> Result<Facts, Box<Found>> {
        let parsed = StreamId::parse(stream_id);
        let tenant = parsed.as_ref().ok().map(|stream| stream.tenant.clone());
        let wrong = |kind, commit_number: u64, expected: String, actual: String| {
            let commit = CommitReference { stream_id: stream_id.to_owned(), commit_number };
            let place = Place { commit: Some(commit), ..Place::default() };
            let (tenant, stream) = (tenant.clone(), Some(stream_id.to_owned()));
            Box::new(Found { kind, about: stream_id.to_owned(), tenant, stream, place, expected, actual })
        };
        let stream = parsed
            .map_err(|error| wrong(Kind::CommitUnreadable, 1, "the name of a stream".to_owned(), error.to_string()))?;
        let (mut commits, mut events): (Vec<Commit>, Vec<RecordedEvent>) = (Vec::new(), Vec::new());
        for ((at, commit), number) in each.into_iter().zip(1..) {
            if at.commit_number != number {
                let next = format!("commit {} comes after {}", at.commit_number, number - 1);
                return Err(wrong(Kind::CommitMissing, number, format!("commit {number}"), next));
            }
            let unreadable = |error: &StoreError| {
                let error = lambda::telemetry::chain(error);
                wrong(Kind::CommitUnreadable, number, format!("commit {number} as it was written"), error)
            };
            let commit = commit.map_err(|error| unreadable(&error))?;
            let its = commit.events().map_err(|error| unreadable(&error))?;
            commit.effects().map_err(|error| unreadable(&error))?;
            let version = events.last().map_or(0, |event| event.version) + 1;
            if commit.first_version != version || its.is_empty() {
                let first = format!("commit {number} has {} events from version {}", its.len(), commit.first_version);
                return Err(wrong(Kind::CommitMissing, number, format!("events from version {version}"), first));
            }
            events.extend(its);
            commits.push(commit);
        }
        let context = self.contexts.iter().find(|context| context.name == stream.context);
        let aggregate_type = context.and_then(|context| context.aggregate_type(&stream));
        let claims = aggregate_type.and_then(|ty| ty.claims(&events).ok().flatten()).unwrap_or_default();
        let documents = (self.read_models_of)(&stream).unwrap_or_default();
        let (tenant, id) = (&stream.tenant, &stream.aggregate);
        let key = |collection| Key { tenant: tenant.clone(), collection, id: id.clone() };
        let documents = documents.iter().map(|model| key(model.collection())).collect();
        let (caused, pending) = self.follows(&stream, &commits, patience);
        Ok(Facts { is_known: aggregate_type.is_some(), stream, commits, events, pending, caused, claims, documents })
    }

    /// All that is needed for these streams, by few calls.
    async fn read(&self, facts: impl Iterator<Item = &Facts>, patience: Patience) -> Result<Read, StoreError> {
        let (mut documents, mut records) = (Vec::new(), BTreeSet::new());
        let (mut timers, mut guards) = (BTreeSet::new(), BTreeSet::new());
        for facts in facts {
            documents.extend(facts.documents.iter().cloned());
            for event in facts.events.iter().filter(|event| is_judged(event, patience)) {
                records.extend(record_key(event));
            }
            let of = |key: &CommandKey| OperationRecord::key(&facts.stream.tenant, *key);
            records.extend(facts.caused.iter().map(|expected| of(&expected.key)));
            records.extend(facts.pending.iter().map(|pending| of(&pending.key)));
            timers.extend(facts.pending.iter().map(|pending| pending.id.clone()));
            guards.extend(facts.claims.iter().map(|claim| claim_key(&facts.stream, claim)));
        }
        let rows = self.read_models.get_each(documents).await?.into_iter().collect();
        let records = self.records(records).await?;
        let timers = self.timers_that_are_set(timers).await?;
        let holders = guards.into_iter().map(async |key| Ok::<_, StoreError>((self.guards.holder(&key).await?, key)));
        let holders = try_join_all(holders).await?.into_iter().map(|(holder, key)| (key, holder)).collect();
        Ok(Read { rows, records, timers, holders })
    }

    /// Those of these timers that are set. One that cannot be read is not.
    async fn timers_that_are_set(&self, wanted: BTreeSet<TimerId>) -> Result<BTreeSet<TimerId>, StoreError> {
        if wanted.is_empty() {
            return Ok(wanted);
        }
        match self.traces.followed(&BTreeSet::new(), &wanted, &BTreeSet::new()).await {
            Ok(found) => Ok(found.timers.into_keys().collect()),
            Err(StoreError::Corrupt { .. }) => {
                let mut set = BTreeSet::new();
                for id in wanted {
                    match self.timers.find(&id).await {
                        Ok(Some(timer)) => drop(set.insert(timer.id)),
                        Ok(None) | Err(StoreError::Corrupt { .. }) => {}
                        Err(error) => return Err(error),
                    }
                }
                Ok(set)
            }
            Err(error) => Err(error),
        }
    }

    /// The records of these keys. One that cannot be read does not hide the others.
    pub(crate) async fn records(
        &self,
        keys: BTreeSet<String>,
    ) -> Result<HashMap<String, Result<OperationRecord, StoreError>>, StoreError> {
        match self.operations.find_all(keys.iter().cloned()).await {
            Ok(found) => Ok(found.into_iter().map(|(key, record)| (key, Ok(record))).collect()),
            Err(StoreError::Corrupt { .. }) => {
                let mut records = HashMap::new();
                for key in keys {
                    match self.operations.look_up(&key).await {
                        Ok(Some(record)) => drop(records.insert(key, Ok(record))),
                        Ok(None) => {}
                        Err(error @ StoreError::Corrupt { .. }) => drop(records.insert(key, Err(error))),
                        Err(error) => return Err(error),
                    }
                }
                Ok(records)
            }
            Err(error) => Err(error),
        }
    }
}

/// The events of a commit: versions are without gaps.
fn events_of<'a>(facts: &'a Facts, commit: &Commit) -> &'a [RecordedEvent] {
    let from = facts.events.partition_point(|event| event.version < commit.first_version);
    let next = facts.commits.get(usize::try_from(commit.commit_number).unwrap_or(usize::MAX));
    let to = next
        .map_or(facts.events.len(), |next| facts.events.partition_point(|event| event.version < next.first_version));
    &facts.events[from..to]
}

/// Whether its operation must have a record.
fn is_judged(event: &RecordedEvent, patience: Patience) -> bool {
    patience.is_written(event.time) && patience.is_kept(event.time)
}

fn record_key(event: &RecordedEvent) -> Option<String> {
    let receipt = Receipt::read(&event.event.cause.operation)?;
    Some(OperationRecord::key(&event.stream.tenant, receipt.command_key))
}

/// Whether the operation of each event says that it succeeded, by this commit.
fn outcomes(facts: &Facts, read: &Read, patience: Patience) -> Vec<Found> {
    let mut found = BTreeMap::new();
    for commit in &facts.commits {
        for event in events_of(facts, commit).iter().filter(|event| is_judged(event, patience)) {
            let operation = &event.event.cause.operation;
            let Some((receipt, key)) = Receipt::read(operation).zip(record_key(event)) else { continue };
            let expected = format!("succeeded, by commit {}", commit.commit_number);
            let (kind, actual) = match read.records.get(&key) {
                None => (Kind::EventWithoutOperation, "no record".to_owned()),
                Some(Err(error)) => (Kind::OperationDiffers, lambda::telemetry::chain(error)),
                Some(Ok(record)) if record.digest != receipt.digest.to_string() => {
                    (Kind::OperationDiffers, "the record of another command under the same id".to_owned())
                }
                Some(Ok(record)) if record.outcome != Status::Succeeded => {
                    (Kind::OperationDiffers, record.outcome.as_str().to_owned())
                }
                Some(Ok(OperationRecord { commit_number: Some(number), .. })) if *number != commit.commit_number => {
                    let other = facts.commits.iter().find(|commit| commit.commit_number == *number);
                    let is_there = other.is_some_and(|other| {
                        events_of(facts, other).iter().any(|event| record_key(event).as_ref() == Some(&key))
                    });
                    let twice = if is_there { ": it was carried out twice" } else { "" };
                    (Kind::OperationDiffers, format!("succeeded, by commit {number}{twice}"))
                }
                Some(Ok(_)) => continue,
            };
            let commit = CommitReference { stream_id: facts.stream.to_string(), commit_number: commit.commit_number };
            let place = Place {
                commit: Some(commit),
                operation: Some(key.clone()),
                receipt: Some(operation.clone()),
                ..Place::default()
            };
            let (tenant, stream) = (Some(facts.stream.tenant.clone()), Some(facts.stream.to_string()));
            let about = key.clone();
            found.insert(key, Found { kind, about, tenant, stream, place, expected, actual });
        }
    }
    found.into_values().collect()
}

/// Whether what the stream claims is claimed for it.
fn claims(facts: &Facts, read: &Read) -> Vec<Found> {
    let us = facts.stream.within_context();
    let missing = facts.claims.iter().filter_map(|claim| {
        let key = claim_key(&facts.stream, claim);
        let holder = read.holders.get(&key)?;
        let actual = match holder {
            Some(holder) if *holder == us => return None,
            Some(holder) => format!("it is claimed for {holder}"),
            None => "nobody claims it".to_owned(),
        };
        Some(Found {
            kind: Kind::ClaimMissing,
            about: format!("{} {key}", facts.stream),
            tenant: Some(facts.stream.tenant.clone()),
            stream: Some(facts.stream.to_string()),
            place: Place { guard_key: Some(key), holder: Some(us.clone()), ..Place::default() },
            // Its value is the tenant's.
            expected: format!("its {} is claimed for {us}", claim.name),
            actual,
        })
    });
    missing.collect()
}
