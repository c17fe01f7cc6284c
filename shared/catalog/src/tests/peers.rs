//! What contexts hear of each other, and what they send: their own declarations, held against what the others publish.

use kernel::message::MessageType;
use serde_json::Value;

use crate::{CONTEXTS, OVERVIEWS, context};

fn document(schema: &str) -> Value {
    serde_json::from_str(schema).expect("a schema is JSON")
}

/// The other's own message of that name.
fn published<'a>(found: impl Iterator<Item = &'a MessageType>, name: &str) -> &'a MessageType {
    let mut found = found.filter(|message| message.name == name);
    found.next().unwrap_or_else(|| panic!("nobody has published {name}"))
}

#[test]
fn what_a_context_hears_it_reads_in_every_version_that_is_published() {
    for listening in CONTEXTS {
        for heard in listening.hears {
            for command in heard.commands {
                assert!(listening.command(command.name).is_some(), "{} takes what it makes of events", listening.name);
            }
            let other = context(heard.of);
            assert_eq!(other.is_none(), heard.is_partner, "a partner's name is no context's: {}", heard.of);
            let Some(other) = other else { continue };
            for event in heard.events {
                let of_other = published(other.events(), event.name);
                for version in of_other.versions {
                    let ours = event.versions.iter().find(|ours| ours.number == version.number);
                    let ours = ours.unwrap_or_else(|| {
                        panic!("{} does not read {} {}", listening.name, event.name, version.number)
                    });
                    assert_eq!(document(ours.schema), document(version.schema), "{} {}", event.name, version.number);
                }
            }
        }
    }
}

#[test]
fn what_an_overview_is_made_of_it_reads_in_every_version_that_is_published() {
    for overview in OVERVIEWS {
        for source in overview.sources {
            let named = source.contribution.collection().strip_prefix(overview.collection);
            assert!(named.is_some_and(|name| name.starts_with('/')), "{}", source.contribution.collection());
            let of_it = crate::contribution(source).unwrap_or_else(|| panic!("there is no {}", source.context));
            for event in source.events {
                assert!(source.contribution.hears(event.name));
                let of_other = published(of_it.aggregate_type.events.iter(), event.name);
                for version in of_other.versions {
                    let ours = event.versions.iter().find(|ours| ours.number == version.number);
                    let ours = ours.unwrap_or_else(|| {
                        panic!("{} does not read {} {}", overview.collection, event.name, version.number)
                    });
                    assert_eq!(document(ours.schema), document(version.schema), "{} {}", event.name, version.number);
                }
            }
        }
    }
}

#[test]
fn what_a_context_sends_the_other_takes_in_the_version_that_is_sent() {
    for sending in CONTEXTS {
        for recipient in sending.sends {
            let other = context(recipient.context).unwrap_or_else(|| panic!("there is no {}", recipient.context));
            for command in recipient.commands {
                let of_other = published(other.commands(), command.name);
                assert_eq!(other.aggregate_type_of_command(command.name), recipient.aggregate_type, "{}", command.name);
                let sent = command.written.unwrap_or_else(|| panic!("{} is never sent", command.name));
                let schema = |of: &MessageType| {
                    let version = of.versions.iter().find(|version| version.number == sent);
                    document(version.unwrap_or_else(|| panic!("{} has no version {sent}", of.name)).schema)
                };
                assert_eq!(schema(command), schema(of_other), "{} {sent}", command.name);
            }
        }
    }
}

#[test]
fn counters_that_a_context_moves_of_another_are_shared_by_it() {
    for moving in CONTEXTS {
        for counters in moving.moves {
            let other = context(counters.context).unwrap_or_else(|| panic!("there is no {}", counters.context));
            assert!(other.shares.contains(counters), "{} does not share {counters:?}", other.name);
        }
    }
    for sharing in CONTEXTS {
        assert!(
            sharing.shares.iter().all(|counters| counters.context == sharing.name),
            "{} shares its own",
            sharing.name
        );
    }
}

#[test]
fn no_context_sends_one_type_of_command_to_two_others() {
    for sending in CONTEXTS {
        let names = sending.sends.iter().flat_map(|recipient| recipient.commands).map(|command| command.name);
        assert_eq!(super::distinct(names).err(), None, "by {}", sending.name);
    }
}
