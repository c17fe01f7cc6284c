//! Schemas that data is checked by: the bundled ones, compiled at start, and tenants' own, compiled when they are read.
//!
//! No schema can reach out or stall. References to other documents do not resolve, regular expressions run in linear
//! time, and a tenant's schema must keep within [`budget`].

mod budget;

use std::collections::HashMap;

use jsonschema::{Draft, PatternOptions, Validator};
use kernel::ids::TenantId;
use kernel::problem::{Fault, Problem};
use serde_json::Value;
use store::registry::TenantSchema;

use self::budget::Weight;

/// A compiled schema.
pub struct Schema {
    validator: Validator,
    /// Nothing for a bundled one, which we know.
    weight: Weight,
}

/// How many faults a problem lists.
const MOST_FAULTS: usize = 20;

/// What a compiled regular expression may weigh, in bytes.
const PATTERN_BUDGET: usize = 256 * 1024;

impl Schema {
    fn compile(document: &Value, weight: Weight) -> Result<Self, String> {
        jsonschema::options()
            .with_draft(Draft::Draft202012)
            .with_pattern_options(PatternOptions::regex().size_limit(PATTERN_BUDGET).dfa_size_limit(PATTERN_BUDGET))
            .should_validate_formats(true)
            .offline()
            .build(document)
            .map(|validator| Self { validator, weight })
            .map_err(|error| error.to_string())
    }

    /// Says where `data` breaks the schema. The values themselves are not repeated.
    pub fn check(&self, data: &Value) -> Result<(), Problem> {
        if !self.weight.allows(data) {
            return Err(Problem::too_large("the data is too large to be checked by so large a schema").about("data"));
        }
        if self.validator.is_valid(data) {
            return Ok(());
        }
        let fault = |error: jsonschema::ValidationError<'_>| Fault {
            pointer: Some(error.instance_path().to_string()),
            index: None,
            ty: None,
            attribute: None,
            detail: error.masked().to_string(),
        };
        let faults: Vec<_> = self.validator.iter_errors(data).take(MOST_FAULTS).map(fault).collect();
        let first = faults.first().map(|fault| fault.detail.clone()).unwrap_or_default();
        Err(Problem::invalid_data(first).about("data").listing(faults))
    }
}

/// The schemas of every command in the catalog.
pub struct Bundled(HashMap<&'static str, Versions>);

struct Versions {
    current: u32,
    by_version: HashMap<u32, Schema>,
}

impl Bundled {
    /// Compiles all of them. Panics on one that cannot be: a test of the catalog holds that there is none.
    pub fn compile() -> Self {
        let mut commands = HashMap::new();
        for context in catalog::CONTEXTS {
            for command in context.commands {
                let schemas = context.schemas.iter().filter(|schema| schema.name == command.name);
                let compiled = schemas.map(|schema| {
                    let document = serde_json::from_str(schema.text).expect("a bundled schema is JSON");
                    (schema.version, Schema::compile(&document, Weight::default()).expect("a bundled schema compiles"))
                });
                commands.insert(command.name, Versions { current: command.version, by_version: compiled.collect() });
            }
        }
        Self(commands)
    }

    /// A command's schema of that version, or its current one, with its version.
    pub fn of_command(&self, name: &str, version: Option<u32>) -> Option<(u32, &Schema)> {
        let versions = self.0.get(name)?;
        let version = version.unwrap_or(versions.current);
        Some((version, versions.by_version.get(&version)?))
    }
}

/// A tenant's own schemas.
#[derive(Default)]
pub struct TenantSchemas(HashMap<String, Entry>);

struct Entry {
    command_type: String,
    /// Or why it cannot be used.
    schema: Result<Schema, String>,
}

impl TenantSchemas {
    /// Compiles what can be; the rest is refused when an event names it.
    pub fn compile(tenant: &TenantId, schemas: &[TenantSchema]) -> Self {
        let compile = |schema: &TenantSchema| {
            let compiled = budget::checked(&schema.document)
                .and_then(|checked| Schema::compile(&checked.document, checked.weight));
            if let Err(why) = &compiled {
                tracing::warn!(%tenant, uri = schema.uri, why, "a tenant's schema cannot be used");
            }
            (schema.uri.clone(), Entry { command_type: schema.command_type.clone(), schema: compiled })
        };
        Self(schemas.iter().map(compile).collect())
    }

    /// The schema that `uri` names, if it is for this command type.
    pub fn named(&self, uri: &str, command: &str) -> Result<&Schema, Problem> {
        let unknown = || Problem::unknown_schema(format!("{command} has no schema {uri} here")).about("dataschema");
        let entry = self.0.get(uri).filter(|entry| entry.command_type == command).ok_or_else(unknown)?;
        entry.usable(uri)
    }

    /// The only schema for this command type, with its URI.
    pub fn only_one_for(&self, command: &str) -> Result<(String, &Schema), Problem> {
        let mut fitting = self.0.iter().filter(|(_, entry)| entry.command_type == command);
        let (first, others) = (fitting.next(), fitting.count());
        match (first, others) {
            (Some((uri, entry)), 0) => Ok((uri.clone(), entry.usable(uri)?)),
            (Some(_), _) => {
                Err(Problem::unknown_schema(format!("{command} has several schemas; name one")).about("dataschema"))
            }
            (None, _) => {
                Err(Problem::unknown_type(format!("nothing here takes a command called {command}")).about("type"))
            }
        }
    }
}

impl Entry {
    fn usable(&self, uri: &str) -> Result<&Schema, Problem> {
        self.schema.as_ref().map_err(|why| {
            Problem::unknown_schema(format!("the schema registered as {uri} cannot be used: {why}")).about("dataschema")
        })
    }
}
