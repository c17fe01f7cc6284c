//! The schemas of this build.

use std::collections::HashMap;

use kernel::context::Context;
use kernel::schema_uri::SchemaUri;
use serde_json::Value;

use crate::Schema;

/// The schemas of every command in the catalog, and the addresses they have.
pub struct Bundled {
    /// The API's own address, without a slash at its end.
    public_url: String,
    commands: HashMap<&'static str, Versions>,
}

struct Versions {
    current: Option<u32>,
    by_version: HashMap<u32, Schema>,
}

impl Bundled {
    /// Compiles all of them, to be named under the API's own address.
    ///
    /// Panics on one that cannot be: a test of the catalog holds that there is none.
    pub fn compile(public_url: &str) -> Self {
        let mut commands = HashMap::new();
        for context in catalog::CONTEXTS {
            for command in context.commands() {
                let compiled = command.versions.iter().map(|version| {
                    let document: Value = serde_json::from_str(version.schema).expect("a bundled schema is JSON");
                    (version.number, Schema::ours(&document).expect("a bundled schema compiles"))
                });
                commands.insert(command.name, Versions { current: command.written, by_version: compiled.collect() });
            }
        }
        Self { public_url: public_url.trim_end_matches('/').to_owned(), commands }
    }

    /// A command's schema of that version, or its current one, with its version.
    pub fn of_command(&self, name: &str, version: Option<u32>) -> Option<(u32, &Schema)> {
        let versions = self.commands.get(name)?;
        let version = version.or(versions.current)?;
        Some((version, versions.by_version.get(&version)?))
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
