//! Operations: what their records say, held against what there is.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use kernel::ids::{OWN, TenantId};
use kernel::operation::Status;
use kernel::receipt::{Digest, Receipt};
use kernel::system_command::SystemCommand;
use store::StoreError;
use store::event_store::Commit;
use store::findings::{Found, Kind, Place};
use store::jobs::Segment;
use store::operations::OperationRecord;
use store::parked::Stage;
use store::stream_positions::CommitReference;
use store::traces::parked_key;
use walk::counting::Counting as _;

use crate::Verifier;
use crate::patience::Patience;
use crate::verify::{Judged, Scope};

impl Verifier {
    /// A page of the operations table.
    pub(crate) async fn operations(
        &self,
        scope: Scope<'_>,
        patience: Patience,
        which: (u32, u32),
        segment: &mut Segment,
        most: i32,
    ) -> Result<(Vec<Found>, usize), StoreError> {
        let (records, last) = self.operations.scan(which, &segment.last_key, most).await?;
        let items = records.len();
        let mut readable = Vec::new();
        for record in records {
            match record {
                Ok(record) if scope.has_tenant(tenant_of(&record).as_ref()) => readable.push(record),
                Ok(_) => {}
                // That of an event is found with the event.
                Err(error) => segment.failed("an operation's record", &lambda::telemetry::chain(&error)),
            }
        }
        segment.add("operations", readable.len() as u64);
        let judged = self.judge_operations(readable, patience).await?;
        let again = |key: String| async move { self.operation(&key, patience).await };
        let found = self.twice(judged, again).await?;
        segment.last_key = last;
        Ok((found, items))
    }

    /// One operation alone, by the key of its record.
    pub(crate) async fn one_operation(
        &self,
        key: &str,
        patience: Patience,
        segment: &mut Segment,
    ) -> Result<Vec<Found>, StoreError> {
        segment.add("operations", 1);
        let judged = vec![(key.to_owned(), self.operation(key, patience).await?)];
        self.twice(judged, |key: String| async move { self.operation(&key, patience).await }).await
    }

    pub(crate) async fn operation(&self, key: &str, patience: Patience) -> Result<Vec<Found>, StoreError> {
        let Some(record) = self.operations.look_up(key).await? else { return Ok(Vec::new()) };
        let judged = self.judge_operations(vec![record], patience).await?;
        Ok(judged.into_iter().flat_map(|(_, found)| found).collect())
    }

    async fn judge_operations(
        &self,
        records: Vec<OperationRecord>,
        patience: Patience,
    ) -> Result<Judged<String>, StoreError> {
        let commits: BTreeSet<CommitReference> = records.iter().filter_map(commit_of).collect();
        let mut told = BTreeMap::new();
        for record in &records {
            if let Some((command, tenant)) = self.told(record, patience).zip(tenant_of(record)) {
                // A release that begins to tell tells of what is refused from then on.
                let what = format!("refusals of {}", record.command_type);
                if record.recorded_at < self.since(&command.stream.context, &what, patience.now()).await? {
                    continue;
                }
                told.insert(record.operation_key.clone(), OperationRecord::key(&tenant, command.key));
            }
        }
        let mut handled = HashMap::new();
        if !commits.is_empty() {
            handled = self.traces.handled(&commits, &BTreeSet::new()).await?.commits;
        }
        let answers = self.records(told.values().cloned().collect()).await?;
        let mut judged = Vec::new();
        for record in records {
            let mut found = Vec::new();
            if let Some(at) = commit_of(&record) {
                found.extend(self.without_events(&record, at, &handled).await?);
            }
            if let Some(answer) = told.get(&record.operation_key)
                && !answers.contains_key(answer)
            {
                let (expected, actual) = ("an outcome of what tells its sender", "no record");
                found.extend(of(&record, Kind::RefusalUntold, Place::default(), expected, actual));
            }
            match record.outcome {
                Status::Parked => found.extend(self.parked_lost(&record).await?),
                Status::Retrying if patience.is_handled(record.failed_at.unwrap_or(record.recorded_at)) => {
                    let last = record.failed_at.unwrap_or(record.recorded_at);
                    let actual = format!("retrying since {last}");
                    found.extend(of(&record, Kind::RetryForgotten, Place::default(), "an outcome, or parked", &actual));
                }
                _ => {}
            }
            judged.push((record.operation_key, found));
        }
        Ok(judged)
    }

