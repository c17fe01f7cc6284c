//! Schemas of tenants' own.

use std::collections::BTreeMap;

use kernel::ids::TenantId;
use kernel::problem::Problem;
use serde_json::Value;
use store::registry::TenantSchema;

use crate::bounds::Allowance;
use crate::{Budget, Schema};

/// A tenant's own schemas, by URI.
#[derive(Default)]
pub struct TenantSchemas(BTreeMap<String, Entry>);

struct Entry {
    command_type: String,
    /// Or why it cannot be used.
    schema: Result<Schema, String>,
}

impl TenantSchemas {
    /// Compiles what can be; the rest refuses every command of its type.
    pub fn compile(tenant: &TenantId, schemas: &[TenantSchema]) -> Self {
        let mut allowance = Allowance::of_tenant();
        let compile = |schema: &TenantSchema| {
            let compiled = allowance.take(&schema.document).and_then(Schema::of_tenant);
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

    /// About what they take in memory.
    pub fn bytes(&self) -> usize {
        self.0.values().filter_map(|entry| entry.schema.as_ref().ok()).map(|schema| schema.bytes).sum()
    }

    /// The schema that `uri` names, if it is for this command type.
    pub fn named(&self, uri: &str, command: &str) -> Result<&Schema, Problem> {
        let unknown = || Problem::unknown_schema(format!("{command} has no schema {uri} here")).about("dataschema");
        let entry = self.0.get(uri).filter(|entry| entry.command_type == command).ok_or_else(unknown)?;
        entry.usable(uri)
    }

    /// Checks data that names none of them: each one for this command type must accept it. Where one cannot be used, nobody
    /// knows what it would forbid, and nothing is taken.
    pub fn check_by_all(&self, command: &str, data: &Value, budget: &mut Budget) -> Result<(), Problem> {
        self.of_type(command).try_for_each(|(uri, entry)| entry.usable(uri)?.check(data, budget))
    }

    /// The only schema for this command type, with its URI.
    pub fn only_one_for(&self, command: &str) -> Result<(String, &Schema), Problem> {
        let mut fitting = self.of_type(command);
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

    fn of_type(&self, command: &str) -> impl Iterator<Item = (&String, &Entry)> {
        self.0.iter().filter(move |(_, entry)| entry.command_type == command)
    }
}

impl Entry {
    fn usable(&self, uri: &str) -> Result<&Schema, Problem> {
        self.schema.as_ref().map_err(|why| {
            Problem::internal(format!("the schema registered as {uri} cannot be used: {why}")).about("dataschema")
        })
    }
}
