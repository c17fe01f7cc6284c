//! Actions: what mends a finding. Each may be done twice, for whoever does it looks first whether there is still something to do:
//! the publisher, a rebuild, a handler, or a condition on the write.

use std::time::Duration;

use kernel::effect::{Recorded, RecordedEffect};
use kernel::ids::StreamId;
use kernel::operation::Status;
use kernel::problem::Problem;
use kernel::receipt::Receipt;
use kernel::system_command::SystemCommand;
use kernel::timestamp::Timestamp;
use messaging::SystemCommands;
use messaging::delayed::{Delayed, send_delayed};
use store::StoreError;
use store::event_store::Commit;
use store::findings::{Finding, Kind};
use store::jobs::{Job, Task};
use store::operations::OperationRecord;
use store::stream_positions::CommitReference;
use store::timers::{DueCommand, Timer};

use crate::Verifier;
use crate::told::{Action, action};
use crate::verify::{WorkError, stream_of};

/// Commits of a stream that are published again at most; those behind them, a further time.
const MOST_COMMITS: usize = 1_000;

/// What is told of events that no backup has.
const GONE: &str = "what it did was lost, and no backup has it; if it is still wanted, send it again under a new id";

/// What came of an action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Done {
    /// It was asked for, or is done.
    Done,
    /// There was nothing to do, or not any more.
    Nothing(&'static str),
}

impl Verifier {
    /// Does what mends the finding. Only of [`Action::is_done_here`].
    pub(crate) async fn mend(&self, finding: &Finding, by: &str, now: Timestamp) -> Result<Done, WorkError> {
        let stream = finding.stream.as_deref().and_then(stream_of);
        match (action(finding), stream) {
            (Action::PublishAgain, Some(stream)) => self.publish_again(finding, &stream, by, now).await,
            (Action::SetTimerAgain, Some(stream)) => self.set_timer_again(finding, &stream, now).await,
            (Action::HandIn, Some(stream)) if finding.kind == Kind::CommandLost => {
                self.hand_in_again(finding, &stream).await
            }
            (Action::HandIn, _) => self.hand_in(finding).await,
            (Action::ProjectAgain, Some(stream)) => {
                let task = Task::Rebuild {
                    collection: finding.place.collection.clone().map(overview_or_own),
                    tenant: None,
                    stream: Some(stream.to_string()),
                    dry_run: false,
                };
                self.ask(task, by, now).await
            }
            (Action::CountAnew, _) => {
                let (tenant, collection) = (finding.tenant.clone(), finding.place.collection.clone());
                let Some((tenant, collection)) = tenant.zip(collection) else { return Ok(damaged()) };
                self.ask(Task::Recount { tenant, collection }, by, now).await
            }
            (Action::WriteOutcome, Some(stream)) => self.write_outcome(finding, &stream).await,
            (Action::GiveUp, _) => self.give_up(finding, now).await,
            (Action::Reopen, _) => self.reopen(finding, now).await,
            (Action::ClaimAgain, _) => {
                let Some((key, holder)) = claim(finding) else { return Ok(damaged()) };
                let is_held = self.guards.hold(key, holder).await?;
                Ok(if is_held { Done::Done } else { Done::Nothing("another aggregate has claimed it since") })
            }
            (Action::Release, _) => {
                let Some((key, holder)) = claim(finding) else { return Ok(damaged()) };
                self.guards.release(key, holder).await?;
                Ok(Done::Done)
            }
            (Action::TellAgain, _) => self.tell_again(finding).await,
            _ => Ok(damaged()),
        }
    }

    /// A job for the rebuild.
    async fn ask(&self, task: Task, by: &str, now: Timestamp) -> Result<Done, WorkError> {
        self.jobs.add(&Job::new(task, 1, None, by, now)).await?;
        Ok(Done::Done)
    }

    /// From the first commit that is missing to the last one. Of those whose records are kept no more, nobody could tell that
    /// what follows from them was carried out: of them, only documents are made anew.
    async fn publish_again(
        &self,
        finding: &Finding,
        stream: &StreamId,
        by: &str,
        now: Timestamp,
    ) -> Result<Done, WorkError> {
        let first = finding.place.commit.as_ref().map_or(1, |commit| commit.commit_number);
        let patience = self.patience(now, None).await?;
        let missing = self.streams.each(&stream.to_string()).await?.into_iter();
        let missing = missing.filter(|(at, _)| at.commit_number >= first);
        let is_kept = |commit: &Result<Commit, StoreError>| {
            commit.as_ref().is_ok_and(|commit| patience.is_kept(commit.committed_at()))
        };
        let (kept, old): (Vec<_>, Vec<_>) = missing.partition(|(_, commit)| is_kept(commit));
        if !old.is_empty() {
            let stream = Some(stream.to_string());
            self.ask(Task::Rebuild { collection: None, tenant: None, stream, dry_run: false }, by, now).await?;
        }
        let message = |at: CommitReference| Delayed {
            body: serde_json::to_string(&at).expect("texts and numbers are JSON"),
            fair_group: stream.tenant.to_string(),
            delay: Duration::ZERO,
        };
        let messages = kept.into_iter().take(MOST_COMMITS).map(|(at, _)| message(at)).collect();
        send_delayed(&self.sqs, &self.queues.publisher_retries(), messages).await?;
        Ok(Done::Done)
    }

