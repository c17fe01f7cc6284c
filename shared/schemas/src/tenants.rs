//! Schemas of tenants' own.

use std::collections::HashMap;

use kernel::ids::TenantId;
use kernel::problem::Problem;
use store::registry::TenantSchema;

use crate::{Schema, budget};

/// A tenant's own schemas.
#[derive(Default)]
pub struct TenantSchemas(HashMap<String, Entry>);

struct Entry {
    command_type: String,
    /// Or why it cannot be used.
    schema: Result<Schema, String>,
}

impl TenantSchemas {
    /// Compiles what can be. An event that is to be checked by one of the rest is not taken.
    pub fn compile(tenant: &TenantId, schemas: &[TenantSchema]) -> Self {
        let compile = |schema: &TenantSchema| {
            let compiled = budget::checked(&schema.document)
                .and_then(|checked| Schema::compile(&checked.document, checked.weight));
            if let Err(why) = &compiled {
                tracing::error!(%tenant, uri = schema.uri, why, "a tenant's schema cannot be used");
            }
            (schema.uri.clone(), Entry { command_type: schema.command_type.clone(), schema: compiled })
        };
        Self(schemas.iter().map(compile).collect())
    }

    /// How many cannot be used.
    pub fn unusable(&self) -> u64 {
        self.0.values().filter(|entry| entry.schema.is_err()).count() as u64
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
            Problem::internal(format!("the schema registered as {uri} cannot be used: {why}")).about("dataschema")
        })
    }
}
