//! What follows from commits: commands for others, and timers.

use std::collections::{BTreeMap, BTreeSet};

use kernel::domain_event::RecordedEvent;
use kernel::effect::{Recorded, RecordedEffect};
use kernel::ids::{CommandKey, StreamId};
use kernel::system_command::{EffectPlace, SystemCommand};
use kernel::timestamp::Timestamp;
use store::StoreError;
use store::event_store::Commit;
use store::findings::{Found, Kind, Place};
use store::operations::OperationRecord;
use store::stream_positions::CommitReference;
use store::timers::TimerId;
use trace::How;
use trace::causes::Causes;

use crate::Verifier;
use crate::facts::{Expected, Facts, Pending, Read};
use crate::patience::Patience;

impl Verifier {
    /// What follows from these commits, as far as it must have arrived and its records are kept.
    pub(crate) fn follows(
        &self,
        stream: &StreamId,
        commits: &[Commit],
        patience: Patience,
    ) -> (Vec<Expected>, Vec<Pending>) {
        let (mut expected, mut pending) = (Vec::new(), BTreeMap::new());
        for commit in commits {
            let (at, commit_number) = (commit.committed_at(), commit.commit_number);
            let effects = commit.effects().unwrap_or_default();
            for (place, recorded) in effects.iter().enumerate() {
                match (&recorded.effect, self.effect(commit, stream, place, recorded)) {
                    (Recorded::SetTimer { name, due, .. }, Some(command)) => {
                        let id = TimerId::new(stream, name, commit_number, place);
                        let (key, ty) = (command.key, command.event.ty().to_owned());
                        let (name, due) = (name.clone(), *due);
                        let timer = Pending { id, key, ty, name: name.clone(), due, commit_number, set_at: at };
                        pending.insert(name, timer);
                    }
                    (Recorded::CancelTimer { name }, _) => drop(pending.remove(name)),
                    _ => {}
                }
            }
            if !patience.is_on_record(at) {
                continue;
            }
            let (events, mut causes) = (commit.events().unwrap_or_default(), Causes::default());
            for event in &events {
                causes.of_event(event, self.contexts, &self.public_url);
            }
            causes.of_effects(commit, stream, &effects, |_| true, &self.public_url);
            let certain = causes.expected.into_iter().filter(|expected| expected.is_certain);
            expected.extend(certain.map(|it| Expected {
                key: it.key,
                heard: match it.how {
                    How::Heard { version } => {
                        Some((it.stream.context.clone(), format!("{} {}", heard_type(&events, version), it.ty)))
                    }
                    _ => None,
                },
                ty: it.ty,
                to: it.stream,
                commit_number,
                at,
            }));
        }
        let settled = |timer: &Pending| patience.is_delivered(timer.set_at);
        (expected, pending.into_values().filter(settled).collect())
    }

    /// A context that has begun to hear events was not handed in what it would have made of those before.
    pub(crate) async fn leave_out_what_was_not_heard(
        &self,
        expected: &mut Vec<Expected>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let heard: BTreeSet<_> = expected.iter().filter_map(|expected| expected.heard.clone()).collect();
        for (context, event) in heard {
            self.since(&context, &event, now).await?;
        }
        expected.retain(|expected| {
            let since = expected.heard.as_ref().and_then(|(context, event)| self.is_known_since(context, event));
            since.is_none_or(|since| expected.at >= since)
        });
        Ok(())
    }

    /// The command of an effect; `None`: it is none, or cannot be read.
    pub(crate) fn effect(
        &self,
        commit: &Commit,
        stream: &StreamId,
        place: usize,
        effect: &RecordedEffect,
    ) -> Option<SystemCommand> {
        let (commit_number, committed_at) = (commit.commit_number, commit.committed_at());
        let at = EffectPlace { stream, commit_number, committed_at, place };
        SystemCommand::of_effect(effect, at, &self.public_url)?.ok()
    }
}

fn heard_type(events: &[RecordedEvent], version: u64) -> String {
    events.iter().find(|event| event.version == version).map(|event| event.event.ty.clone()).unwrap_or_default()
}

/// What has not arrived. What is committed from `published_to` on was not published at all.
pub(crate) fn caused(facts: &Facts, read: &Read, published_to: u64, patience: Patience) -> Vec<Found> {
    let record = |key: CommandKey| read.records.get(&OperationRecord::key(&facts.stream.tenant, key));
    let found = |kind, about: String, commit_number: u64, place: Place, expected, actual| Found {
        kind,
        about,
        tenant: Some(facts.stream.tenant.clone()),
        stream: Some(facts.stream.to_string()),
        place: Place { commit: Some(CommitReference { stream_id: facts.stream.to_string(), commit_number }), ..place },
        expected,
        actual,
    };
    let is_published = |commit_number: &u64| *commit_number < published_to;
    let lost = facts.caused.iter().filter(|expected| is_published(&expected.commit_number));
    let lost = lost.filter(|expected| record(expected.key).is_none()).map(|expected| {
        let operation = OperationRecord::key(&facts.stream.tenant, expected.key);
        let place = Place {
            operation: Some(operation.clone()),
            to: Some(expected.to.to_string()),
            command_type: Some(expected.ty.clone()),
            ..Place::default()
        };
        let wanted = format!("an outcome of {} for {}", expected.ty, expected.to);
        found(Kind::CommandLost, operation, expected.commit_number, place, wanted, "no record".to_owned())
    });
    let timers = facts.pending.iter().filter(|pending| is_published(&pending.commit_number));
    let timers = timers.filter(|pending| {
        let is_set = read.timers.contains(&pending.id);
        // Of one that is long due, the record may be gone; of one that has just come due, it may not be there yet.
        let is_judged = patience.is_far(pending.due) || patience.is_on_record(pending.due);
        is_judged && !is_set && record(pending.key).is_none()
    });
    let timers = timers.map(|pending| {
        let place = Place {
            timer: Some(pending.id.clone()),
            operation: Some(OperationRecord::key(&facts.stream.tenant, pending.key)),
            to: Some(facts.stream.to_string()),
            command_type: Some(pending.ty.clone()),
            ..Place::default()
        };
        let expected = format!("timer {} for {}, due {}", pending.name, pending.ty, pending.due);
        let about = pending.id.timer_key.clone();
        let actual = "no timer, and no record of its command".to_owned();
        found(Kind::TimerLost, about, pending.commit_number, place, expected, actual)
    });
    lost.chain(timers).collect()
}