    /// The command that followed from a commit, and no other.
    async fn hand_in_again(&self, finding: &Finding, stream: &StreamId) -> Result<Done, WorkError> {
        let (Some(at), Some(key)) = (&finding.place.commit, &finding.place.operation) else { return Ok(damaged()) };
        let Some(commit) = self.streams.find(at).await? else { return Ok(Done::Nothing("the commit is not there")) };
        let heard = commit.events()?.into_iter().flat_map(|event| {
            let of = |context| SystemCommand::of_heard(context, &event, &self.public_url).ok().flatten();
            self.contexts.iter().filter_map(of).collect::<Vec<_>>()
        });
        let effects = commit.effects()?;
        let sent = effects.iter().enumerate().filter_map(|(place, effect)| self.effect(&commit, stream, place, effect));
        let is_it = |command: &SystemCommand| OperationRecord::key(&stream.tenant, command.key) == *key;
        let Some(command) = heard.chain(sent).find(is_it) else {
            return Ok(Done::Nothing("it does not follow any more"));
        };
        self.commands().send(&command).await?;
        Ok(Done::Done)
    }

    /// The timer as its commit has set it, and no other. The timekeeper's sweep finds it.
    async fn set_timer_again(&self, finding: &Finding, stream: &StreamId, now: Timestamp) -> Result<Done, WorkError> {
        let (Some(at), Some(id)) = (&finding.place.commit, &finding.place.timer) else { return Ok(damaged()) };
        let Some(commit) = self.streams.find(at).await? else { return Ok(Done::Nothing("the commit is not there")) };
        let effects = commit.effects()?;
        let effect = effects.get(id.place);
        let command = effect.and_then(|effect| self.effect(&commit, stream, id.place, effect));
        let (Some(RecordedEffect { effect: Recorded::SetTimer { due, .. }, .. }), Some(command)) = (effect, command)
        else {
            return Ok(damaged());
        };
        let timer = Timer { id: id.clone(), due: *due, command: DueCommand::of(&command) };
        let is_set = self.timers.set(&timer, now).await?;
        Ok(if is_set { Done::Done } else { Done::Nothing("a later timer is set") })
    }

    fn commands(&self) -> SystemCommands {
        SystemCommands::new(self.sqs.clone(), self.queues.clone(), self.public_url.clone())
    }

    /// An overdue timer's message, to the timekeeper.
    async fn hand_in(&self, finding: &Finding) -> Result<Done, WorkError> {
        let Some(timer) = &finding.place.timer else { return Ok(damaged()) };
        let message = Delayed {
            body: serde_json::to_string(timer).expect("texts and numbers are JSON"),
            fair_group: finding.tenant.as_ref().map(ToString::to_string).unwrap_or_default(),
            delay: Duration::ZERO,
        };
        send_delayed(&self.sqs, &self.queues.timers(), vec![message]).await?;
        Ok(Done::Done)
    }

    /// Writes what the command handler has written with the events.
    async fn write_outcome(&self, finding: &Finding, stream: &StreamId) -> Result<Done, WorkError> {
        let Some(at) = &finding.place.commit else { return Ok(damaged()) };
        let Some(commit) = self.streams.find(at).await? else { return Ok(Done::Nothing("the commit is not there")) };
        let Some(key) = &finding.place.operation else { return Ok(damaged()) };
        let before = match self.operations.look_up(key).await {
            Ok(before) => before,
            Err(StoreError::Corrupt { .. }) => return self.overwrite(&commit, stream, key).await,
            Err(error) => return Err(error.into()),
        };
        let Some(record) = self.record(&commit, stream, key, before)? else { return Ok(damaged()) };
        let is_written = self.operations.put_succeeded(&record).await?;
        Ok(if is_written { Done::Done } else { Done::Nothing("its operation says so, or is another command's") })
    }

    async fn overwrite(&self, commit: &Commit, stream: &StreamId, key: &str) -> Result<Done, WorkError> {
        let Some(record) = self.record(commit, stream, key, None)? else { return Ok(damaged()) };
        self.operations.overwrite(&record).await?;
        Ok(Done::Done)
    }

