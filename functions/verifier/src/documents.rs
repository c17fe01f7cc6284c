//! Documents: as far as their streams, and what their events make of them.

use std::collections::BTreeMap;

use kernel::context::ReadModel;
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::timestamp::Timestamp;
use serde_json::Value;
use store::event_store::Commit;
use store::findings::{Found, Kind, Place};
use store::operations::OperationRecord;
use store::read_models::{Change, Key, Row};
use store::stream_positions::CommitReference;

use crate::facts::{Facts, Read};
use crate::patience::Patience;
use crate::verify::listed;

/// What is wrong with one document.
enum Wrong {
    Unreadable(String),
    /// It is at that version, 0 if there is none, and should be at the other one at least.
    Behind(u64, u64),
    Ahead(u64),
    WithoutStream,
    /// Where it differs.
    Bent(u64, String),
}

/// What does not fit of a stream's documents.
pub(crate) fn documents(
    facts: &Facts,
    read_models_of: fn(&StreamId) -> Option<Vec<&'static dyn ReadModel>>,
    read: &Read,
    since: &BTreeMap<&'static str, Timestamp>,
    patience: Patience,
) -> Vec<Found> {
    let models = read_models_of(&facts.stream).unwrap_or_default();
    let wrong: Vec<(&Key, Wrong)> = models
        .iter()
        .zip(&facts.documents)
        .filter_map(|(model, key)| Some((key, wrong(facts, *model, key, read, since, patience)?)))
        .collect();
    // Those that there are to be: one of a stream that it hears nothing of is not.
    let reached = models.iter().map(|model| reached(facts, *model, patience)).filter(|reached| *reached > 0).count();
    let behind = wrong.iter().filter(|(_, wrong)| matches!(wrong, Wrong::Behind(..))).count();
    if behind > 0 && behind == reached {
        let unpublished = unpublished(facts, &wrong);
        let first = unpublished.place.commit.as_ref().map_or(1, |commit| commit.commit_number);
        // Somebody has heard of it if something has followed from it.
        if !has_followed(facts, read, first) {
            return vec![unpublished];
        }
    }
    wrong.into_iter().map(|(key, wrong)| found(facts, key, wrong)).collect()
}

/// Whether a command or a timer is there that follows from the commits from this one on.
fn has_followed(facts: &Facts, read: &Read, first: u64) -> bool {
    let is_on_record = |key| read.records.contains_key(&OperationRecord::key(&facts.stream.tenant, key));
    let commands = facts.caused.iter().filter(|expected| expected.commit_number >= first);
    let mut timers = facts.pending.iter().filter(|pending| pending.commit_number >= first);
    commands.map(|expected| expected.key).any(is_on_record) || timers.any(|pending| read.timers.contains(&pending.id))
}

/// The version of the newest event that the read model hears and that has arrived by now; 0 if there is none.
fn reached(facts: &Facts, model: &dyn ReadModel, patience: Patience) -> u64 {
    let is_there = |event: &&RecordedEvent| model.hears(&event.event.ty) && patience.is_delivered(event.time);
    facts.events.iter().rev().find(is_there).map_or(0, |event| event.version)
}

fn wrong(
    facts: &Facts,
    model: &dyn ReadModel,
    key: &Key,
    read: &Read,
    since: &BTreeMap<&'static str, Timestamp>,
    patience: Patience,
) -> Option<Wrong> {
    let row = match read.rows.get(key)? {
        Ok(row) => row.as_ref(),
        Err(error) => return Some(Wrong::Unreadable(lambda::telemetry::chain(error))),
    };
    let version = row.map_or(0, |row| row.version);
    let newest = facts.events.last().map_or(0, |event| event.version);
    if version > newest {
        return Some(if newest == 0 { Wrong::WithoutStream } else { Wrong::Ahead(version) });
    }
    // Reads fold one of another layout anew, and with it what it did not hear before.
    if row.is_some_and(|row| row.layout != model.layout()) {
        return None;
    }
    if let Some(row) = row
        && let Some(where_) = difference(key, model, row, &facts.events)
    {
        return Some(Wrong::Bent(version, where_));
    }
    // One that there is not is not missed of streams that were there before its collection.
    let is_new =
        since.get(key.collection).is_some_and(|since| facts.events.first().is_none_or(|first| first.time < *since));
    let reached = reached(facts, model, patience);
    (version < reached && !(row.is_none() && is_new)).then_some(Wrong::Behind(version, reached))
}

