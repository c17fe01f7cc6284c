//! What the release before wrote, as `events/recorded` has it, must be readable to this build; and what this build writes
//! must be readable to the release before.
//!
//! `cargo xtask record-release` makes this build's own samples the recorded ones. It is for the release that has just
//! been deployed: see `docs/contexts.md`.

mod handling;
mod recording;
mod writing;

use std::collections::BTreeMap;

use bench::events;
use kernel::context::{AggregateType, Context};
use kernel::domain_event::RecordedEvent;
use kernel::ids::StreamId;
use kernel::problem::Problem;
use kernel::timestamp::Timestamp;
use recovery::resubmission;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use store::operations::OperationRecord;
use store::parked::{OperatorAction, ParkedMessage, Stage};
use testkit::TABLES;

use crate::handling::{QUEUE, bench, handle, outcome};
use crate::recording::{Recording, recorded};
use crate::writing::this_build;

/// Events that only a timer causes, for which samples have no time.
const BY_TIMER: [(&str, &str); 2] = [("patients", "OnboardingGivenUp"), ("patients", "ReminderDue")];

const HOW: &str = "docs/contexts.md says how a version goes forward in two releases";

#[tokio::test(start_paused = true)]
async fn this_build_can_be_recorded_and_reads_what_it_writes() {
    let recording = this_build().await;
    assert_eq!(recording, this_build().await, "the same build writes the same samples");
    for context in catalog::CONTEXTS {
        for event in context.events().filter(|event| event.written.is_some()) {
            let version = event.written.expect("it is written");
            let name = format!("{}/streams/{}.{version}.json", context.name, event.name);
            let by_timer = BY_TIMER.contains(&(context.name, event.name));
            assert!(
                by_timer || recording.contains(&name),
                "no sample commands of {} cause {}",
                context.name,
                event.name
            );
        }
    }
    everything_is_read(&recording).await;
    // `cargo xtask record-release` sets it.
    if std::env::var_os("RECORD_RELEASE").is_some() {
        recording.write();
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_release_before_wrote_is_read() {
    everything_is_read(&recorded()).await;
}

#[test]
fn every_version_that_the_release_before_could_read_is_read() {
    for (context, kind, name, version) in recorded().versions() {
        let known = catalog::schema(&context, &name, version).is_some();
        assert!(
            known,
            "{context}: the {kind} {name} {version} cannot be read any more. Put it back into `messages!`: {HOW}"
        );
    }
}

#[test]
fn the_release_before_can_read_what_this_build_writes() {
    let before = recorded();
    let versions: Vec<_> = before.versions().collect();
    let could_read = |context: &str, name: &str, version: u32| {
        versions.iter().any(|known| (known.0.as_str(), known.2.as_str(), known.3) == (context, name, version))
    };
    for context in catalog::CONTEXTS {
        if !versions.iter().any(|known| known.0 == context.name) {
            continue; // a context that it did not have has no streams for it to stand still in
        }
        let known =
            |name: &str| versions.iter().any(|known| (known.0.as_str(), known.2.as_str()) == (context.name, name));
        // Of an aggregate type that it did not have, it can read nothing at all: docs/contexts.md says what to do then.
        let had = |ty: &&AggregateType| ty.events.iter().any(|event| known(event.name));
        for event in context.aggregate_types().filter(had).flat_map(|ty| ty.events) {
            let Some(version) = event.written else { continue };
            assert!(
                could_read(context.name, event.name, version),
                "{}: this build writes {} {version}, which the release before cannot read: streams would stand still there. \
                 Mark it `unwritten` in `messages!` for one release; or, if the release that reads it is deployed, record \
                 that one. {HOW}",
                context.name,
                event.name
            );
        }
        for command in context.commands().filter(|command| known(command.name)) {
            let Some(version) = command.written else { continue };
            assert!(
                could_read(context.name, command.name, version),
                "{}: senders that name no version of {} get {version}, which handlers of the release before park. \
                 Mark it `unwritten` in `messages!` for one release. {HOW}",
                context.name,
                command.name
            );
        }
    }
}

async fn everything_is_read(recording: &Recording) {
    for (name, commits) in recording.of_contexts("streams") {
        stream_is_read(name, &commits).await;
    }
    for (name, message) in recording.of_contexts("queue") {
        command_is_handled(name, message["body"].as_str().expect("a body")).await;
    }
    for (name, item) in recording.under("operations/") {
        let record: OperationRecord = reads_whole(name, &item, &[]);
        let outcome = json!(record.outcome);
        assert_eq!(format!("operations/{}.json", outcome.as_str().unwrap_or_default()), name);
        if let Some(problem) = &record.problem {
            serde_json::from_str::<Problem>(problem)
                .unwrap_or_else(|error| panic!("{name}: its problem is none: {error}"));
        }
    }
    parked_messages_go_on(recording).await;
}

/// Reads an item, and holds that no attribute is left out: one with a default would go unnoticed under another name.
#[track_caller]
fn reads_whole<T: DeserializeOwned + Serialize>(name: &str, item: &Value, of_indexes: &[&str]) -> T {
    let read: T = serde_json::from_value(item.clone()).unwrap_or_else(|error| panic!("{name} cannot be read: {error}"));
    let back = serde_json::to_value(&read).expect("JSON");
    for (attribute, value) in item.as_object().expect("an item") {
        let kept = of_indexes.contains(&attribute.as_str()) || back.get(attribute) == Some(value);
        assert!(kept, "{name}: this build reads nothing of the attribute {attribute}, {value}");
    }
    read
}

/// Loads the stream, by its snapshots and without; shows it, and publishes it.
async fn stream_is_read(name: &str, commits: &Value) {
    let context = context_of(name);
    let commits = commits.as_array().expect("commits");
    let stream = StreamId::parse(commits[0]["stream_id"].as_str().expect("a stream")).expect("a stream id");
    let aggregate_type = context.aggregate_type(&stream).expect("a type of aggregate");
    let mut states = Vec::new();
    for with_snapshots in [true, false] {
        let bench = bench(context);
        for commit in commits {
            let mut commit = commit.clone();
            if !with_snapshots {
                commit.as_object_mut().expect("an item").retain(|attribute, _| !attribute.starts_with("snapshot"));
            }
            bench.aws.insert(TABLES.events, &commit);
        }
        let loaded = bench.handler.events.load(aggregate_type, &stream).await;
        let loaded = loaded.unwrap_or_else(|error| {
            panic!("{name} cannot be folded: {error}: {:?}", std::error::Error::source(&error))
        });
        assert_eq!(loaded.commit_number, commits.len() as u64, "{name}");
        states.push((loaded.version, loaded.aggregate.snapshot().state.get().to_owned()));
    }
    assert_eq!(states[0], states[1], "{name}: its snapshots say something else than its events; raise STATE_VERSION");
    let events: Vec<RecordedEvent> = commits.iter().cloned().flat_map(events).collect();
    for model in aggregate_type.read_models {
        model.project(None, &events).unwrap_or_else(|error| panic!("{name} cannot be shown: {error}"));
    }
    for event in &events {
        let published = event.to_cloud_event("https://api.example");
        let back = RecordedEvent::from_cloud_event(&published).unwrap_or_else(|| panic!("{name} cannot be published"));
        assert_eq!(back.event.data.get(), event.event.data.get(), "{name}");
    }
}

/// The command has an outcome of its own: it is neither parked nor given back.
async fn command_is_handled(name: &str, body: &str) {
    let bench = bench(context_of(name));
    handle(&bench, body).await;
    let records = bench.aws.items(TABLES.operations);
    let outcomes: Vec<_> = records.iter().map(|record| record["outcome"].as_str().unwrap_or_default()).collect();
    let handled = matches!(outcomes[..], ["succeeded" | "rejected"]);
    assert!(handled, "{name}: this build does not handle it: {outcomes:?}, {:#?}", bench.aws.items(TABLES.parked));
}

/// What waits is listed, repaired and run; what was resubmitted and not sent is found and sent.
async fn parked_messages_go_on(recording: &Recording) {
    const OF_INDEXES: [&str; 5] = ["waiting", "waiting_place", "unsent", "unsent_since", "expires_at"];
    let context = catalog::context(QUEUE).expect("the context that was recorded");
    let bench = bench(context);
    let mut items = BTreeMap::new();
    for (name, item) in recording.under("parked/") {
        bench.aws.insert(TABLES.parked, &item);
        items.insert(name, reads_whole::<ParkedMessage>(name, &item, &OF_INDEXES));
    }
    for (name, item) in recording.under("operations/") {
        if name != "operations/succeeded.json" && name != "operations/rejected.json" {
            bench.aws.insert(TABLES.operations, &item);
        }
    }
    let parked = &bench.handler.parked;
    let listed = parked.waiting(QUEUE, None, |_| true, None, 10).await.expect("a list");
    assert_eq!(listed.messages.len(), 2, "a command and a stranger wait");

    let now: Timestamp = bench.aws.now().into();
    let decision = OperatorAction { by: "an operator", reason: Some("repaired"), at: now };
    let waiting = &items["parked/waiting.json"];
    let command = resubmission::command(waiting).expect("the operators' desk reads the command");
    let message = writing::repaired(&command);
    let resubmitted =
        parked.resubmit(waiting, message, true, decision).await.expect("it waits, and so does its operation");
    handle(&bench, &resubmitted.message).await;
    assert_eq!(outcome(&bench, waiting), "succeeded");

    let unsent = parked.unsent(QUEUE, now.plus(std::time::Duration::from_hours(1)), 10).await.expect("a list");
    let unsent: Vec<_> = unsent.iter().filter(|message| message.summary.id != waiting.summary.id).collect();
    let [unsent] = &unsent[..] else { panic!("one is to be sent, not {unsent:#?}") };
    assert_eq!(unsent.stage, Stage::Resubmitted);
    let returning = resubmission::returning(unsent, &bench.queue);
    assert_eq!(
        returning.group.ordered().expect("a FIFO queue"),
        resubmission::command(unsent).expect("a command").stream.message_group()
    );
    handle(&bench, &returning.body).await;
    assert_eq!(outcome(&bench, unsent), "succeeded");

    let stranger = &items["parked/stranger.json"];
    parked.discard(stranger, decision, 0).await.expect("it waits");
    assert_eq!(items["parked/discarded.json"].stage, Stage::Discarded);
}

/// The context whose folder a sample is in.
fn context_of(name: &str) -> &'static Context {
    let context = name.split('/').next().unwrap_or_default();
    catalog::context(context).unwrap_or_else(|| panic!("{name}: there is no context {context} any more"))
}