    /// The record of a command, as its events say. The command's type is not among them, unless a record had it.
    fn record(
        &self,
        commit: &Commit,
        stream: &StreamId,
        key: &str,
        before: Option<OperationRecord>,
    ) -> Result<Option<OperationRecord>, StoreError> {
        let events = commit.events()?;
        let of_it = |operation: &str| {
            let receipt = Receipt::read(operation)?;
            (OperationRecord::key(&stream.tenant, receipt.command_key) == key).then_some(receipt)
        };
        let last = events.iter().rev().find_map(|event| Some((event, of_it(&event.event.cause.operation)?)));
        let Some((event, receipt)) = last else { return Ok(None) };
        let context = self.contexts.iter().find(|context| context.name == stream.context);
        let ty = context.and_then(|context| context.aggregate_type(stream));
        let shown = ty.and_then(|ty| ty.read_models.first());
        let cause = &event.event.cause;
        let command_type = before.as_ref().map_or("unknown", |before| before.command_type.as_str()).to_owned();
        Ok(Some(OperationRecord {
            operation_key: key.to_owned(),
            outcome: Status::Succeeded,
            digest: receipt.digest.to_string(),
            context: stream.context.clone(),
            command_type,
            aggregate_type: stream.aggregate_type.clone(),
            subject: stream.aggregate.to_string(),
            principal: cause.principal.clone(),
            resource: shown.map(|model| format!("/{}/{}", model.collection(), stream.aggregate)),
            version: Some(event.version),
            commit_number: Some(commit.commit_number),
            problem: None,
            revision: cause.revision,
            repaired_by: cause.repaired_by.clone(),
            reply_to: before.and_then(|before| before.reply_to),
            attempt: None,
            failed_at: None,
            accepted_at: Some(receipt.accepted_at),
            recorded_at: event.time,
            expires_at: Some(event.time.plus(self.retention).seconds()),
        }))
    }

    /// The sender is told that what the command did is lost.
    async fn give_up(&self, finding: &Finding, now: Timestamp) -> Result<Done, WorkError> {
        let Some(before) = self.its_record(finding).await? else { return Ok(Done::Nothing("there is no record")) };
        if before.outcome != Status::Succeeded {
            return Ok(Done::Nothing("its operation says otherwise by now"));
        }
        let record = OperationRecord {
            outcome: Status::Discarded,
            problem: Some(Problem::discarded(GONE).to_json()),
            resource: None,
            version: None,
            commit_number: None,
            recorded_at: now,
            expires_at: Some(now.plus(self.retention).seconds()),
            ..before.clone()
        };
        self.replace(&before, &record).await
    }

    /// The command may be sent again under its id.
    async fn reopen(&self, finding: &Finding, now: Timestamp) -> Result<Done, WorkError> {
        let Some(before) = self.its_record(finding).await? else { return Ok(Done::Nothing("there is no record")) };
        if before.outcome != Status::Parked {
            return Ok(Done::Nothing("its operation says otherwise by now"));
        }
        let record = OperationRecord {
            outcome: Status::Retrying,
            revision: 0,
            problem: None,
            attempt: None,
            failed_at: None,
            recorded_at: now,
            expires_at: None,
            ..before.clone()
        };
        self.replace(&before, &record).await
    }

    async fn its_record(&self, finding: &Finding) -> Result<Option<OperationRecord>, StoreError> {
        match &finding.place.operation {
            Some(key) => self.operations.look_up(key).await,
            None => Ok(None),
        }
    }

    async fn replace(&self, before: &OperationRecord, record: &OperationRecord) -> Result<Done, WorkError> {
        let is_replaced = self.operations.replace(before, record).await?;
        Ok(if is_replaced { Done::Done } else { Done::Nothing("its operation was written meanwhile") })
    }

    async fn tell_again(&self, finding: &Finding) -> Result<Done, WorkError> {
        let Some(record) = self.its_record(finding).await? else { return Ok(Done::Nothing("there is no record")) };
        let told = record.told(self.contexts, &self.public_url).ok().flatten();
        let Some(command) = told else { return Ok(Done::Nothing("nobody is to be told")) };
        self.commands().send(&command).await?;
        Ok(Done::Done)
    }
}

fn claim(finding: &Finding) -> Option<(&str, &str)> {
    finding.place.guard_key.as_deref().zip(finding.place.holder.as_deref())
}

/// An overview is rebuilt as a whole.
fn overview_or_own(collection: String) -> String {
    match collection.split_once('/') {
        Some((overview, _)) => overview.to_owned(),
        None => collection,
    }
}

fn damaged() -> Done {
    Done::Nothing("the finding does not say what of")
}