/// Where a document is not what the events up to its version make of it; `None`: nowhere.
fn difference(key: &Key, model: &dyn ReadModel, row: &Row, events: &[RecordedEvent]) -> Option<String> {
    let up_to_it = &events[..events.partition_point(|event| event.version <= row.version)];
    let change = match Change::anew(key.clone(), model, Some(row), up_to_it) {
        Ok(change) => change,
        Err(error) => return Some(lambda::telemetry::chain(&error)),
    };
    let made = Row::of(&change);
    let mut differs = Vec::new();
    let [stored, folded] = [&row.document, &made.document].map(|text| serde_json::from_str::<Value>(text).ok());
    match stored.zip(folded) {
        Some((stored, folded)) => pointers("", &stored, &folded, &mut differs),
        None => differs.push("its document".to_owned()),
    }
    if row.tallies.is_some() && row.tallies != made.tallies {
        differs.push("what it adds to totals".to_owned());
    }
    if !row.is_listed_as(&made) {
        differs.push("its place in lists".to_owned());
    }
    (!differs.is_empty()).then(|| listed(differs))
}

/// Where two documents differ, as JSON pointers (RFC 6901). What they say there is the tenant's.
fn pointers(at: &str, one: &Value, other: &Value, differs: &mut Vec<String>) {
    match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
            for name in names {
                let (one, other) = (one.get(name), other.get(name));
                // A name that is no schema's may be the tenant's.
                let is_plain = name.len() <= 40 && name.chars().all(|letter| letter.is_ascii_alphanumeric());
                let at = format!("{at}/{}", if is_plain { name } else { "*" });
                match one.zip(other) {
                    Some((one, other)) => pointers(&at, one, other, differs),
                    None => differs.push(at),
                }
            }
        }
        (Value::Array(one), Value::Array(other)) if one.len() == other.len() => {
            for (place, (one, other)) in one.iter().zip(other).enumerate() {
                pointers(&format!("{at}/{place}"), one, other, differs);
            }
        }
        (one, other) if one == other => {}
        _ => differs.push(if at.is_empty() { "all of it".to_owned() } else { at.to_owned() }),
    }
}

/// No document has what was committed.
fn unpublished(facts: &Facts, wrong: &[(&Key, Wrong)]) -> Found {
    let behind = || {
        wrong.iter().filter_map(|(_, wrong)| match wrong {
            Wrong::Behind(version, reached) => Some((*version, *reached)),
            _ => None,
        })
    };
    let version = behind().map(|(version, _)| version).max().unwrap_or_default();
    let reached = behind().map(|(_, reached)| reached).max().unwrap_or_default();
    // The commit of the first event that is missing.
    let has = |commit: &&Commit| commit.last_version().is_ok_and(|last| last > version);
    let number = facts.commits.iter().find(has).map_or(1, |commit| commit.commit_number);
    let stream_id = facts.stream.to_string();
    Found {
        kind: Kind::PublicationLost,
        about: stream_id.clone(),
        tenant: Some(facts.stream.tenant.clone()),
        place: Place {
            commit: Some(CommitReference { stream_id: stream_id.clone(), commit_number: number }),
            ..Place::default()
        },
        expected: format!("version {reached} in {}", listed(wrong.iter().map(|(key, _)| key.collection.to_owned()))),
        actual: at(version),
        stream: Some(stream_id),
    }
}

fn at(version: u64) -> String {
    match version {
        0 => "no document".to_owned(),
        version => format!("version {version}"),
    }
}

/// A document of which no event is there.
pub(crate) fn without_stream(stream: &StreamId, collection: &str) -> Found {
    of(stream, collection, Kind::DocumentWithoutStream, "a stream with its events".to_owned(), "no commit".to_owned())
}

fn found(facts: &Facts, key: &Key, wrong: Wrong) -> Found {
    let newest = facts.events.last().map_or(0, |event| event.version);
    let (kind, expected, actual) = match wrong {
        Wrong::Unreadable(error) => (Kind::DocumentUnreadable, "a document that can be read".to_owned(), error),
        Wrong::Behind(version, reached) => (Kind::DocumentBehind, format!("version {reached}"), at(version)),
        Wrong::Ahead(version) => {
            (Kind::DocumentAhead, format!("version {newest} at most"), format!("version {version}"))
        }
        Wrong::WithoutStream => return without_stream(&facts.stream, key.collection),
        Wrong::Bent(version, differs) => (
            Kind::DocumentBent,
            format!("what the events up to version {version} make of it"),
            format!("it differs in {differs}"),
        ),
    };
    of(&facts.stream, key.collection, kind, expected, actual)
}

fn of(stream: &StreamId, collection: &str, kind: Kind, expected: String, actual: String) -> Found {
    Found {
        kind,
        about: format!("{stream} {collection}"),
        tenant: Some(stream.tenant.clone()),
        stream: Some(stream.to_string()),
        place: Place { collection: Some(collection.to_owned()), ..Place::default() },
        expected,
        actual,
    }
}
