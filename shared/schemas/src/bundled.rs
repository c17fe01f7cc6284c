//! The schemas of this build.

use std::collections::HashMap;

use kernel::context::Context;
use kernel::message::MessageType;
use kernel::peers::Heard;
use kernel::schema_uri::SchemaUri;
use serde_json::Value;

use crate::Schema;

/// The schemas of every command in the catalog, with the addresses they have, and of every event that is heard of partners.
pub struct Bundled {
    /// The API's own address, without a slash at its end.
    public_url: String,
    commands: HashMap<&'static str, Versions>,
    /// By the partner's name and the event's.
    events: HashMap<(&'static str, &'static str), Versions>,
}

struct Versions {
    current: Option<u32>,
    by_version: HashMap<u32, Schema>,
}

impl Versions {
    fn of(message: &MessageType) -> Self {
        let compiled = message.versions.iter().map(|version| {
            let document: Value = serde_json::from_str(version.schema).expect("a bundled schema is JSON");
            (version.number, Schema::ours(&document).expect("a bundled schema compiles"))
        });
        Self { current: message.written, by_version: compiled.collect() }
    }

    fn named(&self, version: Option<u32>) -> Option<(u32, &Schema)> {
        let version = version.or(self.current)?;
        Some((version, self.by_version.get(&version)?))
    }
}

impl Bundled {
    /// Compiles all of them, to be named under the API's own address.
    ///
    /// Panics on one that cannot be: a test of the catalog holds that there is none.
    pub fn compile(public_url: &str) -> Self {
        let (mut commands, mut events) = (HashMap::new(), HashMap::new());
        for context in catalog::CONTEXTS {
            commands.extend(context.commands().map(|command| (command.name, Versions::of(command))));
            for heard in context.hears.iter().filter(|heard| heard.is_partner) {
                events.extend(heard.events.iter().map(|event| ((heard.of, event.name), Versions::of(event))));
            }
        }
        Self { public_url: public_url.trim_end_matches('/').to_owned(), commands, events }
    }

    /// The schema of that version of an event that is heard of a partner, or its current one, with its version.
    pub fn of_event(&self, heard: &Heard, name: &str, version: Option<u32>) -> Option<(u32, &Schema)> {
        let event = heard.event(name)?;
        self.events.get(&(heard.of, event.name))?.named(version)
    }

    /// A command's schema of that version, or its current one, with its version.
    pub fn of_command(&self, name: &str, version: Option<u32>) -> Option<(u32, &Schema)> {
        self.commands.get(name)?.named(version)
    }

    /// What `dataschema` names a version of a command's schema by.
    pub fn uri(&self, context: &Context, command: &str, version: u32) -> String {
        SchemaUri { context: context.name, name: command, version }.below(&self.public_url)
    }

    /// The version that `uri` names of a command's schema, whether there is such a one or not; `None` if it names no
    /// schema of this command's here.
    pub fn version_in(&self, uri: &str, context: &Context, command: &str) -> Option<u32> {
        let named = SchemaUri::read_below(&self.public_url, uri)?;
        (named.context == context.name && named.name == command).then_some(named.version)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_schema_has_an_address_that_names_its_version_and_no_other_command() {
        let bundled = Bundled::compile("https://api.example/");
        for context in catalog::CONTEXTS {
            for command in context.commands() {
                let (version, _) = bundled.of_command(command.name, None).expect("a current schema");
                let uri = bundled.uri(context, command.name, version);
                assert!(uri.starts_with("https://api.example/schemas/"), "{uri}");
                assert_eq!(bundled.version_in(&uri, context, command.name), Some(version));
                for other in context.commands().filter(|other| other.name != command.name) {
                    assert_eq!(bundled.version_in(&uri, context, other.name), None, "{uri}");
                }
                for elsewhere in [format!("{uri}x"), uri.replace("api.", "evil."), uri.replace("/schemas", "")] {
                    assert_eq!(bundled.version_in(&elsewhere, context, command.name), None, "{elsewhere}");
                }
            }
        }
        assert!(bundled.of_command("Unheard", None).is_none());
    }
}
