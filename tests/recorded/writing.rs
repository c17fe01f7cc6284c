//! Samples of what this build writes: by its own functions, from the sample commands in `events/`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use bench::http::client;
use bench::platform::{
    PUBLIC_URL, RECEIPT_KEY, commands, environment, receipt_secret, register_client, register_tenant,
};
use bench::sealing::TRACEPARENT;
use bench::{Bench, Request, events};
use ingest::Ingest;
use kernel::command::{Command, Principal, Repair};
use kernel::context::Context;
use kernel::domain_event::Cause;
use kernel::ids::{AggregateId, TenantId};
use kernel::message::{Encoded, MessageType};
use kernel::system_command::{Occasion, SystemCommand};
use kernel::timestamp::Timestamp;
use serde_json::value::RawValue;
use serde_json::{Value, json};
use store::parked::{OperatorAction, ParkedMessage};
use testkit::TABLES;

use crate::BY_TIMER;
use crate::handling::{QUEUE, bench, handle};
use crate::recording::Recording;

const TENANT: &str = "demo";
/// A member of a sample command, and how it is misspelt in one that has to be repaired.
const DAMAGE: (&str, &str) = ("\"customer\":", "\"custumer\":");

pub async fn this_build() -> Recording {
    let mut recording = Recording::default();
    for context in catalog::CONTEXTS {
        let (commands, events) = (context.commands().collect(), context.events().collect());
        for (folder, messages) in [("commands", commands), ("events", events)] as [(_, Vec<_>); 2] {
            for message in messages {
                for version in message.versions {
                    let name = format!("{}/schemas/{folder}/{}.{}.json", context.name, message.name, version.number);
                    recording.add(name, serde_json::from_str(version.schema).expect("JSON"));
                }
            }
        }
        record_context(&mut recording, context).await;
    }
    record_outcomes(&mut recording).await;
    recording
}

/// Sample commands of each type, in the order in which the context lists them: what clients send, and what only the
/// installation does.
fn samples(context: &Context) -> Vec<Value> {
    let events = Path::new(env!("CARGO_MANIFEST_DIR")).join("../events");
    let folders = [events.join(context.name), events.join("internal").join(context.name)];
    let files = folders.iter().filter_map(|folder| fs::read_dir(folder).ok()).flatten();
    let text = files.map(|file| fs::read_to_string(file.expect("a file").path()).expect("text"));
    let mut samples: Vec<Value> = text.map(|text| serde_json::from_str(&text).expect("JSON")).collect();
    for command in context.commands() {
        assert!(samples.iter().any(|sample| sample["type"] == command.name), "{} has no sample", command.name);
    }
    samples.sort_by_key(|sample| context.commands().position(|command| sample["type"] == command.name));
    samples
}

/// Streams that together hold an event of every type, each the shortest whose last commit has it; and each command as queued.
async fn record_context(recording: &mut Recording, context: &'static Context) {
    let samples = samples(context);
    let (mut known, mut seen) = (BTreeSet::new(), BTreeSet::new());
    let mut sequences: Vec<Vec<usize>> = vec![Vec::new()];
    // A sample at the same place of a sequence is queued with the same body.
    let mut bodies: BTreeMap<(usize, usize), String> = BTreeMap::new();
    let by_timer = |event: &&MessageType| BY_TIMER.contains(&(context.name, event.name));
    let written = context.events().filter(|event| event.written.is_some() && !by_timer(event)).count();
    for _ in 0..samples.len() {
        if known.len() == written {
            break; // longer streams would only repeat it
        }
        let mut longer = Vec::new();
        for before in &sequences {
            for sample in 0..samples.len() {
                let sequence: Vec<usize> = before.iter().copied().chain([sample]).collect();
                let bench = bench(context);
                let mut last_stream = String::new();
                for (nth, &sample) in sequence.iter().enumerate() {
                    let body = if let Some(body) = bodies.get(&(sample, nth)) {
                        body
                    } else {
                        let command = &samples[sample];
                        let subject = command["subject"].as_str().expect("a sample names its aggregate");
                        let body = queued(&bench, command, subject, nth).await;
                        record_queued(recording, context, &body);
                        bodies.entry((sample, nth)).or_insert(body)
                    };
                    handle(&bench, body).await;
                    last_stream = opened(context, body).stream.to_string();
                }
                let mut commits = bench.aws.items(TABLES.events);
                if commits.len() < sequence.len() {
                    continue; // the last one caused nothing
                }
                let all = commits.iter().flat_map(|commit| events(commit.clone()));
                let is_new = seen.insert(all.map(|event| (event.stream, event.event.ty)).collect::<BTreeSet<_>>());
                commits.retain(|commit| commit["stream_id"] == last_stream);
                for event in events(commits.last().expect("a commit").clone()) {
                    let (ty, version) = (event.event.ty, event.event.schema);
                    if known.insert((ty.clone(), version)) {
                        recording.add(format!("{}/streams/{ty}.{version}.json", context.name), json!(commits));
                    }
                }
                // From the same events, whatever their order, the same follows: else there would be too many.
                longer.extend(is_new.then_some(sequence));
            }
        }
        sequences = longer;
    }
}

fn opened(context: &Context, body: &str) -> Command {
    Command::open(body.as_bytes(), context.name).expect("a command")
}

fn record_queued(recording: &mut Recording, context: &Context, body: &str) {
    let command = opened(context, body);
    let name =
        format!("{}/queue/{}.{}", context.name, command.event.ty(), command.schema_version().expect("a version"));
    if !recording.contains(&format!("{name}.json")) {
        let revised = Command::revised(command.event, 1, None).expect("a command").to_json();
        recording.add(format!("{name}.json"), json!({ "body": body }));
        recording.add(format!("{name}-revised.json"), json!({ "body": revised }));
    }
}

