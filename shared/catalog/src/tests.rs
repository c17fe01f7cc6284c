//! What must hold across contexts, so that a new one cannot break an old one.

mod peers;
mod samples;

use std::collections::HashSet;
use std::sync::LazyLock;

use kernel::ids::is_name;
use kernel::timestamp::Timestamp;
use proptest::prelude::*;
use schemars::schema_for;
use serde_json::Value;
use spec::{Validator, validator};

use super::*;

/// Every `name`, or the first that is there twice.
fn distinct<'a>(names: impl IntoIterator<Item = &'a str>) -> Result<HashSet<&'a str>, &'a str> {
    names.into_iter().try_fold(HashSet::new(), |mut seen, name| if seen.insert(name) { Ok(seen) } else { Err(name) })
}

#[test]
fn contexts_are_found_by_name_command_and_collection() {
    for context in CONTEXTS {
        assert_eq!(self::context(context.name).expect("by name").name, context.name);
        for command in context.commands() {
            assert_eq!(context_of_command(command.name).expect("by command").name, context.name);
        }
        for ty in context.aggregate_types() {
            for model in ty.read_models {
                let found = read_model(model.collection()).expect("by collection");
                let (owner, collection) = (found.context.name, found.read_model.collection());
                assert_eq!((owner, found.aggregate_type.name, collection), (context.name, ty.name, model.collection()));
            }
        }
        for message in context.messages() {
            for version in message.versions {
                assert_eq!(schema(context.name, message.name, version.number), Some(version.schema));
            }
        }
    }
    assert!(context("nowhere").is_none() && context_of_command("DoNothing").is_none() && read_model("none").is_none());
    assert!(schema("orders", "SubmitOrder", 0).is_none());
}

#[test]
fn names_are_short_lower_case_letters_and_sorted() {
    for context in CONTEXTS {
        let types: Vec<_> = context.aggregate_types().map(|ty| ty.name).collect();
        assert_eq!(types[0], context.name, "the first type of aggregate is called what its context is");
        assert!(types.iter().all(|name| is_name(name)), "{types:?}");
        assert_eq!(distinct(types).err(), None, "in {}", context.name);
    }
    assert!(CONTEXTS.is_sorted_by(|a, b| a.name < b.name), "contexts are listed by name, each once");
}

#[test]
fn no_command_type_belongs_to_two_contexts_and_no_message_is_both_command_and_event() {
    let commands = CONTEXTS.iter().flat_map(Context::commands).map(|command| command.name);
    assert_eq!(distinct(commands).err(), None);
    for context in CONTEXTS {
        assert_eq!(distinct(context.messages().map(|message| message.name)).err(), None, "in {}", context.name);
    }
}

/// The list stands alone, so it says the word again.
#[test]
fn no_context_can_stand_for_tenants_own_queues() {
    assert!(reserved_names::CONTEXTS.iter().any(|(_, names)| names.contains(&kernel::ids::OWN)));
}

#[test]
fn collections_are_distinct_path_segments_that_the_api_does_not_use_itself() {
    let collections = distinct(collections()).expect("collections are distinct");
    for name in collections {
        assert!(!reserved_names::PATHS.contains(&name), "the API has a path {name} of its own");
        assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'), "{name} is not in kebab case");
    }
}

#[test]
fn every_aggregate_can_be_read() {
    for ty in CONTEXTS.iter().flat_map(Context::aggregate_types) {
        let first = ty.read_models.first().expect("what a succeeded operation links to");
        let filters = first.filters();
        assert_ne!(filters.owner, filters.state, "of {}", ty.name);
        assert_eq!(first.collection(), ty.name, "whoever restores a lost record links to it by this name");
    }
}

#[test]
fn every_message_has_a_schema_that_stands_alone() {
    for context in CONTEXTS {
        for message in context.messages() {
            for version in message.versions {
                let document = serde_json::from_str::<Value>(version.schema).expect("JSON");
                validator(&document);
                let heading = |name: &str| document[name].as_str().unwrap_or_default();
                assert_eq!(heading("title"), message.name, "each context's messages name their folder");
                assert!(!heading("description").is_empty(), "{} says what it is", message.name);
                assert_eq!(heading("$schema"), "https://json-schema.org/draft/2020-12/schema");
                assert_eq!(heading("$id"), "", "{} is served under whatever address there is", message.name);
            }
        }
    }
}

#[test]
fn commands_say_no_to_what_they_do_not_know() {
    for context in CONTEXTS {
        for command in context.commands() {
            for version in command.versions {
                let document: Value = serde_json::from_str(version.schema).expect("JSON");
                assert_eq!(document["additionalProperties"], false, "{} lets a misspelt member through", command.name);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_moment_that_its_schema_accepts_is_a_timestamp(
        date in "(19[67]|20[0-9]|999)[0-9]-(0[0-9]|1[0-3])-[0-3][0-9]",
        time in "[Tt ][0-2][0-9]:[0-6][0-9]:(60|[0-5][0-9])",
        rest in r"(\.[0-9]{1,12})?([Zz]|[+-]([01][0-9]|2[0-4]):[0-6][0-9])",
    ) {
        static VALIDATOR: LazyLock<Validator> =
            LazyLock::new(|| validator(schema_for!(Timestamp).as_value()));
        let text = format!("{date}{time}{rest}");
        let accepted = VALIDATOR.is_valid(&text.as_str().into());
        prop_assert!(!accepted || Timestamp::parse(&text).is_some(), "{text}");
    }
}
