//! The sample events, `events/<context>/<command-type>.json`: what a client would post, and what comes of it.

use std::fs;
use std::path::Path;

use kernel::cloud_event::{CloudEvent, strict_json};
use kernel::command::{Command, Principal, PrincipalKind};
use kernel::context::{Context, Undecided};
use kernel::ids::{CommandKey, TenantId};
use kernel::receipt::{Digest, ReceiptKeys};
use kernel::timestamp::Timestamp;
use serde_json::Value;
use spec::validator;

use crate::{CONTEXTS, schema};

/// `SubmitOrder` as `submit-order`.
fn kebab_case(name: &str) -> String {
    let dash = |(at, letter): (usize, char)| (at > 0 && letter.is_ascii_uppercase()).then_some('-');
    name.char_indices().flat_map(|at| dash(at).into_iter().chain([at.1.to_ascii_lowercase()])).collect()
}

fn samples(context: &Context) -> Vec<(CloudEvent, Value)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../events").join(context.name);
    let sample = |command: &str| {
        let path = folder.join(format!("{}.json", kebab_case(command)));
        let text = fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let event = CloudEvent::from_json(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        assert_eq!(event.ty(), command, "{}", path.display());
        let data = strict_json(event.json().expect("a command has JSON data")).expect("strict JSON");
        (event, data)
    };
    context.commands_of_clients().map(|command| sample(command.name)).collect()
}

/// The version that a command is in whose sender names none.
fn current(context: &Context, event: &CloudEvent) -> u32 {
    context.command(event.ty()).expect("a command").written.expect("a version that clients send")
}

/// The command as its handler receives it.
fn received(mut event: CloudEvent, data: &Value, context: &Context) -> Command {
    let (tenant, digest) = (TenantId::parse("acme").expect("a tenant"), Digest::of(&event, data));
    event
        .set_dataschema(format!(
            "https://api.example/schemas/{}/{}/{}",
            context.name,
            event.ty(),
            current(context, &event)
        ))
        .expect("a URI");
    let keys = ReceiptKeys::parse(&"k".repeat(32)).expect("keys");
    let now = Timestamp::parse("2026-01-15T09:30:01Z").expect("a time");
    let key = CommandKey::of(&tenant, event.source(), event.id());
    let receipt = keys.seal(&tenant, now, key, digest);
    let somebody = Principal { id: "somebody".to_owned(), kind: PrincipalKind::User };
    let trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let aggregate_type = context.aggregate_type_of_command(event.ty());
    let sealed = Command::seal(event, &tenant, aggregate_type, &somebody, &receipt, Some(trace)).expect("a command");
    Command::open(sealed.to_json().as_bytes(), context.name).expect("what was sealed")
}

#[test]
fn every_command_has_a_sample_that_its_schema_accepts() {
    for context in CONTEXTS {
        for (event, data) in samples(context) {
            let schema = schema(context.name, event.ty(), current(context, &event)).expect("its schema");
            let validator = validator(&serde_json::from_str(schema).expect("JSON"));
            let faults: Vec<_> = validator.iter_errors(&data).map(|error| error.to_string()).collect();
            assert!(faults.is_empty(), "{}: {faults:?}", event.ty());
            assert_eq!(event.dataschema(), None, "a client need not name the current schema");
        }
    }
}

#[test]
fn samples_of_a_context_are_told_apart() {
    for context in CONTEXTS {
        let keys = samples(context).into_iter().map(|(event, _)| (event.source().to_owned(), event.id().to_owned()));
        let keys: std::collections::HashSet<_> = keys.collect();
        assert_eq!(keys.len(), context.commands_of_clients().count(), "in {}", context.name);
    }
}

#[test]
fn samples_are_decided_and_what_they_cause_follows_its_schema() {
    for context in CONTEXTS {
        let mut causes_something = false;
        for (event, data) in samples(context) {
            let command = received(event, &data, context);
            let aggregate = context.aggregate_type(&command.stream).expect("a type of aggregate").empty();
            match aggregate.decide(&command) {
                Ok(decided) => {
                    for event in decided.events {
                        let schema = schema(context.name, &event.ty, event.schema).expect("its schema");
                        let validator = validator(&serde_json::from_str(schema).expect("JSON"));
                        assert!(validator.is_valid(&serde_json::from_str(event.data.get()).expect("JSON")));
                        causes_something = true;
                    }
                }
                Err(Undecided::Rejected(_)) => {}
                Err(Undecided::Unreadable(error)) => panic!("{error}"),
            }
        }
        let begins = causes_something || context.commands_of_clients().next().is_none();
        assert!(begins, "a sample of {} begins something", context.name);
    }
}