/// A record of each outcome, and messages parked in each stage.
async fn record_outcomes(recording: &mut Recording) {
    let context = catalog::context(QUEUE).expect("a context");
    let samples = samples(context);
    let bench = bench(context);
    let begins = &samples[0];
    // The second is refused, for the stream has begun.
    for nth in 0..2 {
        let body = queued(&bench, begins, "outcomes", nth).await;
        handle(&bench, &body).await;
    }
    let decision = OperatorAction { by: "an operator", reason: Some("a sample"), at: bench.now() };
    let parked = &bench.handler.parked;
    for stage in ["waiting", "resubmitted", "discarded"] {
        let body = queued(&bench, begins, stage, 0).await;
        let damaged = body.replacen(DAMAGE.0, DAMAGE.1, 1);
        assert_ne!(damaged, body, "the sample has the member that is damaged");
        handle(&bench, &damaged).await;
        let items = bench.aws.items(TABLES.parked);
        let item = items.iter().find(|item| item["subject"] == stage).expect("it is parked");
        let message: ParkedMessage = serde_json::from_value(item.clone()).expect("a parked message");
        match stage {
            "resubmitted" => {
                let command = recovery::resubmission::command(&message).expect("a command");
                parked.resubmit(&message, repaired(&command), true, decision).await.expect("resubmitted");
            }
            "discarded" => parked.discard(&message, decision, 1_800_000_000).await.expect("discarded"),
            _ => {}
        }
    }
    handle(&bench, "no command at all").await;
    for item in bench.aws.items(TABLES.parked) {
        // The message before its repair has no stage.
        match (item["stage"].as_str(), item["operation"].as_str()) {
            (Some("waiting"), None) => recording.add("parked/stranger.json".to_owned(), item.clone()),
            (Some(stage), _) => recording.add(format!("parked/{stage}.json"), item.clone()),
            (None, _) => {}
        }
    }
    for record in bench.aws.items(TABLES.operations) {
        recording.add(format!("operations/{}.json", record["outcome"].as_str().expect("an outcome")), record);
    }
}

/// A damaged command's message in its next revision, with its data repaired.
pub fn repaired(damaged: &Command) -> String {
    let data = damaged.event.json().expect("data").replacen(DAMAGE.1, DAMAGE.0, 1);
    let data = RawValue::from_string(data).expect("JSON");
    let operator = Principal::read("user:an-operator");
    let repair = Repair { data, by: &operator };
    Command::revised(damaged.event.clone(), damaged.revision + 1, Some(repair)).expect("a command").to_json()
}

/// What is queued of a sample, for this aggregate.
async fn queued(bench: &Bench, sample: &Value, aggregate: &str, nth: usize) -> String {
    let ty = sample["type"].as_str().expect("a type");
    let command = bench.handler.context.command(ty).expect("a command of the context");
    if command.internal {
        handed_in(bench.handler.context, command, sample, aggregate, nth)
    } else {
        accepted(bench, sample, aggregate, nth).await
    }
}

/// As the installation hands a sample in, at the sample's own time.
fn handed_in(context: &Context, command: &MessageType, sample: &Value, aggregate: &str, nth: usize) -> String {
    let (tenant, aggregate) = (TenantId::parse(TENANT), AggregateId::parse(aggregate));
    let (tenant, aggregate) = (tenant.expect("a tenant"), aggregate.expect("an id"));
    let data = RawValue::from_string(sample["data"].to_string()).expect("JSON");
    let schema = command.written.expect("a version that is written");
    let cause =
        Cause { correlation: "a-sample".to_owned(), traceparent: Some(TRACEPARENT.to_owned()), ..Cause::default() };
    let occasion = Occasion {
        by: context.name,
        source: context.name,
        id: format!("{aggregate}-{nth}"),
        at: sample["time"].as_str().and_then(Timestamp::parse).expect("a time"),
        cause: &cause,
        causation: "a-sample".to_owned(),
        reply_to: None,
    };
    let stream = context.stream_of_command(command.name, tenant, aggregate);
    let command = Encoded { ty: command.name.to_owned(), schema, data };
    SystemCommand::new(stream, &command, occasion, PUBLIC_URL).expect("a command").event.to_json()
}

/// Sends a sample to ingest, and gives what is queued of it.
async fn accepted(bench: &Bench, sample: &Value, aggregate: &str, nth: usize) -> String {
    let aws = &bench.aws;
    for other in catalog::CONTEXTS {
        assert!(aws.is_empty(&commands(other.name)), "nothing waits");
    }
    let grants = json!([{ "principals": ["*"], "types": ["*"], "sources": [sample["source"]] }]);
    register_tenant(aws, TENANT, &json!({ "grants": grants }));
    register_client(aws, "shop", TENANT);
    let mut event = sample.clone();
    event["id"] = json!(format!("{aggregate}-{nth}"));
    event["subject"] = json!(aggregate);
    aws.put_secret(&receipt_secret(), RECEIPT_KEY);
    let ingest = Ingest::from_environment(&environment(), aws.dynamodb(), aws.sqs(), aws.secrets_manager());
    let ingest = ingest.expect("settings");
    let request = Request::structured(&event).header("traceparent", TRACEPARENT).by(client("shop", "waybill/submit"));
    request.answered(|request| ingest.handle(request, bench.now())).await.accepted();
    let messages = aws.messages(&bench.queue);
    let [message] = &messages[..] else { panic!("one message is queued, not {messages:#?}") };
    let body = message.body.clone();
    aws.remove(&bench.queue, |_| true);
    body
}