    /// A record that says succeeded, of a commit that is not there or not its own.
    async fn without_events(
        &self,
        record: &OperationRecord,
        at: CommitReference,
        commits: &HashMap<CommitReference, Commit>,
    ) -> Result<Option<Found>, StoreError> {
        let actual = if let Some(commit) = commits.get(&at) {
            match commit.events() {
                Ok(events) if events.iter().any(|event| is_of(record, &event.event.cause.operation)) => {
                    return Ok(None);
                }
                Ok(_) => "the commit has none of its events",
                Err(_) => return Ok(None), // the stream says so
            }
        } else {
            let Some(stream) = record.stream() else { return Ok(None) };
            // One that is missing between others, or cannot be read, is found with its stream.
            match self.streams.newest(&stream, 1).await {
                Ok(newest) if newest.first().is_none_or(|newest| newest.commit_number < at.commit_number) => {
                    "the stream ends before it"
                }
                Ok(_) | Err(StoreError::Corrupt { .. }) => return Ok(None),
                Err(error) => return Err(error),
            }
        };
        let expected = format!("its events in commit {}", at.commit_number);
        let place = Place { commit: Some(at), ..Place::default() };
        Ok(of(record, Kind::OperationWithoutEvents, place, &expected, actual))
    }

    /// A record that says parked, while nothing waits.
    async fn parked_lost(&self, record: &OperationRecord) -> Result<Option<Found>, StoreError> {
        let Some(tenant) = tenant_of(record) else { return Ok(None) };
        let Some((key, id)) = parked_key(&tenant, &record.context, record) else { return Ok(None) };
        let actual = match self.parked.look_at(&key, &id).await {
            Ok(Some(message)) if message.stage == Stage::Waiting => return Ok(None),
            Ok(Some(message)) => format!("it is {}", stage(message.stage)),
            Ok(None) => "nothing is parked".to_owned(),
            Err(error @ StoreError::Corrupt { .. }) => lambda::telemetry::chain(&error),
            Err(error) => return Err(error),
        };
        let place = Place { parked: Some((key, id)), ..Place::default() };
        Ok(of(record, Kind::ParkedLost, place, "its message waits for a person", &actual))
    }

    /// The command that must have told the sender of a refusal by now.
    fn told(&self, record: &OperationRecord, patience: Patience) -> Option<SystemCommand> {
        if !patience.is_on_record(record.recorded_at) {
            return None;
        }
        record.told(self.contexts, &self.public_url).ok().flatten()
    }
}

fn stage(stage: Stage) -> &'static str {
    match stage {
        Stage::Waiting => "waiting",
        Stage::Resubmitted => "resubmitted",
        Stage::Discarded => "discarded",
        Stage::Reported => "reported",
    }
}

fn tenant_of(record: &OperationRecord) -> Option<TenantId> {
    TenantId::parse(record.operation_key.split_once('#')?.0).ok()
}

/// The commit with the events of a command that has succeeded here.
fn commit_of(record: &OperationRecord) -> Option<CommitReference> {
    let commit_number = record.commit_number.filter(|number| *number > 0)?;
    let is_here = record.outcome == Status::Succeeded && record.context != OWN;
    is_here.then(|| Some(CommitReference { stream_id: record.stream()?.to_string(), commit_number }))?
}

fn is_of(record: &OperationRecord, operation: &str) -> bool {
    let key = record.operation_key.split_once('#').map(|(_, key)| key);
    Receipt::read(operation).is_some_and(|receipt| Some(receipt.command_key.to_string().as_str()) == key)
}

/// The operation's id as its sender has it, but for the MAC that only the sender's has.
fn receipt(record: &OperationRecord) -> Option<String> {
    let key = kernel::ids::CommandKey::parse(record.operation_key.split_once('#')?.1)?;
    let accepted_at = record.accepted_at.unwrap_or(record.recorded_at);
    Some(Receipt::of_system(accepted_at, key, Digest::parse(&record.digest)?).to_string())
}

fn of(record: &OperationRecord, kind: Kind, place: Place, expected: &str, actual: &str) -> Option<Found> {
    Some(Found {
        kind,
        about: record.operation_key.clone(),
        tenant: Some(tenant_of(record)?),
        stream: record.stream().map(|stream| stream.to_string()),
        place: Place {
            operation: Some(record.operation_key.clone()),
            receipt: receipt(record),
            command_type: Some(record.command_type.clone()),
            ..place
        },
        expected: expected.to_owned(),
        actual: actual.to_owned(),
    })
}
